//! One client in one room.

use vaxel::prelude::*;

use crate::room::{Line, Receipt, RoomRef, RoomsRef};

/// Bytes of a message and of its key.
const TEXT_BYTES_MAX: usize = 4_096;
const KEY_BYTES_MAX: usize = 64;

/// What the connect hook says of a connection.
pub(crate) struct User(pub(crate) String);

pub(crate) struct Member {
    room: RoomRef,
    user: String,
}

#[derive(Deserialize)]
#[serde(crate = "vaxel::serde")]
struct Upto {
    id: u64,
}

#[derive(Deserialize)]
#[serde(crate = "vaxel::serde")]
struct Typing {
    is_typing: bool,
}

impl Channel for Member {
    type Params = Ignored;

    /// Whoever was away for a short time gets what was said meanwhile.
    const RESUME: Option<Window> = Some(Window::DEFAULT);
    const RATES: &'static [EventRate] = &[EventRate::per_second("say", 20)];

    async fn join(
        topic: &Topic,
        _: Ignored,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        let User(user) = cx.assigns().get().expect("the connect hook assigns it");
        let user = user.clone();
        let rooms = RoomsRef::whereis("rooms").ok_or(Refusal::new("the chat is closed"))?;
        let room = rooms.open(topic.to_string(), cx.endpoint().clone()).await?;
        let room = room.ok_or(Refusal::new("there are too many rooms"))?;
        cx.monitor(&room.erase());
        let entered = room.enter(user.clone()).await?;
        let (last, receipts) = entered.ok_or(Refusal::new("the room is full"))?;
        cx.presence().track(&user, &json!({ "is_typing": false }))?;
        let state = json!({ "last": last, "receipts": receipts });
        Ok(Joined::new(Member { room, user }).reply(state))
    }

    async fn handle_in(
        &mut self,
        event: &str,
        payload: Payload,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Reply, Refusal> {
        let user = self.user.clone();
        match event {
            "say" => {
                let line: Line = payload.parse()?;
                if line.text.len() > TEXT_BYTES_MAX || line.key.len() > KEY_BYTES_MAX {
                    return Err(Refusal::new("a text has 4,096 bytes at most, a key 64"));
                }
                let id = self.room.say(user, line).await?;
                return Ok(Reply::ok(json!({ "id": id })));
            }
            "delivered" | "read" => {
                let Upto { id } = payload.parse()?;
                let read = if event == "read" { id } else { 0 };
                let receipt = Receipt {
                    delivered: id,
                    read,
                };
                self.room.acknowledge(user, receipt).await?;
            }
            "typing" => {
                let Typing { is_typing } = payload.parse()?;
                let shown = json!({ "is_typing": is_typing });
                cx.presence().update(&user, &shown)?;
            }
            _ => return Err(Refusal::new("unknown event")),
        }
        Ok(Reply::ok(json!({})))
    }
}

/// The room has crashed: so does this channel, and its client joins the room that is opened then.
impl HandleInfo<Down> for Member {
    async fn handle_info(&mut self, down: Down, cx: &mut ChannelContext<'_, Self>) {
        cx.stop_with(down.reason);
    }
}
