//! Background transfers (NW-7): each is a task of a built-in app, as long as there is something to do. What is in their folder is
//! what is wanted; the core's registrations and activations follow from it, at start and after everything that happens to one.

use bgtask_core::{App, AppId, CancellationReason, ClientId, Event, EventKind, Now, Outcome, Reply, Request, TaskId};
use bgtask_transfer::{FolderError, TransferId};
use bgtask_wire::{Error, ErrorKind, TransferInfo, TransferStatus};
use zbus::Message;

use super::Driver;
use super::calls::not_durable;
use super::clock::Clock;
use crate::clients::{Control, Transferring, answered};
use crate::hosts::chain;
use crate::transfers::{Transfer, Transfers, describe, withheld};

impl Driver {
    /// Finds the tasks of the transfers again, and gives one to those that have none.
    pub(super) fn restore_transfers(&mut self, now: Now) {
        let registered = self.core.registrations(Some(&transfers_app()));
        let registered: Vec<_> =
            registered.iter().map(|it| (it.id, it.entry.command().and_then(Transfers::carried_by))).collect();
        for (task, transfer) in registered {
            match transfer.filter(|id| self.transfers.get(*id).is_some_and(|known| known.task.is_none())) {
                Some(id) => self.transfers.set_task(id, Some(task)),
                None => self.part_with_task(now, task),
            }
        }
        for app in self.transfers.apps() {
            if !App::BUILT_IN.contains(&app.as_str()) && self.apps.is_gone(&app) {
                self.cancel_transfers_of(now, &app);
            }
        }
        self.find_transfer_groups();
        self.transfers.ids().into_iter().for_each(|id| self.look_after(now, id));
    }

    /// Its app is gone, and nobody is left to have them.
    pub(super) fn cancel_transfers_of(&mut self, now: Now, app: &AppId) {
        let its = self.transfers.iter().filter(|transfer| transfer.kept.order.app == app.as_str());
        let its: Vec<_> = its.map(|transfer| transfer.kept.order.id).collect();
        its.into_iter().for_each(|id| self.forget_transfer(now, id));
    }

    /// U-26: what the owner of an app may not have carried any more rests, and what it may have again goes on.
    pub(super) fn settle_withheld_transfers(&mut self, now: Now) {
        if !std::mem::take(&mut self.access_changes) {
            return;
        }
        let rests = |transfer: &Transfer| {
            let registration =
                transfer.task.and_then(|task| self.core.task(task)).map(|(registration, _)| registration);
            registration.is_some_and(|registration| registration.paused)
        };
        let wrong = |transfer: &&Transfer| {
            let should = transfer.kept.paused || withheld(&transfer.kept.order.app, &self.core).is_some();
            !transfer.kept.state.phase.is_over() && rests(transfer) != should
        };
        let changed: Vec<_> = self.transfers.iter().filter(wrong).map(|transfer| transfer.kept.order.id).collect();
        for id in changed {
            self.look_after(now, id);
            self.announce_transfer(now, id, None);
        }
    }

    /// Brings about what has to be: a task for what is to be carried, an activation unless it rests, nothing for what is over.
    fn look_after(&mut self, now: Now, id: TransferId) {
        let Some(transfer) = self.transfers.get(id) else { return };
        let paused = transfer.kept.paused || withheld(&transfer.kept.order.app, &self.core).is_some();
        let (over, task) = (transfer.kept.state.phase.is_over(), transfer.task);
        if over {
            self.transfers.set_task(id, None);
            task.into_iter().for_each(|task| self.part_with_task(now, task));
            return;
        }
        let Some(task) = task.or_else(|| self.give_task(now, id)) else { return };
        let Some((registration, activation)) = self.core.task(task) else { return };
        let (rests, busy) = (registration.paused, activation.is_some());
        if rests != paused {
            self.decide_now(now, Request::SetPaused { task, paused });
        }
        match (paused, busy) {
            (true, true) => drop(self.decide_now(now, Request::Cancel(task))),
            (false, false) => self.carry(now, task),
            _ => {}
        }
    }

    /// It is carried as soon as its conditions let it, whatever pause a failure before had.
    fn carry(&mut self, now: Now, task: TaskId) {
        self.decide_now(now, Request::RunNow { task, respect_conditions: true });
    }

    fn give_task(&mut self, now: Now, id: TransferId) -> Option<TaskId> {
        let new = self.transfers.registration(&self.transfers.get(id)?.kept.order);
        match self.decide_now(now, Request::RegisterOrUpdate(transfers_app(), new))? {
            Ok(Reply::Updated(task, _)) => {
                self.transfers.set_task(id, Some(task));
                Some(task)
            }
            Ok(other) => unreachable!("{other:?} is no answer to that"),
            Err(refused) => {
                tracing::error!("the transfer {id} has no task: {refused}");
                None
            }
        }
    }

    fn part_with_task(&mut self, now: Now, task: TaskId) {
        self.decide_now(now, Request::Unregister { scope: None, task, cancel: true });
    }

    /// Does what a client wants of a transfer, and answers it: what is in the folder is durable, and the rest follows from it.
    pub(super) fn transfer_for(&mut self, now: Now, client: ClientId, message: &Message, wanted: Transferring) {
        let reply = self.transfer(now, message, wanted);
        self.reply(client, message, reply);
    }

    fn transfer(&mut self, now: Now, message: &Message, wanted: Transferring) -> Result<Message, Error> {
        if self.durable.retry().is_some() {
            return Err(not_durable());
        }
        match wanted {
            Transferring::Create(order) => {
                let id = order.id;
                if self.transfers.get(id).is_none() {
                    self.transfers.add(*order).map_err(|error| unkept(&error))?;
                    self.look_after(now, id);
                    self.announce_transfer(now, id, None);
                }
                answered(message, &id.to_string())
            }
            Transferring::Control(id, Control::Cancel) => {
                self.forget_transfer(now, id);
                answered(message, &())
            }
            Transferring::Control(id, Control::Forget) => {
                if !self.transfers.is_awaited(id) {
                    self.forget_transfer(now, id);
                }
                answered(message, &())
            }
            Transferring::Enable(group) => {
                self.transfers.enable(group.clone()).map_err(|error| unkept(&error))?;
                self.settle_transfer_group(now, &group);
                answered(message, &())
            }
            Transferring::Control(id, control) => {
                let paused = control == Control::Pause;
                self.transfers.set_paused(id, paused).map_err(|error| unkept(&error))?;
                self.look_after(now, id);
                self.announce_transfer(now, id, None);
                answered(message, &())
            }
        }
    }

    pub(super) fn forget_transfer(&mut self, now: Now, id: TransferId) {
        let Some(transfer) = self.transfers.get(id) else { return };
        let group = transfer.group();
        if !transfer.kept.state.phase.is_over() {
            self.announce_transfer(now, id, Some(TransferStatus::Canceled));
        }
        if let Some(task) = self.transfers.remove(id) {
            self.part_with_task(now, task);
        }
        group.iter().for_each(|group| self.settle_transfer_group(now, group));
    }

    /// Something has happened to a task that carries one.
    pub(super) fn transfer_went_on(&mut self, event: &Event) {
        if event.app.as_str() != App::TRANSFERS {
            return;
        }
        let over = matches!(event.kind, EventKind::Completed { .. } | EventKind::Dropped);
        let Some(id) = self.transfers.of_task(event.task) else {
            if over {
                self.transfers.clean_up_after(event.task);
            }
            return;
        };
        let now = Clock::now();
        if over || matches!(event.kind, EventKind::Retrying { .. }) {
            self.transfers.refresh(id);
            self.look_after(now, id);
            let group = self.transfers.get(id).and_then(Transfer::group);
            group.iter().for_each(|group| self.settle_transfer_group(now, group));
        }
        if let EventKind::Retrying { outcome, .. } = &event.kind
            && was_stopped(outcome)
            && self.transfers.get(id).is_some_and(|transfer| transfer.task.is_some())
        {
            self.carry(now, event.task);
        }
        self.announce_transfer(now, id, None);
    }

    /// A worker has said how far it is.
    pub(super) fn transfer_progressed(&mut self, task: TaskId) {
        if let Some(id) = self.transfers.of_task(task) {
            self.announce_transfer(Clock::now(), id, None);
        }
    }

    /// Tells everybody who watches its app how far it is; `status` is one that it leaves no trace of.
    fn announce_transfer(&mut self, now: Now, id: TransferId, status: Option<TransferStatus>) {
        let Some(transfer) = self.transfers.get(id) else { return };
        self.clients.announce_transfer(&transfer.kept.order.app, || {
            let info = describe(transfer, &self.core, now);
            let status = status.map_or(info.status, TransferStatus::number);
            TransferInfo { status, ..info }
        });
    }
}

fn transfers_app() -> AppId {
    AppId::new(App::TRANSFERS).expect("it is an app id")
}

/// Whether a try ended because something else wanted that, and not by itself.
const fn was_stopped(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Cancelled { reason, .. } if !matches!(reason, CancellationReason::ExecutionTimeExceeded))
}

fn unkept(error: &FolderError) -> Error {
    Error::new(ErrorKind::StoreUnavailable, format!("the transfer cannot be kept: {}", chain(error)))
}
