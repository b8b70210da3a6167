//! What every engine must do: one suite, run against each of them.

mod contract {
    pub(crate) mod jobs;
    pub(crate) mod journal;
    pub(crate) mod states;
    pub(crate) mod writes;
}

use std::sync::Arc;

use vaxel_store::{Memory, Sqlite, Store};

#[cfg(feature = "postgres")]
#[path = "postgres/shared.rs"]
mod shared;

/// A store, and what must live as long.
type Opened = (Arc<dyn Store>, Box<dyn std::any::Any>);

fn memory() -> Opened {
    (Arc::new(Memory::new()), Box::new(()))
}

fn sqlite() -> Opened {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let store = Sqlite::open(directory.path().join("data.db")).expect("a new file");
    (Arc::new(store), Box::new(directory))
}

#[cfg(feature = "postgres")]
fn postgres() -> Opened {
    let server = shared::server();
    let url = server.url("postgres");
    let config = vaxel_store::PostgresConfig::default().schema(shared::fresh_schema());
    let store = vaxel_store::Postgres::open_with(&url, config).expect("the server is there");
    (Arc::new(store), Box::new(server))
}

/// Each rule as a test of each engine.
macro_rules! suite {
    ($($area:ident: $($rule:ident)*;)*) => {
        suite!(@engine memory $($area: $($rule)*;)*);
        suite!(@engine sqlite $($area: $($rule)*;)*);
        #[cfg(feature = "postgres")]
        suite!(@engine postgres $($area: $($rule)*;)*);
    };
    (@engine $engine:ident $($area:ident: $($rule:ident)*;)*) => {
        mod $engine {
            $($(
                #[test]
                fn $rule() {
                    let (store, _kept) = super::$engine();
                    super::contract::$area::$rule(&*store);
                }
            )*)*
        }
    };
}

suite! {
    journal:
        events_are_read_as_they_were_appended
        an_append_must_know_the_last_event
        an_older_owner_is_refused
        who_never_claimed_is_refused
        of_two_writers_with_one_claim_one_is_refused_each_time
        an_append_is_whole_or_not_at_all
        an_append_of_no_events_is_checked_too
        a_read_is_bounded
        the_tail_has_every_event_once_and_in_order
        a_tag_selects_its_events
        snapshots_are_kept_up_to_a_number
        the_snapshot_of_an_older_owner_is_refused;
    states:
        a_state_has_a_version_for_each_write
        of_two_writers_of_a_version_one_is_refused
        a_deleted_state_goes_on_with_its_versions
        names_are_listed_by_prefix;
    writes:
        everything_is_stored_or_nothing
        a_refused_write_does_not_disturb_others
        an_offset_is_compared_and_set
        what_is_too_large_is_refused;
    jobs:
        a_job_is_claimed_once_and_finished
        jobs_come_by_priority_and_then_by_time
        a_job_waits_for_its_time
        a_failed_job_comes_again_and_dies_at_the_end
        a_snoozed_job_keeps_its_attempts
        a_job_whose_lease_ended_is_given_to_another
        a_renewed_lease_does_not_end
        a_unique_job_is_enqueued_once
        a_key_that_lasts_as_long_as_its_job_is_free_afterwards
        a_cancelled_job_is_not_held_any_more
        a_dead_job_is_retried_with_all_its_attempts
        jobs_that_are_over_are_pruned;
}
