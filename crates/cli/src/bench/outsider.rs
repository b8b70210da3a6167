//! A program from outside that takes part in a measurement, and how to start it.

use std::{ffi::OsString, str::FromStr};

/// A program by the name it has in the output.
#[derive(Debug, Clone)]
pub(crate) struct Outsider {
    pub(crate) name: String,
    pub(crate) program: OsString,
    pub(crate) words: Vec<String>,
}

impl FromStr for Outsider {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "write it as NAME=COMMAND, for instance ractor=target/release/peers";
        let (name, command) = text.split_once('=').ok_or(SHAPE)?;
        let mut words = command.split_ascii_whitespace().map(str::to_owned);
        let program = words.next().ok_or(SHAPE)?;
        if name.is_empty() {
            return Err(SHAPE);
        }
        Ok(Outsider {
            name: name.to_owned(),
            program: program.into(),
            words: words.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_name_and_a_command() {
        let peer: Outsider = "ractor=target/release/peers ractor".parse().unwrap();
        assert_eq!(peer.name, "ractor");
        assert_eq!(peer.program, "target/release/peers");
        assert_eq!(peer.words, ["ractor"]);
        for wrong in ["ractor", "=peers", "ractor="] {
            assert!(wrong.parse::<Outsider>().is_err(), "{wrong}");
        }
    }
}
