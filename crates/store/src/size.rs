//! How much of the bound of a queue in bytes something takes: its payload, or a name without one.

use crate::{Append, NewEvent, Op, Statement, Value, Write};

pub(crate) fn write(write: &Write) -> usize {
    write.0.iter().map(op).sum()
}

fn op(op: &Op) -> usize {
    match op {
        Op::Append(append) => self::append(append),
        Op::SaveSnapshot(save) => save.snapshot.payload.len(),
        Op::Put(put) => put.payload.as_ref().map_or(0, Vec::len),
        Op::Enqueue(job) => job.payload.len(),
        Op::Sql(statement) => self::statement(statement),
        Op::SaveOffset(_) | Op::Finish(_) => 0,
    }
}

pub(crate) fn append(append: &Append) -> usize {
    let of_event = |event: &NewEvent| {
        event.payload.len() + event.tags.iter().map(|tag| tag.len()).sum::<usize>()
    };
    append.entity.as_str().len() + append.events.iter().map(of_event).sum::<usize>()
}

fn statement(statement: &Statement) -> usize {
    let of_value = |value: &Value| match value {
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        Value::Null | Value::Integer(_) | Value::Real(_) => size_of::<i64>(),
    };
    statement.sql.len() + statement.values.iter().map(of_value).sum::<usize>()
}
