//! The keys.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::look::{Look, cells};

/// The keys, and the words that need one.
pub(crate) const KEYS: [(&str, &str); 16] = [
    ("1-6, Tab", "the views"),
    ("Up/Down", "the next task, app, line"),
    ("PgUp/PgDn", "ten of them; the log"),
    ("Enter", "history and log of the task"),
    ("r", "run the command now"),
    ("p", "pause or resume the command"),
    ("c", "stop what runs of the command"),
    ("a m n d", "access: always, managed, never, default"),
    ("/", "show only what has a text in it"),
    ("Esc", "show all, go back"),
    ("g", "read everything again"),
    ("q, Ctrl-C", "quit: nothing ends but this screen"),
    ("", ""),
    ("closed", "a gate that holds the task back"),
    ("BAD", "runs that went wrong by themselves"),
    ("WAKES", "wake-ups, shared with other tasks"),
];

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, from: usize, look: Look) {
    let rest = (area.width as usize).saturating_sub(13);
    let lines: Vec<Line<'_>> = KEYS
        .iter()
        .skip(from)
        .map(|(key, word)| cells([(key, 11, look.strong()), (word, rest, look.plain())]))
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
}
