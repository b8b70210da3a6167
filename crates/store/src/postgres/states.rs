//! States in SQL.

use super::faults::Trouble;
use super::rows::{count, format, int, number};
use super::session::{Parameters, Session};
use super::statements::Sql;
use super::transactions::Refused;
use crate::{EntityId, Put, StoredState, WriteError};

pub(super) async fn put(session: &Session, put: &Put) -> Result<u64, Refused> {
    let (name, expected) = (put.entity.as_str(), int(put.expected));
    let format = i32::from(put.format);
    let values: Parameters<'_> = &[&name, &expected, &format, &put.payload];
    if session.execute(Sql::Put, values).await? > 0 {
        return Ok(put.expected + 1);
    }
    let stored = load(session, &put.entity).await?;
    Err(Refused::Rule(WriteError::Conflict {
        entity: put.entity.clone(),
        expected: put.expected,
        found: stored.map_or(0, |state| state.version),
    }))
}

pub(super) async fn load(
    session: &Session,
    entity: &EntityId,
) -> Result<Option<StoredState>, Trouble> {
    let found = session.row(Sql::Load, &[&entity.as_str()]).await?;
    Ok(found.map(|row| StoredState {
        version: number(&row, 0),
        format: format(&row, 1),
        payload: row.get(2),
    }))
}

pub(super) async fn names(
    session: &Session,
    prefix: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<EntityId>, Trouble> {
    let values: Parameters<'_> = &[&after, &prefix, &end_of(prefix), &count(limit)];
    let name = |row: &tokio_postgres::Row| EntityId::new(row.get::<_, &str>(0));
    session.collect(Sql::Names, values, name).await
}

/// The first name, in the order of code points, after all that begin so; `None` when there is none.
fn end_of(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        let mut after = (last..=char::MAX).skip(1);
        if let Some(next) = after.next() {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_comes_after_all_names_with_it() {
        assert_eq!(end_of("room/").as_deref(), Some("room0"));
        assert_eq!(end_of("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(end_of("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(end_of("\u{10ffff}"), None);
        assert_eq!(end_of(""), None);
    }
}
