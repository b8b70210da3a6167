use std::thread;

use vaxel_store::{
    Append, Claimed, EntityId, Fence, NewEvent, Offset, READ_BYTES_MAX, SaveSnapshot, Snapshot,
    Store, WriteError,
};

pub(crate) fn entity(name: &str) -> EntityId {
    EntityId::new(name)
}

pub(crate) fn append(name: &str, owner: Claimed, payloads: &[&str]) -> Append {
    let events = payloads
        .iter()
        .map(|payload| NewEvent::new(1, payload.as_bytes()));
    Append {
        entity: entity(name),
        fence: owner.fence,
        expected: owner.sequence,
        events: events.collect(),
    }
}

fn claim(store: &dyn Store, name: &str) -> Claimed {
    store
        .claim(&entity(name))
        .wait()
        .expect("anybody may claim")
}

fn payloads(store: &dyn Store, name: &str) -> Vec<String> {
    let events = store
        .read(&entity(name), 0, 1_000)
        .wait()
        .expect("it is there");
    let numbers: Vec<u64> = events.iter().map(|event| event.sequence).collect();
    let expected: Vec<u64> = (1..=events.len() as u64).collect();
    assert_eq!(
        numbers, expected,
        "sequence numbers begin at one and have no gaps"
    );
    let text = |payload| String::from_utf8(payload).expect("the tests write text");
    events
        .into_iter()
        .map(|event| text(event.payload))
        .collect()
}

pub(crate) fn events_are_read_as_they_were_appended(store: &dyn Store) {
    let mut owner = claim(store, "a");
    assert_eq!(
        owner,
        Claimed {
            fence: Fence(1),
            sequence: 0
        }
    );
    let appended = store
        .append(append("a", owner, &["one", "two"]))
        .wait()
        .expect("it fits");
    assert_eq!(appended.sequence, 2);
    owner.sequence = 2;
    store
        .append(append("a", owner, &["three"]))
        .wait()
        .expect("it fits");
    assert_eq!(payloads(store, "a"), ["one", "two", "three"]);
    let last = store.read(&entity("a"), 2, 10).wait().expect("it is there");
    assert_eq!((last.len(), last[0].sequence, last[0].version), (1, 3, 1));
    assert_eq!(payloads(store, "b"), Vec::<String>::new());
}

pub(crate) fn an_append_must_know_the_last_event(store: &dyn Store) {
    let mut owner = claim(store, "a");
    store
        .append(append("a", owner, &["one"]))
        .wait()
        .expect("it fits");
    for wrong in [0, 2] {
        owner.sequence = wrong;
        let refused = store
            .append(append("a", owner, &["other"]))
            .wait()
            .expect_err("refused");
        let WriteError::Conflict {
            expected, found, ..
        } = &refused
        else {
            panic!("not a conflict: {refused:?}");
        };
        assert_eq!((*expected, *found), (wrong, 1));
        assert!(refused.is_conflict() && !refused.is_outcome_unknown());
    }
    assert_eq!(payloads(store, "a"), ["one"]);
}

pub(crate) fn an_older_owner_is_refused(store: &dyn Store) {
    let old = claim(store, "a");
    store
        .append(append("a", old, &["one"]))
        .wait()
        .expect("it fits");
    let new = claim(store, "a");
    assert_eq!(
        new,
        Claimed {
            fence: Fence(2),
            sequence: 1
        }
    );
    // It knows the last event, and is refused all the same.
    let stale = Claimed { sequence: 1, ..old };
    let refused = store
        .append(append("a", stale, &["stale"]))
        .wait()
        .expect_err("refused");
    assert!(
        matches!(
            refused,
            WriteError::Fenced {
                fence: Fence(1),
                owner: Fence(2),
                ..
            }
        ),
        "{refused:?}"
    );
    store
        .append(append("a", new, &["two"]))
        .wait()
        .expect("it fits");
    assert_eq!(payloads(store, "a"), ["one", "two"]);
}

pub(crate) fn who_never_claimed_is_refused(store: &dyn Store) {
    let nobody = Claimed {
        fence: Fence(1),
        sequence: 0,
    };
    let refused = store
        .append(append("a", nobody, &["one"]))
        .wait()
        .expect_err("refused");
    assert!(
        matches!(
            refused,
            WriteError::Fenced {
                owner: Fence(0),
                ..
            }
        ),
        "{refused:?}"
    );
}

pub(crate) fn of_two_writers_with_one_claim_one_is_refused_each_time(store: &dyn Store) {
    let owner = claim(store, "a");
    let rounds = 50;
    let write = || {
        let mut written = 0;
        for sequence in 0..rounds {
            let at = Claimed { sequence, ..owner };
            match store.append(append("a", at, &["x"])).wait() {
                Ok(_) => written += 1,
                Err(error) => assert!(error.is_conflict(), "{error:?}"),
            }
        }
        written
    };
    let written: u64 = thread::scope(|scope| {
        let writers: Vec<_> = (0..4).map(|_| scope.spawn(write)).collect();
        writers
            .into_iter()
            .map(|writer| writer.join().expect("it only writes"))
            .sum()
    });
    assert_eq!(payloads(store, "a").len() as u64, written);
}

pub(crate) fn an_append_is_whole_or_not_at_all(store: &dyn Store) {
    let owner = claim(store, "a");
    let mut with_tag = append("a", owner, &["one", "two", "three"]);
    with_tag.events[2] = NewEvent::new(1, *b"three").tag("t".repeat(10_000));
    let refused = store
        .append(with_tag)
        .wait()
        .expect_err("its tag is too long");
    assert!(
        matches!(refused, WriteError::TooLarge { .. }),
        "{refused:?}"
    );
    assert_eq!(payloads(store, "a"), Vec::<String>::new());
}

pub(crate) fn an_append_of_no_events_is_checked_too(store: &dyn Store) {
    let first = claim(store, "a");
    let nothing = |owner| store.append(append("a", owner, &[])).wait();
    assert_eq!(
        nothing(first).map(|appended| appended.sequence).ok(),
        Some(0)
    );
    let mut second = claim(store, "a");
    assert!(matches!(nothing(first), Err(WriteError::Fenced { .. })));
    second.sequence = 1;
    assert!(matches!(nothing(second), Err(WriteError::Conflict { .. })));
}

pub(crate) fn a_read_is_bounded(store: &dyn Store) {
    let mut owner = claim(store, "a");
    for _ in 0..3 {
        let mut large = append("a", owner, &[""]);
        large.events[0].payload = vec![b'x'; READ_BYTES_MAX / 2 + 1];
        owner.sequence = store.append(large).wait().expect("it fits").sequence;
    }
    let first = store
        .read(&entity("a"), 0, 100)
        .wait()
        .expect("it is there");
    assert_eq!(first.len(), 1, "two of them pass the bound");
    assert_eq!(
        store
            .read(&entity("a"), 0, 0)
            .wait()
            .expect("nothing is asked for"),
        []
    );
    let rest = store
        .tail(first[0].offset, None, 100)
        .wait()
        .expect("it is there");
    assert_eq!(rest.len(), 1);
}

pub(crate) fn the_tail_has_every_event_once_and_in_order(store: &dyn Store) {
    let (writers, rounds) = (4, 50);
    thread::scope(|scope| {
        for writer in 0..writers {
            scope.spawn(move || {
                let name = format!("writer/{writer}");
                let mut owner = claim(store, &name);
                for _ in 0..rounds {
                    let appended = store.append(append(&name, owner, &["x"])).wait();
                    owner.sequence = appended.expect("nobody else writes").sequence;
                }
            });
        }
    });
    let (mut after, mut seen) = (Offset::START, 0);
    let mut last_of = std::collections::HashMap::new();
    loop {
        let page = store.tail(after, None, 7).wait().expect("it is there");
        let Some(last) = page.last() else { break };
        for tailed in &page {
            assert!(tailed.event.offset > after);
            after = tailed.event.offset;
            let last = last_of.insert(tailed.entity.clone(), tailed.event.sequence);
            assert_eq!(tailed.event.sequence, last.unwrap_or(0) + 1);
            seen += 1;
        }
        assert_eq!(after, last.event.offset);
    }
    assert_eq!(seen, writers * rounds);
}

pub(crate) fn a_tag_selects_its_events(store: &dyn Store) {
    let owner = claim(store, "a");
    let mut tagged = append("a", owner, &["one", "two", "three"]);
    tagged.events[0].tags = vec!["even".into(), "all".into()];
    tagged.events[2].tags = vec!["all".into()];
    store.append(tagged).wait().expect("it fits");
    let of = |tag: &str, after| {
        let page = store
            .tail(after, Some(tag.into()), 10)
            .wait()
            .expect("it is there");
        let of_each = page.into_iter().map(|tailed| tailed.event);
        of_each
            .map(|event| (event.sequence, event.offset))
            .collect::<Vec<_>>()
    };
    let all = of("all", Offset::START);
    assert_eq!(
        all.iter()
            .map(|(sequence, _)| *sequence)
            .collect::<Vec<_>>(),
        [1, 3]
    );
    assert_eq!(of("all", all[0].1), all[1..]);
    assert_eq!(of("even", Offset::START).len(), 1);
    assert_eq!(of("none", Offset::START), []);
}

fn snapshot(owner: Claimed, sequence: u64) -> SaveSnapshot {
    SaveSnapshot {
        entity: entity("a"),
        fence: owner.fence,
        snapshot: Snapshot {
            sequence,
            version: 3,
            payload: sequence.to_string().into_bytes(),
        },
        keep: 2,
    }
}

pub(crate) fn snapshots_are_kept_up_to_a_number(store: &dyn Store) {
    let owner = claim(store, "a");
    let newest = |at_most| {
        store
            .snapshot(&entity("a"), at_most)
            .wait()
            .expect("it is there")
    };
    assert_eq!(newest(u64::MAX), None);
    for sequence in [10, 20, 30] {
        store
            .save_snapshot(snapshot(owner, sequence))
            .wait()
            .expect("it fits");
    }
    let sequence_of = |at_most| newest(at_most).map(|snapshot| snapshot.sequence);
    assert_eq!(newest(u64::MAX), Some(snapshot(owner, 30).snapshot));
    assert_eq!(sequence_of(29), Some(20));
    assert_eq!(sequence_of(19), None, "only two are kept");
    store
        .save_snapshot(snapshot(owner, 30))
        .wait()
        .expect("the same once more");
    assert_eq!(sequence_of(29), Some(20));
}

pub(crate) fn the_snapshot_of_an_older_owner_is_refused(store: &dyn Store) {
    let old = claim(store, "a");
    claim(store, "a");
    let refused = store
        .save_snapshot(snapshot(old, 1))
        .wait()
        .expect_err("refused");
    assert!(
        matches!(
            refused,
            WriteError::Fenced {
                owner: Fence(2),
                ..
            }
        ),
        "{refused:?}"
    );
    assert_eq!(
        store.snapshot(&entity("a"), 9).wait().expect("it reads"),
        None
    );
}
