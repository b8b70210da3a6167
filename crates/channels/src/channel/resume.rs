//! What a client that comes back asks for, and what it is told.

use serde::{Deserialize, Serialize};
use vaxel_pubsub::{Broadcast, Missed, Offset, Origin};

use crate::channel::membership::Membership;
use crate::payload::to_json;

/// The event that tells a client where it is among the broadcasts of a topic.
const EVENT: &str = "vx_resume";

/// What a client asks for with the join param `vx_resume`; nothing when it is there for the first
/// time.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) offset: Option<Offset>,
    /// Who it was before, so that it does not get what it was left out of as the sender.
    origin: Option<Origin>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    vx_resume: Option<Resume<'a>>,
}

#[derive(Deserialize)]
struct Resume<'a> {
    offset: Option<&'a str>,
    #[serde(rename = "as")]
    origin: Option<&'a str>,
}

/// `{"status":…,"offset":…,"as":…,"missed":…}`
#[derive(Serialize)]
struct Told {
    status: &'static str,
    offset: Option<String>,
    #[serde(rename = "as")]
    origin: String,
    missed: usize,
}

impl Asked {
    /// Reads the param. Whatever is wrong with it, the client is treated as a new one or as one
    /// whose gap is too large; a join does not fail for it.
    pub(crate) fn parse(params: &str) -> Self {
        let Ok(Params {
            vx_resume: Some(resume),
        }) = serde_json::from_str(params)
        else {
            return Self::default();
        };
        let origin = resume.origin.and_then(|text| {
            let (shard, subscriber) = text.split_once('.')?;
            Some(Origin {
                shard: shard.parse().ok()?,
                subscriber: subscriber.parse().ok()?,
            })
        });
        let offset = resume.offset.map(str::parse);
        Self {
            // An offset that cannot be read is one of no history.
            offset: offset.map(|offset| offset.unwrap_or(Offset::UNKNOWN)),
            origin,
        }
    }

    /// Tells the client where it is, then sends what it has missed. Where the channel intercepts
    /// broadcasts, these are left to it.
    #[must_use]
    pub(crate) fn answer(
        &self,
        membership: &Membership,
        now: Option<Offset>,
        missed: Missed,
    ) -> Vec<Broadcast> {
        let (status, mut missed) = match missed {
            _ if self.offset.is_none() => ("new", Vec::new()),
            Missed::Some(missed) => ("resumed", missed),
            _ => ("gap", Vec::new()),
        };
        let is_own = |origin: Option<Origin>| origin.is_some() && origin == self.origin;
        missed.retain(|missed| !is_own(missed.origin()) && membership.takes(missed));
        let Origin { shard, subscriber } = membership.origin();
        let told = Told {
            status,
            offset: now.map(|offset| offset.to_string()),
            origin: format!("{shard}.{subscriber}"),
            missed: missed.len(),
        };
        let told = membership.push_frame(EVENT, &to_json(&told).into(), None);
        told.into_iter()
            .for_each(|frame| membership.link.send(frame));
        if membership.intercepts {
            return missed;
        }
        missed.iter().for_each(|missed| membership.pass_on(missed));
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_param_that_cannot_be_read_is_no_reason_to_fail() {
        let asked = |params| Asked::parse(params);
        assert!(asked("null").offset.is_none());
        assert!(asked("{}").offset.is_none());
        assert!(asked(r#"{"vx_resume":7}"#).offset.is_none());
        assert!(asked(r#"{"vx_resume":null}"#).offset.is_none());
        assert_eq!(
            asked(r#"{"vx_resume":{"offset":"?"}}"#).offset,
            Some(Offset::UNKNOWN)
        );
        let known = asked(r#"{"a":1,"vx_resume":{"offset":"0000000a-7","as":"1.2"}}"#);
        assert_eq!(
            known.offset.map(|offset| offset.to_string()).as_deref(),
            Some("0000000a-7")
        );
        let origin = Origin {
            shard: 1,
            subscriber: 2,
        };
        assert_eq!(known.origin, Some(origin));
    }
}
