//! `vaxel bench scale` where more connections are wanted than a process may open files.

use std::{collections::BTreeMap, fs, process::Command};

use serde_json::Value;

/// Less than the connections, more than a shard needs for its own.
const FILES_MAX: u32 = 400;
const JOINED: u32 = 600;
const CONNECTED: u32 = 500;

#[test]
fn more_connections_are_held_than_a_file_table_has_room_for() {
    let folder = env!("CARGO_TARGET_TMPDIR");
    let page = format!("{folder}/scale.md");
    let words = format!(
        "ulimit -n {FILES_MAX} && exec {} bench scale --json --pairs 1 --seconds 1 \
         --per-shard 100 --joined {JOINED} --connected {CONNECTED} --markdown {page}",
        env!("CARGO_BIN_EXE_vaxel")
    );
    let output = Command::new("sh").args(["-c", &words]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let figures: BTreeMap<(String, String), f64> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect(line))
        .filter_map(|figure| {
            let name = |key: &str| figure[key].as_str().map(str::to_owned);
            Some(((name("subject")?, name("case")?), figure["value"].as_f64()?))
        })
        .collect();
    let value = |subject: &str, case: &str| {
        let figure = figures.get(&(subject.to_owned(), case.to_owned()));
        *figure.unwrap_or_else(|| panic!("{subject} has no {case}: {figures:?}"))
    };
    assert_eq!(value("vaxel", "workers-restarted"), 20.0);
    assert_eq!(value("vaxel", "channels-crashed"), 60.0, "ten of each lane");
    for case in [
        "memory-kernel",
        "idle-cpu",
        "request-at-50%",
        "heartbeat-p99",
    ] {
        assert!(value("vaxel", case) > 0.0, "{case}");
    }
    for subject in ["loop", "vaxel"] {
        assert!(value(subject, "broadcast-cpu") > 0.0 && value(subject, "request-cpu") > 0.0);
    }
    let page = fs::read_to_string(page).unwrap();
    assert!(
        page.contains("## 600 joined") && page.contains("## 500 connected"),
        "{page}"
    );
    let plot = fs::read_to_string(format!("{folder}/images/scale.svg")).unwrap();
    assert!(plot.contains("<circle"), "{plot}");
}
