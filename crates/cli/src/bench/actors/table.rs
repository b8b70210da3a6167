//! All sides side by side, as the Markdown that the docs quote.

use std::fmt::Write;

use super::side::Within;
use crate::bench::{
    outsider::Outsider,
    report::{Figure, number},
};

/// Rows in the order in which they were measured, a column for each side.
pub(super) struct Table {
    sides: Vec<String>,
    rows: Vec<Line>,
}

struct Line {
    case: String,
    unit: &'static str,
    cells: Vec<String>,
    ratio: String,
}

impl Table {
    pub(super) fn new(outsiders: &[Outsider]) -> Self {
        let within = [Within::Vaxel, Within::Tokio].map(|side| side.name().to_owned());
        let outsiders = outsiders.iter().map(|outsider| outsider.name.clone());
        Self {
            sides: within.into_iter().chain(outsiders).collect(),
            rows: Vec::new(),
        }
    }

    fn line(&mut self, case: &str, unit: &'static str) -> &mut Line {
        let known = self.rows.iter().position(|row| row.case == case);
        let at = known.unwrap_or_else(|| {
            self.rows.push(Line {
                case: case.to_owned(),
                unit,
                cells: vec!["–".to_owned(); self.sides.len()],
                ratio: String::new(),
            });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }

    pub(super) fn add(&mut self, figure: &Figure) {
        let Some(side) = self.sides.iter().position(|side| side == figure.subject()) else {
            return;
        };
        let line = self.line(figure.case(), figure.unit());
        line.cells[side] = figure.to_cell();
    }

    pub(super) fn add_ratio(&mut self, case: &str, best: &str, ratio: f64, goal: f64) {
        let line = self.line(case, "");
        let times = |cost: f64| number(1.0 / cost);
        line.ratio = format!("{} × {best}, goal {}", times(ratio), times(goal));
    }

    pub(super) fn to_markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = write!(text, "| row | unit |");
        for side in &self.sides {
            let _ = write!(text, " {side} |");
        }
        let _ = write!(text, " better than the best other |\n|---|---|");
        for _ in 0..=self.sides.len() {
            text.push_str("---|");
        }
        for row in &self.rows {
            let _ = write!(text, "\n| {} | {} |", row.case, row.unit);
            for cell in &row.cells {
                let _ = write!(text, " {cell} |");
            }
            let _ = write!(text, " {} |", row.ratio);
        }
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::Better;

    #[test]
    fn each_row_has_a_cell_for_each_side() {
        let mut table = Table::new(&["beam=erl".parse().expect("a name and a command")]);
        let figure =
            |subject, value| Figure::new("ring", subject, "hops/s", Better::Higher).value(value);
        table.add(&figure("vaxel", 20_000_000.0));
        table.add(&figure("beam", 4_000_000.0));
        table.add_ratio("ring", "beam", 0.2, 0.4);
        let text = table.to_markdown();
        let last = text.lines().last().expect("a head and a row");
        let cells: Vec<_> = last.split('|').map(str::trim).collect();
        assert_eq!(cells[1..3], ["ring", "hops/s"]);
        assert_eq!(cells[4], "–", "tokio was not measured");
        assert!(cells[6].starts_with("5.0"), "{last}");
        let widths: Vec<_> = text.lines().map(|line| line.matches('|').count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
    }
}
