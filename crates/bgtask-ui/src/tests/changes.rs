//! How the screen changes with keys and news.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::*;
use crate::message::{Ask, Deed, Effect, Message, News};
use crate::model::{MAX_ACTIVITY, MAX_FILTER, MAX_LOG, Mode, Model, View};
use crate::update::update;

#[test]
fn a_connection_begins_with_the_tasks_and_what_is_seen() {
    let mut model = Model::new(View::Top, bgtask_text::Clock::fixed(NOON));
    assert_eq!(tell(&mut model, News::Connected), [Ask::Tasks, Ask::Past(NOON - 60 * MINUTE)]);
    assert_eq!(tell(&mut model, News::Tasks(tasks())), [Ask::Why(BACKUP.into())], "what is selected, and what runs");
    assert_eq!(model.tasks[0].name, "backup", "by app and name");
    assert_eq!(model.selected.as_deref(), Some(BACKUP));
}

#[test]
fn a_flood_of_events_is_one_question_at_a_time() {
    let mut model = model(View::Activity);
    let change = || News::Event(event("fired", "fired", "backup", NOON));
    assert_eq!(tell(&mut model, change()), [Ask::Refresh(vec![BACKUP.into()])]);
    for _ in 0..100 {
        assert_eq!(tell(&mut model, change()), []);
    }
    let answer = News::Refreshed(vec![(BACKUP.into(), Some(tasks().swap_remove(1)))]);
    let asked = tell(&mut model, answer);
    assert_eq!(asked.first(), Some(&Ask::Refresh(vec![BACKUP.into()])), "what came meanwhile");
    let many = (0..40).map(|number| EventInfo { task: format!("id-{number}"), ..event("fired", "", "x", NOON) });
    many.for_each(|event| drop(tell(&mut model, News::Event(event))));
    assert_eq!(tell(&mut model, News::Refreshed(vec![])).first(), Some(&Ask::Tasks), "of many, all are read");
}

#[test]
fn a_question_without_an_answer_may_be_asked_again() {
    let mut model = model(View::Tasks);
    assert_eq!(press(&mut model, KeyCode::Down), [Ask::Why(LONG.into())]);
    assert_eq!(press(&mut model, KeyCode::Up), [], "one at a time");
    let asked = tell(&mut model, News::Refused(Ask::Why(LONG.into()), "no".into()));
    assert_eq!(asked, [Ask::Why(BACKUP.into())]);
    assert!(model.status.as_ref().unwrap().is_bad);
}

#[test]
fn a_task_that_is_gone_is_forgotten_and_its_neighbour_selected() {
    let mut model = model(View::Tasks);
    tell(&mut model, News::Refreshed(vec![(BACKUP.into(), None)]));
    assert!(model.task(BACKUP).is_none() && !model.whys.contains_key(BACKUP));
    assert_eq!(model.selected.as_deref(), Some(LONG));
    tell(&mut model, News::Refreshed(vec![(BACKUP.into(), Some(task(BACKUP, COMMANDS, "a", "every:1h")))]));
    assert_eq!(model.tasks[0].name, "a", "a new one stands where it belongs");
}

#[test]
fn progress_is_seen_without_a_question() {
    let mut model = model(View::Tasks);
    let progress = bgtask_wire::ProgressInfo {
        app: COMMANDS.into(),
        task: BACKUP.into(),
        name: "backup".into(),
        instance: INSTANCE.into(),
        value: 77,
        message: None,
    };
    assert_eq!(tell(&mut model, News::Progressed(progress)), []);
    assert_eq!(model.task(BACKUP).unwrap().progress, Some(77));
}

#[test]
fn run_and_pause_are_done_at_once_and_cancel_after_a_question() {
    let mut model = model(View::Tasks);
    let (task, name) = (BACKUP.to_owned(), "backup".to_owned());
    let run = Ask::Do(Deed::Run { task: task.clone(), name: name.clone() });
    assert_eq!(press(&mut model, KeyCode::Char('r')), [run]);
    let pause = Ask::Do(Deed::Pause { task: task.clone(), name: name.clone(), paused: true });
    assert_eq!(press(&mut model, KeyCode::Char('p')), [pause]);
    assert_eq!(press(&mut model, KeyCode::Char('c')), []);
    assert_eq!(press(&mut model, KeyCode::Char('x')), [], "anything but y is no");
    press(&mut model, KeyCode::Char('c'));
    assert_eq!(press(&mut model, KeyCode::Char('y')), [Ask::Do(Deed::Cancel { task, name })]);
}

/// AC-7: the four words of the setting.
#[test]
fn access_is_switched_with_one_key_and_taken_away_after_a_question() {
    let mut model = model(View::Access);
    tell(&mut model, News::Apps(apps()));
    press(&mut model, KeyCode::Down);
    let set = |setting| Ask::Do(Deed::Access { app: "org.example.Mail".into(), setting });
    for (key, setting) in [('a', "always"), ('m', "managed"), ('d', "default")] {
        assert_eq!(press(&mut model, KeyCode::Char(key)), [set(setting)]);
    }
    assert_eq!(press(&mut model, KeyCode::Char('n')), []);
    assert_eq!(press(&mut model, KeyCode::Char('y')), [set("never")]);
    assert_eq!(tell(&mut model, News::Done("set".into())).first(), Some(&Ask::Apps), "what came of it");
}

#[test]
fn a_filter_selects_and_escape_takes_it_back() {
    let mut model = model(View::Tasks);
    type_in(&mut model, "/MAIL");
    assert_eq!(model.shown_tasks().count(), 1);
    assert_eq!(model.selected.as_deref(), Some(MAIL));
    press(&mut model, KeyCode::Enter);
    assert_eq!(press(&mut model, KeyCode::Char('r')).len(), 1, "keys mean what they meant");
    press(&mut model, KeyCode::Esc);
    assert_eq!(model.shown_tasks().count(), 4);
    type_in(&mut model, &format!("/{}", "x".repeat(MAX_FILTER + 10)));
    assert_eq!(model.filter.len(), MAX_FILTER);
    assert_eq!(model.selected, None);
    press(&mut model, KeyCode::Enter);
    assert_eq!(press(&mut model, KeyCode::Char('r')), [], "nothing is selected");
}

#[test]
fn the_history_follows_the_task_that_is_looked_at() {
    let mut model = model(View::Tasks);
    let log = Some(format!("/nowhere/{BACKUP}.log"));
    assert_eq!(press(&mut model, KeyCode::Enter), [Ask::History(BACKUP.into()), Ask::Log(BACKUP.into(), log)]);
    tell(&mut model, News::History(BACKUP.into(), past()));
    tell(&mut model, News::Event(event("started", "started", "backup", NOON)));
    assert_eq!(model.history.lines.len(), 4, "it goes on by itself");
    tell(&mut model, News::History(MAIL.into(), past()));
    assert_eq!(model.history.lines.len(), 4, "another task's lines came too late");
    press(&mut model, KeyCode::Esc);
    assert_eq!(model.view, View::Tasks);
}

#[test]
fn what_is_kept_is_bounded() {
    let mut model = model(View::Tasks);
    press(&mut model, KeyCode::Enter);
    for number in 0..MAX_ACTIVITY + 5 {
        tell(&mut model, News::Event(event("fired", &number.to_string(), "backup", NOON)));
    }
    assert_eq!((model.activity.len(), model.activity[0].text.as_str()), (MAX_ACTIVITY, "5"));
    let line = |_| bgtask_log::Line { at: 0, instance: "x".into(), kind: bgtask_log::Kind::Output, bytes: vec![] };
    tell(&mut model, News::Log(BACKUP.into(), (0..MAX_LOG + 7).map(line).collect()));
    assert_eq!(model.history.log.len(), MAX_LOG);
}

#[test]
fn the_last_hour_goes_on_and_what_is_older_is_forgotten() {
    let mut model = model(View::Top);
    tell(&mut model, News::Past(past()));
    assert_eq!(model.past.len(), 3);
    let mut later = past().pop().unwrap();
    later.at = NOON;
    let change = EventInfo { detail: later.detail, ..event("completed", "succeeded", "backup", NOON) };
    tell(&mut model, News::Event(change));
    assert_eq!(model.past.len(), 4);
    model.clock = bgtask_text::Clock::fixed(NOON + 40 * MINUTE);
    update(&mut model, Message::Tick);
    assert_eq!(model.past.len(), 1);
}

#[test]
fn a_broker_that_comes_back_is_asked_again_for_everything() {
    let mut model = model(View::Conditions);
    tell(&mut model, News::Lost("the broker ended".into()));
    assert_eq!(tell(&mut model, News::Event(event("fired", "", "backup", NOON))), [], "nobody is there to ask");
    let asked = tell(&mut model, News::Connected);
    assert_eq!(asked, [Ask::Tasks, Ask::Sources]);
    assert_eq!(model.status.as_ref().unwrap().text, "the broker is back");
}

#[test]
fn conditions_are_read_with_every_event_but_never_twice_at_once() {
    let mut model = model(View::Conditions);
    let change = || News::Event(event("fired", "", "backup", NOON));
    assert!(!tell(&mut model, change()).contains(&Ask::Sources), "they are being read");
    assert_eq!(tell(&mut model, News::Sources(sources())), [Ask::Sources]);
    assert_eq!(tell(&mut model, News::Sources(sources())), []);
}

#[test]
fn keys_move_between_views_and_out() {
    let mut model = model(View::Tasks);
    press(&mut model, KeyCode::Tab);
    assert_eq!(model.view, View::Activity);
    press(&mut model, KeyCode::BackTab);
    press(&mut model, KeyCode::BackTab);
    assert_eq!(model.view, View::Top);
    press(&mut model, KeyCode::Char('4'));
    assert_eq!(model.view, View::Conditions);
    press(&mut model, KeyCode::Char('?'));
    press(&mut model, KeyCode::Down);
    assert_eq!(model.mode, Mode::Help(1));
    press(&mut model, KeyCode::Char('q'));
    assert_eq!(model.mode, Mode::Look, "any key leaves the help");
    let quit = |model: &mut Model, code, modifiers| update(model, Message::Key(KeyEvent::new(code, modifiers)));
    assert_eq!(quit(&mut model, KeyCode::Char('q'), KeyModifiers::NONE), [Effect::Quit]);
    press(&mut model, KeyCode::Char('/'));
    assert_eq!(quit(&mut model, KeyCode::Char('c'), KeyModifiers::CONTROL), [Effect::Quit], "from everywhere");
}

#[test]
fn a_mouse_selects_views_and_scrolls() {
    let mut model = model(View::Tasks);
    let mut mouse = |kind, column| {
        let event = MouseEvent { kind, column, row: 0, modifiers: KeyModifiers::NONE };
        drop(update(&mut model, Message::Mouse(event)));
        (model.view, model.selected.clone())
    };
    assert_eq!(mouse(MouseEventKind::ScrollDown, 5).1.as_deref(), Some(MAIL), "three lines");
    assert_eq!(mouse(MouseEventKind::Down(MouseButton::Left), 20).0, View::Activity);
    assert_eq!(mouse(MouseEventKind::Down(MouseButton::Left), 79).0, View::Activity, "nothing is there");
}

#[test]
fn whatever_is_pressed_nothing_breaks() {
    let keys = ["jk?/qx\u{1b}", "123456", "rpcyn", "amnd", "gG:"];
    let mut chance: u64 = 1;
    for view in View::ALL {
        let mut model = model(view);
        for _ in 0..2_000 {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let letters: Vec<char> = keys.concat().chars().collect();
            let code = match (chance >> 33) % 12 {
                0 => KeyCode::Up,
                1 => KeyCode::Down,
                2 => KeyCode::PageUp,
                3 => KeyCode::PageDown,
                4 => KeyCode::Home,
                5 => KeyCode::End,
                6 => KeyCode::Esc,
                7 => KeyCode::Enter,
                8 => KeyCode::Backspace,
                _ => KeyCode::Char(letters[(chance >> 40) as usize % letters.len()]),
            };
            press(&mut model, code);
            if chance.is_multiple_of(97) {
                tell(&mut model, News::Tasks(if chance.is_multiple_of(2) { vec![] } else { tasks() }));
                tell(&mut model, News::Apps(apps()));
            }
        }
    }
}
