//! tokio's own things inside handlers.

mod common;

use std::net::SocketAddr;

use common::{in_system, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vaxel_actor::prelude::*;

struct Client;

#[actor(crate = vaxel_actor)]
impl Client {
    async fn init() -> Self {
        // tidy: allow(sleep-in-test): that tokio's timers wake an actor is what is tested
        tokio::time::sleep(millis(1)).await;
        Client
    }

    #[call]
    async fn echo(&mut self, at: SocketAddr, text: &'static [u8]) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(at).await?;
        stream.write_all(text).await?;
        stream.shutdown().await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(answer)
    }

    #[call]
    async fn nap(&mut self) -> bool {
        let begun = std::time::Instant::now();
        // tidy: allow(sleep-in-test): that tokio's timers wake an actor is what is tested
        tokio::time::sleep(millis(5)).await;
        let elapsed = tokio::spawn(async move { begun.elapsed() }).await;
        elapsed.is_ok_and(|elapsed| elapsed >= millis(5))
    }

    #[call]
    async fn impatient(&mut self) -> bool {
        tokio::time::timeout(millis(1), std::future::pending::<()>())
            .await
            .is_err()
    }
}

async fn echo_once(listener: TcpListener) -> std::io::Result<()> {
    let (mut stream, _) = listener.accept().await?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text).await?;
    stream.write_all(&text).await
}

#[test]
fn handlers_sleep_spawn_and_speak_tcp() {
    in_system(|_| async {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a free port");
        let at = listener.local_addr().expect("it is bound");
        let server = tokio::spawn(echo_once(listener));
        let client = Client::spawn();
        let answer = soon("the echo", client.echo(at, b"hello")).await;
        assert_eq!(answer.expect("the server answers"), b"hello");
        soon("the server", server)
            .await
            .expect("no panic")
            .expect("no error");
        assert_eq!(soon("the nap", client.nap()).await, Ok(true));
        assert_eq!(soon("the time-out", client.impatient()).await, Ok(true));
    });
}
