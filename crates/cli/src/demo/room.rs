//! A chat room. Whoever sends something has it back from the room, like everybody else in it.

use vaxel::prelude::*;

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
            "shout" if payload.len() > MESSAGE_BYTES_MAX => Err(Refusal::new(format!(
                "a message has at most {MESSAGE_BYTES_MAX} bytes"
            ))),
            "shout" => {
                cx.broadcast("shout", &payload);
                Ok(Reply::ok(json!({})))
            }
            "ping" => Ok(Reply::echo(payload)),
            "crash" => panic!("a visitor crashed a channel of {}", cx.topic()),
            _ => Err(Refusal::new("unknown event")),
        }
    }
}
