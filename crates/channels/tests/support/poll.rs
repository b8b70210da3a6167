//! A client of long poll, without HTTP in between.

use serde_json::Value;

use super::{TestServer, block_on};

/// One session, at most.
pub(crate) struct Poll<'a> {
    server: &'a TestServer,
    token: Option<String>,
}

impl<'a> Poll<'a> {
    /// A session that is open.
    pub(crate) fn open(server: &'a TestServer) -> Self {
        let mut poll = Self::none(server);
        assert_eq!(poll.get()["status"], 410);
        poll
    }

    /// No session yet.
    pub(crate) fn none(server: &'a TestServer) -> Self {
        Self {
            server,
            token: None,
        }
    }

    /// Polls; the answer, whose token is used from now on.
    pub(crate) fn get(&mut self) -> Value {
        let answer = self.request("GET", "");
        if let Some(token) = answer["token"].as_str() {
            self.token = Some(token.to_owned());
        }
        answer
    }

    /// The messages that wait, polled for once.
    pub(crate) fn messages(&mut self) -> Vec<Value> {
        let answer = self.get();
        let messages = answer["messages"].as_array().expect("messages").iter();
        let text = |message: &Value| message.as_str().map(serde_json::from_str::<Value>);
        let messages = messages.map(|message| text(message).expect("a string").expect("JSON"));
        messages.collect()
    }

    /// Posts messages; the status of the answer.
    pub(crate) fn post(&self, messages: &[Value]) -> Value {
        let lines: Vec<String> = messages.iter().map(Value::to_string).collect();
        self.request("POST", &lines.join("\n"))["status"].clone()
    }

    fn request(&self, method: &str, body: &str) -> Value {
        let mut request = http::Request::builder()
            .method(method)
            .uri("/socket/longpoll?vsn=2.0.0")
            .header("content-type", "application/x-ndjson");
        if let Some(token) = &self.token {
            request = request.header("x-phoenix-longpoll-token", token);
        }
        let (head, ()) = request.body(()).expect("a request").into_parts();
        let long_poll = &self.server.long_poll;
        let mount = long_poll.find("/socket/longpoll").expect("it is mounted");
        let peer = ([127, 0, 0, 1], 1).into();
        let answer = block_on(long_poll.respond(mount, &head, peer, body.as_bytes()));
        serde_json::from_slice(answer.body()).expect("JSON")
    }
}
