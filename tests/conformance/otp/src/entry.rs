//! What a name of a scenario stands for.

use std::time::Duration;

use vaxel_actor::event_manager::EventManagerRef;
use vaxel_actor::state_machine::MachineRef;
use vaxel_actor::supervisor::AnySupervisor;
use vaxel_actor::{ActorRef, AnyRef};

use crate::events::Happening;
use crate::machine::{Event, Scripted};
use crate::process::{Ask, Process, Run, Text};
use crate::reason;

/// An actor of one kind or another.
#[derive(Clone)]
pub(crate) enum Entry {
    Process(ActorRef<Process>),
    Machine(MachineRef<Scripted>),
    Manager(EventManagerRef<Happening>),
    Supervisor(AnySupervisor),
}

impl Entry {
    pub(crate) fn any(&self) -> AnyRef {
        match self {
            Entry::Process(actor) => actor.erase(),
            Entry::Machine(actor) => actor.erase(),
            Entry::Manager(manager) => manager.erase(),
            Entry::Supervisor(supervisor) => supervisor.erase(),
        }
    }

    /// Sends a message that is no request. False: nobody is there.
    pub(crate) fn send(&self, text: String) -> bool {
        match self {
            Entry::Process(actor) => actor.cast(Text(text)).is_ok(),
            Entry::Machine(actor) => actor.cast(Text(text)).is_ok(),
            Entry::Manager(manager) => manager.notify(Happening::Info(text)).is_ok(),
            Entry::Supervisor(_) => self.any().is_alive(),
        }
    }

    pub(crate) fn cast(&self, words: &[String]) {
        // A cast to who has ended is lost.
        match self {
            Entry::Process(actor) => _ = actor.cast(Run::cast(words)),
            Entry::Machine(actor) => _ = actor.cast(Run::cast(words)),
            Entry::Manager(_) | Entry::Supervisor(_) => {}
        }
    }

    /// Asks, and writes down what became of it.
    pub(crate) async fn call(self, words: Vec<String>, limit: Duration) -> String {
        match self {
            Entry::Process(actor) => {
                let asked = actor.call_with(move |to| Ask(words, to)).timeout(limit);
                asked.await.unwrap_or_else(|error| reason::of_call(&error))
            }
            Entry::Machine(actor) => {
                let text = words.join(" ");
                let asked = actor
                    .call_with(move |to| Event::Call(text, to))
                    .timeout(limit);
                asked.await.unwrap_or_else(|error| reason::of_call(&error))
            }
            Entry::Manager(_) | Entry::Supervisor(_) => "exit:unsupported".to_owned(),
        }
    }
}
