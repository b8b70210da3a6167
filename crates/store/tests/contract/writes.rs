use vaxel_store::{
    Append, EntityId, NewEvent, NewJob, Offset, SaveOffset, Store, Write, WriteError, Written,
};

use super::journal::{append, entity};
use super::states::put;

pub(crate) fn everything_is_stored_or_nothing(store: &dyn Store) {
    let owner = store.claim(&entity("a")).wait().expect("anybody may claim");
    let all = |version| {
        Write::new()
            .append(append("a", owner, &["one", "two"]))
            .enqueue(NewJob::new("mail", *b"hello"))
            .put(put("summary", version, Some("two events")))
    };
    let refused = store
        .write(all(7))
        .wait()
        .expect_err("the state has no version 7");
    assert!(refused.is_conflict(), "{refused:?}");
    assert_eq!(
        store.read(&entity("a"), 0, 10).wait().expect("it reads"),
        []
    );
    assert_eq!(store.job_counts("mail").wait().expect("it reads"), []);

    let written = store.write(all(0)).wait().expect("it fits");
    assert!(
        matches!(written[0], Written::Appended(done) if done.sequence == 2),
        "{written:?}"
    );
    assert!(matches!(written[1], Written::Enqueued(_)), "{written:?}");
    assert_eq!(written[2], Written::Version(1));
    assert_eq!(
        store
            .read(&entity("a"), 0, 10)
            .wait()
            .expect("it reads")
            .len(),
        2
    );
}

pub(crate) fn a_refused_write_does_not_disturb_others(store: &dyn Store) {
    let owner = store.claim(&entity("a")).wait().expect("anybody may claim");
    // All of them are queued before the first is answered.
    let writes: Vec<_> = (0..10)
        .map(|_| store.append(append("a", owner, &["x", "y"])))
        .chain((0..1).map(|_| store.append(append("b", owner, &["x"]))))
        .collect();
    let others: Vec<_> = (0..10)
        .map(|other| store.put(put(&format!("other/{other}"), 0, Some("x"))))
        .collect();
    let written = writes.into_iter().map(|write| write.wait().is_ok());
    assert_eq!(written.filter(|is_written| *is_written).count(), 1);
    for other in others {
        assert_eq!(other.wait().expect("nobody else writes it"), 1);
    }
}

pub(crate) fn an_offset_is_compared_and_set(store: &dyn Store) {
    let save = |expected, offset| {
        let save = SaveOffset {
            projection: "totals".into(),
            expected: Offset(expected),
            offset: Offset(offset),
        };
        store.write(Write::new().save_offset(save)).wait()
    };
    let stored = || store.projection("totals").wait().expect("it reads");
    assert_eq!(stored(), Offset::START);
    assert!(save(3, 9).expect_err("it was never stored").is_conflict());
    save(0, 5).expect("it is new");
    assert!(save(0, 6).expect_err("it has moved").is_conflict());
    save(5, 9).expect("it fits");
    assert_eq!(stored(), Offset(9));
}

pub(crate) fn what_is_too_large_is_refused(store: &dyn Store) {
    let too_large = |outcome: Result<(), WriteError>| {
        let error = outcome.expect_err("it is too large");
        assert!(matches!(error, WriteError::TooLarge { .. }), "{error:?}");
    };
    let name = EntityId::new("n".repeat(EntityId::BYTES_MAX + 1));
    too_large(store.claim(&name).wait().map(drop));
    let owner = store.claim(&entity("a")).wait().expect("anybody may claim");
    let mut large = append("a", owner, &["x"]);
    large.events[0].payload = vec![0; NewEvent::PAYLOAD_BYTES_MAX + 1];
    too_large(store.append(large).wait().map(drop));
    let many = append("a", owner, &vec!["x"; Append::EVENTS_MAX + 1]);
    too_large(store.append(many).wait().map(drop));
    let mut job = NewJob::new("mail", vec![]);
    job.priority = NewJob::PRIORITY_MAX + 1;
    too_large(store.enqueue(job).wait().map(drop));
}
