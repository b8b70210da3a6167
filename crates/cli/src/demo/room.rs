//! A chat room. Whoever sends something has it back from the room, like everybody else in it.

use serde_json::value::RawValue;
use vaxel::persistence::Entities;
use vaxel::prelude::*;

use super::talk::{ArchiveRef, Recall, Say, Talk};

/// Longer messages are refused; the page sends far shorter ones.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;

pub(crate) struct Room;

impl Channel for Room {
    type Params = Ignored;

    async fn join(
        _: &Topic,
        _: Ignored,
        _: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        Ok(Room.into())
    }

    async fn handle_in(
        &mut self,
        event: &str,
        payload: Payload,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Reply, Refusal> {
        match event {
            "shout" => {
                checked(&payload)?;
                cx.broadcast("shout", &payload);
                Ok(Reply::ok(json!({})))
            }
            _ => other(event, payload, cx.topic()),
        }
    }
}

/// The same room, of which is kept what was said: a message is stored before it is sent round.
pub(crate) struct KeptRoom {
    talks: Entities<Talk>,
}

impl Channel for KeptRoom {
    type Params = Ignored;

    async fn join(
        topic: &Topic,
        _: Ignored,
        _: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        let archive = ArchiveRef::whereis("talks").ok_or(Refusal::new("the archive is away"))?;
        let talks = archive.talks().await?;
        let history = talks.execute(topic.rest(), Recall).await.map_err(failed)?;
        Ok(Joined::new(KeptRoom { talks }).reply(json!({ "history": history })))
    }

    async fn handle_in(
        &mut self,
        event: &str,
        payload: Payload,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Reply, Refusal> {
        match event {
            "shout" => {
                checked(&payload)?;
                let line: Box<RawValue> = payload.parse()?;
                let stored = self.talks.execute(cx.topic().rest(), Say(line)).await;
                stored.map_err(failed)?;
                cx.broadcast("shout", &payload);
                Ok(Reply::ok(json!({})))
            }
            _ => other(event, payload, cx.topic()),
        }
    }
}

fn checked(payload: &Payload) -> Result<(), Refusal> {
    match payload.len() <= MESSAGE_BYTES_MAX {
        true => Ok(()),
        false => Err(Refusal::new(format!(
            "a message has at most {MESSAGE_BYTES_MAX} bytes"
        ))),
    }
}

fn other(event: &str, payload: Payload, topic: &Topic) -> Result<Reply, Refusal> {
    match event {
        "ping" => Ok(Reply::echo(payload)),
        "crash" => panic!("a visitor crashed a channel of {topic}"),
        _ => Err(Refusal::new("unknown event")),
    }
}

fn failed(error: impl std::error::Error) -> Refusal {
    Refusal::new(error.to_string())
}
