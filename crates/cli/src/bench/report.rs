//! The output every suite shares: a table for people, or one JSON object a line for programs.
//!
//! A suite makes one [`Report`], hands it each [`Figure`] as soon as it is known, and ends with
//! [`Report::finish`], which prints the machine. Figures go to the standard output; headings and
//! notes do too when people read, and to the error stream when a program does, so that every line
//! of `--json` output parses.
//!
//! # Units
//! A value and its quantiles are in the figure's unit. Names are ASCII (`us`, `x`, `B`), short,
//! and a figure per something spells it out: `us/delivery`, `B/connection`, `messages/s`.

mod contest;
mod figure;
mod machine;

use std::io::{self, IsTerminal, Write};

use anyhow::bail;

pub(crate) use contest::Contest;
pub(crate) use figure::{Better, Figure, Quantiles, number};
use machine::Machine;

/// The machine this process runs on, in one line.
pub(crate) fn machine_in_words() -> String {
    Machine::of_this_process().to_string()
}

/// Takes the figures of one suite and prints them in order.
pub(crate) struct Report {
    suite: &'static str,
    json: bool,
    paint: bool,
    out: Box<dyn Write>,
    notes: Box<dyn Write>,
    last_case: String,
    in_contest: bool,
    failures: Vec<String>,
}

impl Report {
    /// A report on the standard output.
    pub(crate) fn stdout(suite: &'static str, json: bool) -> Self {
        let paint = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self::to(
            suite,
            json,
            paint,
            Box::new(io::stdout()),
            Box::new(io::stderr()),
        )
    }

    fn to(
        suite: &'static str,
        json: bool,
        paint: bool,
        out: Box<dyn Write>,
        notes: Box<dyn Write>,
    ) -> Self {
        Self {
            suite,
            json,
            paint,
            out,
            notes,
            last_case: String::new(),
            in_contest: false,
            failures: Vec::new(),
        }
    }

    /// A line above a group of figures.
    pub(crate) fn heading(&mut self, text: &str) -> io::Result<()> {
        self.last_case.clear();
        self.in_contest = false;
        if self.json {
            writeln!(self.notes, "{text}")
        } else if self.paint {
            writeln!(self.out, "\n\x1b[1;38;5;179m{text}\x1b[0m")
        } else {
            writeln!(self.out, "\n{text}")
        }
    }

    /// A remark that belongs beside the figures: what limits them, what was not measured.
    pub(crate) fn note(&mut self, text: &str) -> io::Result<()> {
        if self.json {
            writeln!(self.notes, "{text}")
        } else {
            writeln!(self.out, "  · {text}")
        }
    }

    /// Prints one figure at once.
    pub(crate) fn figure(&mut self, figure: &Figure) -> io::Result<()> {
        if self.json {
            let line = figure.to_json(self.suite);
            writeln!(self.out, "{line}")?;
        } else {
            let case = if self.last_case == figure.case() {
                ""
            } else {
                figure.case()
            };
            writeln!(self.out, "{}", figure.to_row(case, self.paint))?;
            self.in_contest = false;
            figure.case().clone_into(&mut self.last_case);
        }
        self.out.flush()
    }

    /// Prints two subjects and their ratio at once.
    pub(crate) fn contest(&mut self, contest: &Contest<'_>) -> io::Result<()> {
        if self.json {
            for figure in contest.figures() {
                self.figure(&figure)?;
            }
            return Ok(());
        }
        if !self.in_contest {
            writeln!(self.out, "{}", contest.to_head())?;
            self.in_contest = true;
        }
        writeln!(self.out, "{}", contest.to_row(self.paint))?;
        self.out.flush()
    }

    /// Something that must hold and did not. The run goes on, but [`finish`](Self::finish) fails.
    pub(crate) fn failure(&mut self, text: impl Into<String>) -> io::Result<()> {
        let text = text.into();
        if self.json {
            writeln!(self.notes, "failed: {text}")?;
        } else if self.paint {
            writeln!(self.out, "  \x1b[38;5;203m✗ {text}\x1b[0m")?;
        } else {
            writeln!(self.out, "  ✗ {text}")?;
        }
        self.failures.push(text);
        Ok(())
    }

    /// Prints the machine as the last line.
    ///
    /// # Errors
    /// When a [`failure`](Self::failure) was reported, so that the process ends with an error.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        let machine = Machine::of_this_process();
        if self.json {
            writeln!(self.out, "{}", machine.to_json(self.suite))?;
        } else {
            writeln!(self.out, "\n{machine}")?;
        }
        self.out.flush()?;
        match self.failures.as_slice() {
            [] => Ok(()),
            [one] => bail!("{one}"),
            [first, rest @ ..] => bail!("{first} (and {} more)", rest.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;
    use crate::bench::stats::Comparison;

    #[derive(Clone, Default)]
    struct Sink(Rc<RefCell<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink {
        fn text(&self) -> String {
            String::from_utf8(self.0.borrow().clone()).expect("reports are text")
        }
    }

    fn report(json: bool) -> (Report, Sink, Sink) {
        let (out, notes) = (Sink::default(), Sink::default());
        let report = Report::to(
            "sockets",
            json,
            false,
            Box::new(out.clone()),
            Box::new(notes.clone()),
        );
        (report, out, notes)
    }

    #[test]
    fn every_line_of_json_output_is_an_object_and_the_last_one_is_the_machine() {
        let (mut report, out, notes) = report(true);
        report.heading("requests").unwrap();
        report.note("the generator is the limit").unwrap();
        let figure = Figure::new("request-closed", "vaxel", "us", Better::Lower)
            .runs(&[3.0, 1.0, 2.0])
            .quantiles(Quantiles {
                p50: 1.0,
                p99: 2.0,
                p999: 3.0,
                max: 4.0,
            });
        report.figure(&figure).unwrap();
        report.finish().unwrap();

        let lines: Vec<serde_json::Value> = out
            .text()
            .lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect();
        assert_eq!(lines.len(), 2, "headings and notes stay out of the output");
        assert_eq!(lines[0]["suite"], "sockets");
        assert_eq!(lines[0]["value"], 2.0);
        assert_eq!(lines[0]["runs"], 3);
        assert_eq!(lines[0]["better"], "lower");
        assert_eq!(lines[0]["p999"], 3.0);
        assert!(lines[1]["machine"]["cores"].as_u64().unwrap() >= 1);
        assert!(notes.text().contains("the generator is the limit"));
    }

    #[test]
    fn a_table_names_the_case_once_and_shows_the_quantiles() {
        let (mut report, out, _) = report(false);
        let figure = |subject| {
            Figure::new("ping-pong", subject, "messages/s", Better::Higher)
                .value(22_000_000.0)
                .quantiles(Quantiles {
                    p50: 0.5,
                    p99: 12.25,
                    p999: 3.0,
                    max: 4.0,
                })
        };
        report.figure(&figure("vaxel")).unwrap();
        report.figure(&figure("tokio")).unwrap();
        report.finish().unwrap();
        let text = out.text();
        assert_eq!(text.matches("ping-pong").count(), 1, "{text}");
        assert!(text.contains("22\u{2009}000\u{2009}000"), "{text}");
        assert!(text.contains("p99 12.25"), "{text}");
    }

    #[test]
    fn a_contest_is_one_row_for_people_and_three_lines_for_programs() {
        let contest = Contest {
            case: "broadcast-cpu",
            unit: "us/delivery",
            ours: ("vaxel", &[5.5; 9]),
            theirs: ("loop", &[5.0; 10]),
            comparison: Comparison::of_pairs(&[(5.5, 5.0); 9], &[(5.0, 5.0); 9]),
            goal: 1.15,
        };
        let (mut people, out, _) = report(false);
        people.contest(&contest).unwrap();
        people.contest(&contest).unwrap();
        let text = out.text();
        assert_eq!(text.lines().count(), 3, "a head and two rows: {text}");
        let row = text.lines().last().unwrap();
        assert!(
            row.contains("1.100") && row.ends_with("≤ 1.15 pass"),
            "{row}"
        );

        let (mut programs, out, _) = report(true);
        programs.contest(&contest).unwrap();
        let lines: Vec<serde_json::Value> = out
            .text()
            .lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0]["subject"], "loop");
        assert_eq!(lines[1]["subject"], "vaxel");
        assert_eq!(
            (&lines[2]["unit"], &lines[2]["verdict"]),
            (&"x".into(), &"pass".into())
        );
    }

    #[test]
    fn a_failure_is_printed_and_fails_the_run() {
        let (mut report, out, _) = report(false);
        report.failure("3 deliveries are missing").unwrap();
        let error = report.finish().unwrap_err();
        assert!(out.text().contains("✗ 3 deliveries are missing"));
        assert_eq!(error.to_string(), "3 deliveries are missing");
    }
}
