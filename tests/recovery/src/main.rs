//! The program that is killed: `vaxel-recovery FILE RUN [WHAT MOMENT NUMBER]`.
//!
//! Puts load on a store in that file and prints what has been acknowledged, until it kills itself
//! with SIGKILL `before` or `after` the `write`, `sync` or `acknowledge` of that number, or is
//! killed from outside. `vaxel-recovery FILE drain` works off what is left, and ends; with `work`
//! it says how far it is, and has more hands.

#![forbid(unsafe_code)]

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Signal, getpid, kill_process};
use vaxel_actor::Program;
use vaxel_recovery::{drain, serve, work};
use vaxel_recovery_disk::{Disk, Moment, Operation, Step};
use vaxel_store::{Sqlite, SqliteConfig};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Where the program ends.
#[derive(Clone)]
struct End {
    what: String,
    moment: Moment,
    number: u64,
    acknowledged: Arc<AtomicU64>,
}

fn end() {
    let _ = kill_process(getpid(), Signal::KILL);
}

impl End {
    fn parse(arguments: &[String]) -> Outcome<Option<Self>> {
        let [what, moment, number] = arguments else {
            return Ok(None);
        };
        Ok(Some(End {
            what: what.clone(),
            moment: if moment == "before" {
                Moment::Before
            } else {
                Moment::After
            },
            number: number.parse()?,
            acknowledged: Arc::default(),
        }))
    }

    fn is_at(&self, step: Step) -> bool {
        let what = match step.operation {
            Operation::Write => "write",
            Operation::Sync => "sync",
            Operation::Truncate => "truncate",
        };
        what == self.what && (step.moment, step.number) == (self.moment, self.number)
    }
}

/// Says what has been acknowledged, in one write.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody who reads is left only when the test has ended.
    let _ = out.write_all(format!("{line}\n").as_bytes());
    let _ = out.flush();
}

fn acknowledge(planned: Option<&End>, line: &str) {
    let here = planned.filter(|planned| planned.what == "acknowledge");
    let is_here = here.is_some_and(|planned| {
        planned.acknowledged.fetch_add(1, Ordering::Relaxed) == planned.number
    });
    if is_here && here.is_some_and(|planned| planned.moment == Moment::Before) {
        end();
    }
    say(line);
    if is_here {
        end();
    }
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, run, planned @ ..] = &arguments[..] else {
        return Err("usage: vaxel-recovery FILE RUN [WHAT MOMENT NUMBER]".into());
    };
    let planned = End::parse(planned)?;
    let folder = Path::new(file).parent().ok_or("the file is in a folder")?;
    let disk = Disk::under(folder)?;
    if let Some(planned) = planned.clone() {
        disk.at_each_step(move |step| {
            if planned.is_at(step) {
                end();
            }
            Ok(())
        });
    }
    // Few pages, so that checkpoints are met as well.
    let store = Arc::new(Sqlite::open_with(
        file,
        SqliteConfig::default().checkpoint_pages(100),
    )?);
    Program::new().workers(2).run(async {
        match (run.as_str(), run.parse()) {
            ("work", _) => work(store, |completed| say(&completed.to_string())).await,
            (_, Ok(run)) => {
                serve(store, run, move |line| acknowledge(planned.as_ref(), &line)).await;
            }
            _ => drain(store).await,
        }
    });
    Ok(())
}
