//! What the sources read.

use bgtask_wire::SourceInfo;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::look::{Look, cells, first_seen, fit, rule, wrapped};
use crate::model::{Model, View};

/// Lines of what is said about the selected one.
const SAID: u16 = 5;

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, area: Rect, look: Look) {
    let said = SAID.min(area.height / 2);
    let [list, below] = Layout::vertical([Constraint::Min(0), Constraint::Length(said)]).areas(area);
    let (width, place) = (area.width as usize, model.places[View::Conditions.place()]);
    let name = if width < 60 { 16 } else { 26 };
    let value = if width < 60 { 11 } else { 14 };
    let how = width.saturating_sub(name + value + 11 + 3);
    let soft = look.soft();
    let mut lines = vec![cells([("READS", name, soft), ("", value, soft), ("STATUS", 11, soft), ("FROM", how, soft)])];
    let height = (list.height as usize).saturating_sub(1);
    let sources: Vec<&SourceInfo> = model.shown_sources().collect();
    for (at, source) in sources.iter().enumerate().skip(first_seen(place, height)).take(height) {
        let style = if at == place { look.selected() } else { look.plain() };
        let of_status = if at == place { style } else { of_status(&source.status, look) };
        let mark = if at == place { ">" } else { " " };
        lines.push(cells([
            (&format!("{mark} {}", source.name), name, style),
            (source.value.as_deref().unwrap_or("?"), value, style),
            (&source.status, 11, of_status),
            (source.how.as_deref().unwrap_or_default(), how, style),
        ]));
    }
    if sources.is_empty() {
        let text = "No source is watched: no task needs one now.";
        lines.push(Line::styled(fit(text, width), soft));
    }
    frame.render_widget(Paragraph::new(lines), list);
    frame.render_widget(Paragraph::new(about(model, sources.get(place).copied(), width, look)), below);
}

fn about(model: &Model, source: Option<&SourceInfo>, width: usize, look: Look) -> Vec<Line<'static>> {
    let read = model.clock.relative(model.sources_at);
    let mut lines = vec![rule(&format!("read {read}, again with every event and with g"), width, look)];
    let Some(source) = source else { return lines };
    let said = [("From", &source.how), ("Because", &source.why), ("Better with", &source.help)];
    for (word, text) in said.into_iter().filter_map(|(word, text)| Some((word, text.as_ref()?))) {
        lines.extend(wrapped(&format!("{word}: {text}"), width).into_iter().map(Line::from));
    }
    lines
}

fn of_status(status: &str, look: Look) -> ratatui::style::Style {
    match status {
        "available" => look.good(),
        "degraded" | "starting" => look.waiting(),
        _ => look.bad(),
    }
}
