//! What runs, and what the last hour came to cost.

use bgtask_report::account;
use bgtask_text::command::state;
use bgtask_wire::TaskInfo;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::look::{Look, cells, fit, rule};
use super::tasks::time_of;
use crate::model::{Model, PAST, View};

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, area: Rect, look: Look) {
    let width = area.width as usize;
    let mut lines = vec![rule("running", width, look)];
    let running: Vec<&TaskInfo> = model.running().collect();
    lines.extend(running.iter().map(|task| running_line(task, model, width, look)));
    if running.is_empty() {
        lines.push(Line::styled(fit("Nothing runs.", width), look.soft()));
    }
    let now = model.now();
    let events: Vec<_> = model.past.iter().cloned().collect();
    let report = account(&events, model.clock.zone(), now - PAST, now);
    lines.push(rule("the last hour", width, look));
    let table = bgtask_report::top(&report);
    lines.extend(table.lines().map(|line| Line::from(fit(line, width))));
    let back = model.places[View::Top.place()];
    let lines: Vec<_> = lines.into_iter().skip(back).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

fn running_line(task: &TaskInfo, model: &Model, width: usize, look: Look) -> Line<'static> {
    let time = model.whys.get(&task.id).map(|why| time_of(why, &model.clock)).unwrap_or_default();
    let name = (width / 3).max(14);
    let message = width.saturating_sub(name + 17 + 18 + 3);
    cells([
        (&task.name, name, look.strong()),
        (&state(task), 17, look.active()),
        (&time, width.saturating_sub(name + 19).min(18), look.plain()),
        (task.message.as_deref().unwrap_or_default(), message, look.soft()),
    ])
}
