//! `kill -9` of everything, again and again (RE-5).

use bgtask_wire::{TransferInfo, TransferOrder, TransferStatus};

use super::flawed::{Content, Flaw};
use super::{FILM, Stage};

/// Large enough to be met on its way: some seconds of transfer. `BGTASK_TRANSFER_MIB` makes it larger: with 1024 the test takes half a
/// minute.
fn large() -> Content {
    let mib = std::env::var("BGTASK_TRANSFER_MIB").map_or(32, |mib| mib.parse().expect("a number of MiB"));
    Content { len: mib << 20, seed: 11 }
}

/// What a worker has at most in memory, in KiB, whatever the size of the file.
const MOST_MEMORY: u64 = 4 * 1_024;

#[tokio::test]
async fn re_5_a_worker_that_is_killed_costs_only_what_it_had_not_fetched() {
    let stage = Stage::set().await;
    stage.server.flaws([Flaw::StallAfter(1_000_000)]);
    let id = stage.download("film.mkv").await;
    stage.until(&id, "on its way", |info| info.done >= 900_000).await;
    kill(&worker_of(&id).expect("it runs"));
    // After a failure it waits for a while: who does not want to, tells it to go on.
    stage.becomes(&id, TransferStatus::PausedRecoverableWebErrorStatus).await;
    stage.control(&id, "pause").await;
    stage.control(&id, "resume").await;
    stage.arrives(&id, "film.mkv").await;
    let from = stage.server.seen()[1].header("range").expect("it went on where it was").to_owned();
    assert!(from == "bytes=1000000-", "{from}");
}

#[tokio::test]
async fn re_5_a_large_file_arrives_however_often_everything_is_killed() {
    let large = large();
    let step_bytes = large.len / 8;
    let mut stage = Stage::with(large).await;
    // Half of it a second.
    stage.server.rate(large.len / 2);
    stage.server.flaws([Flaw::CutAfter(step_bytes + (1 << 20)), Flaw::None, Flaw::CutAfter(step_bytes)]);
    let sum = bgtask_transfer::Sha256::of(large.reader()).unwrap();
    let order = TransferOrder { sha256: Some(sum.to_string()), ..stage.order("large.bin") };
    let begun = std::time::Instant::now();
    let mut memory = 0;
    let id = stage.user.broker.create_transfer("", order).await.unwrap();
    for step in 1..=5 {
        stage.until(&id, "further", |info: &TransferInfo| info.done >= step * step_bytes).await;
        memory = worker_of(&id).and_then(|worker| memory_of(&worker)).unwrap_or_default().max(memory);
        if step % 2 == 0 {
            worker_of(&id).iter().for_each(|worker| kill(worker));
        }
        stage = stage.after_a_crash().await;
    }
    // Whatever pause the killed ones have earned it.
    stage.control(&id, "pause").await;
    stage.control(&id, "resume").await;
    stage.becomes(&id, TransferStatus::Completed).await;
    println!("{} MiB through five kills in {:?}, in at most {memory} KiB", large.len >> 20, begun.elapsed());
    assert!((1..=MOST_MEMORY).contains(&memory), "{memory} KiB: what is in memory does not grow with the file");
    let arrived = std::fs::File::open(stage.file("large.bin")).unwrap();
    assert_eq!(bgtask_transfer::Sha256::of(arrived).unwrap(), sum);
    let seen = stage.server.seen();
    let asked: Vec<_> = seen.iter().map(|seen| seen.header("range").unwrap_or("all")).collect();
    // Who is killed before the first byte has come asks for all of it again.
    let begun = asked.iter().skip_while(|range| **range == "all");
    assert!(begun.clone().count() >= 3 && begun.clone().all(|range| *range != "all"), "it never began anew: {asked:?}");
}

/// What was ordered while no worker could be started is not forgotten.
#[tokio::test]
async fn re_5_an_order_outlives_the_broker_that_took_it() {
    let stage = Stage::set().await;
    stage.home.world.online(false);
    let id = stage.download("film.mkv").await;
    let stage = stage.after_a_crash().await;
    stage.becomes(&id, TransferStatus::PausedNoNetwork).await;
    // A store that is lost costs nothing but the task, which it gets anew.
    stage.home.world.online(true);
    stage.arrives(&id, "film.mkv").await;
    assert_eq!(stage.info(&id).await.done, FILM.len);
}

/// The process that carries it.
fn worker_of(id: &str) -> Option<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let carries = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        line.contains("bgtask-transfer") && line.trim_end_matches('\0').ends_with(id)
    };
    let mut found = processes.filter_map(|process| {
        let line = std::fs::read(process.path().join("cmdline")).ok()?;
        carries(&line).then(|| process.file_name().to_string_lossy().into_owned())
    });
    found.next()
}

/// What it has in memory that is its own, in KiB: what it runs from its file is not.
fn memory_of(pid: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn kill(pid: &str) {
    let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
    let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}
