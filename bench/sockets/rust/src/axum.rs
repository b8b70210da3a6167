//! axum's extractor, as in its chat example.

use axum::{
    Router,
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, Utf8Bytes, WebSocket},
    },
    response::Response,
    routing::any,
};
use tokio::{
    net::TcpListener,
    sync::broadcast::{self, Sender},
};

use crate::{BEHIND_MAX, READ_BUFFER_BYTES, request::Answer, request::answer};

pub(crate) async fn serve(listener: TcpListener) -> anyhow::Result<()> {
    let (room, _) = broadcast::channel::<Utf8Bytes>(BEHIND_MAX);
    let app = Router::new().fallback(any(upgrade)).with_state(room);
    Ok(axum::serve(listener, app).await?)
}

async fn upgrade(upgrade: WebSocketUpgrade, State(room): State<Sender<Utf8Bytes>>) -> Response {
    upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .on_upgrade(|socket| async move {
            // An error is the end of a connection, which the generator notices.
            let _ = talk(socket, &room).await;
        })
}

async fn talk(mut socket: WebSocket, room: &Sender<Utf8Bytes>) -> anyhow::Result<()> {
    let mut heard = room.subscribe();
    loop {
        tokio::select! {
            incoming = socket.recv() => match incoming {
                Some(Ok(Message::Text(text))) => match answer(&text.into()) {
                    Answer::Reply(bytes) => {
                        socket.send(Message::Text(bytes.try_into()?)).await?;
                    }
                    Answer::Broadcast(bytes) => drop(room.send(bytes.try_into()?)),
                },
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(()),
            },
            text = heard.recv() => socket.send(Message::Text(text?)).await?,
        }
    }
}
