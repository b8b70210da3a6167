//! The plot: what a message costs, in the loop's cost, by the number of connections.

use std::fmt::Write;

use super::{
    page::{Row, count},
    turn::COSTS,
};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
/// Room for the axes.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 44.0;
const COLOURS: [&str; 2] = ["#b8862f", "#3f7fa6"];
/// The top of the scale, unless a ratio is above it.
const RATIO_MAX: f64 = 1.5;

/// An SVG image of the ratios in `rows`, numbers of connections on a logarithmic axis.
pub(super) fn draw(rows: &[Row]) -> String {
    let ratios = || rows.iter().flat_map(|row| [row.ratio(0), row.ratio(1)]);
    let top = ratios()
        .filter(|ratio| ratio.is_finite())
        .fold(RATIO_MAX, f64::max);
    let totals = || rows.iter().map(|row| (row.total as f64).log10());
    let (low, high) = (
        totals().fold(f64::MAX, f64::min),
        totals().fold(0.0, f64::max),
    );
    let x = |total: usize| {
        let part = ((total as f64).log10() - low) / (high - low).max(1e-9);
        LEFT + part * (WIDTH - LEFT - RIGHT)
    };
    let y = |ratio: f64| HEIGHT - BOTTOM - ratio / top * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"13\" fill=\"#555\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    let end = WIDTH - RIGHT;
    for step in 0..=(top / 0.25) as u32 {
        let ratio = f64::from(step) * 0.25;
        let (at, width) = (y(ratio), if step == 4 { 1.5 } else { 0.5 });
        _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {at:.1}H{end}\" stroke=\"#999\" stroke-width=\"{width}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{ratio:.2}</text>",
            LEFT - 8.0,
            at + 4.0
        );
    }
    for row in rows {
        _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            x(row.total),
            HEIGHT - BOTTOM + 22.0,
            count(row.total)
        );
    }
    for (at, colour) in COLOURS.iter().enumerate() {
        line(&mut svg, rows, at, colour, (&x, &y));
    }
    svg.push_str("</svg>\n");
    svg
}

/// One line with its points and its name at the end.
fn line(
    svg: &mut String,
    rows: &[Row],
    cost: usize,
    colour: &str,
    (x, y): (&dyn Fn(usize) -> f64, &dyn Fn(f64) -> f64),
) {
    let points = || rows.iter().filter(|row| row.ratio(cost).is_finite());
    let path: Vec<String> = points()
        .map(|row| format!("{:.1},{:.1}", x(row.total), y(row.ratio(cost))))
        .collect();
    _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
        path.join(" ")
    );
    for row in points() {
        let (x, y) = (x(row.total), y(row.ratio(cost)));
        _ = writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>"
        );
    }
    if let Some(last) = points().next_back() {
        // Lines that end close to each other keep their names apart.
        let shift = if cost == 0 { -4.0 } else { 14.0 };
        let name = COSTS[cost].0.trim_end_matches("-cpu");
        _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{name} ÷ loop</text>",
            x(last.total) + 10.0,
            y(last.ratio(cost)) + shift
        );
    }
}
