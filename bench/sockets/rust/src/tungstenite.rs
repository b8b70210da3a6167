//! tokio-tungstenite, the codec tungstenite on a stream of tokio's.

use futures_util::{SinkExt, StreamExt};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::broadcast::{self, Sender},
};
use tokio_tungstenite::{
    accept_async_with_config,
    tungstenite::{Message, Utf8Bytes, protocol::WebSocketConfig},
};

use crate::{BEHIND_MAX, READ_BUFFER_BYTES, request::Answer, request::answer};

pub(crate) async fn serve(listener: TcpListener) -> anyhow::Result<()> {
    let (room, _) = broadcast::channel::<Utf8Bytes>(BEHIND_MAX);
    loop {
        let (stream, _) = listener.accept().await?;
        let room = room.clone();
        tokio::spawn(async move {
            // An error is the end of a connection, which the generator notices.
            let _ = talk(stream, &room).await;
        });
    }
}

async fn talk(stream: TcpStream, room: &Sender<Utf8Bytes>) -> anyhow::Result<()> {
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
    let mut socket = accept_async_with_config(stream, Some(config)).await?;
    let mut heard = room.subscribe();
    loop {
        tokio::select! {
            incoming = socket.next() => match incoming {
                Some(Ok(Message::Text(text))) => match answer(text.as_ref()) {
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
