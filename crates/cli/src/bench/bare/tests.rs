//! The loop over loopback, driven by a client made of nothing but a blocking socket.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use super::*;

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

struct Client(TcpStream);

impl Client {
    fn connect(server: &BareLoop) -> Self {
        let mut stream = TcpStream::connect(server.address()).expect("the loop listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nSec-WebSocket-Key: x\r\n\r\n")
            .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream
                .read_exact(&mut byte)
                .expect("an answer to the handshake");
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "));
        Self(stream)
    }

    /// Sends a text frame; the key of zeros leaves the payload as it is.
    fn send(&mut self, payload: &[u8]) {
        self.0.write_all(&frame(payload)).unwrap();
    }

    fn receive(&mut self) -> Vec<u8> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).expect("a frame");
        assert_eq!(head[0], 0x81);
        let length = match head[1] {
            126 => {
                let mut long = [0; 2];
                self.0.read_exact(&mut long).unwrap();
                usize::from(u16::from_be_bytes(long))
            }
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).expect("the whole frame");
        payload
    }
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

fn request(wanted: Wanted, answer_bytes: usize, rest: &str) -> Vec<u8> {
    (Request {
        wanted,
        answer_bytes,
    }
    .mark()
        + rest)
        .into_bytes()
}

#[test]
fn replies_have_the_length_asked_for_and_echo_the_rest() {
    let server = BareLoop::start(ANY_PORT, 1, FileTable::Shared).unwrap();
    let mut client = Client::connect(&server);
    client.send(b"hello");
    assert_eq!(client.receive(), b"hello");
    client.send(&request(Wanted::Reply, 20, "0000000042"));
    assert_eq!(client.receive(), b"R000000140000000042.");
    client.send(&request(Wanted::Reply, 300, ""));
    assert_eq!(client.receive().len(), 300);
}

#[test]
fn a_frame_in_pieces_and_frames_in_one_piece_are_answered_in_order() {
    let server = BareLoop::start(ANY_PORT, 1, FileTable::Shared).unwrap();
    let mut client = Client::connect(&server);
    let bytes = [frame(b"one"), frame(b"two"), frame(b"three")].concat();
    let (head, tail) = bytes.split_at(bytes.len() - 3);
    client.0.write_all(head).unwrap();
    assert_eq!(client.receive(), b"one");
    assert_eq!(client.receive(), b"two");
    client.0.write_all(tail).unwrap();
    assert_eq!(client.receive(), b"three");
}

#[test]
fn a_broadcast_reaches_every_connection_of_every_shard() {
    let server = BareLoop::start(ANY_PORT, 2, FileTable::Shared).unwrap();
    let mut clients: Vec<_> = (0..16).map(|_| Client::connect(&server)).collect();
    clients[3].send(&request(Wanted::Broadcast, 40, "0000000001"));
    for client in &mut clients {
        let payload = client.receive();
        assert_eq!(payload.len(), 40);
        assert!(payload.starts_with(b"B000000280000000001"));
    }
}

/// More than the kernel's buffers hold is asked for before anything is read.
#[test]
fn a_slow_reader_gets_everything_after_partial_writes() {
    let server = BareLoop::start(ANY_PORT, 1, FileTable::Shared).unwrap();
    let mut client = Client::connect(&server);
    let answers = 400;
    let ask = frame(&request(Wanted::Reply, 60_000, ""));
    for _ in 0..answers {
        client.0.write_all(&ask).unwrap();
    }
    for _ in 0..answers {
        assert_eq!(client.receive().len(), 60_000);
    }
}

#[test]
fn a_frame_beyond_the_bound_closes_its_connection_only() {
    let server = BareLoop::start(ANY_PORT, 1, FileTable::Shared).unwrap();
    let (mut bad, mut good) = (Client::connect(&server), Client::connect(&server));
    let mut giant = frame(b"");
    giant[1] = 0x80 | 127;
    bad.0.write_all(&giant).unwrap();
    assert_eq!(bad.0.read(&mut [0; 16]).unwrap_or(0), 0, "closed or reset");
    good.send(b"still here");
    assert_eq!(good.receive(), b"still here");
}
