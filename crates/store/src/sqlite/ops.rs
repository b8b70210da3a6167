//! A [`Write`] in SQL.

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, ToSql, params_from_iter};

use super::writer::whole;
use super::{events, jobs, states};
use crate::{Op, Statement, Timestamp, Value, Write, WriteError, Written};

pub(super) fn write(connection: &Connection, write: &Write) -> Result<Vec<Written>, WriteError> {
    let now = Timestamp::now();
    let all = || {
        write
            .0
            .iter()
            .map(|op| apply(connection, op, now))
            .collect()
    };
    match write.0.as_slice() {
        // Each operation is whole by itself.
        [_] => all(),
        _ => whole(connection, all),
    }
}

fn apply(connection: &Connection, op: &Op, now: Timestamp) -> Result<Written, WriteError> {
    Ok(match op {
        Op::Append(append) => Written::Appended(events::append(connection, append, now)?),
        Op::SaveSnapshot(save) => done(events::save_snapshot(connection, save)?),
        Op::Put(put) => Written::Version(states::put(connection, put)?),
        Op::SaveOffset(save) => done(events::save_offset(connection, save)?),
        Op::Enqueue(job) => Written::Enqueued(jobs::enqueue(connection, job)?),
        Op::Finish(finish) => done(jobs::finish(connection, finish)?),
        Op::Sql(statement) => Written::Rows(sql(connection, statement)?),
    })
}

fn done((): ()) -> Written {
    Written::Done
}

fn sql(connection: &Connection, statement: &Statement) -> Result<u64, WriteError> {
    let mut prepared = connection.prepare_cached(&statement.sql)?;
    let changed = prepared.execute(params_from_iter(&statement.values))?;
    Ok(changed as u64)
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Value::Null => rusqlite::types::Null.to_sql()?,
            Value::Integer(number) => (*number).into(),
            Value::Real(number) => (*number).into(),
            Value::Text(text) => text.as_str().into(),
            Value::Blob(bytes) => bytes.as_slice().into(),
        })
    }
}
