//! How the model changes: pure, one message at a time.

mod keys;
mod news;

use bgtask_wire::TaskInfo;

use crate::message::{Ask, Effect, Message};
use crate::model::{Model, PAST, View, is_active};

/// Most registrations that are read one by one; of more, all are.
const MAX_ONE_BY_ONE: usize = 32;

/// Takes a message and says what is to be done in the world.
pub(crate) fn update(model: &mut Model, message: Message) -> Vec<Effect> {
    let mut effects = match message {
        Message::Key(key) => keys::key(model, key),
        Message::Mouse(mouse) => keys::mouse(model, mouse),
        Message::News(news) => news::news(model, news),
        Message::Tick => Vec::new(),
    };
    forget_the_past(model);
    effects.extend(questions(model).into_iter().map(Effect::Ask));
    effects
}

/// What has to be asked for now, and is not asked already.
fn questions(model: &mut Model) -> Vec<Ask> {
    let mut asks = Vec::new();
    if model.lost.is_some() {
        return asks;
    }
    let pending = &mut model.pending;
    if !pending.refresh && !pending.stale.is_empty() {
        pending.refresh = true;
        let stale = std::mem::take(&mut pending.stale);
        asks.push(if stale.len() > MAX_ONE_BY_ONE { Ask::Tasks } else { Ask::Refresh(stale.into_iter().collect()) });
    }
    if !pending.why
        && let Some(task) = pending.whys.pop_first()
    {
        pending.why = true;
        asks.push(Ask::Why(task));
    }
    if !pending.sources && pending.sources_again {
        (pending.sources, pending.sources_again) = (true, false);
        asks.push(Ask::Sources);
    }
    asks
}

/// What a view needs when it comes to be seen.
fn show(model: &mut Model, view: View) -> Vec<Effect> {
    model.view = view;
    let now = model.now();
    let asks = match view {
        View::Tasks => {
            want_why(model);
            vec![]
        }
        View::Activity => vec![],
        View::History => return look_back(model),
        View::Conditions => {
            model.pending.sources_again = true;
            vec![]
        }
        View::Access => vec![Ask::Apps],
        View::Top => {
            let active: Vec<String> =
                model.tasks.iter().filter(|task| is_active(task)).map(|it| it.id.clone()).collect();
            model.pending.whys.extend(active);
            vec![Ask::Past(now - PAST)]
        }
    };
    asks.into_iter().map(Effect::Ask).collect()
}

/// The history of the selected task.
fn look_back(model: &mut Model) -> Vec<Effect> {
    let Some(TaskInfo { id, log, .. }) = model.selected_task().cloned() else { return vec![] };
    if model.history.task != id {
        model.history = crate::model::History { task: id.clone(), ..Default::default() };
        (model.places[View::History.place()], model.log_back) = (0, 0);
    }
    vec![Effect::Ask(Ask::History(id.clone())), Effect::Ask(Ask::Log(id, log))]
}

/// The reasons of the selected task are seen, and may have changed.
fn want_why(model: &mut Model) {
    model.pending.whys.extend(model.selected.clone());
}

fn forget_the_past(model: &mut Model) {
    let from = model.now() - PAST;
    while model.past.front().is_some_and(|event| event.at.as_micros() < from) {
        model.past.pop_front();
    }
}
