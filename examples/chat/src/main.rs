//! A chat of the shape that everybody knows: rooms, one tick when a message is taken, two when it
//! is delivered, two blue ones when it is read; who is there, and who is typing; and whoever was
//! away gets what was said meanwhile, once and in order.
//!
//! `cargo run -p chat`, then connect to `ws://127.0.0.1:4003/socket` with the param `user` and join
//! `room:lobby`:
//!
//! | the client pushes | answered | everybody on the topic gets |
//! |---|---|---|
//! | `say` `{"key", "text"}` | `{"id"}` | `said` `{"id", "key", "from", "text"}` |
//! | `delivered` `{"id"}`, `read` `{"id"}` | `{}` | `receipt` `{"user", "delivered", "read"}` |
//! | `typing` `{"is_typing"}` | `{}` | `presence_diff` |
//!
//! `key` is the client's own name for a message: said again because the answer was lost, it is
//! answered with the same `id` and said once. A receipt covers all messages up to its number.

#![forbid(unsafe_code)]

mod member;
mod room;

use vaxel::prelude::*;

use member::{Member, User};
use room::Rooms;

/// Who a client is. An application of its own would look at a token here.
async fn connect(request: ConnectRequest) -> Result<Assigns, Refusal> {
    let user = request.param("user").unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !(1..=24).contains(&user.len()) || !user.bytes().all(is_plain) {
        return Err(Refusal::new(
            "a user has 1 to 24 letters, digits and hyphens",
        ));
    }
    Ok(Assigns::new()
        .with(User(user.to_owned()))
        .with_socket_id(format!("user:{user}")))
}

#[vaxel::main]
async fn main() -> Result<(), ServerError> {
    let listen = std::env::args().nth(1);
    let socket = Socket::new()
        .connect(connect)
        .long_poll(PollConfig::default())
        .channel::<Member>("room:*");
    Server::builder()
        .listen(listen.unwrap_or_else(|| "127.0.0.1:4003".to_owned()))
        .supervise(Supervisor::one_for_one().child(Rooms::child().name("rooms")))
        .socket("/socket", socket)
        .run()
        .await
}
