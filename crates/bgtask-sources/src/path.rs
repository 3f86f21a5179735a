//! Following a path inside a root, and hearing when it leads elsewhere.
//!
//! `/etc/localtime` is a link through several directories, and any of its steps may be replaced. So the walk remembers
//! every (directory, name) pair it looked at, and exactly those are watched.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use rustix::fs::inotify::{ReadFlags, WatchFlags};
use tokio::time::timeout;

use crate::inotify::{BLIND_REREAD, Event, Inotify};
use crate::world::World;

/// Symbolic links followed on one path. Linux itself allows 40; a zone needs three.
pub(crate) const MAX_LINKS: usize = 16;

/// Looks until two in a row agree. A path that changes faster than that is looked at again on its next event.
pub(crate) const MAX_LOOKS: usize = 4;

/// One place a walk looked at: a name in a directory, as seen from inside the root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Step {
    pub(crate) directory: PathBuf,
    pub(crate) name: OsString,
}

/// Where a path led.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Walk {
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
    /// Whether the last step is what the path itself names, there or not, and not something on the way.
    pub(crate) arrived: bool,
}

/// How a walk ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// At this file, named from outside the root and free of links.
    Found(PathBuf),
    /// At a name that does not exist.
    Absent,
    /// At something that cannot be followed; the sentence says why.
    Blocked(String),
}

/// Follows `path` inside the world's root: an absolute link starts again at the root, and `..` cannot leave it.
pub(crate) fn walk(world: &World, path: &Path) -> Walk {
    let mut steps = Vec::new();
    let mut ahead = names(path).collect();
    let end = follow(world, path, &mut ahead, &mut steps);
    Walk { steps, end, arrived: ahead.is_empty() }
}

fn follow(world: &World, path: &Path, ahead: &mut VecDeque<OsString>, steps: &mut Vec<Step>) -> End {
    let mut here = PathBuf::from("/");
    let mut links = 0;
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            here.pop();
            continue;
        }
        let next = here.join(&name);
        let outside = world.path(&next);
        steps.push(Step { directory: here.clone(), name });
        let is_link = match fs::symlink_metadata(&outside) {
            Ok(metadata) => metadata.is_symlink(),
            Err(error) => return blocked(&next, &error),
        };
        if !is_link {
            here = next;
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return End::Blocked(format!("{} leads through more than {MAX_LINKS} links", path.display()));
        }
        let target = match fs::read_link(&outside) {
            Ok(target) => target,
            Err(error) => return blocked(&next, &error),
        };
        if target.is_absolute() {
            here = PathBuf::from("/");
        }
        for name in names(&target).rev() {
            ahead.push_front(name);
        }
    }
    End::Found(world.path(here))
}

fn names(path: &Path) -> impl DoubleEndedIterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    })
}

fn blocked(path: &Path, error: &std::io::Error) -> End {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => End::Absent,
        _ => End::Blocked(format!("{} cannot be followed: {error}", path.display())),
    }
}

/// Watches where a path leads.
#[derive(Debug)]
pub(crate) struct PathWatch {
    world: World,
    path: PathBuf,
    inotify: Option<Inotify>,
    /// The names that matter in each watched directory.
    names: HashMap<i32, HashSet<OsString>>,
    /// The watch on the file itself, where its directory would not show every change: bind mounts and hard links.
    file: Option<i32>,
    problem: Option<String>,
}

impl PathWatch {
    pub(crate) fn new(world: &World, path: impl Into<PathBuf>) -> Self {
        Self {
            world: world.clone(),
            path: path.into(),
            inotify: None,
            names: HashMap::new(),
            file: None,
            problem: None,
        }
    }

    /// Where the path leads now, without a promise to hear of later changes.
    pub(crate) fn peek(&self) -> Walk {
        walk(&self.world, &self.path)
    }

    /// Where the path leads now. Every later change of that will end [`Self::changed`].
    pub(crate) fn look(&mut self) -> Walk {
        let mut seen = walk(&self.world, &self.path);
        for _ in 0..MAX_LOOKS {
            self.problem = self.arm(&seen).err().map(|error| error.to_string());
            // What changed between the look and the watch made no event, so only a second look is trusted.
            let again = walk(&self.world, &self.path);
            if again == seen {
                break;
            }
            seen = again;
        }
        seen
    }

    /// Why the kernel does not watch everything it should, if so.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Waits until the path may lead elsewhere or its file may have changed; at most [`BLIND_REREAD`] if there is a
    /// [`Self::problem`]. Cancel safe.
    pub(crate) async fn changed(&self) {
        let Some(inotify) = &self.inotify else {
            return tokio::time::sleep(BLIND_REREAD).await;
        };
        let change = inotify.wait(|event| self.matters(event));
        match self.problem {
            None => change.await,
            Some(_) => timeout(BLIND_REREAD, change).await.unwrap_or_default(),
        }
    }

    fn matters(&self, event: &Event<'_>) -> bool {
        if self.file == Some(event.watch) {
            return true;
        }
        let gone = ReadFlags::IGNORED | ReadFlags::UNMOUNT;
        match self.names.get(&event.watch) {
            None => false,
            Some(names) => event.what.intersects(gone) || event.name.is_none_or(|name| names.contains(name)),
        }
    }

    fn arm(&mut self, walk: &Walk) -> std::io::Result<()> {
        let inotify = match &mut self.inotify {
            Some(inotify) => inotify,
            none => none.insert(Inotify::new()?),
        };
        let before: HashSet<i32> = self.names.drain().map(|(watch, _)| watch).chain(self.file.take()).collect();
        let mut result = Ok(());
        for step in &walk.steps {
            match inotify.add(&self.world.path(&step.directory), directory_events()) {
                Ok(watch) => {
                    self.names.entry(watch).or_default().insert(step.name.clone());
                }
                // The second look sees that for itself.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => result = Err(error),
            }
        }
        if let End::Found(file) = &walk.end {
            self.file = inotify.add(file, file_events()).ok();
        }
        for watch in before {
            if !self.names.contains_key(&watch) && self.file != Some(watch) {
                inotify.remove(watch);
            }
        }
        result
    }
}

fn directory_events() -> WatchFlags {
    WatchFlags::CREATE
        | WatchFlags::MOVE
        | WatchFlags::DELETE
        | WatchFlags::CLOSE_WRITE
        | WatchFlags::ATTRIB
        | WatchFlags::MOVE_SELF
        | WatchFlags::DELETE_SELF
        | WatchFlags::ONLYDIR
}

fn file_events() -> WatchFlags {
    WatchFlags::CLOSE_WRITE | WatchFlags::ATTRIB | WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF
}

/// The names of the steps that lie below the first directory called `directory`, as one relative path. A link that
/// leads on to elsewhere ends it, so `zoneinfo/Europe/Berlin` is `Europe/Berlin` whatever that is a link to.
pub(crate) fn names_below(steps: &[Step], directory: &OsStr) -> Option<PathBuf> {
    let start = steps.iter().position(|step| step.directory.file_name() == Some(directory))?;
    let mut here = steps[start].directory.clone();
    let mut below = PathBuf::new();
    for step in steps[start..].iter().take_while(|step| {
        let continues = step.directory == here;
        here = step.directory.join(&step.name);
        continues
    }) {
        below.push(&step.name);
    }
    Some(below)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn world() -> (tempfile::TempDir, World) {
        let root = tempfile::tempdir().unwrap();
        let world = World::new(root.path());
        fs::create_dir_all(world.path("etc")).unwrap();
        (root, world)
    }

    #[test]
    fn absolute_links_and_dots_stay_inside_the_root() {
        let (_root, world) = world();
        fs::write(world.path("etc/file"), "x").unwrap();
        symlink("/etc/file", world.path("etc/absolute")).unwrap();
        symlink("../../../../../etc/file", world.path("etc/dots")).unwrap();
        symlink("../etc/dots", world.path("etc/chain")).unwrap();
        for path in ["etc/absolute", "etc/dots", "etc/chain", "etc/./file"] {
            assert_eq!(walk(&world, Path::new(path)).end, End::Found(world.path("etc/file")), "{path}");
        }
    }

    #[test]
    fn a_path_below_a_file_is_absent() {
        let (_root, world) = world();
        fs::write(world.path("etc/file"), "x").unwrap();
        assert_eq!(walk(&world, Path::new("etc/file/deeper")).end, End::Absent);
        assert_eq!(walk(&world, Path::new("no/such")).end, End::Absent);
        assert!(!walk(&world, Path::new("no/such")).arrived);
        assert!(walk(&world, Path::new("etc/none")).arrived && walk(&world, Path::new("etc/file")).arrived);
    }

    #[test]
    fn links_are_counted() {
        let (_root, world) = world();
        fs::write(world.path("etc/0"), "x").unwrap();
        for n in 0..=MAX_LINKS {
            symlink(n.to_string(), world.path(format!("etc/{}", n + 1))).unwrap();
        }
        let most = walk(&world, &PathBuf::from(format!("etc/{MAX_LINKS}")));
        assert_eq!(most.end, End::Found(world.path("etc/0")));
        let one_more = walk(&world, &PathBuf::from(format!("etc/{}", MAX_LINKS + 1)));
        assert!(matches!(one_more.end, End::Blocked(why) if why.contains("more than 16 links")));
    }

    #[test]
    fn a_loop_ends() {
        let (_root, world) = world();
        symlink("b", world.path("etc/a")).unwrap();
        symlink("a", world.path("etc/b")).unwrap();
        assert!(matches!(walk(&world, Path::new("etc/a")).end, End::Blocked(_)));
    }

    #[test]
    fn a_name_ends_where_a_link_leads_away() {
        let (_root, world) = world();
        fs::create_dir_all(world.path("share/zoneinfo/Europe")).unwrap();
        fs::write(world.path("share/zoneinfo/CET"), "x").unwrap();
        symlink("../CET", world.path("share/zoneinfo/Europe/Berlin")).unwrap();
        symlink("/share/zoneinfo/Europe/Berlin", world.path("etc/localtime")).unwrap();
        let seen = walk(&world, Path::new("etc/localtime"));
        assert_eq!(names_below(&seen.steps, OsStr::new("zoneinfo")), Some("Europe/Berlin".into()));
        assert_eq!(names_below(&seen.steps, OsStr::new("elsewhere")), None);
    }

    /// Where the kernel refuses a watch, reading again after a while is all that is left.
    #[tokio::test(start_paused = true)]
    async fn without_a_watch_time_is_the_edge() {
        let (_root, world) = world();
        let mut watch = PathWatch::new(&world, "etc/file");
        let start = tokio::time::Instant::now();
        watch.changed().await;
        assert_eq!(start.elapsed(), BLIND_REREAD);
        watch.look();
        assert_eq!(watch.problem(), None);
        watch.problem = Some("no space left on device".to_owned());
        watch.changed().await;
        assert!(start.elapsed() >= BLIND_REREAD * 2);
        fs::write(world.path("etc/file"), "x").unwrap();
        watch.changed().await;
        assert!(start.elapsed() < BLIND_REREAD * 3, "what is watched is still heard");
    }
}
