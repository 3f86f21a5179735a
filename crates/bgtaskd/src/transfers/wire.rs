//! Orders as they are called for, and transfers as they are told of. The numbers are those of Windows.

use std::time::Duration;

use bgtask_core::{Activation, ActivationState, App, AppId, Core, Fact, Now, TaskId, words};
use bgtask_transfer::{CostPolicy, Kind, Order, Phase, Priority, Said};
use bgtask_wire::{Error, ErrorKind, TransferInfo, TransferOrder, TransferStatus};

use super::Transfer;

const COSTS: [(u32, CostPolicy); 3] =
    [(0, CostPolicy::Default), (1, CostPolicy::UnrestrictedOnly), (2, CostPolicy::Always)];
const PRIORITIES: [(u32, Priority); 3] = [(0, Priority::Default), (1, Priority::High), (2, Priority::Low)];

/// What a caller orders for an app, checked as far as that needs nobody else.
pub(crate) fn order(app: &str, info: TransferOrder, now: Now) -> Result<Order, Error> {
    let mut order = Order::new(kind(&info.kind)?, app, info.uri, info.file);
    if let Some(id) = info.id {
        order.id = id.parse().map_err(|error| invalid(&error))?;
    }
    order.method = info.method.unwrap_or_default();
    order.headers = info.headers.unwrap_or_default();
    let (cost, priority) = (info.cost.unwrap_or_default(), info.priority.unwrap_or_default());
    order.cost = by_number(COSTS, cost, "BackgroundTransferCostPolicy: 0 Default, 1 UnrestrictedOnly, 2 Always")?;
    order.priority = by_number(PRIORITIES, priority, "BackgroundTransferPriority: 0 Default, 1 High, 2 Low")?;
    order.group = info.group.unwrap_or_default();
    order.completion_group =
        info.completion_group.map(|group| group.parse()).transpose().map_err(|error| invalid(&error))?;
    order.sha256 = info.sha256.map(|sum| sum.parse()).transpose().map_err(|error| invalid(&error))?;
    order.resumable = info.resumable.unwrap_or_default();
    order.created = now.wall.as_micros();
    order.check().map_err(|error| invalid(&error))?;
    Ok(order)
}

fn kind(word: &str) -> Result<Kind, Error> {
    let found = [Kind::Download, Kind::Upload].into_iter().find(|kind| kind.word() == word);
    found.ok_or_else(|| invalid(&format!("kind is {word:?}: a transfer is a \"download\" or an \"upload\"")))
}

fn by_number<T: Copy>(all: [(u32, T); 3], number: u32, kind: &str) -> Result<T, Error> {
    let found = all.into_iter().find(|(its, _)| *its == number).map(|(_, value)| value);
    found.ok_or_else(|| invalid(&format!("{number} is no {kind}")))
}

fn number_of<T: Copy + PartialEq>(all: [(u32, T); 3], value: T) -> u32 {
    all.into_iter().find(|(_, its)| *its == value).map_or(0, |(number, _)| number)
}

/// A transfer as it stands now.
pub(crate) fn describe(transfer: &Transfer, core: &Core, now: Now) -> TransferInfo {
    let (order, state) = (&transfer.kept.order, &transfer.kept.state);
    let activation = transfer.task.and_then(|task| core.task(task)?.1);
    let said = activation.and_then(|activation| activation.message.as_deref()?.parse().ok());
    let said = said.unwrap_or_else(|| Said::from(state));
    let (status, why) = match state.phase {
        Phase::Completed => (TransferStatus::Completed, "It is done.".to_owned()),
        Phase::Failed => (TransferStatus::Error, sentence(state.error.as_deref().unwrap_or("it failed"))),
        Phase::Going | Phase::Placing => standing(transfer, activation, core, now),
    };
    TransferInfo {
        id: order.id.to_string(),
        app: order.app.clone(),
        kind: order.kind.word().to_owned(),
        uri: order.uri.clone(),
        file: order.file.to_string_lossy().into_owned(),
        status: status.number(),
        done: said.done,
        total: said.total,
        why,
        answer: state.status.map(u32::from),
        cost: number_of(COSTS, order.cost),
        priority: number_of(PRIORITIES, order.priority),
        group: order.group.clone(),
        completion_group: order.completion_group.map(|group| group.to_string()),
        created: order.created,
        task: transfer.task.map(|task| task.to_string()),
    }
}

/// Where one stands that is not over, and why.
fn standing(transfer: &Transfer, activation: Option<&Activation>, core: &Core, now: Now) -> (TransferStatus, String) {
    if transfer.kept.paused {
        return (TransferStatus::PausedByApplication, "It was told to rest.".to_owned());
    }
    if let Some(why) = withheld(&transfer.kept.order.app, core) {
        return (TransferStatus::PausedSystemPolicy, why);
    }
    let status = match activation {
        None => TransferStatus::Idle,
        Some(activation) if !matches!(activation.state, ActivationState::Waiting { .. }) => TransferStatus::Running,
        Some(activation) => waiting(transfer.task, activation, core, now),
    };
    let why = match status {
        TransferStatus::Running => "It is carried.".to_owned(),
        TransferStatus::PausedNoNetwork => "The machine is not on the internet.".to_owned(),
        TransferStatus::PausedCostedNetwork => "The network is metered.".to_owned(),
        TransferStatus::PausedRecoverableWebErrorStatus => again(transfer, activation, now),
        TransferStatus::PausedSystemPolicy => {
            transfer.task.and_then(|task| core.why(task, now)).map(|why| why.sentence).unwrap_or_default()
        }
        _ => "It waits for its turn.".to_owned(),
    };
    (status, why)
}

/// U-26: why the owner of a transfer may not have it carried now, where that is so. Nobody has to ask for access to transfer
/// something (ACC-27), so only who says no counts; and who says no to work in the background says nothing of an app that is there.
pub(crate) fn withheld(app: &str, core: &Core) -> Option<String> {
    use bgtask_core::BackgroundAccessStatus::{DeniedBySystemPolicy, DeniedByUser};
    let id = AppId::new(app).ok().filter(|_| !App::BUILT_IN.contains(&app))?;
    let denied = matches!(core.access(&id), DeniedByUser | DeniedBySystemPolicy);
    (denied && !core.is_there(&id)).then(|| {
        let who = core.access_decided_by(&id);
        format!("{app} may not run in the background, says {who}: its transfers go on while it is there itself.")
    })
}

/// What failed, and when it is tried again.
fn again(transfer: &Transfer, activation: Option<&Activation>, now: Now) -> String {
    let at = activation.and_then(|activation| activation.not_before).unwrap_or(now.wall);
    let rest = Duration::from_secs((at - now.wall).as_secs().max(1));
    let why = transfer.kept.state.error.as_deref().unwrap_or("the program that carries it ended too early");
    format!("{} It is tried again in {}.", sentence(why), words::duration_word(rest))
}

/// NW-7: what it waits for, in the words of Windows.
fn waiting(task: Option<TaskId>, activation: &Activation, core: &Core, now: Now) -> TransferStatus {
    let is = |fact: Fact, wanted: bool| core.levels().get(fact).is_some_and(|(level, _)| level == wanted);
    let conditions = task.and_then(|task| core.task(task)).map(|(registration, _)| &*registration.conditions);
    let lacks =
        |fact: Fact| conditions.unwrap_or_default().iter().any(|condition| condition.fact() == fact) && is(fact, false);
    let transfers = AppId::new(App::TRANSFERS).expect("it is an app id");
    if is(Fact::EnergySaver, true) || !core.access(&transfers).allows() {
        TransferStatus::PausedSystemPolicy
    } else if lacks(Fact::Internet) {
        TransferStatus::PausedNoNetwork
    } else if lacks(Fact::FreeNetwork) {
        TransferStatus::PausedCostedNetwork
    } else if activation.not_before.is_some_and(|at| at > now.wall) {
        TransferStatus::PausedRecoverableWebErrorStatus
    } else {
        TransferStatus::Idle
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

pub(crate) fn invalid(text: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidArgument, text.to_string())
}

#[cfg(test)]
mod tests {
    use bgtask_core::{BootTime, WallTime};

    use super::*;

    fn ordered(change: impl FnOnce(&mut TransferOrder)) -> Result<Order, Error> {
        let mut info = TransferOrder {
            kind: "download".into(),
            uri: "https://example.org/".into(),
            file: "/home/ada/f".into(),
            ..TransferOrder::default()
        };
        change(&mut info);
        order("a", info, Now { boot: BootTime::default(), wall: WallTime::default() })
    }

    #[test]
    fn the_numbers_are_those_of_windows_and_what_is_none_is_refused() {
        for (number, cost) in COSTS {
            assert_eq!(ordered(|it| it.cost = Some(number)).unwrap().cost, cost);
            assert_eq!(number_of(COSTS, cost), number);
        }
        for (number, priority) in PRIORITIES {
            assert_eq!(ordered(|it| it.priority = Some(number)).unwrap().priority, priority);
        }
        let wrong: [fn(&mut TransferOrder); 6] = [
            |it| it.cost = Some(3),
            |it| it.priority = Some(3),
            |it| it.kind = "Download".into(),
            |it| it.id = Some("7".into()),
            |it| it.sha256 = Some("7".into()),
            |it| it.uri = "file:///etc/passwd".into(),
        ];
        for change in wrong {
            assert_eq!(ordered(change).unwrap_err().kind, ErrorKind::InvalidArgument);
        }
    }
}
