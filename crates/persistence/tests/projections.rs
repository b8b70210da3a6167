//! Projections count each event once; durable states are compared and set.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use common::{Account, book, in_memory, in_system, on, soon};
use serde::{Deserialize, Serialize};
use vaxel_actor::Supervisor;
use vaxel_persistence::{
    Command, Durable, Entities, ExecuteError, Persistence, Postcard, Projection, ProjectionActor,
    ProjectionError, States, Stored, Update,
};
use vaxel_store::{Put, TailedEvent, Write, WriteError};

/// Counts the bookings with a tag, and fails now and then.
struct Total {
    tag: &'static str,
    version: u64,
    total: u64,
    seen: Arc<AtomicUsize>,
    fails_at: usize,
}

impl Total {
    fn load(persistence: &Persistence, tag: &'static str, seen: &Arc<AtomicUsize>) -> Self {
        let stored = persistence
            .store()
            .load(&"total".into())
            .wait()
            .expect("it reads");
        let payload = stored.as_ref().and_then(|stored| stored.payload.as_deref());
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        Total {
            tag,
            version: stored.as_ref().map_or(0, |stored| stored.version),
            total: payload.map_or(0, number),
            seen: seen.clone(),
            fails_at: 7,
        }
    }
}

impl Projection for Total {
    const NAME: &'static str = "total";

    fn tag(&self) -> Option<Arc<str>> {
        Some(self.tag.into())
    }

    async fn project(&mut self, _: &TailedEvent, write: &mut Write) -> Result<(), ProjectionError> {
        if self.seen.fetch_add(1, SeqCst) == self.fails_at {
            return Err("as the test wants it".into());
        }
        self.total += 1;
        let put = Put {
            entity: "total".into(),
            expected: self.version,
            format: 1,
            payload: Some(self.total.to_le_bytes().to_vec()),
        };
        self.version += 1;
        *write = std::mem::take(write).put(put);
        Ok(())
    }
}

fn total(persistence: &Persistence) -> u64 {
    Total::load(persistence, "in", &Arc::default()).total
}

#[test]
fn each_event_counts_once_however_often_the_projection_fails() {
    in_system(|_| async {
        let (_, persistence) = in_memory();
        let accounts = Entities::<Account>::new(&persistence);
        for round in 0..5 {
            book(&accounts, "ada", 1).await;
            book(&accounts, "ada", -1).await;
            book(&accounts, &round.to_string(), 1).await;
        }
        let seen = Arc::<AtomicUsize>::default();
        let making = (persistence.clone(), seen.clone());
        let projection = ProjectionActor::child(&persistence, move || {
            Total::load(&making.0, "in", &making.1)
        });
        let supervisor = Supervisor::one_for_one().child(projection).start().await;
        let _supervisor = supervisor.expect("it starts");
        let reaches = |expected| {
            let persistence = &persistence;
            async move {
                while total(persistence) != expected {
                    tokio::task::yield_now().await;
                }
            }
        };
        soon("the total of ten", reaches(10)).await;
        assert!(
            seen.load(SeqCst) > 10,
            "it has failed once, and seen some again"
        );
        for _ in 0..3 {
            book(&accounts, "bob", 1).await;
        }
        soon("the total of thirteen", reaches(13)).await;
    });
}

#[derive(Serialize, Deserialize)]
struct Profile {
    visits: u64,
}

impl Durable for Profile {
    const KIND: &'static str = "profile";
    type Format = Postcard;

    fn new(_: &str) -> Self {
        Profile { visits: 0 }
    }
}

struct Visit;
impl Command for Visit {
    type Reply = u64;
}
impl Update<Visit> for Profile {
    async fn update(_: Visit, profile: &mut Stored<'_, Self>) -> u64 {
        profile.visits += 1;
        profile.visits
    }
}

struct Forget;
impl Command for Forget {
    type Reply = ();
}
impl Update<Forget> for Profile {
    async fn update(_: Forget, profile: &mut Stored<'_, Self>) {
        profile.delete();
    }
}

async fn visit(profiles: &States<Profile>) -> Result<u64, ExecuteError> {
    soon("a visit", profiles.execute("ada", Visit)).await
}

#[test]
fn a_durable_state_is_kept_and_forgotten() {
    in_system(|_| async {
        let (store, persistence) = in_memory();
        let profiles = States::<Profile>::new(&persistence);
        assert_eq!(visit(&profiles).await.expect("it is stored"), 1);
        let again = States::<Profile>::new(&on(store.clone()));
        assert_eq!(visit(&again).await.expect("it is stored"), 2);
        again.execute("ada", Forget).await.expect("it is deleted");
        assert_eq!(visit(&States::new(&on(store))).await.expect("it is new"), 1);
    });
}

#[test]
fn of_two_actors_of_a_state_the_slower_one_is_refused_and_reads_again() {
    in_system(|_| async {
        let (store, persistence) = in_memory();
        let (here, there) = (States::new(&persistence), States::new(&on(store)));
        assert_eq!(visit(&here).await.expect("it is stored"), 1);
        assert_eq!(visit(&there).await.expect("it is stored"), 2);
        let refused = visit(&here).await;
        assert!(
            matches!(
                refused,
                Err(ExecuteError::Write(WriteError::Conflict { .. }))
            ),
            "{refused:?}"
        );
        assert_eq!(visit(&here).await.expect("it has read again"), 3);
    });
}
