//! Connect parameters: a query string read as nested form data.
//!
//! `nested[a]=1&list[]=x&list[]=y` becomes `{"nested":{"a":"1"},"list":["x","y"]}`. All leaves
//! are strings. Where two pairs disagree about the shape of a key, the later one wins; empty
//! pairs and a trailing `&` are ignored.

use serde_json::{Map, Value};

/// Nesting deeper than this is kept as one flat key, so that a query cannot exhaust the stack.
const DEPTH_MAX: usize = 16;

pub(crate) fn parse(query: &str) -> Map<String, Value> {
    let mut params = Map::new();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        if key.is_empty() && value.is_empty() {
            continue;
        }
        let path = path(&key);
        insert(&mut params, path[0], &path[1..], value.into_owned());
    }
    params
}

/// Splits `a[b][]` into `a`, `b` and an empty segment.
fn path(key: &str) -> Vec<&str> {
    let flat = vec![key];
    let Some((head, tail)) = key.split_once('[') else {
        return flat;
    };
    let Some(tail) = tail.strip_suffix(']') else {
        return flat;
    };
    if head.is_empty() {
        return flat;
    }
    let mut path = vec![head];
    path.extend(tail.split("]["));
    if path.len() > DEPTH_MAX { flat } else { path }
}

fn insert(map: &mut Map<String, Value>, key: &str, rest: &[&str], value: String) {
    match rest {
        [] => _ = map.insert(key.to_owned(), Value::String(value)),
        // A list of anything but plain values has no unambiguous form; Phoenix's clients send none.
        ["", ..] => {
            let slot = map.entry(key).or_insert(Value::Null);
            if !slot.is_array() {
                *slot = Value::Array(Vec::new());
            }
            if let Value::Array(list) = slot {
                list.push(Value::String(value));
            }
        }
        [next, rest @ ..] => {
            let slot = map.entry(key).or_insert(Value::Null);
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            if let Value::Object(inner) = slot {
                insert(inner, next, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn parsed(query: &str) -> Value {
        Value::Object(parse(query))
    }

    #[test]
    fn nested_pairs_become_objects() {
        assert_eq!(
            parsed("nested[a]=1&x=b%20c"),
            json!({"nested": {"a": "1"}, "x": "b c"})
        );
        assert_eq!(
            parsed("a[b][c]=1&a[b][d]=2"),
            json!({"a": {"b": {"c": "1", "d": "2"}}})
        );
    }

    #[test]
    fn empty_brackets_make_a_list() {
        assert_eq!(parsed("vsn[]=2.0.0"), json!({"vsn": ["2.0.0"]}));
        assert_eq!(parsed("l[]=x&l[]=y"), json!({"l": ["x", "y"]}));
    }

    #[test]
    fn empty_pairs_and_a_trailing_separator_are_ignored() {
        assert_eq!(
            parsed("&&a=1&vsn=2.0.0&"),
            json!({"a": "1", "vsn": "2.0.0"})
        );
        assert_eq!(parsed(""), json!({}));
    }

    #[test]
    fn a_key_without_a_value_is_an_empty_string() {
        assert_eq!(parsed("token"), json!({"token": ""}));
    }

    #[test]
    fn the_later_shape_wins() {
        assert_eq!(parsed("a=1&a[b]=2"), json!({"a": {"b": "2"}}));
        assert_eq!(parsed("a[b]=2&a=1"), json!({"a": "1"}));
        assert_eq!(parsed("a=1&a=2"), json!({"a": "2"}));
    }

    #[test]
    fn unbalanced_brackets_are_part_of_the_key() {
        assert_eq!(parsed("a[b=1"), json!({"a[b": "1"}));
        assert_eq!(parsed("[a]=1"), json!({"[a]": "1"}));
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("a{}=1", "[b]".repeat(10_000));
        assert_eq!(parse(&deep).len(), 1);
    }

    proptest! {
        #[test]
        fn any_query_is_read(query in ".{0,200}") {
            parse(&query);
        }

        #[test]
        fn plain_pairs_survive(key in "[a-z]{1,8}", value in ".{0,20}") {
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair(&key, &value)
                .finish();
            prop_assert_eq!(parsed(&query), json!({ (key): value }));
        }
    }
}
