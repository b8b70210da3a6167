//! Channels that do what the tests ask them for.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{Semaphore, mpsc};
use vaxel_actor::ExitReason;
use vaxel_channels::{
    Assigns, Channel, ChannelContext, HandleInfo, Ignored, Joined, Payload, Refusal, Reply, Socket,
    Topic,
};
use vaxel_pubsub::{Broadcast, Subscription};

/// Where channels report what the client does not see.
#[derive(Clone)]
pub(crate) struct Reports(pub(crate) mpsc::Sender<String>);

/// What slow channels wait for.
#[derive(Clone)]
pub(crate) struct Gate(pub(crate) Arc<Semaphore>);

/// Accepts everybody, and does what each event asks for.
pub(crate) struct Room {
    topic: String,
    reports: Option<Reports>,
    gate: Option<Gate>,
    _listens: Option<Subscription>,
}

/// A timer's message.
pub(crate) struct Tick(u32);

impl Channel for Room {
    type Params = serde_json::Value;

    async fn join(
        topic: &Topic,
        params: serde_json::Value,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        let assigns = cx.assigns();
        let room = Room {
            topic: topic.to_string(),
            reports: assigns.get::<Reports>().cloned(),
            gate: assigns.get::<Gate>().cloned(),
            _listens: None,
        };
        match params["do"].as_str() {
            Some("push") => cx.push("hello", &json!({"rest": topic.rest()})),
            Some("answer") => return Ok(Joined::new(room).reply(json!({"topic": topic.as_str()}))),
            Some("wait") => room.pass_gate().await,
            Some("refuse") => return Err(Refusal::new("not now")),
            Some("crash") => panic!("crash"),
            _ => {}
        }
        Ok(room.into())
    }

    async fn handle_in(
        &mut self,
        event: &str,
        payload: Payload,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Reply, Refusal> {
        match event {
            "echo" => return Ok(Reply::echo(payload)),
            "boom" => panic!("boom"),
            "quiet" => {}
            "stop" => return Ok(Reply::ok(json!({})).and_stop()),
            "stop quietly" => return Ok(Reply::stop()),
            "stop badly" => cx.stop_with(ExitReason::error("disk full")),
            "kill" => cx.me().kill(),
            "bc" => cx.broadcast("bc", &payload),
            "bc raw" => cx.broadcast_content(event, payload.into_content()),
            "push raw" => cx.push_content(event, &payload.into_content()),
            "long raw" => cx.push_bytes(&"e".repeat(256), [1]),
            "bcf" => cx.broadcast_from("bcf", &payload),
            "push" => cx.push("push", &payload),
            "custom" => return Ok(Reply::status("maybe", json!([1]))),
            "typed" => {
                let n: u32 = payload.parse()?;
                return Ok(Reply::ok(n + 1));
            }
            "gate" => {
                self.pass_gate().await;
                return Ok(Reply::echo(payload));
            }
            "later" => self.reply_later(payload, cx),
            "timer" => _ = cx.send_after(Duration::from_millis(1), Tick(7)),
            "listen" => self._listens = Some(cx.subscribe(&payload.parse::<String>()?)),
            "assigned" => return Ok(Reply::ok(cx.assigns().get::<u64>())),
            _ => return Err(Refusal::new("unknown event")),
        }
        Ok(Reply::none())
    }

    async fn terminate(&mut self, reason: &ExitReason, cx: &mut ChannelContext<'_, Self>) {
        cx.push("bye", &json!({}));
        if let Some(Reports(reports)) = &self.reports {
            _ = reports.try_send(format!("{} {reason}", self.topic));
        }
    }
}

impl HandleInfo<Tick> for Room {
    async fn handle_info(&mut self, Tick(n): Tick, cx: &mut ChannelContext<'_, Self>) {
        cx.push("tick", &n);
    }
}

impl HandleInfo<Broadcast> for Room {
    async fn handle_info(&mut self, broadcast: Broadcast, cx: &mut ChannelContext<'_, Self>) {
        cx.push(
            "heard",
            &json!({"topic": broadcast.topic(), "payload": broadcast.payload()}),
        );
    }
}

impl Room {
    async fn pass_gate(&self) {
        if let Some(Gate(gate)) = &self.gate {
            gate.acquire().await.expect("the gate stays").forget();
        }
    }

    fn reply_later(&self, payload: Payload, cx: &ChannelContext<'_, Self>) {
        let Some(reply) = cx.reply_ref() else { return };
        tokio::spawn(async move { reply.ok(payload) });
    }
}

/// Refuses everybody.
pub(crate) struct Deny;

impl Channel for Deny {
    type Params = Ignored;

    async fn join(
        _: &Topic,
        _: Ignored,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        cx.push("never", &json!({}));
        Err(Refusal::new("unauthorized"))
    }
}

/// Crashes in its join.
pub(crate) struct Crash;

impl Channel for Crash {
    type Params = Ignored;

    async fn join(
        topic: &Topic,
        _: Ignored,
        _: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        panic!("{topic}")
    }
}

/// Needs params of a certain shape.
pub(crate) struct Typed;

#[derive(serde::Deserialize)]
pub(crate) struct TypedParams {
    #[allow(dead_code, reason = "its presence is what counts")]
    user: String,
}

impl Channel for Typed {
    type Params = TypedParams;

    async fn join(
        _: &Topic,
        _: TypedParams,
        _: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        Ok(Typed.into())
    }
}

/// The routes of all tests.
pub(crate) fn socket() -> Socket {
    Socket::new()
        .channel::<Room>("room:*")
        .channel::<Deny>("deny:*")
        .channel::<Crash>("crash:*")
        .channel::<Typed>("typed")
}

/// The same with values for every connection.
pub(crate) fn socket_with(assigns: Assigns) -> Socket {
    socket().connect(move |_| std::future::ready(Ok(assigns.clone())))
}
