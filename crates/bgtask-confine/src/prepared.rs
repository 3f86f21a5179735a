//! The order in which walls go up.

use std::io;
use std::path::{Path, PathBuf};

use rustix::process::chdir;

use crate::calls::{Calls, Choice};
use crate::files::{self, Rules, Use};
use crate::namespaces::Namespaces;
use crate::view::{self, View};
use crate::{Breach, Means, Plan, Report, Wall, privileges};

/// All that can be done before it is known what for.
#[derive(Debug)]
pub struct Prepared {
    namespaces: io::Result<Namespaces>,
    view: Option<io::Result<View>>,
    rules: io::Result<Rules>,
    calls: Result<Calls, String>,
}

impl Prepared {
    /// Makes namespaces, a new root with the system in it, and rules. What this machine does not have is missing from then on,
    /// which [`report`](Self::report) tells and [`confine`](Self::confine) refuses if it was required.
    ///
    /// For a process of one thread: it is in namespaces of its own afterwards, and sees what it saw before.
    #[must_use]
    pub fn new() -> Self {
        let namespaces = Namespaces::new();
        privileges::gain_none();
        let view = namespaces.is_ok().then(View::new);
        Self {
            namespaces,
            rules: rules(view.as_ref().and_then(|view| view.as_ref().ok())),
            view,
            calls: Calls::compile(),
        }
    }

    /// What keeps each wall here.
    #[must_use]
    pub fn report(&self) -> Report {
        let means = |wall| match self.means(wall) {
            Ok(by) => Means::Kept(by),
            Err(why) => Means::Lacking(why),
        };
        Report(Wall::ALL.into_iter().map(|wall| (wall, means(wall))).collect())
    }

    /// Puts up the walls of a plan, for good. What follows has to be `execve`.
    ///
    /// # Errors
    ///
    /// A required wall is not there, or one that should work does not. The process is good for nothing but exiting then.
    pub fn confine(mut self, plan: &Plan) -> Result<(), Breach> {
        self.demand(plan)?;
        let breach = |wall| move |error| Breach { wall, error };
        if !plan.network
            && let Ok(namespaces) = &self.namespaces
            && namespaces.has_empty_network().is_ok()
        {
            namespaces.leave_network().map_err(breach(Wall::Network))?;
        }
        let in_own_user = self.namespaces.as_ref().is_ok_and(|namespaces| namespaces.of_user);
        if let Some(most) = plan.processes.filter(|_| in_own_user) {
            privileges::bound_processes(most).map_err(breach(Wall::Processes))?;
        }
        let mut rules = self.rules.map_err(breach(Wall::Files))?;
        allow(&mut rules, plan).map_err(breach(Wall::Files))?;
        match self.view.take() {
            Some(Ok(view)) if !plan.all_files => enter(view, plan).map_err(breach(Wall::View))?,
            _ => {}
        }
        let _it_is_entered_later = chdir(&plan.home);
        privileges::drop_all().map_err(breach(Wall::Calls))?;
        rules.enforce().map_err(breach(Wall::Files))?;
        if !plan.abstract_sockets {
            files::leave_abstract_sockets().map_err(breach(Wall::Signals))?;
        }
        let internet = plan.network || self.namespaces.is_ok_and(|namespaces| namespaces.has_empty_network().is_ok());
        let choice = Choice { internet, devices: plan.devices, sessions: !plan.one_session };
        self.calls.map_or(Ok(()), |calls| calls.enforce(choice)).map_err(breach(Wall::Calls))
    }

    /// Whether everything that is required is there.
    fn demand(&self, plan: &Plan) -> Result<(), Breach> {
        if !plan.required {
            return Ok(());
        }
        let needed = |wall: &Wall| match wall {
            Wall::Network => !plan.network,
            Wall::View => !plan.all_files,
            wall => !wall.is_dispensable(),
        };
        Wall::ALL.into_iter().filter(needed).try_for_each(|wall| {
            self.means(wall)
                .map(drop)
                .map_err(|why| Breach { wall, error: io::Error::new(io::ErrorKind::Unsupported, why) })
        })
    }

    fn means(&self, wall: Wall) -> Result<&'static str, String> {
        match wall {
            Wall::Files if files::walls_files() => Ok("Landlock"),
            Wall::Files => Err("the kernel has no Landlock: it is missing, or switched off at boot (lsm=)".to_owned()),
            Wall::Signals if files::walls_signals() => Ok("Landlock"),
            Wall::Signals => Err("Landlock does this from Linux 6.12 on".to_owned()),
            Wall::View => match (&self.namespaces, &self.view) {
                (Ok(_), Some(Ok(_))) => Ok("a mount namespace"),
                // No socket of others, and nothing in `/tmp`.
                _ if files::walls_files() && files::walls_sockets() => Ok("Landlock"),
                (Ok(_), Some(Err(error))) => Err(format!("a new root is refused: {error}")),
                (Err(error), _) => Err(refused(error)),
                (Ok(_), None) => Err("there is no new root".to_owned()),
            },
            Wall::Network => match (&self.namespaces, &self.calls) {
                (Ok(namespaces), _) if namespaces.has_empty_network().is_ok() => Ok("a network namespace"),
                (_, Ok(_)) => Ok("seccomp"),
                (_, Err(why)) => Err(why.clone()),
            },
            Wall::Calls => self.calls.as_ref().map(|_| "seccomp").map_err(Clone::clone),
            Wall::Processes => match &self.namespaces {
                Ok(namespaces) if namespaces.of_user => Ok("a limit of its own"),
                Ok(_) => Err("root's processes are counted by cgroups only".to_owned()),
                Err(error) => Err(refused(error)),
            },
        }
    }
}

impl Default for Prepared {
    fn default() -> Self {
        Self::new()
    }
}

fn refused(error: &io::Error) -> String {
    format!("namespaces are refused ({error}): unprivileged user namespaces are switched off on this machine")
}

/// What holds for every plan.
fn rules(view: Option<&View>) -> io::Result<Rules> {
    let mut rules = Rules::new()?;
    view::system().try_for_each(|path| rules.allow(path, Use::Read))?;
    view::devices().try_for_each(|path| rules.allow(path, Use::Device))?;
    view.into_iter().flat_map(View::private).try_for_each(|path| rules.allow(&path, Use::Write))?;
    Ok(rules)
}

fn allow(rules: &mut Rules, plan: &Plan) -> io::Result<()> {
    if plan.all_files {
        return rules.allow(Path::new("/"), Use::Write);
    }
    plan.read.iter().try_for_each(|path| rules.allow(path, Use::Read))?;
    plan.write.iter().try_for_each(|path| rules.allow(path, Use::Write))?;
    plan.sockets.iter().try_for_each(|path| rules.allow(path, Use::Connect))?;
    if plan.network {
        view::names()
            .try_for_each(|path| rules.allow(path, Use::Read).and_then(|()| rules.allow(path, Use::Connect)))?;
    }
    if plan.devices {
        view::all_devices().try_for_each(|path| rules.allow(path, Use::Device))?;
    }
    Ok(())
}

/// Folders go before what is in them.
fn enter(mut view: View, plan: &Plan) -> io::Result<()> {
    let written: Vec<&Path> = [&plan.write, &plan.sockets].into_iter().flatten().map(PathBuf::as_path).collect();
    let read = plan.read.iter().map(PathBuf::as_path);
    let mut shown: Vec<(&Path, bool)> = read.filter(|path| !written.contains(path)).map(|path| (path, false)).collect();
    shown.extend(written.iter().map(|path| (*path, true)));
    shown.extend(view::names().filter(|_| plan.network).map(|path| (path, true)));
    shown.extend(view::all_devices().filter(|_| plan.devices).map(|path| (path, true)));
    shown.sort();
    view.make(&plan.home)?;
    for (path, is_written) in shown {
        let shown = if is_written { view.show(path) } else { view.show_only(path) };
        shown.map_err(|error| io::Error::other(format!("{} cannot be shown: {error}", path.display())))?;
    }
    view.enter()
}
