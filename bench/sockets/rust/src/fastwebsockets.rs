//! fastwebsockets on hyper, as in its echo example.

use std::convert::Infallible;

use bytes::Bytes;
use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, upgrade};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::broadcast::{self, Sender},
};

use crate::{BEHIND_MAX, request::Answer, request::answer};

pub(crate) async fn serve(listener: TcpListener) -> anyhow::Result<()> {
    let (room, _) = broadcast::channel::<Bytes>(BEHIND_MAX);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(connection(stream, room.clone()));
    }
}

async fn connection(stream: TcpStream, room: Sender<Bytes>) {
    let service = service_fn(|mut request: Request<Incoming>| {
        let room = room.clone();
        async move {
            let upgraded = upgrade::upgrade(&mut request);
            Ok::<_, Infallible>(match upgraded {
                Ok((response, socket)) => {
                    tokio::spawn(async move {
                        // An error is the end of a connection, which the generator notices.
                        let _ = talk(socket, &room).await;
                    });
                    response
                }
                Err(_) => {
                    let mut refusal = Response::new(Default::default());
                    *refusal.status_mut() = hyper::StatusCode::BAD_REQUEST;
                    refusal
                }
            })
        }
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let _ = serving.with_upgrades().await;
}

/// Reading a frame is given up when a broadcast comes in between, which loses nothing as long as
/// frames arrive whole: those of the load generator do.
async fn talk(socket: upgrade::UpgradeFut, room: &Sender<Bytes>) -> anyhow::Result<()> {
    let mut socket = FragmentCollector::new(socket.await?);
    let mut heard = room.subscribe();
    loop {
        tokio::select! {
            frame = socket.read_frame() => {
                let frame = frame?;
                match frame.opcode {
                    OpCode::Text => match answer(&Bytes::from(frame.payload.to_vec())) {
                        Answer::Reply(bytes) => say(&mut socket, &bytes).await?,
                        Answer::Broadcast(bytes) => drop(room.send(bytes)),
                    },
                    OpCode::Close => return Ok(()),
                    _ => {}
                }
            }
            bytes = heard.recv() => say(&mut socket, &bytes?).await?,
        }
    }
}

async fn say(
    socket: &mut FragmentCollector<TokioIo<hyper::upgrade::Upgraded>>,
    bytes: &[u8],
) -> anyhow::Result<()> {
    Ok(socket
        .write_frame(Frame::text(Payload::Borrowed(bytes)))
        .await?)
}
