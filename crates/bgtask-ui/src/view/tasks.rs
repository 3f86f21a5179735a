//! Apps and tasks, and why the selected one is where it is.

use bgtask_text::command::{last, next, state, when};
use bgtask_text::{Clock, short_span};
use bgtask_wire::{GateInfo, TaskInfo, WhyInfo};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;
use std::time::Duration;

use super::look::{Look, bar, cells, first_seen, fit, rule, wrapped};
use crate::model::{Model, is_active};

/// Most lines of the reasons.
const MAX_WHY: u16 = 12;

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, area: Rect, look: Look) {
    let why = (area.height / 2).min(MAX_WHY);
    let [list, reasons] = Layout::vertical([Constraint::Min(0), Constraint::Length(why)]).areas(area);
    frame.render_widget(Paragraph::new(list_of(model, list, look)), list);
    frame.render_widget(Paragraph::new(reasons_of(model, reasons, look)), reasons);
}

/// Columns of name, state, trigger, next and last.
fn widths(width: u16) -> [usize; 5] {
    let width = width as usize;
    match width {
        ..60 => [width - 19, 18, 0, 0, 0],
        60..100 => [width - 60, 16, 13, 9, 17],
        _ => [width - 77, 22, 22, 10, 19],
    }
}

fn list_of(model: &Model, area: Rect, look: Look) -> Vec<Line<'static>> {
    let widths = widths(area.width);
    let has_heading = area.height > 4;
    let mut lines = Vec::new();
    if has_heading {
        let [name, state, trigger, next, last] = widths;
        let soft = look.soft();
        lines.push(cells([
            ("TASK", name, soft),
            ("STATE", state, soft),
            ("TRIGGER", trigger, soft),
            ("NEXT", next, soft),
            ("LAST", last, soft),
        ]));
    }
    let mut rows = Vec::new();
    let (mut app, mut selected) = (None, 0);
    for task in model.shown_tasks() {
        if app != Some(&task.app) {
            app = Some(&task.app);
            rows.push(Line::styled(fit(&task.app, area.width as usize), look.strong()));
        }
        let is_selected = Some(&task.id) == model.selected.as_ref();
        if is_selected {
            selected = rows.len();
        }
        rows.push(row(task, &model.clock, widths, is_selected, look));
    }
    if rows.is_empty() {
        rows.push(Line::styled(fit(&nothing(model), area.width as usize), look.soft()));
    }
    let height = (area.height as usize).saturating_sub(lines.len());
    lines.extend(rows.into_iter().skip(first_seen(selected, height)).take(height));
    lines
}

fn nothing(model: &Model) -> String {
    match (model.is_known, model.filter.is_empty()) {
        (false, _) => "Waiting for the broker.".to_owned(),
        (true, true) => "No tasks are registered: `bgtask add NAME --every 6h -- COMMAND` adds one.".to_owned(),
        (true, false) => "No task has that in its name, app or trigger.".to_owned(),
    }
}

fn row(task: &TaskInfo, clock: &Clock, widths: [usize; 5], is_selected: bool, look: Look) -> Line<'static> {
    let mark = if is_selected { ">" } else { " " };
    let style = if is_selected { look.selected() } else { look.plain() };
    let of_state = if is_selected { style } else { look.of_phase(&task.phase) };
    let ended = last(task, clock);
    let of_last = if task.last_ok == Some(false) && !is_selected { look.bad() } else { style };
    let [name, stands, trigger, soon, width] = widths;
    cells([
        (&format!("{mark} {}", task.name), name, style),
        (&state(task), stands, of_state),
        (&fires(task), trigger, style),
        (&next(task).map(|at| clock.relative(at)).unwrap_or_default(), soon, style),
        (&ended, width, of_last),
    ])
}

/// What fires it, without the word that is in front of nearly all.
fn fires(task: &TaskInfo) -> String {
    let when = when(task);
    when.strip_prefix("on ").map_or_else(|| when.clone(), str::to_owned)
}

fn reasons_of(model: &Model, area: Rect, look: Look) -> Vec<Line<'static>> {
    let width = area.width as usize;
    let Some(task) = model.selected_task() else { return vec![rule("why", width, look)] };
    let mut lines = vec![rule(&format!("why: {}", task.name), width, look)];
    let Some(why) = model.whys.get(&task.id) else { return lines };
    let said = |text: &str, style: Style| {
        wrapped(text, width).into_iter().map(move |line| Line::styled(line, style)).collect::<Vec<_>>()
    };
    lines.extend(said(&why.sentence, look.of_phase(&why.phase)));
    if is_active(task) {
        lines.push(Line::styled(fit(&progress(task, why, &model.clock, width), width), look.active()));
    }
    if let Some(remedy) = &why.remedy {
        lines.extend(said(&format!("To start it: {remedy}"), look.strong()));
    }
    // Those that hold it back are wanted first.
    let (open, closed): (Vec<_>, Vec<_>) = why.gates.iter().partition(|gate| gate.open);
    for gate in closed.into_iter().chain(open) {
        let style = if gate.open { look.soft() } else { look.waiting() };
        lines.push(Line::styled(fit(&gate_of(gate, &model.clock), width), style));
    }
    lines
}

/// `[######......]  40 % halfway, 12s of 10m00s`
fn progress(task: &TaskInfo, why: &WhyInfo, clock: &Clock, width: usize) -> String {
    let mut text = task.progress.map_or(String::new(), |progress| bar(progress, width / 2));
    if let Some(message) = &task.message {
        text.push_str(&format!(" {}", bgtask_text::short(message, width / 3)));
    }
    let separator = if text.is_empty() { "runs for" } else { "," };
    format!("{text}{separator} {}", time_of(why, clock)).trim_start().to_owned()
}

/// `12s of 10m00s`
pub(super) fn time_of(why: &WhyInfo, clock: &Clock) -> String {
    let micros = why.since.map_or(0, |since| clock.now().as_microsecond().saturating_sub(since));
    let runs = short_span(Duration::from_secs(u64::try_from(micros / 1_000_000).unwrap_or(0)));
    why.budget.map_or_else(|| runs.clone(), |budget| format!("{runs} of {}", short_span(Duration::from_micros(budget))))
}

fn gate_of(gate: &GateInfo, clock: &Clock) -> String {
    let word = if gate.open { "  open" } else { "closed" };
    let since = gate.since.map(|since| format!(" since {}", clock.relative(since))).unwrap_or_default();
    let source = if gate.source.is_empty() { String::new() } else { format!(" ({})", gate.source) };
    format!("{word}  {} reads {}{since}{source}", gate.name, gate.value)
}
