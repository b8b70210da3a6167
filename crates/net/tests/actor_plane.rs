//! Across the planes and back: frames become messages of an actor, its answers become frames.

mod support;

use std::sync::Arc;

use support::Client;
use vaxel_net::{
    Connection, ConnectionId, DeferWakes, Flow, NetConfig, NetHandle, Protocol, ShardHandle,
    ShardIo, Upgrade, UpgradeRequest, start,
};
use vaxel_runtime::{
    Actor, ActorRef, Batch, Context, ExitReason, Handler, Mailbox, Message, SendError, System,
};
use vaxel_websocket::{CloseCode, Frame};

/// A text and where its answer goes.
struct Said {
    text: String,
    connection: ConnectionId,
    shard: ShardHandle<(ConnectionId, Frame)>,
}

impl Message for Said {
    type Reply = ();
}

struct Echo;

impl Actor for Echo {
    type Args = ();

    /// Small, so that the clients of the test fill it.
    const MAILBOX: Mailbox = Mailbox::bounded(8);

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Self)
    }
}

impl Handler<Said> for Echo {
    async fn handle(&mut self, said: Said, _: &mut Context<Self>) {
        let answer = Frame::text(&said.text);
        said.shard.push((said.connection, answer)).unwrap();
    }
}

struct Gate {
    system: System,
    echo: ActorRef<Echo>,
}

impl Protocol for Gate {
    type Session = ();
    type Local = ShardHandle<Self::Command>;
    type Command = (ConnectionId, Frame);
    type Pass<'a> = Batch<'a>;

    fn local(&self, shard: &ShardHandle<Self::Command>) -> Self::Local {
        shard.clone()
    }

    fn pass(&self) -> Batch<'_> {
        self.system.batch()
    }

    fn upgrade(&self, _: &mut Self::Local, _: &UpgradeRequest<'_>) -> Upgrade<()> {
        Upgrade::Accept {
            session: (),
            subprotocol: None,
        }
    }

    fn text(
        &self,
        shard: &mut Self::Local,
        connection: &mut Connection<'_, ()>,
        text: &str,
    ) -> Flow {
        let (text, shard) = (text.to_owned(), shard.clone());
        match self.echo.cast(Said {
            text,
            connection: connection.id(),
            shard,
        }) {
            Ok(()) => Flow::Continue,
            Err(SendError::Full(_)) => Flow::Pause,
            Err(_) => Flow::Close(CloseCode::INTERNAL_ERROR, "no echo".into()),
        }
    }

    fn command(
        &self,
        _: &mut Self::Local,
        io: &mut ShardIo<()>,
        (id, frame): (ConnectionId, Frame),
    ) {
        io.send(id, &frame);
    }
}

fn serve(system: &System) -> NetHandle<(ConnectionId, Frame)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let gate = Gate {
        system: system.clone(),
        echo: system.spawn::<Echo>(()),
    };
    let mut config = NetConfig::new("127.0.0.1:0".parse().unwrap());
    config.shards = 2.try_into().unwrap();
    let net = start(config, gate, axum::Router::new(), runtime.handle().clone()).unwrap();
    system.add_flusher(Arc::new(net.flusher()));
    net
}

#[test]
fn a_full_mailbox_loses_nothing() {
    let defer = |work: &mut dyn FnMut()| {
        let _defer = DeferWakes::new();
        work();
    };
    let system = System::builder().workers(2).around_worker(defer).build();
    let net = serve(&system);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let mut client = Client::new(net.address());
            scope.spawn(move || {
                client.upgrade("/");
                for round in 0..20 {
                    for message in 0..50 {
                        client.send_text(&format!("{number} {round} {message}"));
                    }
                    for message in 0..50 {
                        client.expect_text(&format!("{number} {round} {message}"));
                    }
                }
            });
        }
    });
    let counters = net.counters();
    assert_eq!((counters.frames_in, counters.frames_out), (8_000, 8_000));
    assert!(counters.pauses > 0, "the mailbox was never full");
    net.shutdown();
    system.shutdown();
}
