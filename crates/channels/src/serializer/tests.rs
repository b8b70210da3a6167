//! What is read and written, byte for byte, and that what is written can be read.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn v2(text: &str) -> Result<Incoming<'_>, serde_json::Error> {
    Incoming::parse(Version::V2, text)
}

fn v1(text: &str) -> Result<Incoming<'_>, serde_json::Error> {
    Incoming::parse(Version::V1, text)
}

fn encoded(message: &Outgoing<'_>, version: Version) -> String {
    let frame = message.encode(version);
    String::from_utf8(frame.payload().to_vec()).expect("a text frame is UTF-8")
}

fn sent<'a>(message: &Incoming<'a>) -> &'a str {
    match message.payload {
        Given::Json(json) => json.get(),
        Given::Bytes(_) => unreachable!("text was read"),
    }
}

#[test]
fn a_v2_message_is_read_without_copies() {
    let message = v2(r#"["1", "2" ,"room:1","echo",{"x": 1}]"#).unwrap();
    assert_eq!(message.join_ref.as_deref(), Some("1"));
    assert_eq!(message.reference.as_deref(), Some("2"));
    assert!(matches!(message.topic, Cow::Borrowed("room:1")));
    assert!(matches!(message.event, Cow::Borrowed("echo")));
    assert_eq!(sent(&message), r#"{"x": 1}"#);
}

#[test]
fn refs_may_be_null_and_extra_elements_are_ignored() {
    let message = v2(r#"[null,null,"t","e",[],"more",{"and":"more"}]"#).unwrap();
    assert!(message.join_ref.is_none() && message.reference.is_none());
    assert_eq!(sent(&message), "[]");
}

#[test]
fn escapes_are_resolved() {
    let message = v2(r#"["\u0031","a\"b","room:\u00e4","e\n",{}]"#).unwrap();
    assert_eq!(message.join_ref.as_deref(), Some("1"));
    assert_eq!(message.reference.as_deref(), Some("a\"b"));
    assert_eq!((&*message.topic, &*message.event), ("room:ä", "e\n"));
}

#[test]
fn malformed_v2_messages_are_refused() {
    let malformed = [
        "not json",
        "",
        "{}",
        "[1,2]",
        "[]",
        r#"["1","2","t","e"]"#,
        r#"[1,"2","t","e",{}]"#,
        r#"["1",2,"t","e",{}]"#,
        r#"["1","2",null,"e",{}]"#,
        r#"["1","2","t",null,{}]"#,
        r#"["1","2","t","e",{"x":}]"#,
        r#"["1","2","t","e",{}] []"#,
        r#"["1","2","t","e",{}"#,
    ];
    for text in malformed {
        assert!(v2(text).is_err(), "{text} was accepted");
    }
}

#[test]
fn a_payload_deeper_than_any_stack_is_not_recursed_into() {
    let depth = 100_000;
    let text = format!(
        r#"["1","2","t","e",{}{}]"#,
        "[".repeat(depth),
        "]".repeat(depth)
    );
    assert_eq!(v2(&text).unwrap().payload.len(), 2 * depth);
}

#[test]
fn a_v1_message_needs_its_four_keys() {
    let message = v1(r#"{"topic":"t","event":"e","payload":{},"ref":"1"}"#).unwrap();
    assert_eq!(
        (message.reference.as_deref(), message.join_ref),
        (Some("1"), None)
    );
    let message = v1(r#"{"ref":null,"join_ref":"7","topic":"t","event":"e","payload":{}}"#);
    assert_eq!(message.unwrap().join_ref.as_deref(), Some("7"));
    for key in ["topic", "event", "payload", "ref"] {
        let mut message = json!({"topic": "t", "event": "e", "payload": {}, "ref": "1"});
        message.as_object_mut().unwrap().remove(key);
        assert!(v1(&message.to_string()).is_err(), "accepted without {key}");
    }
}

#[test]
fn frames_are_written_as_phoenix_writes_them() {
    let reply = Outgoing::reply(Some("1"), Some("2"), "room:1", "ok", r#"{"x":1}"#);
    let v2 = r#"["1","2","room:1","phx_reply",{"status":"ok","response":{"x":1}}]"#;
    assert_eq!(encoded(&reply, Version::V2), v2);
    let v1 = json!({
        "topic": "room:1",
        "event": "phx_reply",
        "ref": "2",
        "payload": {"status": "ok", "response": {"x": 1}},
    });
    assert_eq!(
        serde_json::from_str::<Value>(&encoded(&reply, Version::V1)).unwrap(),
        v1
    );

    for version in [Version::V1, Version::V2] {
        assert_eq!(reply.bytes(version), encoded(&reply, version).len());
    }

    let close = Outgoing::end(Some("1"), "room:1", "phx_close", "{}");
    assert_eq!(
        encoded(&close, Version::V2),
        r#"["1","1","room:1","phx_close",{}]"#
    );
    let error = Outgoing::end(None, "room:1", "phx_error", "{}");
    assert_eq!(
        encoded(&error, Version::V2),
        r#"[null,null,"room:1","phx_error",{}]"#
    );
}

prop_compose! {
    fn json_value()(text in ".{0,20}", number in any::<i32>(), flag in any::<bool>()) -> Value {
        json!({"text": text, "list": [number, flag, null], "nested": {"a": {}}})
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        join_ref in proptest::option::of(".{0,12}"),
        reference in proptest::option::of(".{0,12}"),
        topic in ".{0,24}",
        event in ".{0,12}",
        payload in json_value(),
    ) {
        let json = payload.to_string();
        let message = Outgoing {
            join_ref: join_ref.as_deref(),
            reference: reference.as_deref(),
            topic: &topic,
            event: &event,
            payload: Body::Json(&json),
        };
        for version in [Version::V1, Version::V2] {
            let text = encoded(&message, version);
            prop_assert!(message.bytes(version) <= text.len());
        }
        let text = encoded(&message, Version::V2);
        let read = v2(&text).unwrap();
        prop_assert_eq!(read.join_ref.as_deref(), join_ref.as_deref());
        prop_assert_eq!(read.reference.as_deref(), reference.as_deref());
        prop_assert_eq!((&*read.topic, &*read.event), (&*topic, &*event));
        prop_assert_eq!(sent(&read), &json);

        let text = encoded(&message, Version::V1);
        let read = v1(&text).unwrap();
        prop_assert!(read.join_ref.is_none());
        prop_assert_eq!(read.reference.as_deref(), reference.as_deref());
        prop_assert_eq!((&*read.topic, &*read.event), (&*topic, &*event));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}\",:0-9a-z\\\\ ]{0,60}|.{0,200}") {
        _ = Incoming::parse(Version::V2, &text);
        _ = Incoming::parse(Version::V1, &text);
    }

    #[test]
    fn any_truncation_is_refused(cut in 0usize..40) {
        let whole = r#"["1","2","room:1","echo",{"x":[1,2,3]}]"#;
        prop_assume!(cut < whole.len());
        prop_assert!(v2(&whole[..cut]).is_err());
    }
}
