//! Calls about background transfers.

use std::path::{Path, PathBuf};

use bgtask_core::{App, AppId};
use bgtask_transfer::{InvalidGroupId, Order, TransferId};
use bgtask_wire::{Error, ErrorKind, TransferInfo, TransferOrder};

use super::super::Identity;
use super::Asked;
use crate::transfers::{Group, Transfer, describe, invalid, order};

/// What a caller wants of its transfers.
pub(crate) enum Transferring {
    /// A new one; or one that is there already, by the same id.
    Create(Box<Order>),
    /// One of its own.
    Control(TransferId, Control),
    /// One of its groups is complete.
    Enable(Group),
}

/// What becomes of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// It rests.
    Pause,
    /// It goes on.
    Resume,
    /// It ends, and is forgotten.
    Cancel,
    /// Its app has heard that it has ended: it is forgotten, unless a task has still to hear of it.
    Forget,
}

impl Asked<'_> {
    pub(super) fn create_transfer(&self, app: &str, info: TransferOrder) -> Result<Transferring, Error> {
        if let Some(why) = self.transfers.no_worker() {
            return Err(Error::new(ErrorKind::NotSupported, format!("nothing can be transferred here: {why}")));
        }
        let app = self.transferring_app(app)?;
        let mut order = order(app.as_str(), info, self.now)?;
        order.file = self.file(&app, &order)?;
        match (self.transfers.get(order.id), self.transfers.full(app.as_str())) {
            (Some(known), _) if known.kept.order.app == order.app => Ok(Transferring::Create(Box::new(order))),
            (Some(_), _) => Err(invalid(&format!("the id {} is taken: leave it out, and one is made", order.id))),
            (None, _) if self.is_late(&order) => Err(enabled_already("nothing can be added to it any more")),
            (None, Some(full)) => Err(Error::new(ErrorKind::LimitReached, full)),
            (None, None) => Ok(Transferring::Create(Box::new(order))),
        }
    }

    pub(super) fn control_transfer(&self, transfer: &str, what: &str) -> Result<Transferring, Error> {
        let id: TransferId = transfer.parse().map_err(|error| invalid(&error))?;
        let found = self.transfers.get(id).filter(|transfer| self.sees(&transfer.kept.order.app));
        let unknown = || Error::new(ErrorKind::UnknownTask, format!("{} has no transfer {id}", self.identity));
        let over = found.ok_or_else(unknown)?.kept.state.phase.is_over();
        match what {
            "pause" => Ok(Transferring::Control(id, Control::Pause)),
            "resume" => Ok(Transferring::Control(id, Control::Resume)),
            "cancel" => Ok(Transferring::Control(id, Control::Cancel)),
            "forget" if over && matches!(self.identity, Identity::User) => {
                Ok(Transferring::Control(id, Control::Cancel))
            }
            "forget" if over => Ok(Transferring::Control(id, Control::Forget)),
            "forget" => Err(invalid(&format!("the transfer {id} is not over yet: cancel it, or wait"))),
            _ => Err(invalid(&format!("{what:?} is nothing to tell a transfer: pause, resume, cancel or forget are"))),
        }
    }

    /// NEI-4: once, and only where there is something to tell, or somebody to be told.
    pub(super) fn enable_group(&self, app: &str, group: &str) -> Result<Transferring, Error> {
        let app = self.transferring_app(app)?;
        let id = group.parse().map_err(|error: InvalidGroupId| invalid(&error))?;
        let group = Group { app: app.to_string(), id };
        if self.transfers.is_enabled(&group) {
            return Err(enabled_already("it is enabled once"));
        }
        if self.transfers.hearer_of(&group).is_none() && self.transfers.members(&group).next().is_none() {
            let text = format!(
                "{app} has no group of transfers {id}: register a task with its trigger, or start a transfer in it, before it is \
                 enabled"
            );
            return Err(invalid(&text));
        }
        Ok(Transferring::Enable(group))
    }

    fn is_late(&self, order: &Order) -> bool {
        let group = order.completion_group.map(|id| Group { app: order.app.clone(), id });
        group.is_some_and(|group| self.transfers.is_enabled(&group))
    }

    pub(super) fn list_transfers(&self, app: &str) -> Result<Vec<TransferInfo>, Error> {
        let scope = self.identity.scope(app)?;
        let wanted = |transfer: &&Transfer| scope.covers(&transfer.kept.order.app);
        Ok(self.transfers.iter().filter(wanted).map(|transfer| describe(transfer, self.core, self.now)).collect())
    }

    /// What the user transfers without an app is the user's own.
    fn transferring_app(&self, named: &str) -> Result<AppId, Error> {
        if matches!(self.identity, Identity::User) && (named.is_empty() || named == App::COMMANDS) {
            return Ok(AppId::new(App::COMMANDS).expect("it is an app id"));
        }
        let app = self.identity.one(named)?;
        match self.apps.get(&app) {
            Some(_) => Ok(app),
            None => Err(self.refused(&bgtask_core::Refusal::UnknownApp(app))),
        }
    }

    fn sees(&self, app: &str) -> bool {
        match self.identity {
            Identity::User => true,
            Identity::Apps(apps) => apps.iter().any(|its| its.as_str() == app),
        }
    }

    /// The file by its real place, if the caller may have it transferred: an app has its data folder, and a link in there that
    /// leads out of it does not help.
    fn file(&self, app: &AppId, order: &Order) -> Result<PathBuf, Error> {
        let folder = order.file.parent().unwrap_or(Path::new("/"));
        let data = self.places.data_of(app.as_str());
        if folder.starts_with(&data) {
            let _told_below = std::fs::create_dir_all(&data);
        }
        let real = std::fs::canonicalize(folder)
            .map_err(|error| invalid(&format!("the folder {} cannot be used: {error}", folder.display())))?;
        let file = real.join(order.file.file_name().unwrap_or_default());
        let found = std::fs::symlink_metadata(&file);
        if found.as_ref().is_ok_and(std::fs::Metadata::is_dir) {
            return Err(invalid(&format!("{} is a folder: name a file", file.display())));
        }
        let own = std::fs::canonicalize(&data).unwrap_or(data);
        let leads_out = !real.starts_with(&own) || found.is_ok_and(|found| found.is_symlink());
        if matches!(self.identity, Identity::Apps(_)) && leads_out {
            let (file, own) = (order.file.display(), own.display());
            let text = format!("{app} may not have {file} transferred: an app names files in its data folder, {own}");
            return Err(Error::new(ErrorKind::AccessDenied, text));
        }
        Ok(file)
    }
}

fn enabled_already(so: &str) -> Error {
    invalid(&format!("the completion group is enabled already, and {so} (NEI-4): make another group"))
}
