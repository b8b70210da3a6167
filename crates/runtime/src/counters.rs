//! The named numbers of a system: every bound has one.

/// A snapshot of a system's counters. Each is exact; they are read one after another while workers
/// go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Actors that live now.
    pub actors_alive: u64,
    /// Actors ever spawned, restarts not counted.
    pub actors_spawned: u64,
    /// Messages handled.
    pub messages: u64,
    /// Incarnations that ended by a panic.
    pub crashes: u64,
    /// Incarnations started again in place.
    pub restarts: u64,
    /// Messages given back because a mailbox was at its bound.
    pub mailbox_full: u64,
    /// Calls and sends that waited for room in a mailbox.
    pub mailbox_waited: u64,
    /// Messages dropped because a mailbox was at its bound.
    pub mailbox_dropped_newest: u64,
    /// Messages dropped because newer ones needed the room.
    pub mailbox_dropped_oldest: u64,
    /// Messages dropped because newer ones of the same key needed the room.
    pub mailbox_superseded: u64,
    /// Messages given back because the actor had ended.
    pub dead_letters: u64,
    /// Calls that failed because they closed a cycle.
    pub call_cycles: u64,
    /// Calls that were not handled because nobody waited for the answer any more.
    pub calls_expired: u64,
    /// Workers that the watchdog found stuck.
    pub handlers_stuck: u64,
    /// Worker threads that exist now, spares included.
    pub workers: u64,
    /// Worker threads that sleep.
    pub workers_parked: u64,
    /// Timers that wait.
    pub timers_pending: u64,
    /// Timers that have fired.
    pub timers_fired: u64,
    /// Pids in use.
    pub pids: u64,
}

impl Counters {
    /// All counters with their names, for displays and metrics.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("actors_alive", self.actors_alive),
            ("actors_spawned", self.actors_spawned),
            ("messages", self.messages),
            ("crashes", self.crashes),
            ("restarts", self.restarts),
            ("mailbox_full", self.mailbox_full),
            ("mailbox_waited", self.mailbox_waited),
            ("mailbox_dropped_newest", self.mailbox_dropped_newest),
            ("mailbox_dropped_oldest", self.mailbox_dropped_oldest),
            ("mailbox_superseded", self.mailbox_superseded),
            ("dead_letters", self.dead_letters),
            ("call_cycles", self.call_cycles),
            ("calls_expired", self.calls_expired),
            ("handlers_stuck", self.handlers_stuck),
            ("workers", self.workers),
            ("workers_parked", self.workers_parked),
            ("timers_pending", self.timers_pending),
            ("timers_fired", self.timers_fired),
            ("pids", self.pids),
        ]
        .into_iter()
    }
}
