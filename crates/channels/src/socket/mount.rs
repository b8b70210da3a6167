//! Where sockets are mounted.

use serde_json::{Map, Value};

use crate::socket::Socket;

/// A socket and the path it is mounted at.
pub(crate) struct Mount {
    segments: Vec<Segment>,
    pub(crate) socket: Socket,
}

enum Segment {
    Literal(Box<str>),
    /// `:name`: any one segment, which becomes a connect param.
    Variable(Box<str>),
}

impl Mount {
    /// # Panics
    /// When `path` is none that a client would find.
    #[track_caller]
    pub(crate) fn new(path: &str, socket: Socket) -> Self {
        assert!(
            path.starts_with('/'),
            "the socket path {path:?} must begin with a slash"
        );
        assert!(
            !path.ends_with("/websocket") && !path.ends_with("/longpoll"),
            "the socket path {path:?} names a transport; leave the last segment out, clients add it"
        );
        let segments = segments(path).map(|segment| match segment.strip_prefix(':') {
            Some(name) => Segment::Variable(name.into()),
            None => Segment::Literal(segment.into()),
        });
        Self {
            segments: segments.collect(),
            socket,
        }
    }

    /// The values of the path's variables, if `path` is the mount's `transport`.
    pub(crate) fn matches(&self, path: &str, transport: &str) -> Option<Map<String, Value>> {
        let mut given = segments(path);
        let mut variables = Map::new();
        for segment in &self.segments {
            match (segment, given.next()?) {
                (Segment::Literal(literal), given) if **literal == *given => {}
                (Segment::Literal(_), _) => return None,
                (Segment::Variable(name), given) => {
                    let value = percent_encoding::percent_decode_str(given).decode_utf8_lossy();
                    variables.insert(name.to_string(), Value::String(value.into_owned()));
                }
            }
        }
        let is_transport = given.next() == Some(transport) && given.next().is_none();
        is_transport.then_some(variables)
    }
}

/// The segments between slashes, without empty ones.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn variables(mount: &str, path: &str) -> Option<Value> {
        Mount::new(mount, Socket::new())
            .matches(path, "websocket")
            .map(Value::Object)
    }

    #[test]
    fn a_mount_matches_its_websocket_alone() {
        assert_eq!(variables("/socket", "/socket/websocket"), Some(json!({})));
        assert_eq!(variables("/socket", "/socket"), None);
        assert_eq!(variables("/socket", "/socket/longpoll"), None);
        assert_eq!(variables("/socket", "/socket/websocket/more"), None);
        assert_eq!(variables("/socket", "/other/websocket"), None);
        assert_eq!(variables("/", "/websocket"), Some(json!({})));
    }

    #[test]
    #[should_panic(expected = "names a transport")]
    fn the_address_of_a_transport_is_no_mount() {
        Mount::new("/socket/websocket", Socket::new());
    }

    #[test]
    #[should_panic(expected = "must begin with a slash")]
    fn a_path_without_a_slash_is_a_mistake() {
        Mount::new("socket", Socket::new());
    }

    #[test]
    fn variables_become_params() {
        let found = variables("/ws/:user_id/live", "/ws/a%20b/live/websocket");
        assert_eq!(found, Some(json!({"user_id": "a b"})));
        assert_eq!(variables("/ws/:user_id", "/ws/websocket"), None);
    }
}
