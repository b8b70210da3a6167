//! The typed reference to a manager.

use std::convert::Infallible;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use vaxel_runtime::{ActorRef, Handler, Pid, Recipient, SendError, System};

use super::error::{AddHandlerError, CallHandlerError, DeleteHandlerError, SwapHandlerError};
use super::next::Make;
use super::process::{Ask, Notify};
use super::{EventHandler, EventManager, HandlerExit, HandlerId, Next};
use crate::call::{Call, call, cast};

/// A request to a manager, on its way; a future of `Result<T, CallError<X>>`.
///
/// Five seconds unless [`timeout`](Call::timeout) says otherwise. Dropping it gives up the answer;
/// what was asked for is done all the same.
pub type Asked<E, T, X = Infallible> = Call<T, X, Ask<E, Result<T, X>>>;

/// A reference to an [`EventManager`]: cheap to clone, valid across restarts.
///
/// It dereferences to the manager's `ActorRef` and is made of one.
pub struct EventManagerRef<E: Send + 'static>(ActorRef<EventManager<E>>);

impl<E: Send + 'static> EventManagerRef<E> {
    /// The manager of events of this type that is registered under `name` in the current system.
    pub fn whereis(name: &str) -> Option<Self> {
        System::current().whereis(name).map(EventManagerRef)
    }

    /// Sends an event to all handlers without waiting for anything.
    ///
    /// # Errors
    /// If the mailbox is full or the manager has ended; the event comes back.
    pub fn notify(&self, event: E) -> Result<(), SendError<E>> {
        cast(&self.0, Notify(event), |Notify(event)| event)
    }

    /// Sends an event to all handlers; ends when all of them have handled it.
    ///
    /// # Errors
    /// If it takes too long, or the manager ends or has no room. Not if a handler panics.
    pub fn sync_notify(&self, event: E) -> Call<(), Infallible, Notify<E>> {
        call(&self.0, Notify(event))
    }

    /// Adds a handler, which has events before all others.
    ///
    /// # Errors
    /// If there is one of that id, or too many, or if its [`init`](EventHandler::init) refuses.
    pub fn add_handler(
        &self,
        id: impl Into<HandlerId>,
        handler: impl EventHandler<E>,
    ) -> Asked<E, (), AddHandlerError> {
        self.add(id.into(), handler, None)
    }

    /// As [`add_handler`](Self::add_handler), for as long as the present incarnation of `owner`
    /// lives, which is told by a [`HandlerExit`] when the handler leaves for any other reason.
    ///
    /// The manager holds a reference to the owner as long as it has the handler.
    ///
    /// # Errors
    /// As for [`add_handler`](Self::add_handler). Not if the owner has ended: the handler goes.
    ///
    /// ```
    /// use vaxel_actor::event_manager::*;
    /// use vaxel_actor::prelude::*;
    ///
    /// /// Wants to hear of alarms for as long as it lives, and to know when it does not any more.
    /// struct Watch;
    ///
    /// #[actor(crate = vaxel_actor)]
    /// impl Watch {
    ///     async fn init(
    ///         alarms: EventManagerRef<String>,
    ///         cx: &mut Context<Self>,
    ///     ) -> Result<Self, String> {
    ///         let me = cx.me();
    ///         let listener = move |alarm: &String| {
    ///             // What takes long is work for the actor, not for its handler.
    ///             let _ = WatchRef::from(me.clone()).alarm(alarm.clone());
    ///         };
    ///         let added = alarms.add_supervised_handler("watch", listener, &cx.me()).await;
    ///         added.map(|()| Watch).map_err(|error| error.to_string())
    ///     }
    ///
    ///     #[cast]
    ///     fn alarm(&mut self, alarm: String) {
    ///         println!("{alarm}!");
    ///     }
    ///
    ///     #[call]
    ///     fn is_on(&self) -> bool {
    ///         true
    ///     }
    ///
    ///     #[info]
    ///     fn gone(&mut self, exit: HandlerExit, cx: &mut Context<Self>) {
    ///         cx.stop_with(ExitReason::error(exit.reason));
    ///     }
    /// }
    ///
    /// # vaxel_actor::Program::new().workers(1).run(async {
    /// let alarms = EventManager::spawn();
    /// let watch = Watch::spawn(alarms.clone());
    /// assert_eq!(watch.is_on().await, Ok(true));
    /// alarms.notify("fire".to_owned())?;
    /// assert_eq!(alarms.which_handlers().await?.len(), 1);
    /// # drop(watch);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn add_supervised_handler<A>(
        &self,
        id: impl Into<HandlerId>,
        handler: impl EventHandler<E>,
        owner: &ActorRef<A>,
    ) -> Asked<E, (), AddHandlerError>
    where
        A: Handler<HandlerExit>,
    {
        self.add(id.into(), handler, Some((owner.recipient(), owner.pid())))
    }

    fn add(
        &self,
        id: HandlerId,
        handler: impl EventHandler<E>,
        owner: Option<(Recipient<HandlerExit>, Pid)>,
    ) -> Asked<E, (), AddHandlerError> {
        self.ask(Ask::new(move |handlers, cx| {
            handlers.add(id, move || Some(Box::new(handler)), owner, cx)
        }))
    }

    /// Removes a handler and yields what its [`terminate`](EventHandler::terminate) returns.
    ///
    /// # Errors
    /// If there is none, if its output is not an `O`, or if its `terminate` panics.
    pub fn delete_handler<O: Send + 'static>(
        &self,
        id: impl Into<HandlerId>,
    ) -> Asked<E, O, DeleteHandlerError> {
        let id = id.into();
        self.ask(Ask::new(move |handlers, cx| handlers.delete(id, cx)))
    }

    /// Removes the handler `old` and adds, as the newest, what `make` makes of the output of its
    /// `terminate`. No event comes in between. The owner of a supervised handler supervises the new
    /// one. Where there is no `old`, or its `terminate` panics, `make` is given none.
    ///
    /// # Errors
    /// If the id is taken or the type is not that of the output, and then nothing changes. If
    /// `make` panics or the new one's `init` refuses, and then both are gone.
    pub fn swap_handler<O: Send + 'static, N: EventHandler<E>>(
        &self,
        old: impl Into<HandlerId>,
        new: impl Into<HandlerId>,
        make: impl FnOnce(Option<O>) -> N + Send + 'static,
    ) -> Asked<E, (), SwapHandlerError> {
        let (old, new) = (old.into(), new.into());
        let make: Make<E> = Box::new(|output| {
            let output = output.and_then(|output| output.downcast().ok());
            Some(Box::new(make(output.map(|output| *output))))
        });
        self.ask(Ask::new(move |handlers, cx| {
            handlers.swap::<O>(&old, new, make, cx)
        }))
    }

    /// Asks one handler, whose type the closure names: `|log: &mut Log| log.lines`.
    ///
    /// # Errors
    /// If there is none of that id, if it is of another type, or if the closure panics, which
    /// removes the handler.
    pub fn call<H: EventHandler<E>, R: Send + 'static>(
        &self,
        id: impl Into<HandlerId>,
        request: impl FnOnce(&mut H) -> R + Send + 'static,
    ) -> Asked<E, R, CallHandlerError> {
        self.call_then(id, |handler| (request(handler), Next::keep()))
    }

    /// As [`call`](Self::call), and the handler then stays, leaves or is swapped, before the answer
    /// is sent.
    ///
    /// # Errors
    /// As for [`call`](Self::call).
    pub fn call_then<H: EventHandler<E>, R: Send + 'static>(
        &self,
        id: impl Into<HandlerId>,
        request: impl FnOnce(&mut H) -> (R, Next<E, H>) + Send + 'static,
    ) -> Asked<E, R, CallHandlerError> {
        let id = id.into();
        self.ask(Ask::new(move |handlers, cx| handlers.call(id, request, cx)))
    }

    /// The handlers, in the order in which they have events.
    pub fn which_handlers(&self) -> Asked<E, Vec<HandlerId>> {
        self.ask(Ask::new(|handlers, _| Ok(handlers.ids())))
    }

    fn ask<T, X>(&self, request: Ask<E, Result<T, X>>) -> Asked<E, T, X>
    where
        T: Send + 'static,
        X: Send + 'static,
    {
        call(&self.0, request)
    }
}

impl<E: Send + 'static> From<ActorRef<EventManager<E>>> for EventManagerRef<E> {
    fn from(manager: ActorRef<EventManager<E>>) -> Self {
        EventManagerRef(manager)
    }
}

impl<E: Send + 'static> Deref for EventManagerRef<E> {
    type Target = ActorRef<EventManager<E>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<E: Send + 'static> Clone for EventManagerRef<E> {
    fn clone(&self) -> Self {
        EventManagerRef(self.0.clone())
    }
}

impl<E: Send + 'static> PartialEq for EventManagerRef<E> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<E: Send + 'static> Eq for EventManagerRef<E> {}

impl<E: Send + 'static> Hash for EventManagerRef<E> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<E: Send + 'static> fmt::Debug for EventManagerRef<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
