//! What happened to the selected task, and below it what it wrote.

use bgtask_log::{Kind, Line as LogLine};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::look::{Look, cells, fit, rule};
use crate::model::{Model, View};

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, area: Rect, look: Look) {
    let Some(task) = model.selected_task() else {
        let text = fit("Select a task in the view Tasks.", area.width as usize);
        return frame.render_widget(Paragraph::new(Line::styled(text, look.soft())), area);
    };
    let has_log = task.log.is_some();
    let log = if has_log { area.height / 2 } else { 0 };
    let [above, below] = Layout::vertical([Constraint::Min(0), Constraint::Length(log)]).areas(area);
    let width = area.width as usize;
    let mut lines = vec![rule(&format!("history: {}", task.name), width, look)];
    lines.extend(happened(model, width, above.height.saturating_sub(1) as usize, look));
    frame.render_widget(Paragraph::new(lines), above);
    if has_log {
        let mut lines = vec![rule("log", width, look)];
        lines.extend(written(model, width, below.height.saturating_sub(1) as usize, look));
        frame.render_widget(Paragraph::new(lines), below);
    }
}

fn happened(model: &Model, width: usize, height: usize, look: Look) -> Vec<Line<'static>> {
    let back = model.places[View::History.place()];
    let seen = model.history.lines.iter().rev().skip(back).take(height);
    let line = |(at, text): &(i64, String)| {
        let time = model.clock.local(*at).strftime("%d %b %H:%M:%S").to_string();
        cells([(&time, 15, look.soft()), (text, width.saturating_sub(17), of_text(text, look))])
    };
    let mut lines: Vec<_> = seen.map(line).collect();
    lines.reverse();
    if lines.is_empty() {
        lines.push(Line::styled(fit("Nothing happened.", width), look.soft()));
    }
    lines
}

fn of_text(text: &str, look: Look) -> Style {
    if text.starts_with("succeeded") { look.good() } else { look.plain() }
}

fn written(model: &Model, width: usize, height: usize, look: Look) -> Vec<Line<'static>> {
    let seen = model.history.log.iter().rev().skip(model.log_back).take(height);
    let mut lines: Vec<_> = seen.map(|line| log_line(line, width, look)).collect();
    lines.reverse();
    if lines.is_empty() {
        lines.push(Line::styled(fit("It has written nothing.", width), look.soft()));
    }
    lines
}

fn log_line(line: &LogLine, width: usize, look: Look) -> Line<'static> {
    let text = line.text();
    let (text, style) = match line.kind {
        Kind::Output | Kind::Part => (bgtask_text::plain(&text), look.plain()),
        Kind::Begin => (format!("-- {text}"), look.soft()),
        Kind::End => (format!("-- {text}"), look.soft()),
        Kind::Lost => (format!("-- {text}"), look.bad()),
    };
    Line::styled(fit(&text, width), style)
}
