//! Connections that read, from one bounded queue; several reads are under way on each.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Receiver};
use tokio::sync::{Mutex, Semaphore};

use super::queue::Counts;
use super::session::{Backoff, Session, Target};
use crate::{Answer, Answering, Fault, FaultKind, ReadError};

/// How many reads are under way on one connection: a server executes them one after the other, and
/// while one is answered the next one is there.
const PIPELINE: usize = 8;

/// A read, which answers by itself; with no session it answers why.
type Read = Box<dyn FnOnce(Result<Arc<Session>, Fault>) -> BoxFuture<'static, ()> + Send>;

/// The sending side of the queue of reads.
pub(super) struct Reads {
    queue: mpsc::Sender<Read>,
    bound: usize,
}

pub(super) type Waiting = Arc<Mutex<Receiver<Read>>>;

impl Reads {
    pub(super) fn new(bound: usize) -> (Self, Waiting) {
        let (queue, waiting) = mpsc::channel(bound);
        (Reads { queue, bound }, Arc::new(Mutex::new(waiting)))
    }

    /// Queues a read. Never blocks.
    pub(super) fn submit<T, F, Fut>(&self, counts: &Counts, run: F) -> Answer<T, ReadError>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Session>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, super::faults::Trouble>> + Send + 'static,
    {
        let (answering, answer): (Answering<T, ReadError>, _) = Answer::later();
        let read: Read = Box::new(move |session| {
            Box::pin(async move {
                answering.send(match session {
                    Ok(session) => run(session).await.map_err(ReadError::from),
                    Err(source) => Err(ReadError::Failed { source }),
                });
            })
        });
        match self.queue.try_send(read) {
            Err(TrySendError::Full(_)) => {
                counts.reads_overloaded.fetch_add(1, Relaxed);
                let queued = self.bound;
                Answer::ready(Err(ReadError::Overloaded { queued }))
            }
            // Where the readers are gone the read was dropped, which answers.
            Ok(()) | Err(TrySendError::Closed(_)) => answer,
        }
    }
}

/// Serves until the queue is closed and empty.
pub(super) async fn serve(target: Arc<Target>, waiting: Waiting, patience: Duration) {
    let (mut session, room) = (None, Arc::new(Semaphore::new(PIPELINE)));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        let next = waiting.lock().await.recv().await;
        let Some(read) = next else {
            // Those that are under way hold the rest of the room.
            drop(permit);
            _ = room.acquire_many(PIPELINE as u32).await;
            return;
        };
        let read = read(ready(&target, &mut session, patience).await);
        tokio::spawn(async move {
            read.await;
            drop(permit);
        });
    }
}

/// The session, made again if it was lost, for as long as reads wait.
async fn ready(
    target: &Target,
    session: &mut Option<Arc<Session>>,
    patience: Duration,
) -> Result<Arc<Session>, Fault> {
    let (begun, mut backoff) = (Instant::now(), Backoff::new());
    loop {
        if let Some(session) = session.as_ref().filter(|session| !session.is_closed()) {
            return Ok(session.clone());
        }
        match target.connect().await {
            Ok(made) => *session = Some(made),
            Err(error) if begun.elapsed() >= patience => {
                return Err(Fault::new(FaultKind::Unreachable, error));
            }
            Err(_) => tokio::time::sleep(backoff.next()).await,
        }
    }
}
