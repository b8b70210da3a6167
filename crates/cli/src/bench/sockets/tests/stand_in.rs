//! A server that speaks just enough of Phoenix Channels, a thread for each client, and can be told
//! to misbehave.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};
use vaxel_websocket::{
    Config, Decoder, Frame, Message,
    handshake::{RequestHead, accept},
};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mischief {
    None,
    LosesDeliveriesOfFirstClient,
    RefusesRequests,
    IgnoresRequests,
    RefusesJoins,
    RefusesUpgrades,
}

/// The server. Its threads end with their clients.
pub(super) struct StandIn {
    address: SocketAddr,
}

type Members = Arc<Mutex<Vec<TcpStream>>>;

impl StandIn {
    pub(super) fn start(mischief: Mischief) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let members = Members::default();
            for client in listener.incoming().map_while(Result::ok) {
                let members = Arc::clone(&members);
                thread::spawn(move || serve(client, &members, mischief));
            }
        });
        Self { address }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Serves one client until it goes; none of its errors matter to anybody else.
fn serve(mut client: TcpStream, members: &Members, mischief: Mischief) -> Option<()> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let count = client.read(&mut buffer).ok().filter(|&count| count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        let parsed = RequestHead::parse(&bytes).ok()?.map(|head| {
            let mut headers = head.headers();
            let key = headers.find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
            let key = key.map(|(_, key)| String::from_utf8_lossy(key).into_owned());
            (head.head_bytes(), head.path() == "/socket/websocket", key)
        });
        let Some((head_bytes, is_socket, key)) = parsed else {
            continue;
        };
        if mischief == Mischief::RefusesUpgrades || !is_socket {
            client
                .write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
                .ok()?;
            return None;
        }
        client.write_all(&accept(&key?, None)).ok()?;
        bytes.drain(..head_bytes);
        break;
    }
    let (config, mut decoder) = (Config::default(), Decoder::new());
    loop {
        loop {
            let decoded = decoder.decode(&config, &mut bytes).ok()?;
            let (consumed, text) = match decoded.message {
                Some(Message::Text(text)) => (decoded.consumed, text.into_owned()),
                Some(_) => return None,
                None => break,
            };
            bytes.drain(..consumed);
            answer(
                &mut client,
                &serde_json::from_str(&text).ok()?,
                members,
                mischief,
            )?;
        }
        let count = client.read(&mut buffer).ok().filter(|&count| count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
    }
}

fn answer(
    client: &mut TcpStream,
    message: &Value,
    members: &Members,
    mischief: Mischief,
) -> Option<()> {
    let (topic, event, payload) = (&message[2], message[3].as_str()?, &message[4]);
    let reply = |status: &str, response: &Value| {
        let payload = json!({ "status": status, "response": response });
        json!([message[0], message[1], topic, "phx_reply", payload]).to_string()
    };
    let text = match event {
        "phx_join" if mischief == Mischief::RefusesJoins => {
            reply("error", &json!({ "reason": "unmatched topic" }))
        }
        "phx_join" => {
            members.lock().unwrap().push(client.try_clone().ok()?);
            reply("ok", &json!({}))
        }
        "heartbeat" => reply("ok", &json!({})),
        "shout" => {
            let text = json!([null, null, topic, "shout", payload]).to_string();
            let frame = Frame::text(&text);
            let lost = usize::from(mischief == Mischief::LosesDeliveriesOfFirstClient);
            for mut member in members.lock().unwrap().iter().skip(lost) {
                member.write_all(frame.as_bytes()).ok()?;
            }
            return Some(());
        }
        "ping" => match mischief {
            Mischief::RefusesRequests => reply("error", &json!({})),
            Mischief::IgnoresRequests => return Some(()),
            _ => reply("ok", payload),
        },
        _ => return None,
    };
    client.write_all(Frame::text(&text).as_bytes()).ok()
}
