//! The figures as the Markdown that the documents hold.

use std::fmt::Write;

use super::saved::{Cell, Saved};
use super::side::SIDES;

/// Which direction is an improvement.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Better {
    Higher,
    Lower,
}

/// A row: the case that `vaxel bench sockets` prints, what it is called here, its unit.
pub(super) struct Row {
    pub(super) case: &'static str,
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    pub(super) better: Better,
}

const fn row(case: &'static str, title: &'static str, unit: &'static str) -> Row {
    let better = Better::Lower;
    Row {
        case,
        title,
        unit,
        better,
    }
}

pub(super) const ROWS: &[Row] = &[
    row("memory-connected", "user memory per idle connection", "B"),
    row(
        "memory-joined",
        "the same once each has joined; a peer's has been answered once",
        "B",
    ),
    Row {
        better: Better::Higher,
        ..row("connect-rate", "connections a second", "1/s")
    },
    row("connect-cpu", "server CPU for each", "µs"),
    row(
        "broadcast-saturated-cpu",
        "broadcast of 200 B to all, server CPU per delivery",
        "µs",
    ),
    row(
        "broadcast-rate-p50",
        "one broadcast a second to all, p50",
        "ms",
    ),
    row("broadcast-rate-p99", "the same, p99", "ms"),
    row(
        "request-closed-1000-cpu",
        "echo or push → reply, 1,000 busy, server CPU per message",
        "µs",
    ),
    row("request-closed-all-cpu", "the same, all busy", "µs"),
    row(
        "request-closed-all-p99",
        "the same, p99 at saturation",
        "ms",
    ),
    row(
        "request-open-5000-cpu",
        "5,000 requests a second, server CPU per message",
        "µs",
    ),
    row("request-open-5000-p99", "the same, p99", "ms"),
];

/// The table, with a column for each server and one for how Vaxel does beside the best peer.
pub(super) fn markdown(saved: &Saved) -> String {
    let mut text = "| row | unit | bare loop |".to_owned();
    // Writing to a string does not fail.
    for side in SIDES {
        let _ = write!(text, " {} |", side.title);
    }
    text.push_str(" beside the best peer |\n|---|---|---|");
    text.push_str(&"---|".repeat(SIDES.len() + 1));
    for row in ROWS {
        let bare = saved.cell(row.case, "loop");
        let bare = bare.map_or("–".to_owned(), |cell| number(cell.value));
        let _ = write!(text, "\n| {} | {} | {bare} |", row.title, row.unit);
        for side in SIDES {
            let cell = saved.cell(row.case, side.name);
            let _ = write!(text, " {} |", cell.map_or("–".to_owned(), to_cell));
        }
        let _ = write!(text, " {} |", standing(saved, row));
    }
    text.push('\n');
    for absent in &saved.absent {
        let _ = write!(
            text,
            "\n{} is NOT MEASURED: {}\n",
            absent.missing, absent.reason
        );
    }
    text
}

/// The figure, and in brackets its ratio to the loop's beside it.
fn to_cell(cell: &Cell) -> String {
    let value = number(cell.value);
    match cell.ratio {
        Some(ratio) => format!("{value} ({ratio:.2} ×)"),
        None => value,
    }
}

/// Vaxel's figure beside the best peer's. Where there are ratios to the loop they are compared:
/// turns of different servers are minutes apart.
fn standing(saved: &Saved, row: &Row) -> String {
    let yardstick = |cell: &Cell| cell.ratio.unwrap_or(cell.value);
    let Some(ours) = saved.cell(row.case, "vaxel").map(yardstick) else {
        return "–".to_owned();
    };
    let peers = SIDES.iter().filter(|side| !side.is_ours());
    let measured = peers.filter_map(|side| {
        let peer = yardstick(saved.cell(row.case, side.name)?);
        let gain = match row.better {
            Better::Lower => peer / ours,
            Better::Higher => ours / peer,
        };
        Some((side.name, gain))
    });
    match measured.min_by(|one, other| one.1.total_cmp(&other.1)) {
        Some((name, gain)) if gain >= 1.0 => format!("{gain:.2} × better than {name}"),
        Some((name, gain)) => format!("behind {name}: {gain:.2} ×"),
        None => "–".to_owned(),
    }
}

/// Three digits that count, thousands apart.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 99.5 => {
            let digits = format!("{value:.0}");
            let mut text = String::new();
            for (index, digit) in digits.chars().enumerate() {
                if index > 0 && (digits.len() - index) % 3 == 0 {
                    text.push(',');
                }
                text.push(digit);
            }
            text
        }
        tens if tens >= 9.95 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::saved::Absent;
    use super::*;

    fn cell(side: &str, value: f64, ratio: Option<f64>) -> Cell {
        Cell {
            case: "broadcast-saturated-cpu".to_owned(),
            side: side.to_owned(),
            value,
            ratio,
            rounds: 1,
        }
    }

    fn broadcast_line(ours: f64) -> String {
        let saved = Saved {
            cells: vec![
                cell("loop", 5.0, None),
                cell("vaxel", 5.2, Some(ours)),
                cell("uws", 6.5, Some(1.2)),
                cell("ws", 11.5, Some(2.3)),
            ],
            absent: vec![Absent {
                missing: "axum".to_owned(),
                reason: "no network".to_owned(),
            }],
            machine: None,
        };
        let text = markdown(&saved);
        assert!(
            text.contains("\naxum is NOT MEASURED: no network\n"),
            "{text}"
        );
        let widths = text.lines().filter(|line| line.starts_with('|'));
        let widths: Vec<_> = widths.map(|line| line.matches('|').count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
        let mut lines = text.lines();
        lines
            .find(|line| line.contains("per delivery"))
            .unwrap()
            .to_owned()
    }

    #[test]
    fn a_row_says_who_is_the_best_peer_and_whether_it_is_ahead() {
        let line = broadcast_line(1.0);
        assert!(line.contains("| 5.00 | 5.20 (1.00 ×) | 6.50 (1.20 ×) | 11.5 (2.30 ×) | – |"));
        assert!(line.ends_with("| 1.20 × better than uws |"), "{line}");
        let line = broadcast_line(1.5);
        assert!(line.ends_with("| behind uws: 0.80 × |"), "{line}");
    }

    #[test]
    fn numbers_keep_three_digits() {
        let texts = [0.128, 9.96, 137_000.0, 458.4].map(number);
        assert_eq!(texts, ["0.13", "10.0", "137,000", "458"]);
    }
}
