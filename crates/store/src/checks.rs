//! The bounds of what is written, checked alike by every engine before anything else.

use crate::{
    Append, EntityId, JobError, NewEvent, NewJob, Op, Put, SaveSnapshot, Snapshot, Write,
    WriteError,
};

/// Longer names of queues, projections, tags and unique keys are refused.
const NAME_BYTES_MAX: usize = EntityId::BYTES_MAX;

pub(crate) fn write(write: &Write) -> Result<(), WriteError> {
    write.0.iter().try_for_each(op)
}

fn op(op: &Op) -> Result<(), WriteError> {
    match op {
        Op::Append(append) => self::append(append),
        Op::SaveSnapshot(save) => snapshot(save),
        Op::Put(put) => self::put(put),
        Op::SaveOffset(save) => name("a projection's name", &save.projection),
        Op::Enqueue(job) => self::job(job),
        Op::Finish(_) | Op::Sql(_) => Ok(()),
    }
}

fn at_most(what: &'static str, size: usize, limit: usize) -> Result<(), WriteError> {
    if size <= limit {
        return Ok(());
    }
    Err(WriteError::TooLarge { what, size, limit })
}

fn name(what: &'static str, name: &str) -> Result<(), WriteError> {
    at_most(what, name.len(), NAME_BYTES_MAX)
}

pub(crate) fn entity(entity: &EntityId) -> Result<(), WriteError> {
    name("the name of an entity, in bytes,", entity.as_str())
}

pub(crate) fn append(append: &Append) -> Result<(), WriteError> {
    entity(&append.entity)?;
    at_most(
        "the number of events in an append",
        append.events.len(),
        Append::EVENTS_MAX,
    )?;
    append.events.iter().try_for_each(|event| {
        let limit = NewEvent::PAYLOAD_BYTES_MAX;
        at_most("an event, in bytes,", event.payload.len(), limit)?;
        at_most("the number of tags", event.tags.len(), NewEvent::TAGS_MAX)?;
        event
            .tags
            .iter()
            .try_for_each(|tag| name("a tag, in bytes,", tag))
    })
}

pub(crate) fn snapshot(save: &SaveSnapshot) -> Result<(), WriteError> {
    entity(&save.entity)?;
    let size = save.snapshot.payload.len();
    at_most("a snapshot, in bytes,", size, Snapshot::PAYLOAD_BYTES_MAX)
}

pub(crate) fn put(put: &Put) -> Result<(), WriteError> {
    entity(&put.entity)?;
    let size = put.payload.as_ref().map_or(0, Vec::len);
    at_most("a state, in bytes,", size, Put::PAYLOAD_BYTES_MAX)
}

pub(crate) fn job(job: &NewJob) -> Result<(), WriteError> {
    name("the name of a queue, in bytes,", &job.queue)?;
    let (priority, last) = (job.priority.into(), NewJob::PRIORITY_MAX.into());
    at_most("the priority", priority, last)?;
    at_most(
        "the payload of a job, in bytes,",
        job.payload.len(),
        NewJob::PAYLOAD_BYTES_MAX,
    )?;
    let key = job.unique.as_ref().map(|unique| &unique.key);
    key.map_or(Ok(()), |key| name("a unique key, in bytes,", key))
}

/// Cuts the message of an attempt's error between characters.
pub(crate) fn cut(mut message: String) -> String {
    if message.len() > JobError::MESSAGE_BYTES_MAX {
        let end = message.floor_char_boundary(JobError::MESSAGE_BYTES_MAX);
        message.truncate(end);
    }
    message
}
