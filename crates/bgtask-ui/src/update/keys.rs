//! What the user does.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::{show, want_why};
use crate::message::{Ask, Deed, Effect};
use crate::model::{MAX_FILTER, Mode, Model, Status, View};

/// Lines of a page.
const PAGE: isize = 10;

pub(super) fn key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    if key.kind == KeyEventKind::Release {
        return vec![];
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
        return vec![Effect::Quit];
    }
    match std::mem::take(&mut model.mode) {
        Mode::Look => {
            // It was read.
            model.status = None;
            look(model, key.code)
        }
        Mode::Filter => filter(model, key.code),
        Mode::Confirm(deed) => confirm(model, key.code, deed),
        Mode::Help(from) => {
            help(model, key.code, from);
            vec![]
        }
    }
}

/// The wheel moves, a click on a name of the first line shows that view.
pub(super) fn mouse(model: &mut Model, mouse: MouseEvent) -> Vec<Effect> {
    match mouse.kind {
        MouseEventKind::ScrollDown => step(model, 3),
        MouseEventKind::ScrollUp => step(model, -3),
        MouseEventKind::Down(MouseButton::Left) if mouse.row == 0 => {
            let hit = crate::view::tab_at(mouse.column).map(|view| show(model, view));
            return hit.unwrap_or_default();
        }
        _ => {}
    }
    vec![]
}

fn look(model: &mut Model, code: KeyCode) -> Vec<Effect> {
    match code {
        KeyCode::Char('q') => return vec![Effect::Quit],
        KeyCode::Char('?') => model.mode = Mode::Help(0),
        KeyCode::Char('/') => model.mode = Mode::Filter,
        KeyCode::Esc if model.view == View::History => return show(model, View::Tasks),
        KeyCode::Esc => {
            model.filter.clear();
            model.status = None;
            select_shown(model);
        }
        KeyCode::Char(digit @ '1'..='6') => return show(model, View::ALL[digit as usize - '1' as usize]),
        KeyCode::Tab | KeyCode::Right => return show(model, turned(model.view, 1)),
        KeyCode::BackTab | KeyCode::Left => return show(model, turned(model.view, View::ALL.len() - 1)),
        KeyCode::Down | KeyCode::Char('j') => step(model, 1),
        KeyCode::Up | KeyCode::Char('k') => step(model, -1),
        KeyCode::PageDown if model.view == View::History => model.log_back = model.log_back.saturating_sub(5),
        KeyCode::PageUp if model.view == View::History => {
            model.log_back = (model.log_back + 5).min(model.history.log.len());
        }
        KeyCode::PageDown => step(model, PAGE),
        KeyCode::PageUp => step(model, -PAGE),
        KeyCode::Home => step(model, isize::MIN),
        KeyCode::End => step(model, isize::MAX),
        KeyCode::Enter if matches!(model.view, View::Tasks | View::Top) => return show(model, View::History),
        KeyCode::Char('g') => return again(model),
        KeyCode::Char(letter) => return deed(model, letter),
        _ => {}
    }
    vec![]
}

fn turned(view: View, by: usize) -> View {
    View::ALL[(view.place() + by) % View::ALL.len()]
}

/// Reads again what is seen.
fn again(model: &mut Model) -> Vec<Effect> {
    let mut effects = show(model, model.view);
    effects.push(Effect::Ask(Ask::Tasks));
    model.pending.refresh = true;
    effects
}

fn deed(model: &mut Model, letter: char) -> Vec<Effect> {
    if model.view == View::Access {
        return access(model, letter);
    }
    let with_task = matches!(model.view, View::Tasks | View::History);
    let Some(task) = model.selected_task().filter(|_| with_task) else { return vec![] };
    let (task, name, paused) = (task.id.clone(), task.name.clone(), task.paused);
    match letter {
        'r' => act(Deed::Run { task, name }),
        'p' => act(Deed::Pause { task, name, paused: !paused }),
        'c' => {
            model.mode = Mode::Confirm(Deed::Cancel { task, name });
            vec![]
        }
        _ => vec![],
    }
}

fn access(model: &mut Model, letter: char) -> Vec<Effect> {
    let setting = match letter {
        'a' => "always",
        'm' => "managed",
        'n' => "never",
        'd' => "default",
        _ => return vec![],
    };
    let place = model.places[View::Access.place()];
    let Some(app) = model.shown_apps().nth(place).map(|app| app.id.clone()) else { return vec![] };
    let deed = Deed::Access { app, setting };
    // What runs of it is told to stop.
    if setting == "never" {
        model.mode = Mode::Confirm(deed);
        return vec![];
    }
    act(deed)
}

fn act(deed: Deed) -> Vec<Effect> {
    vec![Effect::Ask(Ask::Do(deed))]
}

fn confirm(model: &mut Model, code: KeyCode, deed: Deed) -> Vec<Effect> {
    if code == KeyCode::Char('y') {
        return act(deed);
    }
    model.status = Some(Status { text: "nothing was done".into(), is_bad: false });
    vec![]
}

fn help(model: &mut Model, code: KeyCode, from: usize) {
    match code {
        KeyCode::Down => model.mode = Mode::Help((from + 1).min(crate::view::HELP_LINES - 1)),
        KeyCode::Up => model.mode = Mode::Help(from.saturating_sub(1)),
        _ => {}
    }
}

fn filter(model: &mut Model, code: KeyCode) -> Vec<Effect> {
    match code {
        KeyCode::Enter => {}
        KeyCode::Esc => model.filter.clear(),
        KeyCode::Backspace => {
            model.filter.pop();
            model.mode = Mode::Filter;
        }
        KeyCode::Char(letter) => {
            if model.filter.chars().count() < MAX_FILTER {
                model.filter.push(letter);
            }
            model.mode = Mode::Filter;
        }
        _ => model.mode = Mode::Filter,
    }
    select_shown(model);
    vec![]
}

/// What is selected is one of those that are seen.
pub(super) fn select_shown(model: &mut Model) {
    let is_shown = model.shown_tasks().any(|task| Some(&task.id) == model.selected.as_ref());
    if !is_shown {
        let first = model.shown_tasks().next().map(|task| task.id.clone());
        model.selected = first;
    }
    for (view, count) in [(View::Access, model.shown_apps().count()), (View::Conditions, model.shown_sources().count())]
    {
        let place = &mut model.places[view.place()];
        *place = (*place).min(count.saturating_sub(1));
    }
    want_why(model);
}

fn step(model: &mut Model, by: isize) {
    let count = match model.view {
        View::Tasks => return step_task(model, by),
        View::Activity => model.shown_activity().count(),
        View::History => model.history.lines.len(),
        View::Conditions => model.shown_sources().count(),
        View::Access => model.shown_apps().count(),
        // More than there are lines.
        View::Top => 2 * model.tasks.len() + 4,
    };
    // These two are seen from their end.
    let by = if matches!(model.view, View::Activity | View::History) { by.saturating_neg() } else { by };
    let place = &mut model.places[model.view.place()];
    *place = place.saturating_add_signed(by).min(count.saturating_sub(1));
}

fn step_task(model: &mut Model, by: isize) {
    let ids: Vec<&str> = model.shown_tasks().map(|task| task.id.as_str()).collect();
    let place = ids.iter().position(|id| Some(*id) == model.selected.as_deref()).unwrap_or(0);
    let to = place.saturating_add_signed(by).min(ids.len().saturating_sub(1));
    model.selected = ids.get(to).map(|id| (*id).to_owned());
    want_why(model);
}
