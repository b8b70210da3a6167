//! The tables and the plot of a run, as they stand in the documentation.

use std::{fmt::Write, fs, path::Path};

use anyhow::Context;

use super::{
    args::Layout,
    plot,
    turn::{COSTS, Values},
};
use crate::bench::{
    report::{machine_in_words, number},
    stats::median,
};

/// Where the plot goes, beside the page.
const PLOT: &str = "images/scale.svg";

/// What has been measured.
#[derive(Debug, Default)]
pub(super) struct Page {
    costs: Vec<Row>,
    details: String,
}

/// What messages cost at one number of connections.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) total: usize,
    pairs: usize,
    shards: usize,
    /// For each of [`COSTS`]: the loop, Vaxel.
    costs: Vec<(f64, f64)>,
    memory: [f64; 3],
}

impl Row {
    /// Vaxel's cost in the loop's.
    pub(super) fn ratio(&self, cost: usize) -> f64 {
        let (bare, ours) = self.costs[cost];
        ours / bare
    }
}

impl Page {
    /// Everybody had joined.
    pub(super) fn add(&mut self, total: usize, layout: &Layout, bare: &[Values], ours: &[Values]) {
        let of = |turns: &[Values], key| {
            median(&turns.iter().map(|turn| turn.value(key)).collect::<Vec<_>>())
        };
        let costs = COSTS.iter().map(|(key, _)| (of(bare, key), of(ours, key)));
        let memory = ["memory-connected", "memory-joined", "memory-kernel"];
        self.costs.push(Row {
            total,
            pairs: ours.len(),
            shards: layout.shards,
            costs: costs.collect(),
            memory: memory.map(|name| ours[0].value(name)),
        });
        self.detail(&format!("{} joined", count(total)), layout, &ours[0]);
    }

    /// Nobody had joined.
    pub(super) fn add_connected(&mut self, total: usize, layout: &Layout, values: &Values) {
        self.detail(&format!("{} connected", count(total)), layout, values);
    }

    fn detail(&mut self, title: &str, layout: &Layout, values: &Values) {
        let mut text = format!(
            "## {title}\n\n{} shards, {}.\n\n{}\n\n\
             | what | value | unit | p50 | p99 | p99.9 | max |\n\
             |---|---|---|---|---|---|---|\n",
            layout.shards,
            layout.tables_in_words(),
            printed_by()
        );
        for value in &values.0 {
            let tail = value.quantiles.map_or("| | | |".to_owned(), |q| {
                let cells = [q.p50, q.p99, q.p999, q.max].map(number);
                format!("{} |", cells.join(" | "))
            });
            let (name, shown, unit) = (&value.name, number(value.value), value.unit);
            _ = writeln!(text, "| {name} | {shown} | {unit} | {tail}");
        }
        text.push('\n');
        self.details.push_str(&text);
    }

    /// Writes the page, and the plot beside it; or adds to it where there is nothing to compare.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let failed = |path: &Path| format!("cannot write {}", path.display());
        let mut text = fs::read_to_string(path).unwrap_or_default();
        if !self.costs.is_empty() {
            let image = path.parent().unwrap_or(Path::new("")).join(PLOT);
            if let Some(folder) = image.parent() {
                fs::create_dir_all(folder).with_context(|| failed(folder))?;
            }
            fs::write(&image, plot::draw(&self.costs)).with_context(|| failed(&image))?;
            text = self.head();
        }
        text.push_str(&self.details());
        fs::write(path, text).with_context(|| failed(path))
    }

    /// Up to the plot.
    fn head(&self) -> String {
        let mut text = format!(
            "# A million connections\n\n{}\n\n{}\n\n\
             | joined | shards | pairs | user B, connected | user B, joined | kernel B, both ends \
             | loop, µs a delivery | Vaxel | ratio | loop, µs a request | Vaxel | ratio |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|\n",
            include_str!("intro.md").trim(),
            printed_by(),
        );
        for row in &self.costs {
            let mut cells = vec![
                count(row.total),
                row.shards.to_string(),
                row.pairs.to_string(),
            ];
            cells.extend(row.memory.map(number));
            for (at, &(bare, ours)) in row.costs.iter().enumerate() {
                cells.extend([number(bare), number(ours), number(row.ratio(at))]);
            }
            _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        _ = write!(
            text,
            "\n![What a message costs, in the loop's cost, by the number of clients]({PLOT})\n"
        );
        text
    }

    fn details(&self) -> String {
        format!("\n{}{}\n", self.details, machine_in_words())
    }
}

/// The comment that says where the figures come from.
fn printed_by() -> String {
    let words = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    format!("<!-- printed by: vaxel {words} -->")
}

/// A number of connections with its thousands apart.
pub(super) fn count(value: usize) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_readable() {
        assert_eq!(count(1_000_000), "1,000,000");
        assert_eq!(count(17_900), "17,900");
        assert_eq!(count(12), "12");
    }

    #[test]
    fn the_page_has_a_row_for_each_number_and_its_ratios() {
        let page = Page {
            costs: vec![Row {
                total: 1_000,
                pairs: 3,
                shards: 1,
                costs: vec![(5.0, 5.5), (6.0, 6.6)],
                memory: [200.0, 400.0, 8_300.0],
            }],
            details: String::new(),
        };
        let text = page.head();
        let row = "| 1,000 | 1 | 3 | 200.0 | 400.0 | 8\u{2009}300 | 5.000 | 5.500 | 1.100 |";
        assert!(text.contains(row), "{text}");
        assert!(text.contains("<!-- printed by: vaxel"), "{text}");
    }
}
