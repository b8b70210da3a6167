//! A client made of a blocking socket and the client's side of the codec.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use vaxel_websocket::handshake::{check_response, client_request, encode_key};
use vaxel_websocket::{Config, Decoder, Message, Opcode, Role, encode_masked};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    stream: TcpStream,
    decoder: Decoder,
    input: Vec<u8>,
}

/// What the server sent.
#[derive(Debug, PartialEq)]
pub(crate) enum Received {
    Text(String),
    Binary(Vec<u8>),
    Closed(Option<u16>),
}

impl Client {
    /// Connects and opens a WebSocket.
    ///
    /// # Panics
    /// When the server refuses.
    pub(crate) fn connect(address: SocketAddr, target: &str) -> Self {
        Self::try_connect(address, target).expect("the server accepts the connection")
    }

    /// The HTTP status of a refusal is the error.
    pub(crate) fn try_connect(address: SocketAddr, target: &str) -> Result<Self, u16> {
        Self::try_connect_as(address, target, &[])
    }

    /// The same, offering these subprotocols.
    pub(crate) fn try_connect_as(
        address: SocketAddr,
        target: &str,
        subprotocols: &[&str],
    ) -> Result<Self, u16> {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a TCP socket");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a TCP socket");
        let key = encode_key([7; 16]);
        let request = client_request(&address.to_string(), target, &key, subprotocols, &[]);
        let mut client = Self {
            stream,
            decoder: Decoder::new(),
            input: Vec::new(),
        };
        client.stream.write_all(&request).expect("the server reads");
        loop {
            match check_response(&client.input, &key) {
                Ok(Some(opened)) => {
                    client.input.drain(..opened.head_bytes);
                    return Ok(client);
                }
                Ok(None) => client.fill("the answer to the handshake"),
                Err(vaxel_websocket::handshake::ResponseError::Status(status)) => {
                    return Err(status);
                }
                Err(error) => panic!("a strange answer to the handshake: {error}"),
            }
        }
    }

    fn fill(&mut self, what: &str) {
        let mut chunk = [0; 16 * 1024];
        let count = match self.stream.read(&mut chunk) {
            Ok(count) => count,
            Err(error) => panic!("waited {PATIENCE:?} for {what}: {error}"),
        };
        assert!(count > 0, "the connection ended before {what}");
        self.input.extend_from_slice(&chunk[..count]);
    }

    pub(crate) fn send_raw(&mut self, opcode: Opcode, payload: &[u8]) {
        let mut frame = Vec::new();
        encode_masked(opcode, payload, [1, 2, 3, 4], &mut frame);
        self.stream.write_all(&frame).expect("the server reads");
    }

    pub(crate) fn send_text(&mut self, text: &str) {
        self.send_raw(Opcode::Text, text.as_bytes());
    }

    /// Sends `[join_ref, ref, topic, event, payload]`.
    pub(crate) fn send(&mut self, message: Value) {
        self.send_text(&message.to_string());
    }

    /// The next text or close; pings are of no interest.
    pub(crate) fn receive(&mut self, what: &str) -> Received {
        let config = Config {
            role: Role::Client,
            ..Config::default()
        };
        loop {
            let mut input = std::mem::take(&mut self.input);
            let decoded = self
                .decoder
                .decode(&config, &mut input)
                .expect("valid frames");
            let received = match decoded.message {
                Some(Message::Text(text)) => Some(Received::Text(text.into_owned())),
                Some(Message::Binary(bytes)) => Some(Received::Binary(bytes.to_vec())),
                Some(Message::Close(close)) => {
                    Some(Received::Closed(close.map(|frame| frame.code.0)))
                }
                _ => None,
            };
            let consumed = decoded.consumed;
            let found_nothing = consumed == 0;
            input.drain(..consumed);
            self.input = input;
            match received {
                Some(received) => return received,
                None if found_nothing => self.fill(what),
                None => {}
            }
        }
    }

    /// The next message.
    pub(crate) fn next(&mut self, what: &str) -> Value {
        match self.receive(what) {
            Received::Text(text) => serde_json::from_str(&text).expect("messages are JSON"),
            Received::Binary(bytes) => panic!("{bytes:?} instead of {what}"),
            Received::Closed(code) => panic!("closed with {code:?} before {what}"),
        }
    }

    /// The next message is binary and exactly this one.
    #[track_caller]
    pub(crate) fn expect_binary(&mut self, message: &[u8]) {
        assert_eq!(
            self.receive("a binary message"),
            Received::Binary(message.to_vec())
        );
    }

    /// The next message is exactly this one.
    #[track_caller]
    pub(crate) fn expect(&mut self, message: Value) {
        assert_eq!(self.next(&message.to_string()), message);
    }

    /// The server closes with this code and sends nothing else before.
    #[track_caller]
    pub(crate) fn expect_close(&mut self, code: u16) {
        assert_eq!(self.receive("the close"), Received::Closed(Some(code)));
    }

    /// Joins and takes the reply.
    #[track_caller]
    pub(crate) fn join(&mut self, topic: &str, reference: &str) {
        self.send(json!([reference, reference, topic, "phx_join", {}]));
        self.expect(json!([
            reference,
            reference,
            topic,
            "phx_reply",
            ok(json!({}))
        ]));
    }

    /// Proves that nothing else has been sent: a channel answers in order.
    #[track_caller]
    pub(crate) fn expect_nothing_before_echo(&mut self, topic: &str, join_ref: &str) {
        self.send(json!([join_ref, "fence", topic, "echo", {"fence": 1}]));
        self.expect(json!([
            join_ref,
            "fence",
            topic,
            "phx_reply",
            ok(json!({"fence": 1}))
        ]));
    }

    /// Gives back the memory that is not needed between two messages.
    pub(crate) fn forget(&mut self) {
        self.input.shrink_to_fit();
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }
}

pub(crate) fn ok(response: Value) -> Value {
    json!({"status": "ok", "response": response})
}

pub(crate) fn error(reason: &str) -> Value {
    json!({"status": "error", "response": {"reason": reason}})
}
