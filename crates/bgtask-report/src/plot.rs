//! Plots as SVG that takes its colours from the page: columns over time or bins, bars beside names.

use std::fmt::Write as _;

use crate::page::escaped;

/// Units of the drawing across; the page scales it to the room there is.
const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 170.0;
/// Room for the numbers at the left.
const LEFT: f64 = 42.0;
/// Room for the words below.
const BELOW: f64 = 22.0;
const ABOVE: f64 = 8.0;
/// Most words below the columns.
const MAX_WORDS: usize = 9;
/// The height of a bar with its gap.
const ROW: f64 = 26.0;
/// Room for the names of bars.
const NAMES: f64 = 190.0;
/// Room for what is said at the end of a bar.
const SAID: f64 = 62.0;

/// One column: parts on top of one another, the first at the bottom.
pub(crate) struct Column {
    /// The word below it.
    pub(crate) word: String,
    /// What it says when pointed at.
    pub(crate) said: String,
    /// The class of each part, which gives it its colour, and its height.
    pub(crate) parts: Vec<(&'static str, f64)>,
}

/// One bar beside a name.
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) said: String,
    pub(crate) value: f64,
}

/// Columns side by side over a scale of round numbers.
pub(crate) fn columns(title: &str, columns: &[Column]) -> String {
    let sums = columns.iter().map(|column| column.parts.iter().map(|(_, height)| height).sum::<f64>());
    let (top, step) = scale(sums.fold(0.0, f64::max));
    let y = |value: f64| ABOVE + (HEIGHT - ABOVE - BELOW) * (1.0 - value / top);
    let mut svg = open(title, HEIGHT);
    let mut line = 0.0;
    while line <= top + step / 2.0 {
        let (at, right, number) = (y(line), WIDTH, tidy(line));
        put(
            &mut svg,
            format_args!("<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"),
        );
        let (x, at) = (LEFT - 6.0, at + 4.0);
        put(&mut svg, format_args!("<text class=\"number\" x=\"{x}\" y=\"{at:.1}\">{number}</text>"));
        line += step;
    }
    let room = (WIDTH - LEFT) / columns.len().max(1) as f64;
    let width = (room * 0.72).clamp(1.0, 44.0);
    let every = columns.len().div_ceil(MAX_WORDS).max(1);
    for (place, column) in columns.iter().enumerate() {
        let middle = LEFT + room * (place as f64 + 0.5);
        let (left, height) = (LEFT + room * place as f64, HEIGHT - BELOW - ABOVE);
        put(&mut svg, format_args!("<g class=\"column\"><title>{}</title>", escaped(&column.said)));
        put(
            &mut svg,
            format_args!("<rect class=\"all\" x=\"{left:.1}\" y=\"{ABOVE}\" width=\"{room:.1}\" height=\"{height}\"/>"),
        );
        let (x, mut base) = (middle - width / 2.0, 0.0);
        for (class, value) in column.parts.iter().filter(|(_, value)| *value > 0.0) {
            let (up, high) = (y(base + value), y(base) - y(base + value));
            put(
                &mut svg,
                format_args!(
                    "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{up:.1}\" width=\"{width:.1}\" height=\"{high:.1}\"/>"
                ),
            );
            base += value;
        }
        svg.push_str("</g>");
        // Counted from the end: the last one is the one that is looked for.
        if (columns.len() - 1 - place).is_multiple_of(every) {
            let (at, word) = (HEIGHT - 6.0, escaped(&column.word));
            put(&mut svg, format_args!("<text class=\"word\" x=\"{middle:.1}\" y=\"{at}\">{word}</text>"));
        }
    }
    svg + "</svg>"
}

/// Bars below one another, each beside its name and before what it says.
pub(crate) fn bars(title: &str, bars: &[Bar]) -> String {
    let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let mut svg = open(title, ROW * bars.len().max(1) as f64 + 4.0);
    for (place, bar) in bars.iter().enumerate() {
        let top = ROW * place as f64 + 4.0;
        let (middle, width) = (top + ROW / 2.0, (WIDTH - NAMES - SAID) * bar.value / most);
        let (name, said) = (escaped(&bar.name), escaped(&bar.said));
        let (x, y, thick) = (NAMES - 10.0, middle + 2.0, ROW - 10.0);
        put(&mut svg, format_args!("<g><title>{name}: {said}</title>"));
        put(&mut svg, format_args!("<text class=\"name\" x=\"{x}\" y=\"{y}\">{name}</text>"));
        put(
            &mut svg,
            format_args!(
                "<rect class=\"cpu\" x=\"{NAMES}\" y=\"{top}\" width=\"{width:.1}\" height=\"{thick}\" rx=\"2\"/>"
            ),
        );
        let x = NAMES + width + 8.0;
        put(&mut svg, format_args!("<text class=\"said\" x=\"{x:.1}\" y=\"{y}\">{said}</text></g>"));
    }
    svg + "</svg>"
}

fn open(title: &str, height: f64) -> String {
    format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">", escaped(title))
}

fn put(svg: &mut String, what: std::fmt::Arguments<'_>) {
    svg.write_fmt(what).expect("a string takes everything");
}

/// The top of a scale that goes beyond `most`, and the round step of at most five lines on it.
fn scale(most: f64) -> (f64, f64) {
    let raw = (most / 4.0).max(1e-3);
    let power = 10_f64.powf(raw.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= raw * 0.999);
    // Counts have no halves.
    let step = round.unwrap_or(10.0 * power).max(if most >= 1.0 { 1.0 } else { 0.0 });
    ((most / step).ceil().max(1.0) * step, step)
}

fn tidy(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_is_round_and_goes_beyond_the_most() {
        assert_eq!(scale(0.0), (0.001, 0.001));
        assert_eq!(scale(1.0), (1.0, 1.0));
        assert_eq!(scale(7.0), (8.0, 2.0));
        assert_eq!(scale(100.0), (100.0, 50.0));
        for most in [0.3, 1.5, 9.0, 11.0, 99.0, 1e6] {
            let (top, step) = scale(most);
            assert!(top >= most && top / step <= 5.01, "{most}: {top} by {step}");
        }
    }
}
