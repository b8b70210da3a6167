//! Shards with file tables of their own.

mod support;

use std::net::{TcpListener, TcpStream};
use std::num::NonZero;
use std::sync::{Mutex, PoisonError};

use axum::Router;
use axum::extract::Request;
use axum::routing::get;
use hyper::upgrade::OnUpgrade;
use support::client::Client;
use support::{Command, Server, wait_until};
use vaxel_net::{CloseReason, Drain, FileTables, NetConfig};

/// The tests count the descriptors of their process.
static ALONE: Mutex<()> = Mutex::new(());

const CLIENTS: usize = 40;

fn server() -> Server {
    let is_upgradable = async |request: Request| {
        let upgrade = request.extensions().get::<OnUpgrade>();
        upgrade.is_some().to_string()
    };
    let router = Router::new()
        .route("/hello", get(async || "hello"))
        .route("/upgradable", get(is_upgradable));
    let mut config = NetConfig::new("127.0.0.1:0".parse().unwrap());
    config.shards = NonZero::new(3).unwrap();
    config.file_tables = FileTables::PerShard;
    Server::with_config(config, router).unwrap()
}

/// What is open in the table of the process.
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn connections_are_in_the_tables_of_their_shards_and_nothing_is_left_behind() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = open_files();
    let server = server();
    let without_clients = open_files();
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| server.connect_named()).collect();
    assert_eq!(
        open_files(),
        without_clients + CLIENTS,
        "clients are here, too"
    );
    let mut shards = [0; 3];
    for (client, id, shard) in &mut clients {
        shards[shard.index()] += 1;
        client.send_text("hello");
        client.expect_text("hello");
        // Wakes the shard from a thread with another table.
        shard.push(Command::Send(*id, "pushed".to_owned())).unwrap();
        client.expect_text("pushed");
    }
    assert!(shards.iter().all(|count| *count > 0), "{shards:?}");
    drop(clients);
    wait_until("the end of the connections", || {
        server.net.counters().connections_open == 0
    });
    let address = server.net.address();
    drop(server);
    assert!(
        TcpStream::connect(address).is_err(),
        "somebody still listens"
    );
    wait_until("the runtime's threads to end", || open_files() == before);
}

#[test]
fn http_is_answered_but_its_connections_cannot_be_taken_over() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = server();
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|_| Client::new(server.net.address()))
        .collect();
    for client in &mut clients {
        client.send(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n");
        assert_eq!(client.receive_http(), (200, b"hello".to_vec()));
    }
    let client = &mut clients[0];
    client
        .send(b"GET /upgradable HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n");
    assert_eq!(client.receive_http(), (200, b"false".to_vec()));
    // Kept connections end with the server, on their shards.
    server.net.shutdown();
    for client in &mut clients {
        client.expect_end();
    }
}

#[test]
fn sockets_that_were_open_before_end_when_their_owner_closes_them() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = Client::new(address);
    let (accepted, _) = listener.accept().unwrap();
    let server = server();
    drop((listener, accepted));
    client.expect_end();
    assert!(
        TcpStream::connect(address).is_err(),
        "a shard still listens"
    );
    server.assert_serves();
}

#[test]
fn a_drain_ends_the_listeners_of_all_shards() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = server();
    let address = server.net.address();
    let mut client = server.connect();
    let watch = std::thread::spawn(move || {
        client.expect_close(1012);
        drop(client);
    });
    server.runtime.block_on(server.net.drain(Drain::default()));
    watch.join().unwrap();
    assert_eq!(server.closed(), CloseReason::Drained);
    assert!(TcpStream::connect(address).is_err(), "still accepts");
    assert_eq!(server.net.counters().connections_open, 0);
}
