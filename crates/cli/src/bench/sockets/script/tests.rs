//! Frames of both languages, against texts written by hand.

use vaxel_websocket::{Config, Decoder, Message};

use super::*;

fn conversation() -> Conversation {
    Conversation {
        topic: "room:bench".to_owned(),
        join_payload: "{}".to_owned(),
        broadcast_event: "shout".to_owned(),
        request_event: "ping".to_owned(),
        broadcast_bytes: 40,
        request_bytes: 16,
    }
}

fn text_of(template: &mut Template, number: u64) -> String {
    let mut bytes = template.stamp(number).to_vec();
    match Decoder::new()
        .decode(&Config::default(), &mut bytes)
        .unwrap()
        .message
    {
        Some(Message::Text(text)) => text.into_owned(),
        other => panic!("not a text: {other:?}"),
    }
}

#[test]
fn phoenix_frames_are_what_a_client_of_version_two_sends() {
    let mut script = Script::phoenix(&conversation()).unwrap();
    assert_eq!(
        text_of(&mut script.join, 0),
        r#"["1","1","room:bench","phx_join",{}]"#
    );
    assert_eq!(
        text_of(&mut script.heartbeat, 7),
        r#"[null,"0000000007","phoenix","heartbeat",{}]"#
    );
    assert_eq!(
        text_of(&mut script.request, 8),
        r#"["1","0000000008","room:bench","ping",{"pad":"xxxxxx"}]"#
    );
    assert_eq!(
        text_of(&mut script.broadcast, 9),
        r#"["1","b","room:bench","shout",{"n":"0000000009","pad":"xxxxxxxxxxxxx"}]"#
    );
}

#[test]
fn phoenix_answers_are_understood() {
    let script = Script::phoenix(&conversation()).unwrap();
    let joined = |accepted| Incoming::Joined { accepted };
    let reply = |number, accepted| Incoming::Reply { number, accepted };
    for (text, meaning) in [
        (
            r#"["1","1","room:bench","phx_reply",{"status":"ok","response":{}}]"#,
            joined(true),
        ),
        (
            r#"["1","1","room:bench","phx_reply",{"response":{},"status":"ok"}]"#,
            joined(true),
        ),
        (
            r#"[null,"1","room:bench","phx_reply",{"status":"error","response":{"reason":"x"}}]"#,
            joined(false),
        ),
        (
            r#"[null,"0000000007","phoenix","phx_reply",{"status":"ok","response":{}}]"#,
            Incoming::Heartbeat { number: 7 },
        ),
        (
            r#"["1","0000000008","room:bench","phx_reply",{"status":"ok","response":{}}]"#,
            reply(8, true),
        ),
        (
            r#"[ "1", "0000000008", "room:b\u0065nch", "phx_reply", {"status": "no"}]"#,
            reply(8, false),
        ),
        (
            r#"[null,null,"room:bench","shout",{"n":"0000000009","pad":"x"}]"#,
            Incoming::Broadcast { number: 9 },
        ),
        (
            r#"[null,null,"room:bench","shout",{"pad":"x", "n": "0000000010"}]"#,
            Incoming::Broadcast { number: 10 },
        ),
        (
            r#"[null,null,"room:bench","shout",{"text":"hi"}]"#,
            Incoming::Other,
        ),
        (
            r#"["1","b","room:bench","phx_reply",{"status":"ok"}]"#,
            Incoming::Other,
        ),
        (
            r#"["1","1","room:bench","phx_error",{}]"#,
            Incoming::ChannelGone,
        ),
        (
            r#"["1","1","room:bench","phx_close",{}]"#,
            Incoming::ChannelGone,
        ),
        (
            r#"["1",null,"room:bench","presence_state",{}]"#,
            Incoming::Other,
        ),
        ("gibberish", Incoming::Other),
    ] {
        assert_eq!(script.understand(text), meaning, "{text}");
    }
}

#[test]
fn quick_and_thorough_parsing_agree() {
    for text in [
        r#"["1","8","room:bench","phx_reply",{"status":"ok","response":[1,2]}]"#,
        r#"[null,null,"a","b",{}]"#,
    ] {
        assert!(Envelope::parse_plain(text).is_some());
        assert_eq!(
            Envelope::parse_plain(text),
            Envelope::parse_any(text),
            "{text}"
        );
    }
}

/// The claim on which every comparison with the loop rests.
#[test]
fn the_loop_gets_and_asks_for_frames_as_long_as_those_of_phoenix() {
    let (mut phoenix, mut bare) = (
        Script::phoenix(&conversation()).unwrap(),
        Script::bare(&conversation()).unwrap(),
    );
    let echo = r#"{"status":"ok","response":{"pad":"xxxxxx"}}"#;
    let answers = [
        r#"["1","1","room:bench","phx_reply",{"status":"ok","response":{}}]"#,
        r#"[null,"0000000007","phoenix","phx_reply",{"status":"ok","response":{}}]"#,
        &format!(r#"["1","0000000007","room:bench","phx_reply",{echo}]"#),
        r#"[null,null,"room:bench","shout",{"n":"0000000007","pad":"xxxxxxxxxxxxx"}]"#,
    ];
    let pairs = [
        (&mut phoenix.join, &mut bare.join),
        (&mut phoenix.heartbeat, &mut bare.heartbeat),
        (&mut phoenix.request, &mut bare.request),
        (&mut phoenix.broadcast, &mut bare.broadcast),
    ];
    for ((phoenix, bare), answer) in pairs.into_iter().zip(answers) {
        assert_eq!(phoenix.stamp(7).len(), bare.stamp(7).len());
        let asked = bare::Request::parse(text_of(bare, 7).as_bytes()).unwrap();
        assert_eq!(asked.answer_bytes, answer.len(), "{answer}");
    }
}

#[test]
fn the_loops_answers_are_understood() {
    let mut script = Script::bare(&conversation()).unwrap();
    for (template, meaning) in [
        (
            &mut script.join.clone(),
            Incoming::Joined { accepted: true },
        ),
        (
            &mut script.heartbeat.clone(),
            Incoming::Heartbeat { number: 7 },
        ),
        (
            &mut script.request.clone(),
            Incoming::Reply {
                number: 7,
                accepted: true,
            },
        ),
        (&mut script.broadcast, Incoming::Broadcast { number: 7 }),
    ] {
        let text = text_of(template, 7);
        assert_eq!(
            Script::bare(&conversation()).unwrap().understand(&text),
            meaning
        );
    }
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let error = |change: fn(&mut Conversation)| {
        let mut conversation = conversation();
        change(&mut conversation);
        Script::phoenix(&conversation).unwrap_err().to_string()
    };
    assert!(error(|conversation| conversation.broadcast_bytes = 5).contains("--bytes 5"));
    assert!(error(|conversation| conversation.join_payload = "{".to_owned()).contains("no JSON"));
    let mut giant = conversation();
    giant.broadcast_bytes = 70_000;
    assert!(Script::bare(&giant).is_err());
}
