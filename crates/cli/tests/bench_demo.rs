//! `vaxel bench sockets` against `vaxel demo`, both as a user runs them.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

fn vaxel(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vaxel"));
    command
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Kills the child when the test ends, however it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the demo on a free port and reads from its output where that is.
fn demo() -> (Running, String) {
    let words = [
        "demo",
        "--listen",
        "127.0.0.1:0",
        "--shards",
        "1",
        "--workers",
        "1",
    ];
    let mut demo = Running(vaxel(&words).spawn().expect("the binary runs"));
    let stdout = demo.0.stdout.take().expect("piped");
    let address = BufReader::new(stdout)
        .lines()
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once("http://")?.1.trim().to_owned()))
        .expect("the demo says where it listens");
    (demo, address)
}

/// Every line as JSON, after a successful run.
fn objects(output: &Output) -> Vec<Value> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

const QUICK: [&str; 8] = [
    "--connections",
    "60",
    "--seconds",
    "0.3",
    "--warm-up",
    "0.1",
    "--heartbeat",
    "1",
];

#[test]
fn every_case_runs_against_the_demo_without_a_fault() {
    let (demo, address) = demo();
    let (url, pid) = (format!("ws://{address}/socket"), demo.0.id().to_string());
    let mut command = vaxel(&["bench", "sockets", "--url", &url, "--pid", &pid, "--json"]);
    command
        .args(QUICK)
        .args(["--subject", "vaxel", "--rate", "10/s", "--busy", "20,all"]);
    let objects = objects(&command.output().expect("the binary runs"));
    let (machine, figures) = objects.split_last().expect("some output");
    assert!(machine["machine"]["kernel"].is_string(), "{machine}");
    let cases: BTreeSet<&str> = figures
        .iter()
        .filter_map(|line| line["case"].as_str())
        .collect();
    for case in [
        "connect",
        "join-p99",
        "memory-joined",
        "idle-cpu",
        "broadcast-rate-p99",
        "broadcast-saturated-cpu",
        "request-closed-20",
        "request-closed-all-cpu",
        "request-open-5000-p99",
        "storm-memory-ratio",
        "heartbeat-p99",
    ] {
        assert!(cases.contains(case), "{case} is missing among {cases:?}");
    }
    for figure in figures {
        assert_eq!(
            (&figure["suite"], &figure["subject"]),
            (&"sockets".into(), &"vaxel".into())
        );
        assert!(figure["value"].is_number(), "{figure}");
    }
}

#[test]
fn the_demo_is_compared_with_the_loop_over_equal_bytes() {
    let mut command = vaxel(&[
        "bench",
        "sockets",
        "--compare",
        "loop",
        "--pairs",
        "1",
        "--json",
    ]);
    command.args(QUICK).args(["--rate", "10/s", "--busy", "20"]);
    let objects = objects(&command.output().expect("the binary runs"));
    let ratio = objects
        .iter()
        .find(|line| line["case"] == "broadcast-saturated-cpu-ratio")
        .expect("a ratio of the broadcast's cost");
    assert_eq!(ratio["verdict"], "inconclusive", "one pair proves nothing");
    assert!(
        ratio["value"].as_f64().is_some_and(|value| value > 0.0),
        "{ratio}"
    );
}
