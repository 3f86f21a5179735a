//! Who listens costs nothing while nothing happens. The kernel counts for each thread, so this test has one to itself.

mod common;

use std::fs;
use std::time::{Duration, Instant};

use bgtask_sources::World;
use common::Sysroot;
use common::events::{Ear, subject};
use common::namespaces::{TELL_AGAIN, is_inside, may_tell_again};
use tokio::time::sleep;

/// How often this thread has gone to sleep, and for how many nanoseconds it has run.
fn effort() -> (u64, u64) {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let sleeps = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
    let run = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    (sleeps.trim().parse().unwrap(), run.split(' ').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn listeners_to_devices_libraries_folders_and_cards_make_no_wake_ups() {
    if !is_inside("listeners_to_devices_libraries_folders_and_cards_make_no_wake_ups") || !may_tell_again() {
        return;
    }
    let sysroot = Sysroot::new();
    fs::create_dir_all(sysroot.path("home/Documents")).unwrap();
    let (files, machine) = (sysroot.world(), World::new("/"));
    let mut ears = Vec::new();
    for n in 0..10 {
        let folder = format!("/home/Documents/{n}");
        let all = [
            ("DeviceWatcherTrigger", ("subsystem", "net"), &machine),
            ("DeviceConnectionChangeTrigger", ("device_id", "/sys/class/net/*"), &machine),
            ("SmartCardTrigger", ("on", "both"), &machine),
            ("StorageLibraryContentChangedTrigger", ("libraries", "documents+music"), &files),
            ("StorageLibraryChangeTrackerTrigger", ("folder", folder.as_str()), &files),
        ];
        for (class, property, world) in all {
            ears.push(Ear::ready(subject(class, &[property]), world).await.0);
        }
    }
    let mut last = ears.pop().unwrap();
    assert_eq!(last.fields(["change"]).await, ["reset"]);
    let before = effort();
    sleep(Duration::from_secs(2)).await;
    let after = effort();
    println!("{} wake-ups, {} ns in two seconds", after.0 - before.0, after.1 - before.1);
    // The timer of this test itself wakes the thread a few times.
    assert!(after.0 - before.0 < 20, "{} wake-ups in two seconds", after.0 - before.0);
    assert!(after.1 - before.1 < 100_000_000, "ran for {} ns", after.1 - before.1);

    // And yet each is heard at once.
    let mut net = ears.swap_remove(0);
    let mut delays: Vec<Duration> = Vec::new();
    for _ in 0..100 {
        let began = Instant::now();
        fs::write(TELL_AGAIN, "change").unwrap();
        net.event().await;
        delays.push(began.elapsed());
    }
    delays.sort();
    println!("from a change of a device to its event: median {:?}, longest {:?}", delays[50], delays[99]);
}
