//! Start, drain, shutdown.

mod support;

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use support::client::{Client, Received};
use support::{Command, Server};
use vaxel_net::{CloseReason, Drain, Limits, PushError, StartError};

#[test]
fn a_taken_port_is_named() {
    let server = Server::new();
    let address = server.net.address();
    let second = Server::try_with(&address.to_string(), Limits::default(), 2, Router::new());
    let error = second.err().unwrap();
    assert!(matches!(error, StartError::Taken { address: taken } if taken == address));
    assert!(error.to_string().contains(&address.to_string()));
    server.assert_serves();
}

#[test]
fn an_address_of_another_machine_is_refused() {
    let started = Server::try_with("192.0.2.1:9", Limits::default(), 1, Router::new());
    assert!(matches!(started.err(), Some(StartError::Bind { .. })));
}

#[test]
fn a_port_is_free_again_after_shutdown() {
    let server = Server::new();
    let address = server.net.address();
    let mut client = server.connect();
    server.net.shutdown();
    assert_eq!(server.closed(), CloseReason::Shutdown);
    assert_eq!(client.receive(), Received::End);
    let pushed = server.net.shards()[0].push(Command::Panic);
    assert!(matches!(pushed, Err(PushError::Closed(_))));
    let again = Server::try_with(&address.to_string(), Limits::default(), 1, Router::new());
    again.unwrap().assert_serves();
}

#[test]
fn a_drain_closes_everybody_with_1012_in_batches() {
    let server = Server::with(Limits::default(), 1, Router::new());
    let mut clients: Vec<_> = (0..6).map(|_| server.connect()).collect();
    let interval = Duration::from_millis(30);
    let drain = Drain {
        batch: 2,
        interval,
        ..Drain::default()
    };
    let start = Instant::now();
    let address = server.net.address();
    let watch = std::thread::spawn(move || {
        for client in &mut clients {
            client.expect_close(1012);
            let _ = client.stream.shutdown(std::net::Shutdown::Both);
        }
    });
    server.runtime.block_on(server.net.drain(drain));
    assert!(start.elapsed() >= 2 * interval, "all batches at once");
    watch.join().unwrap();
    for _ in 0..6 {
        assert_eq!(server.closed(), CloseReason::Drained);
    }
    assert!(
        std::net::TcpStream::connect(address).is_err(),
        "still accepts"
    );
    assert_eq!(server.net.counters().connections_open, 0);
    // Drained already, so this returns at once.
    server.runtime.block_on(server.net.drain(Drain::default()));
}

#[test]
fn a_drain_lets_a_request_finish() {
    let (started, is_started) = std::sync::mpsc::sync_channel(1);
    let (finish, mut is_finished) = tokio::sync::watch::channel(false);
    is_finished.mark_unchanged();
    let handler = async move || {
        started.send(()).unwrap();
        is_finished.changed().await.unwrap();
        "done"
    };
    let server = Server::with(
        Limits::default(),
        1,
        Router::new().route("/slow", get(handler)),
    );
    let mut client = Client::new(server.net.address());
    client.send(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n");
    is_started.recv_timeout(support::PATIENCE).unwrap();
    let mut idle = Client::new(server.net.address());
    idle.send(b"GET /missing HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(idle.receive_http().0, 404);
    std::thread::scope(|scope| {
        let drain = scope.spawn(|| {
            server
                .runtime
                .handle()
                .block_on(server.net.drain(Drain::default()));
        });
        idle.expect_end();
        assert!(!drain.is_finished());
        finish.send(true).unwrap();
        assert_eq!(client.receive_http(), (200, b"done".to_vec()));
        client.expect_end();
    });
}

#[test]
fn a_drain_ends_at_its_deadline() {
    let router = Router::new().route("/never", get(std::future::pending::<&str>));
    let limits = Limits {
        close_timeout: Duration::from_secs(600),
        ..Limits::default()
    };
    let server = Server::with(limits, 2, router);
    let mut request = Client::new(server.net.address());
    request.send(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n");
    // Gets its close frame but never closes.
    let _stubborn = server.connect();
    let deadline = Duration::from_millis(300);
    let start = Instant::now();
    server.runtime.block_on(server.net.drain(Drain {
        deadline,
        ..Drain::default()
    }));
    assert!(start.elapsed() >= deadline);
    assert_eq!(server.net.counters().connections_open, 0);
    request.expect_end();
}
