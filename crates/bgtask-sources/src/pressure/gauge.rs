//! Where pressure can be read and heard: of the whole machine, or else of the widest cgroup that lets us.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::attribute;
use crate::inotify::{BLIND_REREAD, WATCH_HELP};
use crate::path::{End, PathWatch};
use crate::pressure::Pressure;
use crate::pressure::trigger::{arm, fired};
use crate::ready::Ready;
use crate::report::Status;
use crate::world::World;

const OWN_CGROUP: &str = "proc/self/cgroup";

/// Where the tree of cgroups is: alone, or beside the older ones.
const CGROUP_ROOTS: [&str; 2] = ["sys/fs/cgroup", "sys/fs/cgroup/unified"];

/// Levels of cgroups that are tried, from the root on. A user's programs are about six below it.
const MAX_LEVELS: usize = 16;

const KERNEL_HELP: &str = "boot a kernel with CONFIG_PSI=y, and with psi=1 on its command line";
const PRIVILEGE_HELP: &str = "run Linux 6.4 or later, or start the broker as a systemd user unit";

/// Tells how much time is lost.
#[derive(Debug)]
pub(super) struct Gauge {
    pressure: &'static Pressure,
    world: World,
    means: Means,
}

#[derive(Debug)]
enum Means {
    /// The kernel wakes us; `narrow` says why only for a part of the machine.
    Kernel { file: PathBuf, trigger: Ready, narrow: Option<Unread> },
    /// Below another root the pressure is a plain file.
    File(PathWatch),
    /// Nobody does, and nothing but another kernel can change that.
    None(Unread),
}

/// Why nobody can tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Unread {
    why: String,
    help: &'static str,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Edge {
    /// The kernel says it is too much.
    Fired,
    /// The average may be another.
    Changed,
}

impl Gauge {
    pub(super) fn open(pressure: &'static Pressure, world: &World) -> Self {
        let means = match world.is_machine() {
            true => Means::of_kernel(pressure, world),
            false => Means::File(PathWatch::new(world, pressure.of_machine)),
        };
        Self { pressure, world: world.clone(), means }
    }

    /// The percent of the last ten seconds in which somebody waited.
    pub(super) fn average(&mut self) -> Result<f64, Unread> {
        match self.means.average(self.pressure) {
            // A cgroup can go away below us; the next that we are in may do.
            Err(_) if matches!(self.means, Means::Kernel { .. }) => {
                *self = Self::open(self.pressure, &self.world);
                self.means.average(self.pressure)
            }
            answer => answer,
        }
    }

    /// How well it tells, where it does.
    pub(super) fn status(&self) -> Status {
        let how = format!("/{}", self.pressure.of_machine);
        match &self.means {
            Means::None(unread) => unread.clone().into(),
            Means::Kernel { narrow: None, .. } => Status::Available { how },
            Means::Kernel { narrow: Some(unread), file, .. } => Status::Degraded {
                how: file.display().to_string(),
                why: format!("{}; only what runs in that cgroup is seen", unread.why),
                help: unread.help.to_owned(),
            },
            Means::File(watch) => match watch.problem() {
                None => Status::Available { how },
                Some(problem) => Status::Degraded {
                    how: format!("{how}, read every {} s", BLIND_REREAD.as_secs()),
                    why: format!("the kernel refused to watch it: {problem}"),
                    help: WATCH_HELP.to_owned(),
                },
            },
        }
    }

    /// Waits until there may be something to read. Cancel safe.
    pub(super) async fn edge(&self) -> Edge {
        match &self.means {
            Means::Kernel { trigger, .. } => {
                fired(trigger).await;
                Edge::Fired
            }
            Means::File(watch) => {
                watch.changed().await;
                Edge::Changed
            }
            Means::None(_) => std::future::pending().await,
        }
    }
}

impl Means {
    fn of_kernel(pressure: &Pressure, world: &World) -> Self {
        let Pressure { of_machine, of_cgroup, stall, .. } = *pressure;
        let file = world.path(of_machine);
        let refused = match arm(&file, stall) {
            Ok(trigger) => return Self::Kernel { file, trigger, narrow: None },
            Err(error) => error,
        };
        let unread = Unread { why: format!("/{of_machine} takes no trigger: {refused}"), help: help(&refused) };
        let own = attribute::read(&world.path(OWN_CGROUP)).unwrap_or_default();
        for file in cgroup_files(&own, of_cgroup) {
            let file = world.path(file);
            if let Ok(trigger) = arm(&file, stall) {
                return Self::Kernel { file, trigger, narrow: Some(unread) };
            }
        }
        let why = format!("{}; nor does {of_cgroup} of a cgroup around the broker", unread.why);
        Self::None(Unread { why, ..unread })
    }

    fn average(&mut self, pressure: &Pressure) -> Result<f64, Unread> {
        let file = match self {
            Self::Kernel { file, .. } => file.clone(),
            Self::File(watch) => match watch.look().end {
                End::Found(file) => file,
                End::Absent => return Err(Unread::of(format!("/{} is not there", pressure.of_machine))),
                End::Blocked(why) => return Err(Unread::of(why)),
            },
            Self::None(unread) => return Err(unread.clone()),
        };
        let unreadable = |why: &str| Unread::of(format!("{} cannot be read: {why}", file.display()));
        let text = attribute::read(&file).map_err(|error| unreadable(&error.to_string()))?;
        parse(&text).ok_or_else(|| unreadable("it does not say the average over ten seconds"))
    }
}

impl Unread {
    fn of(why: String) -> Self {
        Self { why, help: KERNEL_HELP }
    }
}

impl From<Unread> for Status {
    fn from(unread: Unread) -> Self {
        Self::Missing { why: unread.why, help: unread.help.to_owned() }
    }
}

fn help(refused: &io::Error) -> &'static str {
    match refused.kind() {
        ErrorKind::NotFound | ErrorKind::Unsupported => KERNEL_HELP,
        _ => PRIVILEGE_HELP,
    }
}

/// The pressure files of our own cgroup and all around it, the widest first.
fn cgroup_files(own: &str, name: &str) -> Vec<PathBuf> {
    let Some(path) = own.lines().find_map(|line| line.strip_prefix("0::/")) else { return Vec::new() };
    let mut levels: Vec<&Path> = Path::new(path).ancestors().collect();
    levels.reverse();
    levels.truncate(MAX_LEVELS);
    let files = |root| levels.iter().map(move |level| Path::new(root).join(level).join(name));
    CGROUP_ROOTS.into_iter().flat_map(files).collect()
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and a second line for when everybody waits.
fn parse(text: &str) -> Option<f64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let average = some.split_ascii_whitespace().find_map(|field| field.strip_prefix("avg10="))?;
    average.parse().ok().filter(|percent| (0.0..=100.0).contains(percent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pressure::MEMORY;

    #[test]
    fn the_average_of_some_counts() {
        let full = "full avg10=99.00 avg60=0.00 avg300=0.00 total=0";
        assert_eq!(parse(&format!("some avg10=1.36 avg60=0.20 avg300=0.00 total=152031\n{full}\n")), Some(1.36));
        assert_eq!(parse("some avg10=100.00"), Some(100.0));
        for nonsense in
            ["", full, "some", "some avg10=", "some avg10=NaN", "some avg10=-1", "some avg10=1e9", "é avg10=1"]
        {
            assert_eq!(parse(nonsense), None, "{nonsense:?}");
        }
    }

    #[test]
    fn cgroups_are_tried_from_the_widest() {
        let files_of = |own: &str| cgroup_files(own, "memory.pressure");
        let files = files_of("4:memory:/old\n0::/user.slice/bgtask.service\n");
        let expected = [
            "sys/fs/cgroup/memory.pressure",
            "sys/fs/cgroup/user.slice/memory.pressure",
            "sys/fs/cgroup/user.slice/bgtask.service/memory.pressure",
            "sys/fs/cgroup/unified/memory.pressure",
            "sys/fs/cgroup/unified/user.slice/memory.pressure",
            "sys/fs/cgroup/unified/user.slice/bgtask.service/memory.pressure",
        ];
        assert_eq!(files, expected.map(PathBuf::from));
        assert_eq!(files_of("0::/").len(), 2);
        assert_eq!(files_of("4:memory:/old\n"), Vec::<PathBuf>::new());
        assert_eq!(files_of(&format!("0::{}", "/a".repeat(100))).len(), 2 * MAX_LEVELS);
    }

    #[test]
    fn a_kernel_that_measures_nothing_is_named() {
        let root = tempfile::tempdir().unwrap();
        let world = World::new(root.path());
        let Means::None(unread) = Means::of_kernel(&MEMORY, &world) else { panic!("nothing to arm") };
        assert!(unread.why.starts_with("/proc/pressure/memory takes no trigger: No such file"), "{}", unread.why);
        assert!(unread.why.ends_with("nor does memory.pressure of a cgroup around the broker"), "{}", unread.why);
        assert_eq!(unread.help, KERNEL_HELP);
    }

    #[test]
    fn what_helps_depends_on_what_is_lacking() {
        let of = |errno: rustix::io::Errno| help(&errno.into());
        assert_eq!(of(rustix::io::Errno::NOENT), KERNEL_HELP);
        assert_eq!(of(rustix::io::Errno::OPNOTSUPP), KERNEL_HELP);
        assert_eq!(of(rustix::io::Errno::PERM), PRIVILEGE_HELP);
        assert_eq!(of(rustix::io::Errno::INVAL), PRIVILEGE_HELP);
    }
}
