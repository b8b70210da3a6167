//! Plots as SVG, by hand: bars with their values, readable on light and dark paper.

use std::fmt::Write;

use super::saved::Saved;
use super::side::SIDES;
use super::table::number;

/// A plot and its file, in `docs/plots`.
pub(super) struct Plot {
    pub(super) file: &'static str,
    pub(super) title: &'static str,
    case: &'static str,
    unit: &'static str,
    /// Bars stand for magnitudes: servers differ by a thousand times.
    is_logarithmic: bool,
}

const fn plot(
    file: &'static str,
    case: &'static str,
    title: &'static str,
    unit: &'static str,
) -> Plot {
    let is_logarithmic = false;
    Plot {
        file,
        title,
        case,
        unit,
        is_logarithmic,
    }
}

pub(super) const PLOTS: &[Plot] = &[
    Plot {
        is_logarithmic: true,
        ..plot(
            "sockets-memory.svg",
            "memory-connected",
            "User memory per idle connection, logarithmic",
            "B",
        )
    },
    plot(
        "sockets-broadcast.svg",
        "broadcast-saturated-cpu",
        "Broadcast of 200 B to all: server CPU per delivery",
        "µs",
    ),
    plot(
        "sockets-echo.svg",
        "request-closed-1000-cpu",
        "Echo or push → reply, 1,000 busy: server CPU per message",
        "µs",
    ),
    plot(
        "sockets-echo-all.svg",
        "request-closed-all-cpu",
        "Echo or push → reply, all busy: server CPU per message",
        "µs",
    ),
];

const WIDTH: f64 = 720.0;
const TOP: f64 = 44.0;
const ROW: f64 = 28.0;
const BAR: f64 = 18.0;
const BARS_AT: f64 = 200.0;
/// Leaves room for the value behind the longest bar.
const BARS_WIDTH: f64 = 400.0;

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1f2328}\
.title{font-weight:600;font-size:14px}\
.loop{fill:#8c959f}.ours{fill:#bf5700}.peer{fill:#4078c0}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}\
.loop{fill:#6e7681}.ours{fill:#f0883e}.peer{fill:#58a6ff}}";

struct Bar {
    label: &'static str,
    class: &'static str,
    value: f64,
}

impl Plot {
    /// The whole file.
    pub(super) fn to_svg(&self, saved: &Saved) -> String {
        let bars = self.bars(saved);
        let height = TOP + ROW * bars.len() as f64 + 8.0;
        // Writing to a string does not fail.
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             role=\"img\">\n<title>{0}</title>\n<style>{STYLE}</style>\n\
             <text class=\"title\" x=\"8\" y=\"22\">{0}</text>\n",
            self.title
        );
        let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
        for (index, bar) in bars.iter().enumerate() {
            let top = TOP + ROW * index as f64;
            let width = self.width(bar.value, most);
            let baseline = top + BAR - 4.0;
            let _ = writeln!(
                text,
                "<text x=\"{:.1}\" y=\"{baseline:.1}\" text-anchor=\"end\">{}</text>\
                 <rect class=\"{}\" x=\"{BARS_AT:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" \
                 height=\"{BAR}\" rx=\"2\"/>\
                 <text x=\"{:.1}\" y=\"{baseline:.1}\">{} {}</text>",
                BARS_AT - 8.0,
                bar.label,
                bar.class,
                BARS_AT + width + 8.0,
                number(bar.value),
                self.unit,
            );
        }
        text.push_str("</svg>\n");
        text
    }

    fn bars(&self, saved: &Saved) -> Vec<Bar> {
        let bar = |name, label, class| {
            let value = saved.cell(self.case, name)?.value;
            Some(Bar {
                label,
                class,
                value,
            })
        };
        let bare = bar("loop", "bare epoll loop", "loop");
        let sides = SIDES.iter().filter_map(|side| {
            let class = if side.is_ours() { "ours" } else { "peer" };
            bar(side.name, side.title, class)
        });
        bare.into_iter().chain(sides).collect()
    }

    fn width(&self, value: f64, most: f64) -> f64 {
        let part = match self.is_logarithmic {
            // Below a byte there is nothing to tell apart.
            true => value.max(1.0).ln_1p() / most.max(1.0).ln_1p(),
            false => value / most,
        };
        (part * BARS_WIDTH).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::saved::Cell;
    use super::*;

    fn saved(case: &str) -> Saved {
        let cell = |side: &str, value| Cell {
            case: case.to_owned(),
            side: side.to_owned(),
            value,
            ratio: None,
            rounds: 1,
        };
        Saved {
            cells: vec![
                cell("loop", 30.0),
                cell("vaxel", 120.0),
                cell("axum", 120_000.0),
            ],
            ..Saved::default()
        }
    }

    #[test]
    fn every_server_measured_has_a_bar_with_its_value() {
        let plot = &PLOTS[0];
        let text = plot.to_svg(&saved(plot.case));
        assert_eq!(text.matches("<rect").count(), 3, "{text}");
        assert!(text.contains(">120,000 B<"), "{text}");
        assert!(text.contains("prefers-color-scheme:dark"));
    }

    #[test]
    fn bars_are_as_long_as_their_values_or_magnitudes() {
        let [log, linear] = [&PLOTS[0], &PLOTS[1]];
        assert!((linear.width(5.0, 10.0) - BARS_WIDTH / 2.0).abs() < 1e-9);
        assert!((log.width(99.0, 9_999.0) - BARS_WIDTH / 2.0).abs() < 1e-9);
        assert!((log.width(9_999.0, 9_999.0) - BARS_WIDTH).abs() < 1e-9);
    }
}
