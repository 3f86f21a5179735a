//! Every view at three sizes. `BGTASK_BLESS=1 cargo test -p bgtask-ui` writes the pictures anew: look at them before they
//! are committed.

use std::path::PathBuf;

use bgtask_log::{Kind, Line};
use bgtask_wire::TaskInfo;
use crossterm::event::KeyCode;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::*;
use crate::message::News;
use crate::model::{Model, View};
use crate::view::{Look, draw};

const SIZES: [(u16, u16); 3] = [(80, 24), (40, 10), (120, 40)];

fn drawn(model: &Model, (columns, lines): (u16, u16), colour: bool) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(columns, lines)).unwrap();
    terminal.draw(|frame| draw(frame, model, Look { colour })).unwrap();
    terminal.backend().buffer().clone()
}

/// What a terminal shows, line by line.
fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for row in 0..buffer.area.height {
        let (mut line, mut column) = (String::new(), 0);
        while column < buffer.area.width {
            let symbol = buffer[(column, row)].symbol();
            line.push_str(symbol);
            column += bgtask_text::columns(symbol).max(1) as u16;
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[track_caller]
fn matches(name: &str, model: &Model) {
    let mut picture = String::new();
    for size in SIZES {
        let (coloured, plain) = (drawn(model, size, true), drawn(model, size, false));
        let shown = text(&coloured);
        assert_eq!(shown, text(&plain), "a colour says nothing that is not said in words");
        assert!(plain.content.iter().all(|cell| cell.style().fg.is_none_or(|fg| fg == ratatui::style::Color::Reset)));
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "only text reaches the terminal");
        picture.push_str(&format!("=== {}x{}\n{shown}", size.0, size.1));
    }
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("src/tests/pictures/{name}.txt"));
    if std::env::var_os("BGTASK_BLESS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &picture).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(picture == expected, "{} is not what is drawn now:\n{picture}", file.display());
}

#[test]
fn tasks_and_why() {
    matches("tasks", &model(View::Tasks));
}

#[test]
fn a_hostile_task_is_selected_like_any_other() {
    let mut model = model(View::Tasks);
    press(&mut model, KeyCode::End);
    press(&mut model, KeyCode::Up);
    assert_eq!(model.selected.as_deref(), Some(HOSTILE));
    let sentence = "It waits until internet holds: 背景任务\u{1b}[2J has \"no way\\ out\", and that is said at length.";
    let why = WhyInfo { sentence: sentence.into(), phase: "latched".into(), ..WhyInfo::default() };
    tell(&mut model, News::Why(HOSTILE.into(), Some(why)));
    matches("hostile", &model);
}

#[test]
fn no_tasks_yet_and_none_at_all() {
    let mut model = Model::new(View::Tasks, bgtask_text::Clock::fixed(NOON));
    assert!(text(&drawn(&model, (80, 24), true)).contains("Waiting for the broker."));
    tell(&mut model, News::Tasks(vec![]));
    matches("no-tasks", &model);
}

#[test]
fn activity() {
    let mut model = model(View::Activity);
    let name = "背景任务\u{1b}[2J\n\u{202e}evil";
    tell(&mut model, News::Event(event("fired", "every:6h fired", "backup", NOON - 2 * MINUTE)));
    tell(&mut model, News::Event(event("started", "started, attempt 2", "backup", NOON - 12 * SECOND)));
    tell(&mut model, News::Event(event("latched", "latched until internet holds", name, NOON)));
    matches("activity", &model);
}

#[test]
fn history_with_the_log() {
    let mut model = model(View::Tasks);
    press(&mut model, KeyCode::Enter);
    tell(&mut model, News::History(BACKUP.into(), past()));
    let line = |kind, text: &str| Line { at: 0, instance: INSTANCE.into(), kind, bytes: text.as_bytes().to_vec() };
    let lines = vec![
        line(Kind::Begin, "every:6h"),
        line(Kind::Output, "\u{1b}[32mscanning\u{1b}[0m 17 files\t(背景)"),
        line(Kind::Output, &"a very long line ".repeat(20)),
        line(Kind::End, "succeeded"),
    ];
    tell(&mut model, News::Log(BACKUP.into(), lines));
    matches("history", &model);
}

#[test]
fn conditions() {
    let mut model = model(View::Conditions);
    tell(&mut model, News::Sources(sources()));
    matches("conditions", &model);
}

#[test]
fn access() {
    let mut model = model(View::Access);
    tell(&mut model, News::Apps(apps()));
    press(&mut model, KeyCode::Down);
    matches("access", &model);
}

#[test]
fn top() {
    let mut model = model(View::Top);
    tell(&mut model, News::Past(past()));
    matches("top", &model);
}

#[test]
fn help() {
    let mut model = model(View::Tasks);
    press(&mut model, KeyCode::Char('?'));
    matches("help", &model);
}

#[test]
fn the_broker_is_gone() {
    let mut model = model(View::Tasks);
    tell(&mut model, News::Lost("no broker answers at /run/user/1000/bgtask/broker: \u{1b}[31mnot found".into()));
    matches("lost", &model);
}

#[test]
fn a_terminal_that_is_too_small_is_told_so() {
    let model = model(View::Tasks);
    for (columns, lines) in [(39, 10), (40, 9), (20, 3)] {
        let shown = text(&drawn(&model, (columns, lines), true)).replace('\n', " ");
        assert!(shown.contains(&format!("{columns}x{lines} is too")), "{shown}");
    }
    for (columns, lines) in [(1, 1), (3, 2), (500, 200)] {
        drawn(&model, (columns, lines), true);
    }
}

#[test]
fn a_thousand_tasks_are_listed_around_the_selected_one() {
    let mut model = model(View::Tasks);
    let many = |number: usize| task(&format!("id-{number}"), COMMANDS, &format!("task-{number:04}"), "every:1h");
    tell(&mut model, News::Tasks((0..1_000).map(many).collect::<Vec<TaskInfo>>()));
    type_in(&mut model, "/task-07");
    press(&mut model, KeyCode::Enter);
    (0..42).for_each(|_| drop(press(&mut model, KeyCode::Down)));
    let shown = text(&drawn(&model, (80, 24), true));
    assert!(shown.contains("> task-0742"), "{shown}");
    assert!(!shown.contains("task-0743") && shown.contains("Only what has \"task-07\" in it"), "{shown}");
}
