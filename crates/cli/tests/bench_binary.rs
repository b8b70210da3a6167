//! The binary as a user runs it: `vaxel bench`.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

fn vaxel(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vaxel"));
    command
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn output(words: &[&str]) -> Output {
    vaxel(words).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Kills the child when the test ends, however it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_bare_loop_says_where_it_listens_and_upgrades() {
    let mut server = Running(
        vaxel(&["bench", "loop", "--listen", "127.0.0.1:0"])
            .spawn()
            .unwrap(),
    );
    let mut line = String::new();
    let stderr = server.0.stderr.take().expect("piped");
    BufReader::new(stderr).read_line(&mut line).unwrap();
    let words: Vec<&str> = line.split([' ', ',']).collect();
    let address = words
        .get(3)
        .unwrap_or_else(|| panic!("no address in {line:?}"));

    let mut client = TcpStream::connect(address).expect(&line);
    client
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nSec-WebSocket-Key: x\r\n\r\n")
        .unwrap();
    let mut head = [0; 12];
    client.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 101");
}

#[test]
fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = output(&["bench", "loop", "--listen", &address]);
    assert!(!output.status.success());
    assert!(
        text(&output.stderr).contains(&address),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_server_that_is_not_there_is_an_error() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("ws://{free}/socket");
    let output = output(&["bench", "sockets", "--url", &url, "--connections", "10"]);
    assert!(!output.status.success());
    assert!(
        text(&output.stderr).contains("refused"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn numbers_that_make_no_sense_are_refused_by_the_name_of_their_option() {
    for (option, value) in [
        ("--rate", "0/s"),
        ("--busy", "0"),
        ("--connections", "0"),
        ("--seconds", "0"),
        ("--bytes", "3"),
        ("--threads", "0"),
    ] {
        let words = [
            "bench",
            "sockets",
            "--url",
            "ws://127.0.0.1:1/socket",
            option,
            value,
        ];
        let output = output(&words);
        assert!(!output.status.success(), "{option} {value}");
        assert!(
            text(&output.stderr).contains(option),
            "{}",
            text(&output.stderr)
        );
    }
}
