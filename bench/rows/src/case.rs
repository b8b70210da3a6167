//! The rows: what each measures, in which unit, and what is claimed of it.

use clap::ValueEnum;

/// One row of the suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Case {
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
    /// A call from a tokio task to an actor on other threads.
    CallForeign,
    /// From the message that crashes an actor to its successor's answer.
    Recover,
    /// A thousand calls a second to an actor, and nothing else.
    #[value(name = "spinners-0")]
    Spinners0,
    /// The same while two others compute for five seconds.
    Spinners,
    /// While eight compute.
    #[value(name = "spinners-8")]
    Spinners8,
    /// While fifty compute.
    #[value(name = "spinners-50")]
    Spinners50,
    /// While two handle one message of 4 ms after another: too short for a watchdog to see.
    Unseen,
}

/// What the figure of a case is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
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
    /// In the order in which they are printed.
    pub const ALL: [Case; 17] = [
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
        Case::CallForeign,
        Case::Recover,
        Case::Spinners0,
        Case::Spinners,
        Case::Spinners8,
        Case::Spinners50,
        Case::Unseen,
    ];

    /// As it is asked for on the command line.
    pub fn name(self) -> String {
        let value = self.to_possible_value().expect("no case is skipped");
        value.get_name().to_owned()
    }

    /// What its figure is made of.
    pub fn measure(self) -> Measure {
        match self {
            Case::Memory | Case::MemorySupervised => Measure::Bytes,
            Case::Skynet => Measure::Whole,
            Case::Call | Case::CallForeign | Case::Recover => Measure::Delay,
            Case::Spinners0
            | Case::Spinners
            | Case::Spinners8
            | Case::Spinners50
            | Case::Unseen => Measure::Stall,
            _ => Measure::Rate,
        }
    }

    /// The unit of its figure.
    pub fn unit(self) -> &'static str {
        match self {
            Case::Memory | Case::MemorySupervised => "B",
            Case::SpawnCold | Case::SpawnWarm => "actors/s",
            Case::Ring => "hops/s",
            Case::FanOut => "deliveries/s",
            Case::PingPong | Case::ManyToOne => "messages/s",
            Case::Skynet => "ms",
            _ => "us",
        }
    }

    /// The cost of ours over the best other side's that is claimed, where the claim is a ratio.
    pub fn goal(self) -> Option<f64> {
        match self {
            Case::SpawnWarm | Case::Skynet => Some(1.0 / 8.0),
            Case::PingPong | Case::ManyToOne | Case::Recover => Some(1.0 / 2.0),
            Case::Ring => Some(1.0 / 2.5),
            Case::FanOut => Some(1.0 / 1.3),
            _ => None,
        }
    }

    /// Whether each run needs a process that has touched no memory yet.
    pub fn needs_fresh_process(self) -> bool {
        matches!(
            self,
            Case::Memory | Case::MemorySupervised | Case::SpawnCold | Case::SpawnWarm
        )
    }
}
