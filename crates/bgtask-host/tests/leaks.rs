//! Alone in its program, as it counts what the whole process has.

mod common;

use std::fs;

use bgtask_host::Exit;
use common::{Place, exit, kill_and_close, read_all, sh};
use rustix::process::{WaitId, WaitIdOptions, waitid};

const LAUNCHES: usize = 200;

#[test]
fn two_hundred_launches_leave_nothing_behind() {
    for use_cgroups in [true, false] {
        let before = open_files();
        let mut place = Place::new(use_cgroups, 2);
        for launched in 0..LAUNCHES {
            let mut launch = place.launch(&sh("echo done"));
            place.spawner.refill().unwrap();
            if launched % 2 == 0 {
                assert_eq!(read_all(&mut launch), "done\n");
                assert_eq!(exit(&launch.host), Exit::Code(0));
                kill_and_close(&mut launch.host);
            }
        }
        let tree = place.cgroup();
        if let Some(tree) = &tree {
            let dirs = fs::read_dir(tree).unwrap().flatten();
            let dirs = dirs.filter(|entry| entry.file_type().unwrap().is_dir());
            assert_eq!(dirs.count(), 2, "the spares");
        }
        drop(place.spawner);
        assert!(tree.is_none_or(|tree| !tree.exists()));
        let left = fs::read_dir(place.records.path().join("hosts")).unwrap();
        assert_eq!(left.count(), 1, "only the lock");
        drop(place.records);
        assert_eq!(open_files(), before);
        let any = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        assert_eq!(waitid(WaitId::All, any).unwrap_err(), rustix::io::Errno::CHILD);
    }
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}
