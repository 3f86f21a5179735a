//! What the broker said.

use std::collections::VecDeque;

use bgtask_report::{event_of, event_of_change};
use bgtask_wire::{EventInfo, ProgressInfo, TaskInfo};

use super::keys::select_shown;
use super::{show, want_why};
use crate::message::{Ask, Effect, News};
use crate::model::{MAX_ACTIVITY, MAX_HISTORY, MAX_LOG, MAX_PAST, Model, Pending, Status, View, is_active};

pub(super) fn news(model: &mut Model, news: News) -> Vec<Effect> {
    match news {
        News::Connected => return connected(model),
        News::Lost(why) => {
            model.pending = Pending::default();
            model.lost = Some(why);
        }
        News::Tasks(tasks) => all(model, tasks),
        News::Refreshed(some) => refreshed(model, some),
        News::Why(task, why) => {
            model.pending.why = false;
            match why {
                Some(why) => model.whys.insert(task, why),
                None => model.whys.remove(&task),
            };
        }
        News::Event(event) => changed(model, event),
        News::Progressed(progress) => progressed(model, progress),
        News::History(task, lines) if task == model.history.task => {
            let lines = lines.into_iter().map(|line| (line.at, line.text));
            model.history.lines = last(lines.collect(), MAX_HISTORY);
        }
        News::Log(task, lines) if task == model.history.task => {
            model.history.log.extend(lines);
            let surplus = model.history.log.len().saturating_sub(MAX_LOG);
            model.history.log.drain(..surplus);
        }
        // Another task is looked at by now.
        News::History(..) | News::Log(..) => {}
        News::Past(lines) => model.past = last(lines.iter().filter_map(event_of).collect(), MAX_PAST),
        News::Apps(apps) => {
            model.apps = apps;
            select_shown(model);
        }
        News::Sources(sources) => {
            model.pending.sources = false;
            model.sources = sources;
            model.sources_at = model.now();
        }
        News::Done(text) => {
            model.status = Some(Status { text, is_bad: false });
            want_why(model);
            if model.view == View::Access {
                return vec![Effect::Ask(Ask::Apps)];
            }
            // What was paused has changed, and no event need tell.
            model.pending.stale.extend(model.selected.clone());
        }
        News::Refused(ask, text) => refused(model, &ask, text),
    }
    vec![]
}

/// What was asked may be asked again, when there is a reason.
fn refused(model: &mut Model, ask: &Ask, text: String) {
    match ask {
        Ask::Tasks | Ask::Refresh(_) => model.pending.refresh = false,
        Ask::Why(_) => model.pending.why = false,
        Ask::Sources => model.pending.sources = false,
        Ask::History(_) | Ask::Log(..) | Ask::Past(_) | Ask::Apps | Ask::Do(_) => {}
    }
    model.status = Some(Status { text, is_bad: true });
}

fn connected(model: &mut Model) -> Vec<Effect> {
    if model.lost.take().is_some() {
        model.status = Some(Status { text: "the broker is back".into(), is_bad: false });
    }
    model.pending = Pending { refresh: true, ..Pending::default() };
    model.history.log.clear();
    let mut effects = vec![Effect::Ask(Ask::Tasks)];
    effects.extend(show(model, model.view));
    effects
}

fn all(model: &mut Model, mut tasks: Vec<TaskInfo>) {
    model.pending.refresh = false;
    model.is_known = true;
    tasks.sort_by(|one, other| key(one).cmp(&key(other)));
    model.tasks = tasks;
    settle(model);
}

fn refreshed(model: &mut Model, some: Vec<(String, Option<TaskInfo>)>) {
    model.pending.refresh = false;
    for (id, info) in some {
        let known = model.tasks.iter().position(|task| task.id == id);
        match (known, info) {
            (Some(place), Some(info)) => model.tasks[place] = info,
            (Some(place), None) => drop(model.tasks.remove(place)),
            (None, Some(info)) => {
                let place = model.tasks.partition_point(|task| key(task) < key(&info));
                model.tasks.insert(place, info);
            }
            (None, None) => {}
        }
    }
    settle(model);
}

/// After tasks have changed: what is known of those that are gone is forgotten.
fn settle(model: &mut Model) {
    let tasks = &model.tasks;
    model.whys.retain(|id, _| tasks.iter().any(|task| task.id == *id));
    select_shown(model);
    if model.view == View::Top {
        let unknown = model.tasks.iter().filter(|task| is_active(task));
        let unknown: Vec<String> = unknown.map(|task| task.id.clone()).collect();
        model.pending.whys.extend(unknown);
    }
}

fn changed(model: &mut Model, event: EventInfo) {
    model.pending.stale.insert(event.task.clone());
    model.pending.sources_again |= model.view == View::Conditions;
    if let Some(known) = event_of_change(&event).filter(|_| model.view == View::Top) {
        push(&mut model.past, known, MAX_PAST);
    }
    if event.task == model.history.task {
        push(&mut model.history.lines, (event.at, event.text.clone()), MAX_HISTORY);
    }
    push(&mut model.activity, event, MAX_ACTIVITY);
}

fn progressed(model: &mut Model, progress: ProgressInfo) {
    if let Some(task) = model.tasks.iter_mut().find(|task| task.id == progress.task) {
        task.progress = Some(progress.value);
        task.message = progress.message;
    }
}

fn key(task: &TaskInfo) -> (&str, &str, &str) {
    (&task.app, &task.name, &task.id)
}

fn push<T>(queue: &mut VecDeque<T>, item: T, most: usize) {
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(item);
}

/// The last so many.
fn last<T>(mut items: VecDeque<T>, most: usize) -> VecDeque<T> {
    items.drain(..items.len().saturating_sub(most));
    items
}
