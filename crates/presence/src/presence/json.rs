//! States and diffs in the shape that phoenix.js merges.

use std::sync::Arc;

use hashbrown::HashMap;
use serde_json::value::RawValue;

use super::shard::{Meta, Metas};
use crate::config::Fetched;
use crate::reference::{Node, TEXT_BYTES};

/// `{"key":{"metas":[…],…},…}`
pub(super) fn state(
    entries: &[(Arc<str>, Metas)],
    node: Node,
    fetched: Option<&Fetched>,
) -> String {
    let entries = entries.iter().map(|(key, metas)| (key, metas.iter()));
    let mut out = Vec::new();
    object(&mut out, entries, node, fetched);
    text(out)
}

/// `{"joins":{…},"leaves":{…}}`
pub(super) fn diff(
    joins: &[(Arc<str>, Meta)],
    leaves: &[(Arc<str>, Meta)],
    node: Node,
    fetched: Option<&Fetched>,
) -> String {
    let mut out = b"{\"joins\":".to_vec();
    grouped(&mut out, joins, node, fetched);
    out.extend_from_slice(b",\"leaves\":");
    grouped(&mut out, leaves, node, fetched);
    out.push(b'}');
    text(out)
}

/// Text that was put together here, as JSON.
pub(super) fn raw(json: String) -> Box<RawValue> {
    RawValue::from_string(json).expect("what is written here is JSON")
}

fn text(out: Vec<u8>) -> String {
    String::from_utf8(out).expect("pieces of UTF-8 make UTF-8")
}

/// Puts the entries of equal keys together, in their order.
fn grouped(out: &mut Vec<u8>, entries: &[(Arc<str>, Meta)], node: Node, fetched: Option<&Fetched>) {
    let mut positions = HashMap::with_capacity(entries.len());
    let mut groups: Vec<(&Arc<str>, Vec<&Meta>)> = Vec::with_capacity(entries.len());
    for (key, meta) in entries {
        let position = *positions.entry(key).or_insert(groups.len());
        match groups.get_mut(position) {
            Some((_, metas)) => metas.push(meta),
            None => groups.push((key, vec![meta])),
        }
    }
    object(out, groups.into_iter(), node, fetched);
}

fn object<'a, M: IntoIterator<Item = &'a Meta>>(
    out: &mut Vec<u8>,
    entries: impl Iterator<Item = (&'a Arc<str>, M)>,
    node: Node,
    fetched: Option<&Fetched>,
) {
    out.push(b'{');
    for (index, (key, metas)) in entries.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        string(out, key);
        out.extend_from_slice(b":{\"metas\":[");
        for (index, meta) in metas.into_iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            with_refs(out, meta, node);
        }
        out.push(b']');
        let extra = fetched.and_then(|fetched| fetched.get(&**key));
        for (name, value) in extra.into_iter().flatten() {
            if name != "metas" {
                out.push(b',');
                string(out, name);
                out.push(b':');
                serde_json::to_writer(&mut *out, value).expect("a value has a JSON form");
            }
        }
        out.push(b'}');
    }
    out.push(b'}');
}

/// The entry's object with its refs as last members: of two of one name the last one counts.
fn with_refs(out: &mut Vec<u8>, meta: &Meta, node: Node) {
    let open = meta.json()[..meta.json().len() - 1].trim_end();
    out.reserve(open.len() + 2 * (TEXT_BYTES + 20));
    out.extend_from_slice(open.as_bytes());
    if open.len() > 1 {
        out.push(b',');
    }
    out.extend_from_slice(b"\"phx_ref\":\"");
    out.extend_from_slice(&node.reference(meta.change));
    if meta.previous != 0 {
        out.extend_from_slice(b"\",\"phx_ref_prev\":\"");
        out.extend_from_slice(&node.reference(meta.previous));
    }
    out.extend_from_slice(b"\"}");
}

fn string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a string has a JSON form");
}
