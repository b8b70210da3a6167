//! A [`Write`] in SQL.

use futures_util::future::join_all;
use tokio_postgres::types::ToSql;

use super::session::Session;
use super::transactions::Refused;
use super::{events, jobs, states};
use crate::{Op, Statement, Write, Written};

/// Whether it must have a transaction of its own: what the statements of an application lock, and
/// for how long, is not known here.
pub(super) fn is_alone(write: &Write) -> bool {
    write.0.iter().any(|op| matches!(op, Op::Sql(_)))
}

/// All in the order given, without waiting between them.
pub(super) async fn write(session: &Session, write: &Write) -> Result<Vec<Written>, Refused> {
    if !is_alone(write) {
        let done = join_all(write.0.iter().map(|op| apply(session, op))).await;
        return done.into_iter().collect();
    }
    // To prepare a statement takes a round trip, and what follows must not overtake it.
    let mut written = Vec::with_capacity(write.0.len());
    for op in &write.0 {
        written.push(apply(session, op).await?);
    }
    Ok(written)
}

async fn apply(session: &Session, op: &Op) -> Result<Written, Refused> {
    Ok(match op {
        Op::Append(append) => Written::Appended(events::append_one(session, append).await?),
        Op::SaveSnapshot(save) => done(events::save_snapshot(session, save).await?),
        Op::Put(put) => Written::Version(states::put(session, put).await?),
        Op::SaveOffset(save) => done(events::save_offset(session, save).await?),
        Op::Enqueue(job) => Written::Enqueued(jobs::enqueue(session, job).await?),
        Op::Finish(finish) => done(jobs::finish(session, finish).await?),
        Op::Sql(statement) => Written::Rows(sql(session, statement).await?),
    })
}

fn done((): ()) -> Written {
    Written::Done
}

async fn sql(session: &Session, statement: &Statement) -> Result<u64, Refused> {
    let values = statement
        .values
        .iter()
        .map(|value| value as &(dyn ToSql + Sync));
    let values: Vec<_> = values.collect();
    Ok(session.foreign(&statement.sql, &values).await?)
}
