//! The rows: what each measures, in which unit, and what is claimed of it.

use clap::ValueEnum;

use crate::bench::report::Better;

/// One row of the suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// Bytes per idle actor that has handled a message, nobody supervising it.
    Memory,
    /// The same of a supervisor's child, its entry in the supervisor included.
    MemorySupervised,
    /// A million actors from inside, memory touched for the first time.
    SpawnCold,
    /// The same again in memory that earlier actors have used.
    SpawnWarm,
    /// Two actors, one message between them.
    PingPong,
    /// Sixteen senders, one receiver, each side's default mailbox.
    ManyToOne,
    /// A thousand actors in a ring, one message going round.
    Ring,
    /// A tree of actors with a million leaves, ten below each.
    Skynet,
    /// One sender, a hundred thousand receivers.
    FanOut,
    /// A call from one actor to another.
    Call,
    /// From the message that crashes an actor to its successor's answer.
    Recover,
    /// A thousand calls a second to an actor while two others compute for five seconds.
    Spinners,
}

/// What the figure of a case is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Bytes each.
    Bytes,
    /// Operations a second.
    Rate,
    /// The time of the whole.
    Whole,
    /// The median of single delays.
    Delay,
    /// Several figures of single delays.
    Stall,
}

impl Case {
    pub(crate) const ALL: [Case; 12] = [
        Case::Memory,
        Case::MemorySupervised,
        Case::SpawnCold,
        Case::SpawnWarm,
        Case::PingPong,
        Case::ManyToOne,
        Case::Ring,
        Case::Skynet,
        Case::FanOut,
        Case::Call,
        Case::Recover,
        Case::Spinners,
    ];

    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value().expect("no case is skipped");
        value.get_name().to_owned()
    }

    pub(crate) fn measure(self) -> Measure {
        match self {
            Case::Memory | Case::MemorySupervised => Measure::Bytes,
            Case::Skynet => Measure::Whole,
            Case::Call | Case::Recover => Measure::Delay,
            Case::Spinners => Measure::Stall,
            _ => Measure::Rate,
        }
    }

    pub(crate) fn unit(self) -> &'static str {
        match self {
            Case::Memory | Case::MemorySupervised => "B",
            Case::SpawnCold | Case::SpawnWarm => "actors/s",
            Case::Ring => "hops/s",
            Case::FanOut => "deliveries/s",
            Case::PingPong | Case::ManyToOne => "messages/s",
            Case::Skynet => "ms",
            Case::Call | Case::Recover => "us",
            Case::Spinners => "us",
        }
    }

    pub(crate) fn better(self) -> Better {
        match self.measure() {
            Measure::Rate => Better::Higher,
            _ => Better::Lower,
        }
    }

    /// The cost of ours over tokio's that is claimed, where the claim is a ratio.
    pub(crate) fn goal(self) -> Option<f64> {
        match self {
            Case::SpawnWarm | Case::Skynet => Some(1.0 / 8.0),
            Case::PingPong | Case::ManyToOne | Case::Recover => Some(1.0 / 2.0),
            Case::Ring => Some(1.0 / 2.5),
            Case::FanOut => Some(1.0 / 1.3),
            _ => None,
        }
    }

    /// Whether each run needs a process that has touched no memory yet.
    pub(crate) fn needs_fresh_process(self) -> bool {
        matches!(
            self,
            Case::Memory | Case::MemorySupervised | Case::SpawnCold | Case::SpawnWarm
        )
    }
}
