//! The transfers there are. The folder is what is true of them: this table is what was last read there, and which task carries each.

mod groups;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bgtask_confine::Plan;
use bgtask_core::{
    AppId, Command, Condition, CustomSystemEventTriggerRecurrence, Entry, NewRegistration, Retry, SystemConditionType,
    TaskId, Trigger,
};
use bgtask_transfer::{CostPolicy, Folder, FolderError, Kept, Kind, Order, Priority, TransferId, part_of};

use crate::failure::Failure;
use crate::hosts::chain;
pub(crate) use groups::Group;
pub(crate) use wire::{describe, invalid, order, withheld};

/// The most transfers of one app that are not over and forgotten.
pub(crate) const MAX_TRANSFERS_PER_APP: usize = 200;
/// The most transfers of all apps together.
pub(crate) const MAX_TRANSFERS: usize = 1_000;

/// How long a transfer may take, before it goes on in another process.
const TRY: Duration = Duration::from_secs(7 * 86_400);
/// How long after a try that had to be given up the next one comes, at least.
const BACKOFF: Duration = Duration::from_secs(30);
/// How often it is tried, before the broker asks for it again.
const TRIES: u32 = 1_000;

/// The worker's program, beside the broker's or where a package puts it.
const WORKER: &str = "bgtask-transfer";
const WORKER_PLACES: &[&str] = &["/usr/libexec/bgtask", "/usr/lib/bgtask"];

/// The most bytes of a file's name in the name of its task.
const MAX_SHOWN_NAME: usize = 128;

/// Every transfer, by its id.
pub(crate) struct Transfers {
    folder: Folder,
    path: PathBuf,
    worker: Option<PathBuf>,
    socket: PathBuf,
    known: BTreeMap<TransferId, Transfer>,
    groups: groups::Groups,
    /// What the workers of forgotten transfers may write until they have ended.
    leaving: BTreeMap<TaskId, PathBuf>,
}

/// One of them.
pub(crate) struct Transfer {
    pub(crate) kept: Kept,
    /// The task that carries it, until it is over.
    pub(crate) task: Option<TaskId>,
}

impl Transfers {
    /// Those that were there before.
    pub(crate) fn read(path: PathBuf, socket: PathBuf) -> Result<Self, Failure> {
        let folder = Folder::new(&path);
        let unread = |error| Failure::new("the background transfers cannot be read", error);
        let (kept, wrong) = folder.all().map_err(unread)?;
        let groups = groups::Groups::read(&folder).map_err(unread)?;
        for error in wrong {
            tracing::warn!("a background transfer is left as it is: {}", chain(&error));
        }
        let known = kept.into_iter().map(|kept| (kept.order.id, Transfer { kept, task: None })).collect();
        Ok(Self { folder, path, worker: worker(), socket, known, groups, leaving: BTreeMap::new() })
    }

    pub(crate) fn get(&self, id: TransferId) -> Option<&Transfer> {
        self.known.get(&id)
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Transfer> {
        let mut all: Vec<_> = self.known.values().collect();
        all.sort_by_key(|transfer| (transfer.kept.order.created, transfer.kept.order.id));
        all.into_iter()
    }

    pub(crate) fn ids(&self) -> Vec<TransferId> {
        self.known.keys().copied().collect()
    }

    /// Whose there are.
    pub(crate) fn apps(&self) -> BTreeSet<AppId> {
        self.known.values().filter_map(|transfer| AppId::new(&transfer.kept.order.app).ok()).collect()
    }

    pub(crate) fn of_task(&self, task: TaskId) -> Option<TransferId> {
        self.known.iter().find(|(_, transfer)| transfer.task == Some(task)).map(|(id, _)| *id)
    }

    /// Why there can be no more of this app, where there cannot.
    pub(crate) fn full(&self, app: &str) -> Option<String> {
        let its = self.known.values().filter(|transfer| transfer.kept.order.app == app).count();
        if its >= MAX_TRANSFERS_PER_APP {
            return Some(format!(
                "{app} has {its} transfers, the most there may be: cancel some, or forget those that are over"
            ));
        }
        (self.known.len() >= MAX_TRANSFERS)
            .then(|| format!("there are {MAX_TRANSFERS} transfers, the most there may be"))
    }

    /// Why none can be carried here, where none can.
    pub(crate) fn no_worker(&self) -> Option<String> {
        self.worker.is_none().then(|| {
            let places = WORKER_PLACES.join(" or ");
            format!("the program {WORKER} is missing: it has to be beside bgtaskd or in {places}")
        })
    }

    pub(crate) fn add(&mut self, order: Order) -> Result<(), FolderError> {
        self.folder.put(&order)?;
        let kept = Kept { state: bgtask_transfer::State::default(), paused: false, order };
        self.known.insert(kept.order.id, Transfer { kept, task: None });
        Ok(())
    }

    pub(crate) fn set_task(&mut self, id: TransferId, task: Option<TaskId>) {
        if let Some(transfer) = self.known.get_mut(&id) {
            transfer.task = task;
        }
    }

    pub(crate) fn set_paused(&mut self, id: TransferId, paused: bool) -> Result<(), FolderError> {
        let Some(transfer) = self.known.get_mut(&id) else { return Ok(()) };
        self.folder.set_paused(id, paused)?;
        transfer.kept.paused = paused;
        Ok(())
    }

    /// Reads again how far it is: its worker has said something.
    pub(crate) fn refresh(&mut self, id: TransferId) {
        let Some(transfer) = self.known.get_mut(&id) else { return };
        match self.folder.state(id) {
            Ok(state) => transfer.kept.state = state,
            Err(error) => tracing::warn!("how far a transfer is cannot be read: {}", chain(&error)),
        }
    }

    /// Forgets it, with what was fetched so far of what is not whole. Answers the task that carries it.
    pub(crate) fn remove(&mut self, id: TransferId) -> Option<TaskId> {
        let Transfer { kept, task } = self.known.remove(&id)?;
        if kept.order.kind == Kind::Download {
            let part = part_of(&kept.order);
            let _none = std::fs::remove_file(&part);
            self.leaving.extend(task.map(|task| (task, part)));
        }
        if let Err(error) = self.folder.remove(id) {
            tracing::warn!("a transfer cannot be forgotten: {}", chain(&error));
        }
        task
    }

    /// The worker of a forgotten transfer has ended: it may have written until then.
    pub(crate) fn clean_up_after(&mut self, task: TaskId) {
        if let Some(part) = self.leaving.remove(&task) {
            let _none = std::fs::remove_file(part);
        }
    }

    /// The task that carries it.
    pub(crate) fn registration(&self, order: &Order) -> NewRegistration {
        let text = |path: &Path| Arc::<str>::from(&*path.to_string_lossy());
        let worker = self.worker.as_deref().unwrap_or(Path::new(WORKER));
        let command = Command {
            timeout: TRY,
            retry: Retry { times: TRIES, backoff: BACKOFF },
            nice: order.priority == Priority::Low,
            dir: text(&self.path),
            ..Command::new([text(worker), text(&self.path), order.id.to_string().into()])
        };
        NewRegistration {
            name: task_name(order),
            entry: Entry::Command(Arc::new(command)),
            // Nobody raises it: the broker runs the task when it is time.
            trigger: Trigger::CustomSystemEvent {
                id: format!("org.bgtask.transfer.{}", order.id).into(),
                recurrence: CustomSystemEventTriggerRecurrence::Always,
            },
            conditions: conditions(order.cost),
            cancel_on_condition_loss: true,
            is_network_requested: false,
            group: None,
        }
    }

    /// Which transfer a command carries.
    pub(crate) fn carried_by(command: &Command) -> Option<TransferId> {
        command.argv.last()?.parse().ok()
    }

    /// The walls around the worker: what it has of its own, and the one folder it is there for.
    pub(crate) fn walls(&self, command: &Command) -> Option<Plan> {
        let order = &self.known.get(&Self::carried_by(command)?)?.kept.order;
        let mut plan = Plan::new(self.folder.of(order.id));
        plan.network = true;
        plan.sockets.push(self.socket.clone());
        plan.write.push(self.folder.of(order.id));
        plan.read.extend(self.worker.clone());
        plan.read.extend(CERTIFICATES.iter().filter_map(std::env::var_os).map(PathBuf::from));
        match order.kind {
            Kind::Download => plan.write.extend(order.file.parent().map(Path::to_owned)),
            Kind::Upload => plan.read.push(order.file.clone()),
        }
        Some(plan)
    }
}

/// Where the user keeps other certificates than the system.
const CERTIFICATES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// NW-7: over which networks, as what has to hold.
fn conditions(cost: CostPolicy) -> Vec<Condition> {
    let wanted: &[SystemConditionType] = match cost {
        CostPolicy::Default => &[SystemConditionType::InternetAvailable],
        CostPolicy::UnrestrictedOnly => {
            &[SystemConditionType::InternetAvailable, SystemConditionType::FreeNetworkAvailable]
        }
        CostPolicy::Always => &[],
    };
    wanted.iter().map(|kind| (*kind).into()).collect()
}

fn task_name(order: &Order) -> String {
    let file = order.file.file_name().unwrap_or(OsStr::new("file")).to_string_lossy();
    let shown: String = file.chars().filter(|c| !c.is_control()).collect();
    let shown = &shown[..shown.floor_char_boundary(MAX_SHOWN_NAME)];
    format!("{} {shown} {}", order.kind.word(), order.id.short())
}

fn worker() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join(WORKER)));
    let installed = WORKER_PLACES.iter().map(|place| Path::new(place).join(WORKER));
    beside.into_iter().chain(installed).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_named_after_its_file_whatever_that_is_called() {
        let name = |file: &str| {
            let order = Order::new(Kind::Download, "a", "http://a/", file);
            (task_name(&order), order.id.short())
        };
        let (plain, id) = name("/home/ada/film.mkv");
        assert_eq!(plain, format!("download film.mkv {id}"));
        assert!(name(&format!("/{}", "ä".repeat(127))).0.len() <= bgtask_core::limits::MAX_NAME_BYTES);
        assert!(!name("/a\u{1b}[2Jb").0.contains('\u{1b}'));
    }

    ///
    #[test]
    fn q_21_an_app_has_two_hundred_transfers_and_no_more() {
        let temp = tempfile::tempdir().unwrap();
        let mut transfers = Transfers::read(temp.path().join("t"), temp.path().join("s")).unwrap();
        for _ in 0..MAX_TRANSFERS_PER_APP {
            assert_eq!(transfers.full("a"), None);
            let order = Order::new(Kind::Download, "a", "http://a/", "/f");
            let kept = Kept { order, state: bgtask_transfer::State::default(), paused: false };
            transfers.known.insert(kept.order.id, Transfer { kept, task: None });
        }
        assert!(transfers.full("a").unwrap().contains("200"));
        assert_eq!(transfers.full("b"), None);
    }
}
