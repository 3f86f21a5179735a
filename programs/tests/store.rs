//! When the store cannot be used: the broker refuses to lose data, says what to do, and keeps the damaged file as it is.

mod harness;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bgtask_wire::{Error, ErrorKind};
use harness::{Broker, Home, Mounts, New, SAMPLE, User, copy_program, skipped};
use tokio::task::JoinSet;
use tokio::time::timeout;

fn database(home: &Home) -> PathBuf {
    home.root("state/broker.db")
}

/// Two registrations in a store that nobody uses any more.
async fn used_store() -> Home {
    let (home, _app) = Home::with_sample();
    let mut broker = home.start().await;
    let user = broker.user().await;
    user.register(New { name: "one", ..New::default() }).await.unwrap();
    user.register(New { name: "two", ..New::default() }).await.unwrap();
    drop(user);
    assert_eq!(broker.stop(), Some(0));
    home
}

/// The second broker on a root names the first and leaves it alone.
#[tokio::test]
async fn two_brokers_on_one_root() {
    let (home, _app) = Home::with_sample();
    let broker = home.start().await;
    let user = broker.user().await;
    let (code, words) = home.start_in_vain();
    assert_eq!(code, Some(1));
    assert!(words.contains(&format!("another broker (process {})", broker.pid())), "{words}");
    assert!(words.contains("--root"), "it says what to do: {words}");
    user.register(New::default()).await.expect("the first one works on");
    User::connect(&home.socket()).await.expect("at the same socket");
}

/// A damaged database, a torn one, or one of another program is refused and stays as it is, byte for byte.
#[tokio::test]
async fn a_damaged_store() {
    let home = used_store().await;
    let sound = fs::read(database(&home)).unwrap();
    let mut overwritten = sound.clone();
    overwritten[4_096..4_096 + 2_000].fill(0xa5);
    let torn = sound[..sound.len() / 2].to_vec();
    let foreign = b"This is a shopping list.\n".repeat(400);
    for damaged in [overwritten, torn, foreign] {
        fs::write(database(&home), &damaged).unwrap();
        let (code, words) = home.start_in_vain();
        assert_eq!(code, Some(1), "{words}");
        assert!(words.contains("broker.db") && words.contains("damaged"), "{words}");
        assert!(words.contains("backup") && words.contains("move"), "it says what to do: {words}");
        assert!(fs::read(database(&home)).unwrap() == damaged, "the file is as it was");
    }
    fs::write(database(&home), sound).unwrap();
    let broker = home.start().await;
    assert_eq!(broker.user().await.broker.list_tasks("").await.unwrap().len(), 2, "the backup is restored");
}

/// A sound database whose content makes no sense is refused too, before anything is changed.
#[tokio::test]
async fn a_store_that_makes_no_sense() {
    let home = used_store().await;
    let sql = rusqlite::Connection::open(database(&home)).unwrap();
    sql.execute("UPDATE state SET value = '{\"nonsense\":1}' WHERE kind LIKE 'registration%'", []).unwrap();
    drop(sql);
    let before = fs::read(database(&home)).unwrap();
    let (code, words) = home.start_in_vain();
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("cannot be understood"), "{words}");
    assert!(fs::read(database(&home)).unwrap() == before, "the file is as it was");
}

/// A later version has been here.
#[tokio::test]
async fn a_newer_store() {
    let home = used_store().await;
    let sql = rusqlite::Connection::open(database(&home)).unwrap();
    sql.pragma_update(None, "user_version", 999).unwrap();
    drop(sql);
    let before = fs::read(database(&home)).unwrap();
    let (code, words) = home.start_in_vain();
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("newer bgtask (schema 999") && words.contains("upgrade"), "{words}");
    assert!(fs::read(database(&home)).unwrap() == before, "the file is as it was");
}

/// Mounts something over the state folder, which may have content already.
fn mounted(home: &Home, how: &str) -> Option<Mounts> {
    let state = home.root("state");
    fs::create_dir_all(&state).unwrap();
    let script = how.replace("STATE", state.to_str().unwrap());
    match Mounts::make(&script) {
        Ok(mounts) => Some(mounts),
        Err(why) => {
            skipped(&why);
            None
        }
    }
}

#[tokio::test]
async fn a_read_only_state_folder() {
    let home = used_store().await;
    let Some(mounts) = mounted(&home, "mount --bind STATE STATE && mount -o remount,bind,ro STATE") else { return };
    let (code, words) = home.run_in_vain(&mut mounts.broker(&home));
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("writ") && words.contains("state"), "{words}");
    drop(mounts);
    assert_eq!(home.start().await.user().await.broker.list_tasks("").await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_disk_that_is_full_from_the_start() {
    let (home, _app) = Home::with_sample();
    let Some(mounts) = mounted(&home, "mount -t tmpfs -o size=64k,mode=0700 tmpfs STATE") else { return };
    let filler = fill(&mounts.path(&home.root("state")));
    let (code, words) = home.run_in_vain(&mut mounts.broker(&home));
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("no room") && words.contains("free space"), "{words}");
    fs::remove_file(filler).unwrap();
    let mut broker = Broker::spawn(&home, &mut mounts.broker(&home));
    broker.answers().await;
}

/// While the disk is full: reads are answered, what would change something is refused, what was accepted waits. With room again
/// everything goes on, and none of it is lost in a crash after that.
#[tokio::test]
async fn a_disk_that_becomes_full() {
    let (home, _app) = Home::with_sample();
    let Some(mounts) = mounted(&home, "mount -t tmpfs -o size=3m,mode=0700 tmpfs STATE") else { return };
    home.configure("wall_budget_seconds = 600\n");
    let mut broker = Broker::spawn(&home, &mut mounts.broker(&home));
    let user = Arc::new(broker.answers().await);
    let task = user.ready(New::default()).await;
    let filler = fill(&mounts.path(&home.root("state")));
    let (mut made, mut waiting) = register_until_refused(&user).await;

    assert!(!waiting.is_empty(), "the first that found no room has no answer yet");
    assert!(user.broker.list_tasks("").await.unwrap().len() > made.len(), "reads are answered");
    assert!(!user.history(&task).await.is_empty());
    home.world.zone("Asia/Tokyo");
    user.reads("time-zone", "Asia/Tokyo").await;
    assert_eq!(user.words(&task).await, "registered", "what is not durable has not happened yet");
    assert!(home.log().contains("no room"), "{}", home.log());

    fs::remove_file(filler).unwrap();
    while let Some(answer) = timeout(Duration::from_secs(60), waiting.join_next()).await.expect("it goes on") {
        made.push(answer.unwrap().expect("what was accepted is answered"));
    }
    assert_eq!(user.line(&task, "completed", 1).await.text, "succeeded");
    made.push(user.register(New::default()).await.expect("new requests are taken again"));
    drop(user);
    broker.kill();
    let mut broker = Broker::spawn(&home, &mut mounts.broker(&home));
    let user = broker.answers().await;
    let listed: Vec<_> = user.broker.list_tasks("").await.unwrap().into_iter().map(|task| task.id).collect();
    assert!(made.iter().all(|id| listed.contains(id)) && listed.len() == made.len() + 1);
    assert!(!broker.user().await.unread(SAMPLE).await.is_empty(), "the completion is kept");
}

/// A host that is started while the disk is full gets its order when there is room again, although its program was replaced
/// meanwhile: it has not lingered, and nothing else would run what fired.
#[tokio::test]
async fn programs_that_are_replaced_while_the_disk_is_full() {
    let (home, app) = Home::with_sample();
    let Some(mounts) = mounted(&home, "mount -t tmpfs -o size=3m,mode=0700 tmpfs STATE") else { return };
    home.configure("wall_budget_seconds = 600\n");
    let mut broker = Broker::spawn(&home, &mut mounts.broker(&home));
    let user = Arc::new(broker.answers().await);
    user.ready(New::default()).await;
    let filler = fill(&mounts.path(&home.root("state")));
    let (_, _waiting) = register_until_refused(&user).await;
    let tasks = user.broker.list_tasks("").await.unwrap();
    home.world.zone("Asia/Tokyo");
    user.reads("time-zone", "Asia/Tokyo").await;
    let new = app.task_program().with_extension("new");
    copy_program(&app.task_program(), &new);
    fs::rename(new, app.task_program()).unwrap();

    fs::remove_file(filler).unwrap();
    for task in tasks {
        assert_eq!(user.line(&task.id, "completed", 1).await.text, "succeeded");
    }
}

type Answers = JoinSet<Result<String, Error>>;

/// Registers until a request is refused. Gives the ids that were answered and the requests that were accepted and are not.
async fn register_until_refused(user: &Arc<User>) -> (Vec<String>, Answers) {
    let (mut made, mut waiting) = (Vec::new(), JoinSet::new());
    loop {
        let user = Arc::clone(user);
        waiting.spawn(async move { user.register(New::default()).await });
        match timeout(Duration::from_millis(200), waiting.join_next()).await {
            Ok(Some(Ok(Ok(id)))) => made.push(id),
            Ok(Some(Ok(Err(error)))) => {
                assert_eq!(error.kind, ErrorKind::StoreUnavailable, "{error}");
                return (made, waiting);
            }
            // It waits for room, or the machine is slow: the next one will tell.
            _ => {}
        }
    }
}

/// Takes all the room there is.
fn fill(folder: &Path) -> PathBuf {
    use std::io::Write as _;
    let path = folder.join("filler");
    let mut file = fs::File::create(&path).unwrap();
    for size in [64 * 1024, 4_096, 512, 1] {
        while file.write(&vec![0; size]).is_ok_and(|written| written > 0) {}
    }
    path
}
