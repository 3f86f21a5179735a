//! Styles and cells: everything can be read without a colour.

use bgtask_text::{columns, short};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// Whether there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether anything is coloured. What colours say is said in words too.
    pub colour: bool,
}

impl Look {
    pub(crate) fn plain(self) -> Style {
        Style::new()
    }

    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(crate) fn soft(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(crate) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub(crate) fn good(self) -> Style {
        self.of(Color::Green)
    }

    pub(crate) fn waiting(self) -> Style {
        self.of(Color::Yellow)
    }

    pub(crate) fn active(self) -> Style {
        self.of(Color::Cyan)
    }

    pub(crate) fn bad(self) -> Style {
        self.of(Color::Red)
    }

    fn of(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    pub(crate) fn of_phase(self, phase: &str) -> Style {
        match phase {
            "latched" | "buffered" | "suspended" => self.waiting(),
            "starting" | "running" => self.active(),
            "cancelling" => self.bad(),
            _ => self.plain(),
        }
    }

    pub(crate) fn of_event(self, event: &str, text: &str) -> Style {
        match event {
            "latched" | "buffered" | "suspended" | "interrupted" | "retrying" | "missed" => self.waiting(),
            "started" | "released" | "fired" => self.active(),
            "completed" if text.starts_with("succeeded") => self.good(),
            "completed" | "cancelled" | "dropped" | "overdue" | "completion-lost" => self.bad(),
            _ => self.plain(),
        }
    }
}

/// A text on one line with nothing in it but text, cut to so many columns.
pub(crate) fn fit(text: &str, width: usize) -> String {
    match width {
        0 => String::new(),
        _ => short(text, width).into_owned(),
    }
}

/// A text in exactly so many columns.
pub(crate) fn padded(text: &str, width: usize) -> String {
    let mut cell = fit(text, width);
    cell.push_str(&" ".repeat(width.saturating_sub(columns(&cell))));
    cell
}

/// Cells beside one another with a blank between them.
pub(crate) fn cells<const N: usize>(cells: [(&str, usize, Style); N]) -> Line<'static> {
    let shown = cells.into_iter().filter(|(_, width, _)| *width > 0);
    let spans = shown.flat_map(|(text, width, style)| [Span::styled(padded(text, width), style), Span::raw(" ")]);
    Line::from(spans.collect::<Vec<_>>())
}

/// A text in lines of at most so many columns, broken at blanks where there are any.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in bgtask_text::printable(text).split(' ') {
        let line = lines.last_mut().expect("there is always one");
        if !line.is_empty() && columns(line) + 1 + columns(word) <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            if !line.is_empty() {
                lines.push(String::new());
            }
            broken(word, width, &mut lines);
        }
    }
    lines
}

/// Puts a word at the end of an empty line, and goes on in further ones where it is longer.
fn broken(word: &str, width: usize, lines: &mut Vec<String>) {
    for character in word.chars() {
        let line = lines.last_mut().expect("there is always one");
        line.push(character);
        if columns(line) > width && line.chars().count() > 1 {
            line.pop();
            lines.push(character.to_string());
        }
    }
}

/// The first line of a list of so many columns, and how many there are: so that the selected one is seen.
pub(crate) fn first_seen(selected: usize, height: usize) -> usize {
    (selected + 1).saturating_sub(height)
}

/// `── why ─────────`
pub(crate) fn rule(title: &str, width: usize, look: Look) -> Line<'static> {
    let title = fit(title, width.saturating_sub(6));
    let rest = "─".repeat(width.saturating_sub(columns(&title) + 4));
    Line::from(vec![
        Span::styled("── ", look.soft()),
        Span::styled(title, look.strong()),
        Span::styled(format!(" {rest}"), look.soft()),
    ])
}

/// `[########............]  40 %`
pub(crate) fn bar(value: u32, width: usize) -> String {
    let room = width.saturating_sub(8).clamp(4, 24);
    let filled = (value.min(100) as usize * room).div_ceil(100);
    format!("[{}{}] {value:>3} %", "#".repeat(filled), ".".repeat(room - filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_their_columns_whatever_is_in_them() {
        for text in ["", "plain", "背景任务处理", "a\u{1b}[2J", "\u{202e}", "e\u{301}e\u{301}e\u{301}"] {
            for width in 1..16 {
                assert_eq!(columns(&padded(text, width)), width, "{text:?} in {width}");
            }
        }
    }

    #[test]
    fn wrapped_text_fits_and_loses_nothing() {
        let text = "one two 背景任务处理背景任务处理 three-is-a-very-long-word four";
        for width in 2..40 {
            let lines = wrapped(text, width);
            assert!(lines.iter().all(|line| columns(line) <= width), "{width}: {lines:?}");
            let letters = |text: &str| text.replace(' ', "");
            assert_eq!(letters(&lines.concat()), letters(text));
        }
    }
}
