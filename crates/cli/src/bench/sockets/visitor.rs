//! A client with a blocking socket: for what a fleet does not do.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use socket2::SockRef;
use vaxel_websocket::{
    Config, Decoder, Message, Opcode, Role, encode_masked,
    handshake::{check_response, client_request, encode_key},
};

/// Messages from the server may be so long.
const BYTES_MAX: usize = 1 << 20;
const MASK: [u8; 4] = [1, 2, 3, 4];
const KEY: [u8; 16] = *b"vaxel visits now";
const PATH: &str = "/socket/websocket?vsn=2.0.0";
const DEFLATE: (&str, &str) = ("sec-websocket-extensions", "permessage-deflate");

/// One connected client. Dropping it resets the connection, so that no port waits for a minute.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) stream: TcpStream,
    decoder: Decoder,
    input: Vec<u8>,
}

/// A connection on which nothing has been said.
pub(super) fn dial(server: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    Ok(stream)
}

/// The request that opens the demo's socket.
pub(super) fn request(server: SocketAddr, offers_deflate: bool) -> Vec<u8> {
    let headers: &[(&str, &str)] = if offers_deflate { &[DEFLATE] } else { &[] };
    client_request(&server.to_string(), PATH, &encode_key(KEY), &[], headers)
}

impl Visitor {
    /// Opens the demo's socket. Nothing is waited for longer than `patience`.
    pub(super) fn connect(server: SocketAddr, patience: Duration) -> anyhow::Result<Self> {
        Self::open(server, patience, false)
    }

    /// The same, offering compression.
    pub(super) fn connect_with_deflate(
        server: SocketAddr,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        Self::open(server, patience, true)
    }

    fn open(server: SocketAddr, patience: Duration, offers_deflate: bool) -> anyhow::Result<Self> {
        let mut visitor = Self {
            stream: dial(server, patience).context("cannot connect")?,
            decoder: Decoder::new(),
            input: Vec::new(),
        };
        visitor.stream.write_all(&request(server, offers_deflate))?;
        loop {
            visitor.read()?;
            if let Some(answer) = check_response(&visitor.input, &encode_key(KEY))? {
                visitor.input.drain(..answer.head_bytes);
                return Ok(visitor);
            }
        }
    }

    /// Sends an event in version 2 of the serializer; `1` is the reference of the join.
    pub(super) fn say(
        &mut self,
        topic: &str,
        event: &str,
        reference: &str,
        payload: &Value,
    ) -> io::Result<()> {
        let text = json!(["1", reference, topic, event, payload]).to_string();
        self.send(Opcode::Text, text.as_bytes())
    }

    /// Joins and waits for the answer.
    pub(super) fn join(&mut self, topic: &str) -> anyhow::Result<()> {
        self.say(topic, "phx_join", "1", &json!({}))?;
        self.until(topic, "phx_reply")?;
        Ok(())
    }

    /// The payload of the next `event` of `topic`.
    pub(super) fn until(&mut self, topic: &str, event: &str) -> anyhow::Result<Value> {
        loop {
            let mut message: Value = serde_json::from_str(&self.next()?)?;
            if message[2] == topic && message[3] == event {
                return Ok(message[4].take());
            }
        }
    }

    /// Sends one frame.
    pub(super) fn send(&mut self, opcode: Opcode, payload: &[u8]) -> io::Result<()> {
        let mut frame = Vec::new();
        encode_masked(opcode, payload, MASK, &mut frame);
        self.stream.write_all(&frame)
    }

    /// The next text.
    pub(super) fn next(&mut self) -> anyhow::Result<String> {
        let config = Config {
            role: Role::Client,
            frame_bytes_max: BYTES_MAX,
            message_bytes_max: BYTES_MAX,
        };
        loop {
            let decoded = self.decoder.decode(&config, &mut self.input)?;
            let consumed = decoded.consumed;
            let text = match decoded.message {
                Some(Message::Text(text)) => Some(text.into_owned()),
                Some(Message::Close(close)) => bail!("closed by the server: {close:?}"),
                _ => None,
            };
            self.input.drain(..consumed);
            match text {
                Some(text) => return Ok(text),
                None if consumed == 0 => self.read()?,
                None => {}
            }
        }
    }

    /// Closes as a browser does, and waits for the answer.
    pub(super) fn leave(mut self) -> anyhow::Result<()> {
        self.send(Opcode::Close, &1000_u16.to_be_bytes())?;
        drain(&mut self.stream)
    }

    fn read(&mut self) -> anyhow::Result<()> {
        let mut buffer = [0; 16 << 10];
        let count = self.stream.read(&mut buffer)?;
        ensure!(count > 0, "closed by the server");
        self.input.extend_from_slice(&buffer[..count]);
        Ok(())
    }
}

/// Reads until the server closes.
///
/// # Errors
/// When it does not.
pub(super) fn drain(stream: &mut TcpStream) -> anyhow::Result<()> {
    let mut buffer = [0; 16 << 10];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
            Err(error) => return Err(error).context("the server does not close"),
        }
    }
    // It may have closed both directions.
    let _ = stream.shutdown(Shutdown::Both);
    Ok(())
}
