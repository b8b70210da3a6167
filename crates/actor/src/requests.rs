//! Request collections: many calls in flight, their answers taken in the order of arrival.
//!
//! A call of an actor is on its way when it is made, and a future that can be awaited for its
//! answer: what OTP calls a request id. A [`Requests`] gathers such calls under labels and hands
//! out each answer with its label as it arrives. Words and rules are those of `gen_server`'s
//! request id collections: `reqids_add` is [`add`](Requests::add), `send_request` is
//! [`send_request`](Requests::send_request), and so on.
//!
//! # Ordering
//! Answers are taken in the order in which they arrived, whenever they are waited for.
//!
//! # Time
//! Each call keeps its own limit, five seconds unless told otherwise, which counts from when it was
//! added; at its end the answer for that label is [`CallError::Timeout`]. Waiting has another, for
//! all: [`wait_response`](Requests::wait_response) leaves the calls in flight when it is over,
//! [`receive_response`](Requests::receive_response) gives them all up. A moment instead of a
//! duration is a deadline that several waits share.
//!
//! # Cost, bounds and cancellation
//! An answer wakes the waiting actor or task once and is found without asking the other calls. A
//! collection holds what was added and not answered; each call has ended after its own limit.
//! Dropping a collection gives its calls up: late answers are dropped, the messages are handled all
//! the same. Dropping a wait loses nothing.
//!
//! ```
//! use vaxel_actor::prelude::*;
//! use vaxel_actor::requests::Requests;
//!
//! struct Shop(u32);
//!
//! #[actor(crate = vaxel_actor)]
//! impl Shop {
//!     fn init(price: u32) -> Self {
//!         Shop(price)
//!     }
//!
//!     #[call]
//!     fn price(&mut self) -> u32 {
//!         self.0
//!     }
//! }
//!
//! # vaxel_actor::Program::new().workers(1).run(async {
//! let shops = [("corner", Shop::spawn(12)), ("mall", Shop::spawn(9))];
//!
//! let mut requests = Requests::new();
//! for (name, shop) in &shops {
//!     requests.add(*name, shop.price());
//! }
//! let deadline = System::current().now() + secs(1);
//! let mut prices = Vec::new();
//! while let Ok(Some((name, price))) = requests.receive_response(deadline).await {
//!     prices.push((price?, name));
//! }
//! assert_eq!(prices.iter().min(), Some(&(9, "mall")));
//! # Ok::<(), CallError>(())
//! # }).unwrap();
//! ```

mod arrivals;

use std::collections::VecDeque;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use vaxel_runtime::time::Elapsed;
use vaxel_runtime::{ActorRef, CallError, Handler, Join, Message, Recipient, SendError, System};

use self::arrivals::{Arrival, Arrivals};
use crate::time_limit::{TimeLimit, until};

/// Calls in flight, each with a label, and what they yield. See the [module](self).
///
/// `T` is the answer: `Result<_, CallError<_>>` for calls of actors.
pub struct Requests<L, T> {
    slots: Vec<Option<Request<L, T>>>,
    free: Vec<usize>,
    arrivals: Arc<Arrivals>,
    /// Answers that were there when their call was added.
    answered: VecDeque<(L, T)>,
}

struct Request<L, T> {
    label: L,
    call: Pin<Box<dyn Future<Output = T> + Send>>,
    arrival: Arc<Arrival>,
    waker: Waker,
}

/// What [`Requests::receive_all`] has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Responses<L, T> {
    /// The answers, in the order of arrival.
    pub answers: Vec<(L, T)>,
    /// The labels of the calls that were given up, in no order.
    pub missing: Vec<L>,
}

impl<L, T> Requests<L, T> {
    /// A collection without calls.
    pub fn new() -> Self {
        Requests {
            slots: Vec::new(),
            free: Vec::new(),
            arrivals: Arc::default(),
            answered: VecDeque::new(),
        }
    }

    /// Adds a call that is on its way, or any other future. Several may have the same label.
    pub fn add(&mut self, label: L, call: impl Future<Output = T> + Send + 'static) {
        let slot = self.free.last().copied().unwrap_or(self.slots.len());
        let arrival = Arc::new(Arrival::new(slot, &self.arrivals));
        let waker = Waker::from(arrival.clone());
        let mut call: Pin<Box<dyn Future<Output = T> + Send>> = Box::pin(call);
        // From now on the answer notes its own arrival, and the call's time limit counts.
        match call.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => self.answered.push_back((label, answer)),
            Poll::Pending => {
                let request = Request {
                    label,
                    call,
                    arrival,
                    waker,
                };
                if self.free.pop().is_none() {
                    self.slots.push(None);
                }
                self.slots[slot] = Some(request);
            }
        }
    }

    /// The next answer with its label; none when there are no calls left.
    ///
    /// # Errors
    /// If the limit is reached first; the calls stay in flight and can be waited for again.
    ///
    /// # Panics
    /// If there is a limit and no current system.
    pub async fn wait_response(
        &mut self,
        limit: impl Into<TimeLimit>,
    ) -> Result<Option<(L, T)>, Elapsed> {
        let deadline = match limit.into() {
            TimeLimit::Unlimited => return Ok(self.next().await),
            TimeLimit::At(deadline) => deadline,
            TimeLimit::After(limit) => System::current().now() + limit,
        };
        until(&System::current(), deadline, self.next()).await
    }

    /// As [`wait_response`](Self::wait_response), and all calls are given up when the limit is
    /// reached.
    ///
    /// # Errors
    /// If the limit is reached first; the collection is empty then.
    ///
    /// # Panics
    /// If there is a limit and no current system.
    pub async fn receive_response(
        &mut self,
        limit: impl Into<TimeLimit>,
    ) -> Result<Option<(L, T)>, Elapsed> {
        let answer = self.wait_response(limit).await;
        if answer.is_err() {
            self.abandon();
        }
        answer
    }

    /// All answers that arrive within the limit; the other calls are given up.
    ///
    /// # Panics
    /// If there is a limit and no current system.
    pub async fn receive_all(&mut self, limit: impl Into<TimeLimit>) -> Responses<L, T> {
        let limit = match limit.into() {
            TimeLimit::After(limit) => TimeLimit::At(System::current().now() + limit),
            other => other,
        };
        let mut answers = Vec::with_capacity(self.len());
        while let Ok(Some(answer)) = self.wait_response(limit).await {
            answers.push(answer);
        }
        Responses {
            answers,
            missing: self.abandon(),
        }
    }

    /// Has every answer sent to `to` as a message, in the order of arrival, while the actor that
    /// asks goes on: what `check_response` is for in `gen_server`.
    ///
    /// The result says how many answers found the mailbox full and are lost; nobody needs to wait
    /// for it. When the receiver ends, the calls that are left are given up.
    ///
    /// ```
    /// # use vaxel_actor::prelude::*;
    /// # use vaxel_actor::Requests;
    /// struct Shop(u32);
    ///
    /// #[actor(crate = vaxel_actor)]
    /// impl Shop {
    /// #   fn init(price: u32) -> Self { Shop(price) }
    ///     #[call]
    ///     fn price(&mut self) -> u32 {
    ///         self.0
    ///     }
    /// }
    ///
    /// #[derive(vaxel_actor::Message)]
    /// #[message(crate = vaxel_actor)]
    /// struct Price(usize, Option<u32>);
    ///
    /// struct Buyer;
    ///
    /// #[actor(crate = vaxel_actor)]
    /// impl Buyer {
    /// #   fn init() -> Self { Buyer }
    ///     #[cast]
    ///     fn compare(&mut self, shops: Vec<ShopRef>, cx: &mut Context<Self>) {
    ///         let mut requests = Requests::new();
    ///         for (number, shop) in shops.iter().enumerate() {
    ///             requests.add(number, shop.price());
    ///         }
    ///         let me = cx.me().recipient();
    ///         let _ = requests.forward(&me, |number, price| Price(number, price.ok()));
    ///     }
    ///
    ///     #[info]
    ///     fn price(&mut self, Price(number, price): Price) {
    ///         println!("shop {number}: {price:?}");
    ///     }
    /// }
    /// ```
    pub fn forward<M: Message>(
        mut self,
        to: &Recipient<M>,
        mut message: impl FnMut(L, T) -> M + Send + 'static,
    ) -> Join<usize>
    where
        L: Send + 'static,
        T: Send + 'static,
    {
        let to = to.clone();
        to.erase().system().spawn_future(async move {
            let mut lost = 0;
            while let Some((label, answer)) = self.next().await {
                match to.cast(message(label, answer)) {
                    Ok(()) => {}
                    Err(SendError::Full(_)) => lost += 1,
                    Err(_) => break,
                }
            }
            lost
        })
    }

    /// Gives all calls up, and returns their labels, in no order. Answers that have arrived and
    /// were not taken are dropped.
    pub fn abandon(&mut self) -> Vec<L> {
        let given_up = std::mem::take(self);
        let waiting = given_up.slots.into_iter().flatten();
        let answered = given_up.answered.into_iter().map(|(label, _)| label);
        answered
            .chain(waiting.map(|request| request.label))
            .collect()
    }

    /// How many calls have no answer that was taken.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len() + self.answered.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The labels of the calls that have no answer that was taken, in no order.
    pub fn labels(&self) -> impl Iterator<Item = &L> {
        let waiting = self.slots.iter().flatten().map(|request| &request.label);
        self.answered.iter().map(|(label, _)| label).chain(waiting)
    }

    async fn next(&mut self) -> Option<(L, T)> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Polls for the next answer, as [`wait_response`](Self::wait_response) without a limit.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(L, T)>> {
        if let Some(answer) = self.answered.pop_front() {
            return Poll::Ready(Some(answer));
        }
        while !self.is_empty() {
            let Some(slot) = self.arrivals.next(cx.waker()) else {
                return Poll::Pending;
            };
            let Some(request) = self.slots.get_mut(slot).and_then(Option::as_mut) else {
                continue;
            };
            request.arrival.is_taken();
            let mut own = Context::from_waker(&request.waker);
            if let Poll::Ready(answer) = request.call.as_mut().poll(&mut own) {
                let request = self.slots[slot].take();
                self.free.push(slot);
                return Poll::Ready(request.map(|request| (request.label, answer)));
            }
        }
        Poll::Ready(None)
    }
}

impl<L, R: Send + 'static> Requests<L, Result<R, CallError>> {
    /// Sends a message whose answer is awaited with the others.
    pub fn send_request<A, M>(&mut self, label: L, actor: &ActorRef<A>, message: M)
    where
        A: Handler<M>,
        M: Message<Reply = R>,
    {
        self.add(label, actor.call(message));
    }
}

impl<L, T> Default for Requests<L, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<L: Debug, T> Debug for Requests<L, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Requests")?;
        f.debug_list().entries(self.labels()).finish()
    }
}
