//! Connections under TLS, and certificates that change.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZero;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use support::client::{Client, frame};
use support::{Command, PATIENCE, Server, wait_until};
use vaxel_net::{CloseReason, Limits, NetConfig, Tls, TlsError};
use vaxel_websocket::handshake::{check_response, encode_key};
use vaxel_websocket::{Config, Decoder, Frame, Message, Opcode, Role};

/// A certificate made for a test.
struct Certificate {
    chain: String,
    key: String,
    der: CertificateDer<'static>,
}

fn certificate() -> Certificate {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    Certificate {
        chain: cert.pem(),
        key: KeyPair::serialize_pem(&signing_key),
        der: cert.der().clone(),
    }
}

impl Certificate {
    fn tls(&self) -> Tls {
        Tls::from_pem(self.chain.as_bytes(), self.key.as_bytes()).unwrap()
    }
}

fn server(tls: &Tls, limits: Limits) -> Server {
    let mut config = NetConfig::new("127.0.0.1:0".parse().unwrap());
    config.shards = NonZero::new(1).unwrap();
    config.limits = limits;
    config.tls = Some(tls.clone());
    let body = "under tls ".repeat(50_000);
    let router = Router::new().route("/page", get(|| async { body }));
    Server::with_config(config, router).unwrap()
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A connection to a server whose certificate must be `trusted`.
fn connect(address: SocketAddr, trusted: &Certificate) -> std::io::Result<Stream> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(connection, socket))
}

/// An open WebSocket under TLS.
struct Secure {
    stream: Stream,
    input: Vec<u8>,
    decoder: Decoder,
}

impl Secure {
    fn open(address: SocketAddr, trusted: &Certificate) -> Self {
        let mut stream = connect(address, trusted).unwrap();
        stream.write_all(&Client::request("/echo")).unwrap();
        let (input, decoder) = (Vec::new(), Decoder::new());
        let mut client = Self {
            stream,
            input,
            decoder,
        };
        loop {
            client.read_more();
            if let Some(opened) = check_response(&client.input, &encode_key([7; 16])).unwrap() {
                client.input.drain(..opened.head_bytes);
                return client;
            }
        }
    }

    fn read_more(&mut self) {
        let mut piece = [0; 16 << 10];
        let count = self.stream.read(&mut piece).unwrap();
        assert!(count > 0, "the connection ended");
        self.input.extend_from_slice(&piece[..count]);
    }

    fn receive(&mut self) -> String {
        let config = Config {
            role: Role::Client,
            ..Config::default()
        };
        loop {
            let decoded = self.decoder.decode(&config, &mut self.input).unwrap();
            let consumed = decoded.consumed;
            let text = match decoded.message {
                None => None,
                Some(Message::Text(text)) => Some(text.into_owned()),
                Some(other) => panic!("awaited text, got {other:?}"),
            };
            self.input.drain(..consumed);
            match text {
                Some(text) => return text,
                None => self.read_more(),
            }
        }
    }

    fn assert_echoes(&mut self, text: &str) {
        self.stream
            .write_all(&frame(Opcode::Text, text.as_bytes()))
            .unwrap();
        assert_eq!(self.receive(), text);
    }
}

#[test]
fn messages_of_all_sizes_come_back() {
    let certificate = certificate();
    let server = server(&certificate.tls(), Limits::default());
    let mut client = Secure::open(server.net.address(), &certificate);
    for length in [0, 1, 1_000, 20_000, 128 << 10] {
        client.assert_echoes(&"x".repeat(length));
    }
    let many = (0..500).map(|number| frame(Opcode::Text, number.to_string().as_bytes()));
    let many = many.collect::<Vec<_>>().concat();
    client.stream.write_all(&many).unwrap();
    for number in 0..500 {
        assert_eq!(client.receive(), number.to_string());
    }
    drop(client);
    assert_eq!(server.closed(), CloseReason::Gone);
    wait_until("the end", || server.net.counters().connections_open == 0);
    assert_eq!(server.net.counters().tls_errors, 0);
}

#[test]
fn requests_are_answered_under_tls_too() {
    let certificate = certificate();
    let server = server(&certificate.tls(), Limits::default());
    let mut stream = connect(server.net.address(), &certificate).unwrap();
    stream
        .write_all(b"GET /page HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    // A missing close_notify would be an error here.
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{}", &answer[..100]);
    assert!(answer.ends_with(&"under tls ".repeat(50_000)));
}

#[test]
fn a_new_certificate_drops_nobody() {
    let (old, new) = (certificate(), certificate());
    let tls = old.tls();
    let server = server(&tls, Limits::default());
    let mut early = Secure::open(server.net.address(), &old);
    early.assert_echoes("before");
    tls.replace(new.chain.as_bytes(), new.key.as_bytes())
        .unwrap();
    early.assert_echoes("after");
    Secure::open(server.net.address(), &new).assert_echoes("new");
    assert!(connect(server.net.address(), &old).is_err());
    early.assert_echoes("still");
}

#[test]
fn files_are_read_again_and_bad_ones_change_nothing() {
    let (old, new) = (certificate(), certificate());
    let folder = std::env::temp_dir().join(format!("vaxel-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    let write = |certificate: &Certificate| {
        std::fs::write(&chain, &certificate.chain).unwrap();
        std::fs::write(&key, &certificate.key).unwrap();
    };
    write(&old);
    let tls = Tls::from_files(&chain, &key).unwrap();
    let server = server(&tls, Limits::default());
    std::fs::write(&chain, &new.chain).unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::Mismatch(_))));
    std::fs::remove_file(&key).unwrap();
    let missing = tls.reload().unwrap_err();
    assert!(missing.to_string().contains("key.pem"), "{missing}");
    Secure::open(server.net.address(), &old).assert_echoes("old");
    write(&new);
    tls.reload().unwrap();
    Secure::open(server.net.address(), &new).assert_echoes("new");
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(matches!(old.tls().reload(), Err(TlsError::NoFiles)));
    assert!(matches!(
        Tls::from_pem(b"", old.key.as_bytes()),
        Err(TlsError::NoCertificate)
    ));
}

#[test]
fn whoever_speaks_no_tls_is_dropped() {
    let certificate = certificate();
    let server = server(&certificate.tls(), Limits::default());
    let mut client = Client::new(server.net.address());
    client.send(&Client::request("/echo"));
    let mut alert = Vec::new();
    client.stream.read_to_end(&mut alert).unwrap();
    wait_until("an error", || server.net.counters().tls_errors == 1);
    Secure::open(server.net.address(), &certificate).assert_echoes("others are served");
}

#[test]
fn a_client_that_never_reads_is_closed() {
    let certificate = certificate();
    let outbox_bytes_max = 256 << 10;
    let limits = Limits {
        outbox_bytes_max,
        ..Limits::default()
    };
    let server = server(&certificate.tls(), limits);
    let slow = Secure::open(server.net.address(), &certificate);
    let (id, shard) = server.opened();
    let shard = &server.net.shards()[shard];
    for _ in 0..2_000 {
        shard
            .push(Command::SendWith(
                id,
                Frame::text(&"z".repeat(10_000)),
                Default::default(),
            ))
            .unwrap();
    }
    assert_eq!(server.closed(), CloseReason::SlowConsumer);
    drop(slow);
    Secure::open(server.net.address(), &certificate).assert_echoes("others are served");
}

#[test]
fn a_client_that_reads_late_gets_everything() {
    let certificate = certificate();
    let limits = Limits {
        outbox_bytes_max: 64 << 20,
        ..Limits::default()
    };
    let server = server(&certificate.tls(), limits);
    let mut slow = Secure::open(server.net.address(), &certificate);
    let (id, shard) = server.opened();
    let shard = &server.net.shards()[shard];
    for number in 0..2_000 {
        let frame = Frame::text(&format!("{number:010000}"));
        shard
            .push(Command::SendWith(id, frame, Default::default()))
            .unwrap();
    }
    wait_until("a full socket", || server.outbox_bytes(id, shard) > 0);
    for number in 0..2_000 {
        assert_eq!(slow.receive(), format!("{number:010000}"));
    }
    assert_eq!(server.outbox_bytes(id, shard), 0);
    slow.assert_echoes("on we go");
}
