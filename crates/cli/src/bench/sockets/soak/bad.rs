//! The bad clients, a kind of them on each thread.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, ensure};
use serde_json::json;
use vaxel_websocket::Opcode;

use super::bomb::bomb;
use crate::bench::report::Report;
use crate::bench::sockets::visitor::{Visitor, dial, drain, request};

/// How long a bad client waits for what the server has to do.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two acts of the same kind, so that good clients keep a part of the machine.
const PAUSE: Duration = Duration::from_millis(20);
/// Connections that are held open half-way.
const HELD_MAX: usize = 64;
/// Their topics.
const TOPICS: u64 = 16;
/// Frames of a flood, and messages that a slow reader does not read.
const FLOOD: usize = 2_000;
const UNREAD: usize = 400;
const UNREAD_BYTES: usize = 12_000;

/// A way to be a bad client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mischief {
    /// Comes, joins, asks, and leaves, politely or not.
    Churn,
    /// Crashes its channel, is told, and joins again.
    Crash,
    /// Sends its first request byte by byte.
    Slowloris,
    /// Sends half a message and falls silent.
    HalfOpen,
    /// Asks and does not read.
    SlowReader,
    /// Sends as much as the socket takes.
    Flood,
    /// Breaks the rules of HTTP and of WebSocket.
    Malformed,
    /// Sends little that inflates to much.
    Bomb,
    /// Connects and says nothing.
    PortScan,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) acts: u64,
    /// How often the server did not behave, and how the first time.
    pub(super) complaints: u64,
    pub(super) complaint: Option<String>,
}

impl Mischief {
    pub(super) const ALL: [Self; 9] = [
        Self::Churn,
        Self::Crash,
        Self::Slowloris,
        Self::HalfOpen,
        Self::SlowReader,
        Self::Flood,
        Self::Malformed,
        Self::Bomb,
        Self::PortScan,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Churn => "churn",
            Self::Crash => "crash",
            Self::Slowloris => "slowloris",
            Self::HalfOpen => "half-open",
            Self::SlowReader => "slow-reader",
            Self::Flood => "flood",
            Self::Malformed => "malformed",
            Self::Bomb => "bomb",
            Self::PortScan => "port-scan",
        }
    }

    /// Reports what must not be: that nothing was done, or that the server did not behave.
    pub(super) fn judge(self, seen: &Seen, report: &mut Report) -> anyhow::Result<()> {
        let name = self.name();
        if seen.acts == 0 {
            report.failure(format!("{name} did nothing"))?;
        }
        if let Some(complaint) = &seen.complaint {
            let count = seen.complaints;
            report.failure(format!("{name}: {count} times, the first: {complaint}"))?;
        }
        Ok(())
    }

    /// Acts again and again until told to stop.
    pub(super) fn commit(self, server: SocketAddr, stop: &AtomicBool) -> Seen {
        let mut seen = Seen::default();
        let mut held = VecDeque::new();
        let bomb = bomb();
        while !stop.load(Ordering::Relaxed) {
            let turn = seen.acts;
            let outcome = match self {
                Self::Churn => churn(server, turn),
                Self::Crash => crash(server, turn),
                Self::Slowloris => slowloris(server, &mut held),
                Self::HalfOpen => half_open(server, &mut held),
                Self::SlowReader => slow_reader(server),
                Self::Flood => flood(server),
                Self::Malformed => malformed(server, turn),
                Self::Bomb => explode(server, &bomb),
                Self::PortScan => dial(server, PATIENCE).map(drop).context("cannot connect"),
            };
            seen.acts += 1;
            if let Err(error) = outcome {
                seen.complaints += 1;
                seen.complaint.get_or_insert_with(|| format!("{error:#}"));
            }
            thread::park_timeout(PAUSE);
        }
        seen
    }
}

fn topic(turn: u64) -> String {
    format!("room:bad-{}", turn % TOPICS)
}

fn churn(server: SocketAddr, turn: u64) -> anyhow::Result<()> {
    let mut visitor = Visitor::connect(server, PATIENCE)?;
    let topic = topic(turn);
    visitor.join(&topic)?;
    visitor.say(&topic, "ping", "2", &json!({ "turn": turn }))?;
    let reply = visitor.until(&topic, "phx_reply")?;
    ensure!(reply["status"] == "ok", "asked and was answered {reply}");
    match turn % 4 {
        0 => visitor.leave(),
        1 => {
            visitor.say(&topic, "phx_leave", "3", &json!({}))?;
            visitor.until(&topic, "phx_close").map(drop)
        }
        _ => Ok(()),
    }
}

fn crash(server: SocketAddr, turn: u64) -> anyhow::Result<()> {
    let mut visitor = Visitor::connect(server, PATIENCE)?;
    let topic = topic(turn);
    for _ in 0..3 {
        visitor.join(&topic)?;
        visitor.say(&topic, "crash", "2", &json!({}))?;
        visitor.until(&topic, "phx_error")?;
    }
    Ok(())
}

/// One more connection whose request trickles, and one more byte of every other. The server drops
/// them when it has had enough.
fn slowloris(server: SocketAddr, held: &mut VecDeque<(TcpStream, usize)>) -> anyhow::Result<()> {
    if held.len() < HELD_MAX {
        held.push_back((dial(server, PATIENCE)?, 0));
    }
    let request = request(server, false);
    // The last bytes are never sent.
    let end = request.len() - 4;
    held.retain_mut(|(stream, sent)| {
        let at = (*sent).min(end - 1);
        *sent += 1;
        *sent < end && stream.write_all(&request[at..=at]).is_ok()
    });
    Ok(())
}

/// One more connection with half a message; the oldest is left to the server to find out.
fn half_open(server: SocketAddr, held: &mut VecDeque<(TcpStream, usize)>) -> anyhow::Result<()> {
    let mut visitor = Visitor::connect(server, PATIENCE)?;
    // A text of 100 bytes, of which ten come.
    visitor.stream.write_all(&[0x81, 0x80 | 100, 0, 0, 0, 0])?;
    visitor.stream.write_all(b"[\"1\",\"1\",\"")?;
    held.push_back((visitor.stream, 0));
    if held.len() > HELD_MAX {
        held.pop_front();
    }
    Ok(())
}

/// Asks for more than the server keeps for anybody. It may close us, and then writing fails.
fn slow_reader(server: SocketAddr) -> anyhow::Result<()> {
    let mut visitor = Visitor::connect(server, PATIENCE)?;
    visitor.join("room:slow")?;
    visitor.stream.set_write_timeout(Some(PAUSE))?;
    let payload = json!({ "pad": "x".repeat(UNREAD_BYTES) });
    for _ in 0..UNREAD {
        if visitor.say("room:slow", "ping", "2", &payload).is_err() {
            break;
        }
    }
    Ok(())
}

/// Sends heartbeats without a pause, then reads the answers, all of them.
fn flood(server: SocketAddr) -> anyhow::Result<()> {
    let mut visitor = Visitor::connect(server, PATIENCE)?;
    for number in 0..FLOOD {
        visitor.say("phoenix", "heartbeat", &number.to_string(), &json!({}))?;
    }
    for _ in 0..FLOOD {
        visitor.until("phoenix", "phx_reply")?;
    }
    Ok(())
}

/// What no server has to understand: on a fresh connection, and on an open socket.
const GARBAGE: [&[u8]; 4] = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET \xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
    b"\0\0\0\0\r\n\r\n",
];
const VIOLATIONS: [&[u8]; 6] = [
    // No mask.
    b"\x81\x02hi",
    // Bytes that are no UTF-8.
    b"\x81\x82\0\0\0\0\xc3\x28",
    // An opcode nobody knows.
    b"\x83\x80\0\0\0\0",
    // A ping in fragments.
    b"\x09\x80\0\0\0\0",
    // A gigabyte.
    b"\x82\xff\0\0\0\0\x40\0\0\0\0\0\0\0",
    // The end of a message that has no beginning.
    b"\x80\x80\0\0\0\0",
];

fn malformed(server: SocketAddr, turn: u64) -> anyhow::Result<()> {
    let choice = turn as usize % (GARBAGE.len() + VIOLATIONS.len());
    let mut stream = match GARBAGE.get(choice) {
        Some(garbage) => {
            let mut stream = dial(server, PATIENCE)?;
            stream.write_all(garbage)?;
            stream
        }
        None => {
            let mut visitor = Visitor::connect(server, PATIENCE)?;
            visitor
                .stream
                .write_all(VIOLATIONS[choice - GARBAGE.len()])?;
            visitor.stream
        }
    };
    drain(&mut stream).with_context(|| format!("violation {choice}"))
}

/// The server has to close with 1009, not to inflate.
fn explode(server: SocketAddr, bomb: &[u8]) -> anyhow::Result<()> {
    let mut visitor = Visitor::connect_with_deflate(server, PATIENCE)?;
    visitor.stream.write_all(bomb)?;
    let mut head = [0; 4];
    visitor.stream.read_exact(&mut head)?;
    let code = u16::from_be_bytes([head[2], head[3]]);
    ensure!(
        head[0] == 0x88 && code == 1009,
        "a bomb was answered with {head:?}"
    );
    visitor.send(Opcode::Close, &code.to_be_bytes())?;
    drain(&mut visitor.stream)
}
