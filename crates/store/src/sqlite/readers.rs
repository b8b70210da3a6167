//! Readers: threads with a connection each, that take reads from one bounded queue.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;

use crate::{Answer, Answering, ReadError};

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// The handle: dropping it answers what is queued, and waits for that.
#[derive(Debug)]
pub(super) struct Readers {
    queue: Option<SyncSender<Read>>,
    threads: Vec<JoinHandle<()>>,
    bound: usize,
    pub(super) overloaded: AtomicU64,
}

/// A read whose answer says so when it finds no room in the queue.
fn boxed<T, F>(run: F, answering: Answering<T, ReadError>) -> Read
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
{
    Box::new(move |connection| answering.send(run(connection)))
}

impl Readers {
    pub(super) fn start(connections: Vec<Connection>, bound: usize) -> std::io::Result<Self> {
        let (queue, waiting) = sync_channel::<Read>(bound);
        let waiting = Arc::new(Mutex::new(waiting));
        let threads = connections.into_iter().map(|connection| {
            let waiting = waiting.clone();
            std::thread::Builder::new()
                .name("vaxel-store-reader".to_owned())
                .spawn(move || serve(&connection, &waiting))
        });
        Ok(Readers {
            threads: threads.collect::<Result<_, _>>()?,
            queue: Some(queue),
            bound,
            overloaded: AtomicU64::new(0),
        })
    }

    /// Queues a read. Never blocks.
    pub(super) fn submit<T, F>(&self, run: F) -> Answer<T, ReadError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    {
        let (answering, answer) = Answer::later();
        let Some(queue) = &self.queue else {
            return answer;
        };
        match queue.try_send(boxed(run, answering)) {
            Err(TrySendError::Full(_)) => {
                self.overloaded.fetch_add(1, Relaxed);
                let queued = self.bound;
                Answer::ready(Err(ReadError::Overloaded { queued }))
            }
            // Where the readers are gone the read was dropped, which answers.
            Ok(()) | Err(TrySendError::Disconnected(_)) => answer,
        }
    }
}

fn serve(connection: &Connection, waiting: &Mutex<Receiver<Read>>) {
    loop {
        let next = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(read) = next else { return };
        read(connection);
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue = None;
        let here = std::thread::current().id();
        for thread in self.threads.drain(..) {
            // An answer may have woken who held the last handle, on a reader's own thread.
            if thread.thread().id() != here {
                let _ = thread.join();
            }
        }
    }
}
