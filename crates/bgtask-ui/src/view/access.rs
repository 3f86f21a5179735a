//! Who may run, and who decided it.

use bgtask_wire::AppInfo;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::look::{Look, cells, first_seen, fit};
use crate::model::{Model, View};

const SETTINGS: [&str; 4] = ["always", "managed", "never", "default"];

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, area: Rect, look: Look) {
    let (width, place) = (area.width as usize, model.places[View::Access.place()]);
    let apps: Vec<&AppInfo> = model.shown_apps().collect();
    if apps.is_empty() {
        let text = if model.filter.is_empty() { "No apps are installed." } else { "No app has that in its id." };
        let line = Line::styled(fit(text, width), look.soft());
        return frame.render_widget(Paragraph::new(line), area);
    }
    // Each app has a line with its switch and one with what comes of it.
    let height = (area.height / 2) as usize;
    let mut lines = Vec::new();
    for (at, app) in apps.iter().enumerate().skip(first_seen(place, height)).take(height) {
        let style = if at == place { look.selected() } else { look.strong() };
        let mark = if at == place { ">" } else { " " };
        let switch = if width < 60 { 0 } else { 37 };
        let name = width.saturating_sub(switch + 2);
        lines.push(cells([(&format!("{mark} {}", app.id), name, style), (&switches(app), switch, style)]));
        let setting = if switch == 0 { format!("{}, ", setting(app)) } else { String::new() };
        let text = format!("    {setting}{}: {}", app.access, app.decided_by);
        lines.push(Line::styled(fit(&text, width), of_access(&app.access, look)));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// `always  managed [never] default`
fn switches(app: &AppInfo) -> String {
    let word = |word: &&str| if setting(app) == *word { format!("[{word}]") } else { format!(" {word} ") };
    SETTINGS.iter().map(word).collect()
}

fn setting(app: &AppInfo) -> &str {
    app.setting.as_deref().unwrap_or("default")
}

fn of_access(access: &str, look: Look) -> ratatui::style::Style {
    match access {
        "AlwaysAllowed" | "AllowedSubjectToSystemPolicy" => look.good(),
        "Unspecified" => look.waiting(),
        _ => look.bad(),
    }
}
