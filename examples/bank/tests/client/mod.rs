//! Starts the bank and talks to it as a customer would.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use vaxel::prelude::*;
use vaxel::serde_json;

/// A bank that is running.
pub(crate) struct Bank {
    process: Child,
    address: String,
}

impl Bank {
    pub(crate) fn start(data: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_bank"))
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = process.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://");
        let address = address.expect("it says where it listens").to_owned();
        Bank { process, address }
    }

    pub(crate) fn client(&self) -> io::Result<Client> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Client(BufReader::new(stream)))
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Bank {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the bank says of an account.
#[derive(Debug, Deserialize)]
#[serde(crate = "vaxel::serde")]
pub(crate) struct Statement {
    pub(crate) balance: u64,
    pub(crate) events: u64,
}

/// One connection, on which requests follow each other.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn look(&mut self, name: &str) -> io::Result<Statement> {
        let (status, body) = self.request("GET", &format!("/accounts/{name}"), "")?;
        statement(status, &body)
    }

    pub(crate) fn deposit(&mut self, name: &str, amount: u64) -> io::Result<Statement> {
        let body = json!({ "amount": amount }).to_string();
        let path = format!("/accounts/{name}/deposits");
        let (status, body) = self.request("POST", &path, &body)?;
        statement(status, &body)
    }

    /// `None`: there is not enough on the account.
    pub(crate) fn transfer(
        &mut self,
        from: &str,
        to: &str,
        amount: u64,
    ) -> io::Result<Option<Statement>> {
        let body = json!({ "to": to, "amount": amount }).to_string();
        let path = format!("/accounts/{from}/transfers");
        let (status, body) = self.request("POST", &path, &body)?;
        match status {
            409 => Ok(None),
            status => statement(status, &body).map(Some),
        }
    }

    fn request(&mut self, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: bank\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        self.0.get_mut().write_all(request.as_bytes())?;
        let bad = || io::Error::other("this is no answer");
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(bad)?;
        let mut length = 0;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(|_| bad())?;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((status, String::from_utf8(body).map_err(|_| bad())?))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

fn statement(status: u16, body: &str) -> io::Result<Statement> {
    if status != 200 {
        return Err(io::Error::other(format!("{status}: {body}")));
    }
    serde_json::from_str(body).map_err(io::Error::other)
}
