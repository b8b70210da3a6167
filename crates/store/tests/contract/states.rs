use vaxel_store::{Put, Store, StoredState, WriteError};

use super::journal::entity;

pub(crate) fn put(name: &str, expected: u64, payload: Option<&str>) -> Put {
    Put {
        entity: entity(name),
        expected,
        format: 1,
        payload: payload.map(|payload| payload.as_bytes().to_vec()),
    }
}

fn stored(version: u64, payload: Option<&str>) -> Option<StoredState> {
    Some(StoredState {
        version,
        format: 1,
        payload: payload.map(|payload| payload.as_bytes().to_vec()),
    })
}

fn load(store: &dyn Store, name: &str) -> Option<StoredState> {
    store.load(&entity(name)).wait().expect("it can be read")
}

pub(crate) fn a_state_has_a_version_for_each_write(store: &dyn Store) {
    assert_eq!(load(store, "a"), None);
    assert_eq!(
        store
            .put(put("a", 0, Some("one")))
            .wait()
            .expect("it is new"),
        1
    );
    assert_eq!(
        store.put(put("a", 1, Some("two"))).wait().expect("it fits"),
        2
    );
    assert_eq!(load(store, "a"), stored(2, Some("two")));
}

pub(crate) fn of_two_writers_of_a_version_one_is_refused(store: &dyn Store) {
    store
        .put(put("a", 0, Some("one")))
        .wait()
        .expect("it is new");
    for wrong in [0, 2] {
        let refused = store
            .put(put("a", wrong, Some("other")))
            .wait()
            .expect_err("refused");
        assert!(
            matches!(refused, WriteError::Conflict { found: 1, .. }),
            "{refused:?}"
        );
    }
    let refused = store
        .put(put("b", 1, Some("other")))
        .wait()
        .expect_err("there is none");
    assert!(
        matches!(refused, WriteError::Conflict { found: 0, .. }),
        "{refused:?}"
    );
    assert_eq!(
        (load(store, "a"), load(store, "b")),
        (stored(1, Some("one")), None)
    );
}

pub(crate) fn a_deleted_state_goes_on_with_its_versions(store: &dyn Store) {
    store
        .put(put("a", 0, Some("one")))
        .wait()
        .expect("it is new");
    assert_eq!(store.put(put("a", 1, None)).wait().expect("it fits"), 2);
    assert_eq!(load(store, "a"), stored(2, None));
    let stale = store
        .put(put("a", 1, Some("stale")))
        .wait()
        .expect_err("refused");
    assert!(stale.is_conflict());
    assert_eq!(
        store
            .put(put("a", 2, Some("again")))
            .wait()
            .expect("it fits"),
        3
    );
}

pub(crate) fn names_are_listed_by_prefix(store: &dyn Store) {
    for name in ["room/b", "room/a", "roomy", "user/a", "room/c", "r%/x"] {
        store
            .put(put(name, 0, Some("x")))
            .wait()
            .expect("it is new");
    }
    store
        .put(put("room/b", 1, None))
        .wait()
        .expect("it is there");
    let names = |prefix: &str, after: Option<&str>, limit| {
        let after = after.map(entity);
        let names = store
            .names(prefix, after.as_ref(), limit)
            .wait()
            .expect("it reads");
        names.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(names("room/", None, 10), ["room/a", "room/c"]);
    assert_eq!(names("room/", None, 1), ["room/a"]);
    assert_eq!(names("room/", Some("room/a"), 10), ["room/c"]);
    assert_eq!(names("r%", None, 10), ["r%/x"]);
    assert_eq!(names("", None, 10).len(), 5);
}
