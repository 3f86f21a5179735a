//! What happens, the latest below.

use bgtask_wire::EventInfo;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::look::{Look, cells, fit};
use crate::model::{Model, View};

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, area: Rect, look: Look) {
    let back = model.places[View::Activity.place()];
    let mut lines: Vec<Line<'_>> = model
        .shown_activity()
        .rev()
        .skip(back)
        .take(area.height as usize)
        .map(|event| line(event, model, area.width as usize, look))
        .collect();
    lines.reverse();
    if lines.is_empty() {
        let text = "Nothing has happened since this screen was opened.";
        lines.push(Line::styled(fit(text, area.width as usize), look.soft()));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn line(event: &EventInfo, model: &Model, width: usize, look: Look) -> Line<'static> {
    let time = model.clock.local(event.at).strftime("%H:%M:%S").to_string();
    let name = if width < 60 { 12 } else { 24 };
    let rest = width.saturating_sub(8 + name + 2);
    cells([
        (&time, 8, look.soft()),
        (&event.name, name, look.strong()),
        (&event.text, rest, look.of_event(&event.event, &event.text)),
    ])
}
