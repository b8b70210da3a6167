//! Requests and crashes: a call from a task, recovery after a panic, calls beside spinning tasks.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    runtime::Runtime,
    sync::{
        Mutex,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
};

use super::{foreign_runtime, on_worker};
use vaxel_bench_rows::{Delays, OpenLoop, Outcome, Plan, Sample, open_loop, spin};

enum Request {
    Next(oneshot::Sender<u64>),
    Crash,
    Spin(Duration),
}

type Sender = UnboundedSender<Request>;

async fn serve(mut mailbox: impl AsMut<UnboundedReceiver<Request>>) {
    let mut n = 0u64;
    while let Some(request) = mailbox.as_mut().recv().await {
        match request {
            Request::Next(reply) => {
                n += 1;
                let _ = reply.send(n);
            }
            Request::Crash => panic!("asked to crash"),
            Request::Spin(time) => spin(time),
        }
    }
}

/// Owned, as a task that nobody restarts has it.
struct Own(UnboundedReceiver<Request>);

impl AsMut<UnboundedReceiver<Request>> for Own {
    fn as_mut(&mut self) -> &mut UnboundedReceiver<Request> {
        &mut self.0
    }
}

fn server() -> Sender {
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(serve(Own(receiver)));
    sender
}

fn request(server: &Sender) -> oneshot::Receiver<u64> {
    let (reply, answer) = oneshot::channel();
    let _ = server.send(Request::Next(reply));
    answer
}

pub(super) fn call(plan: &Plan, calls: u64) -> anyhow::Result<Sample> {
    on_worker(plan, async move {
        let server = server();
        let mut delays = Delays::new();
        for _ in 0..calls {
            let begun = Instant::now();
            request(&server).await?;
            delays.record(begun.elapsed());
        }
        anyhow::Ok(delays.finish())
    })?
}

/// From a task on a runtime of its own, so that caller and callee never share a thread.
pub(super) fn call_foreign(plan: &Plan, calls: u64) -> anyhow::Result<Sample> {
    let (callees, caller) = (super::runtime(plan)?, foreign_runtime()?);
    let entered = callees.enter();
    let server = server();
    drop(entered);
    caller.block_on(caller.spawn(async move {
        let mut delays = Delays::new();
        for _ in 0..calls {
            let begun = Instant::now();
            request(&server).await?;
            delays.record(begun.elapsed());
        }
        anyhow::Ok(delays.finish())
    }))?
}

/// What users of plain tokio write: a task that awaits the worker and starts another, which
/// inherits the mailbox.
async fn restart_forever(mailbox: UnboundedReceiver<Request>) {
    struct Shared(tokio::sync::OwnedMutexGuard<UnboundedReceiver<Request>>);
    impl AsMut<UnboundedReceiver<Request>> for Shared {
        fn as_mut(&mut self) -> &mut UnboundedReceiver<Request> {
            &mut self.0
        }
    }
    let mailbox = Arc::new(Mutex::new(mailbox));
    loop {
        let inherited = Shared(mailbox.clone().lock_owned().await);
        if tokio::spawn(serve(inherited)).await.is_ok() {
            return;
        }
    }
}

/// From the message that crashes the task to the answer of its successor. Meanwhile the panic hook
/// takes a note of message and place, as ours does: printing a backtrace would cost a hundred times
/// more than what is measured.
pub(super) fn recover(plan: &Plan, crashes: u64) -> anyhow::Result<Sample> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|info| drop(black_box(info.to_string()))));
    let sample = recover_silently(plan, crashes);
    std::panic::set_hook(hook);
    sample
}

fn recover_silently(plan: &Plan, crashes: u64) -> anyhow::Result<Sample> {
    on_worker(plan, async move {
        let (server, mailbox) = unbounded_channel();
        tokio::spawn(restart_forever(mailbox));
        let mut delays = Delays::new();
        for _ in 0..crashes {
            let begun = Instant::now();
            let _ = server.send(Request::Crash);
            request(&server).await?;
            delays.record(begun.elapsed());
        }
        anyhow::Ok(delays.finish())
    })?
}

/// Calls at a fixed rate from outside while some tasks compute without a pause.
pub(super) fn beside_spinners(plan: &Plan, load: &OpenLoop) -> anyhow::Result<Outcome> {
    let runtime = super::runtime(plan)?;
    let server = {
        let _inside = runtime.enter();
        let spinners: Vec<_> = (0..load.spinners).map(|_| self::server()).collect();
        let server = self::server();
        let (count, each) = load.spins();
        for spinner in spinners {
            for _ in 0..count {
                let _ = spinner.send(Request::Spin(each));
            }
        }
        server
    };
    let outcome = open_loop(load, || request(&server));
    end(runtime);
    outcome
}

/// The spinners end by themselves; nobody needs to wait for them.
fn end(runtime: Runtime) {
    runtime.shutdown_background();
}
