//! Whole sessions over loopback, in this process, against the bare loop.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use super::{
    fleet::Crew,
    script::{Conversation, Script},
    session::{Faults, Plan, Session},
    target::Target,
};
mod stand_in;

use self::stand_in::{Mischief, StandIn};
use crate::{
    bench::{bare::BareLoop, process::Process},
    file_table::FileTable,
};

const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn conversation() -> Conversation {
    Conversation {
        topic: "room:bench".to_owned(),
        join_payload: "{}".to_owned(),
        broadcast_event: "shout".to_owned(),
        request_event: "ping".to_owned(),
        broadcast_bytes: 200,
        request_bytes: 64,
    }
}

fn plan(connections: usize, threads: usize) -> Plan {
    let heartbeat = Duration::from_millis(500);
    Plan {
        crew: Crew {
            connections,
            threads,
            patience_nanos: 1_000_000_000,
            heartbeat_nanos: Some(heartbeat.as_nanos() as u64),
        },
        in_flight: 64,
        connects_per_second: None,
        warm_up: Duration::from_millis(100),
        duration: Duration::from_millis(150),
    }
}

fn session(server: &BareLoop, connections: usize, threads: usize) -> Session {
    let script = Script::bare(&conversation()).unwrap();
    let me = Process::new(std::process::id()).unwrap();
    let target = Target::bare(server.address());
    Session::new(plan(connections, threads), target, &script, Some(me)).unwrap()
}

/// Every phase, on one lane and on several.
#[test]
fn all_phases_run_without_a_fault() {
    for (threads, shards) in [(1, 1), (2, 2)] {
        let server = BareLoop::start(ANY_PORT, shards, FileTable::Shared).unwrap();
        let mut session = session(&server, 101, threads);
        let connected = session.connect(11).unwrap();
        assert_eq!(connected.messages, 11);
        assert_eq!(connected.latency.len(), 11);
        assert_eq!(session.connect(101).unwrap().messages, 90);
        assert_eq!(session.join().unwrap().messages, 101);
        assert_eq!(session.fleet.members(), 101);

        let rate = session.broadcast_at_rate(40.0).unwrap();
        assert_eq!(rate.messages, 6 * 101, "six broadcasts reach everybody");
        assert_eq!(rate.latency.len(), 6 * 101);
        let saturated = session.broadcast_saturated(2).unwrap();
        assert!(saturated.messages > 101);
        assert!(saturated.cpu.is_some_and(|cpu| !cpu.is_zero()));

        let closed = session.requests_closed(40, 2, || {}).unwrap();
        assert!(closed.latency.len() > 100);
        assert!(
            closed.latency.value_at_quantile(0.5) > 1_000,
            "less than a microsecond"
        );
        let open = session.requests_open(40, 1_000.0).unwrap();
        let due = open.seconds * 1_000.0;
        let recorded = open.latency.len() as f64;
        assert!(
            (recorded - due).abs() <= 3.0,
            "{recorded} of {due} that were due"
        );
        assert!(!session.heartbeats().is_empty());
        assert_eq!(session.faults, Faults::default());
    }
}

/// The lengths claimed are those on the wire.
#[test]
fn bytes_on_the_wire_are_those_of_phoenix() {
    let server = BareLoop::start(ANY_PORT, 1, FileTable::Shared).unwrap();
    let mut plan = plan(10, 1);
    plan.crew.heartbeat_nanos = None;
    let script = Script::bare(&conversation()).unwrap();
    let target = Target::bare(server.address());
    let mut session = Session::new(plan, target, &script, None).unwrap();
    session.connect(10).unwrap();
    session.join().unwrap();
    let delivery = r#"[null,null,"room:bench","shout",]"#.len() + 200;
    let rate = session.broadcast_at_rate(20.0).unwrap();
    let (down, up) = rate.frame_bytes;
    assert!((down - (delivery + 4) as f64).abs() < 1e-6, "{down}");
    let shout = r#"["1","b","room:bench","shout",]"#.len() + 200 + 8;
    assert!((up - shout as f64).abs() < 1e-6, "{up}");
}

#[test]
fn a_server_that_goes_away_is_noticed_and_named() {
    let server = BareLoop::start(ANY_PORT, 1, FileTable::Shared).unwrap();
    let mut session = session(&server, 20, 1);
    session.connect(20).unwrap();
    session.join().unwrap();
    drop(server);
    session.requests_closed(20, 1, || {}).unwrap();
    assert_eq!(session.faults.lost, 20);
    let words = session.faults.in_words().join("; ");
    assert!(words.contains("20 connections lost"), "{words}");
}

#[test]
fn nobody_listening_is_an_error_and_not_a_wait() {
    let server = BareLoop::start(ANY_PORT, 1, FileTable::Shared).unwrap();
    let mut session = session(&server, 5, 1);
    drop(server);
    let error = session.connect(5).unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
}

#[test]
fn missing_and_repeated_deliveries_are_counted() {
    use super::{
        lane::{Moment, Task},
        script::Incoming,
        task::{Broadcast, Pace},
    };
    let server = BareLoop::start(ANY_PORT, 1, FileTable::Shared).unwrap();
    let mut session = session(&server, 1, 1);
    session.connect(1).unwrap();
    session.join().unwrap();
    let shared = super::shared::Shared::new(1, 0, 1, 0);
    let lane = &mut session.fleet.lanes[0];
    let mut task = Broadcast::new(Pace::UnderWay(1), 0, lane);
    let moment = Moment {
        now: 5,
        sending: true,
        shared: &shared,
    };
    for number in 1..=5 {
        shared.board.begin(number, 0);
    }
    for number in [1, 2, 2, 4] {
        task.received(lane, 0, Incoming::Broadcast { number }, moment);
    }
    task.settle(lane, &shared);
    assert_eq!(task.repeated, 1, "number 2");
    assert_eq!(task.missing, 2, "numbers 3 and 5");
}

fn phoenix(server: &StandIn, connections: usize) -> Session {
    let url = format!("ws://{}/socket", server.address());
    let script = Script::phoenix(&conversation()).unwrap();
    let mut plan = plan(connections, 1);
    plan.crew.patience_nanos = 300_000_000;
    Session::new(plan, Target::parse(&url).unwrap(), &script, None).unwrap()
}

#[test]
fn a_server_that_speaks_phoenix_is_put_through_all_phases() {
    let server = StandIn::start(Mischief::None);
    let mut session = phoenix(&server, 20);
    session.connect(20).unwrap();
    session.join().unwrap();
    assert_eq!(session.broadcast_at_rate(40.0).unwrap().messages, 6 * 20);
    session.broadcast_saturated(2).unwrap();
    let closed = session.requests_closed(10, 1, || {}).unwrap();
    assert!(closed.latency.len() > 10);
    session.requests_open(10, 500.0).unwrap();
    assert!(!session.heartbeats().is_empty());
    assert_eq!(session.faults, Faults::default());
}

#[test]
fn lost_deliveries_are_counted_one_by_one() {
    let server = StandIn::start(Mischief::LosesDeliveriesOfFirstClient);
    let mut session = phoenix(&server, 5);
    session.connect(5).unwrap();
    session.join().unwrap();
    session.broadcast_at_rate(40.0).unwrap();
    assert_eq!(session.faults.missing, 6);
    assert_eq!(
        session.faults.in_words(),
        ["6 deliveries of broadcasts are missing"]
    );
}

#[test]
fn refused_and_unanswered_requests_are_faults() {
    let server = StandIn::start(Mischief::RefusesRequests);
    let mut session = phoenix(&server, 5);
    session.connect(5).unwrap();
    session.join().unwrap();
    session.requests_closed(5, 1, || {}).unwrap();
    assert!(session.faults.refused > 0);

    let server = StandIn::start(Mischief::IgnoresRequests);
    let mut session = phoenix(&server, 5);
    session.connect(5).unwrap();
    session.join().unwrap();
    session.requests_closed(5, 2, || {}).unwrap();
    assert_eq!(session.faults.unanswered, 10);
}

#[test]
fn a_refused_join_ends_with_the_servers_reason() {
    let server = StandIn::start(Mischief::RefusesJoins);
    let mut session = phoenix(&server, 3);
    session.connect(3).unwrap();
    let error = session.join().unwrap_err().to_string();
    assert!(error.contains("unmatched topic"), "{error}");
}

#[test]
fn a_refused_upgrade_ends_with_its_status() {
    let server = StandIn::start(Mischief::RefusesUpgrades);
    let error = phoenix(&server, 3).connect(3).unwrap_err().to_string();
    assert!(error.contains("403"), "{error}");
}
