//! How the model is drawn. Nothing here changes it.

mod access;
mod activity;
mod conditions;
mod help;
mod history;
mod look;
mod tasks;
mod top;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::message::Deed;
use crate::model::{Mode, Model, View};
pub use look::Look;
use look::fit;

/// Fewest columns of a terminal that the screen needs.
pub const MIN_COLUMNS: u16 = 40;
/// Fewest lines of a terminal that the screen needs.
pub const MIN_LINES: u16 = 10;

/// Lines of the help.
pub(crate) const HELP_LINES: usize = help::KEYS.len();
/// From so many columns on, the names of all views are shown; below, that of the present one.
const TABS_FROM: u16 = 72;
/// Columns before the first name of a view.
const TABS_AT: u16 = 8;

/// Draws everything.
pub(crate) fn draw(frame: &mut Frame<'_>, model: &Model, look: Look) {
    let area = frame.area();
    if area.width < MIN_COLUMNS || area.height < MIN_LINES {
        let text = format!("{}x{} is too small: bgtask ui needs {MIN_COLUMNS}x{MIN_LINES}", area.width, area.height);
        return frame.render_widget(Paragraph::new(text).wrap(ratatui::widgets::Wrap { trim: true }), area);
    }
    let [head, body, status, keys] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1), Constraint::Length(1)])
            .areas(area);
    frame.render_widget(head_line(model, head.width, look), head);
    if let Mode::Help(from) = model.mode {
        help::draw(frame, body, from, look);
    } else {
        body_of(frame, model, body, look);
    }
    frame.render_widget(status_line(model, status.width, look), status);
    frame.render_widget(key_line(model, keys.width, look), keys);
}

/// The view whose name stands at this column of the first line.
pub(crate) fn tab_at(column: u16) -> Option<View> {
    let mut from = TABS_AT;
    View::ALL.into_iter().find(|view| {
        let width = view.name().len() as u16 + 4;
        let hit = (from..from + width).contains(&column);
        from += width;
        hit
    })
}

fn body_of(frame: &mut Frame<'_>, model: &Model, area: Rect, look: Look) {
    match model.view {
        View::Tasks => tasks::draw(frame, model, area, look),
        View::Activity => activity::draw(frame, model, area, look),
        View::History => history::draw(frame, model, area, look),
        View::Conditions => conditions::draw(frame, model, area, look),
        View::Access => access::draw(frame, model, area, look),
        View::Top => top::draw(frame, model, area, look),
    }
}

fn head_line(model: &Model, width: u16, look: Look) -> Line<'static> {
    let mut spans = vec![Span::styled(format!("{:<w$}", "bgtask", w = TABS_AT as usize), look.strong())];
    for view in View::ALL {
        let is_present = view == model.view;
        if width < TABS_FROM && !is_present {
            continue;
        }
        let text = format!(" {} {} ", view.place() + 1, view.name());
        spans.push(if is_present { Span::styled(text, look.selected()) } else { Span::styled(text, look.soft()) });
    }
    Line::from(spans)
}

fn status_line(model: &Model, width: u16, look: Look) -> Line<'static> {
    let (text, style) = match (&model.mode, &model.lost, &model.status) {
        (Mode::Confirm(deed), ..) => (format!("{} y: yes, any other key: no", question(deed)), look.waiting()),
        (Mode::Filter, ..) => (format!("Filter: {}_", model.filter), look.strong()),
        (_, Some(why), _) => (format!("Trying again: {why}"), look.bad()),
        (.., Some(status)) => (status.text.clone(), if status.is_bad { look.bad() } else { look.good() }),
        _ if !model.filter.is_empty() => {
            (format!("Only what has \"{}\" in it; Esc shows all", model.filter), look.soft())
        }
        _ => (String::new(), look.soft()),
    };
    Line::styled(fit(&text, width as usize), style)
}

fn question(deed: &Deed) -> String {
    match deed {
        Deed::Cancel { name, .. } => format!("Stop what runs of {}?", bgtask_text::short(name, 24)),
        Deed::Access { app, .. } => format!("Never let {} run?", bgtask_text::short(app, 24)),
        Deed::Run { name, .. } | Deed::Pause { name, .. } => bgtask_text::short(name, 24).into_owned(),
    }
}

/// The keys that do something now, as many as there is room for.
fn key_line(model: &Model, width: u16, look: Look) -> Line<'static> {
    let mut spans = Vec::new();
    let mut room = width as usize;
    for (key, word) in keys(model) {
        let needed = bgtask_text::columns(key) + 1 + word.len() + 2;
        if needed > room + 2 {
            break;
        }
        room = room.saturating_sub(needed);
        spans.push(Span::styled(key, look.strong()));
        spans.push(Span::styled(format!(" {word}  "), look.soft()));
    }
    Line::from(spans)
}

/// The most wanted first.
fn keys(model: &Model) -> Vec<(&'static str, &'static str)> {
    let pause = if model.selected_task().is_some_and(|task| task.paused) { "resume" } else { "pause" };
    match (&model.mode, model.view) {
        (Mode::Help(_), _) => vec![("Up/Down", "more"), ("any other key", "back")],
        (Mode::Confirm(_), _) => vec![("y", "yes"), ("n", "no")],
        (Mode::Filter, _) => vec![("Enter", "keep"), ("Esc", "show all")],
        (_, View::Tasks) => vec![
            ("q", "quit"),
            ("?", "help"),
            ("r", "run"),
            ("p", pause),
            ("c", "cancel"),
            ("Enter", "history"),
            ("/", "filter"),
            ("Tab", "view"),
        ],
        (_, View::History) => vec![
            ("q", "quit"),
            ("?", "help"),
            ("Esc", "back"),
            ("r", "run"),
            ("p", pause),
            ("c", "cancel"),
            ("Up/Down", "history"),
            ("PgUp/PgDn", "log"),
        ],
        (_, View::Access) => vec![
            ("q", "quit"),
            ("?", "help"),
            ("a", "always"),
            ("m", "managed"),
            ("n", "never"),
            ("d", "default"),
            ("/", "filter"),
            ("Tab", "view"),
        ],
        (_, View::Conditions) => {
            vec![("q", "quit"), ("?", "help"), ("g", "read again"), ("/", "filter"), ("Tab", "view")]
        }
        (_, View::Activity | View::Top) => {
            vec![("q", "quit"), ("?", "help"), ("Up/Down", "scroll"), ("/", "filter"), ("Tab", "view")]
        }
    }
}
