//! `kill -9` at random moments: nothing that was promised is lost, nothing happens twice (D4, D7, and §3 of the design: durable
//! before it is answered, before it runs, before it is told).
//!
//! `BGTASK_KILLS` says how often, `BGTASK_SEED` makes the same random choices again.

#[path = "../harness/mod.rs"]
mod harness;

mod annals;
mod chance;
mod ledger;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bgtask_wire::{AttachOptions, Error, ErrorKind};
use harness::{Broker, Heard, Home, New, User, eventually};
use tokio::sync::RwLock;
use tokio::time::{sleep, timeout};

use annals::Annals;
use chance::Chance;
use ledger::Ledger;

const APPS: &[&str] = &["org.example.One", "org.example.Two", "org.example.Three"];

/// How many registrations an app keeps.
const MOST: usize = 4;

/// What all clients share.
struct Shared {
    socket: PathBuf,
    /// Held for reading during each request, for writing while promises are compared.
    turns: RwLock<()>,
    /// Set when clients are to ask for nothing more and only to listen.
    quiet: AtomicBool,
    ledgers: Vec<Mutex<Ledger>>,
}

#[tokio::test]
async fn a_killed_broker_loses_nothing() {
    let kills = number("BGTASK_KILLS").unwrap_or(if harness::is_ci() { 200 } else { 25 });
    let seed = number("BGTASK_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("BGTASK_KILLS={kills} BGTASK_SEED={seed}");
    let began = Instant::now();
    let home = Home::new();
    for app in APPS {
        home.install(app);
    }
    let shared = Arc::new(Shared {
        socket: home.socket(),
        turns: RwLock::new(()),
        quiet: false.into(),
        ledgers: APPS.iter().map(|_| Mutex::default()).collect(),
    });
    let mut chance = Chance::new(seed);
    let broker = home.start().await;
    let clients: Vec<_> =
        (0..APPS.len()).map(|app| tokio::spawn(client(Arc::clone(&shared), app, chance.branch()))).collect();
    let broker = kill_often(&home, &shared, broker, kills, &mut chance).await;

    shared.quiet.store(true, Ordering::Relaxed);
    let user = broker.user().await;
    settle_down(&broker, &user).await;
    for client in clients {
        client.abort();
        let _aborted = client.await;
    }
    let summary = judge(&home, &shared, &user).await;
    println!("{kills} kills in {:.1} s: {summary}", began.elapsed().as_secs_f32());
}

/// Kills and starts, and after each start compares what the broker has with what it promised.
async fn kill_often(home: &Home, shared: &Shared, mut broker: Broker, kills: u64, chance: &mut Chance) -> Broker {
    for _ in 0..kills {
        run_for_a_while(home, chance).await;
        broker.kill();
        if chance.one_in(5) {
            // Also while it starts.
            let newborn = Broker::spawn(home, &mut home.command());
            sleep(Duration::from_millis(chance.below(40))).await;
            newborn.kill();
        }
        broker = home.start().await;
        let _nobody_asks = shared.turns.write().await;
        let user = broker.user().await;
        for (app, ledger) in APPS.iter().zip(&shared.ledgers) {
            let listed = user.broker.list_tasks(app).await.unwrap();
            ledger.lock().unwrap().settle(&listed);
        }
    }
    broker
}

/// The zone changes now and then, until it is time for the next kill.
async fn run_for_a_while(home: &Home, chance: &mut Chance) {
    let mut left = chance.below(400);
    while left > 0 {
        home.world.zone(["Europe/Berlin", "Asia/Tokyo", "America/Lima"][chance.below(3) as usize]);
        let pause = chance.below(150).clamp(1, left);
        sleep(Duration::from_millis(pause)).await;
        left -= pause;
    }
}

/// One app: registers, unregisters, hears, acknowledges; when the broker is gone it comes again.
async fn client(shared: Arc<Shared>, app: usize, mut chance: Chance) {
    let mut made = 0;
    loop {
        let Ok(mut user) = User::connect(&shared.socket).await else {
            sleep(Duration::from_millis(2)).await;
            continue;
        };
        if user.broker.attach(APPS[app], AttachOptions::default()).await.is_err()
            || user.broker.request_access(APPS[app], "").await.is_err()
        {
            continue;
        }
        // What was not acknowledged is told again to who comes again: so once more when the noise is over.
        let was_quiet = shared.is_quiet();
        while shared.is_quiet() == was_quiet && act(&shared, app, &mut user, &mut made, &mut chance).await.is_ok() {}
    }
}

/// One thing an app does. An error is the end of the connection.
async fn act(shared: &Shared, app: usize, user: &mut User, made: &mut u32, chance: &mut Chance) -> Result<(), Error> {
    let listened = timeout(Duration::from_millis(chance.below(20)), user.signal()).await;
    match listened {
        Ok(None) => return Err(Error::new(ErrorKind::Other, "the broker is gone")),
        Ok(Some(Heard::Completed { sequence, instance, .. })) => {
            *shared.ledgers[app].lock().unwrap().delivered.entry(instance).or_default() += 1;
            if !chance.one_in(4) || shared.is_quiet() {
                user.broker.acknowledge(APPS[app], sequence).await.map_err(Error::from)?;
            }
        }
        Ok(Some(_)) | Err(_) => {}
    }
    let _turn = shared.turns.read().await;
    let standing: Vec<_> = shared.ledgers[app].lock().unwrap().standing.keys().cloned().collect();
    match standing.len() {
        _ if shared.is_quiet() => Ok(()),
        few if few < MOST && chance.one_in(2) => {
            *made += 1;
            register(&shared.ledgers[app], app, user, &format!("task {made}"), chance.one_in(4)).await
        }
        0 => Ok(()),
        some if chance.one_in(10) => {
            let id = &standing[chance.below(some as u64) as usize];
            unregister(&shared.ledgers[app], user, id, chance.one_in(2)).await
        }
        _ => Ok(()),
    }
}

async fn register(ledger: &Mutex<Ledger>, app: usize, user: &User, name: &str, one_shot: bool) -> Result<(), Error> {
    ledger.lock().unwrap().ask(name, one_shot);
    let new = New { app: APPS[app], name, entry: "Tasks.Exclusive", one_shot, ..New::default() };
    let id = lost_or(user.register(new).await)?;
    ledger.lock().unwrap().confirmed(name, id);
    Ok(())
}

async fn unregister(ledger: &Mutex<Ledger>, user: &User, id: &str, cancel: bool) -> Result<(), Error> {
    let one_shot = ledger.lock().unwrap().standing.get(id).copied();
    ledger.lock().unwrap().leave(id);
    match user.broker.unregister(id, cancel).await.map_err(Error::from) {
        Err(error) if error.kind == ErrorKind::UnknownTask && one_shot == Some(true) => {}
        answer => lost_or(answer)?,
    }
    ledger.lock().unwrap().left(id);
    Ok(())
}

/// The only error an honest app may see here is the end of its connection.
fn lost_or<T>(answer: Result<T, Error>) -> Result<T, Error> {
    if let Err(error) = &answer {
        assert_eq!(error.kind, ErrorKind::Other, "refused: {error}");
    }
    answer
}

/// Waits until nothing runs or waits any more and every completion is acknowledged.
async fn settle_down(broker: &Broker, user: &User) {
    // What was unregistered while it ran is on no list, but in the history.
    eventually("every activation has ended", async || annals::all_ended(&annals::whole(user).await).then_some(()))
        .await;
    for app in APPS {
        broker.all_acknowledged(app).await;
    }
}

/// The last judgement: history, apps and tasks tell the same story.
async fn judge(home: &Home, shared: &Shared, user: &User) -> String {
    let lines = annals::whole(user).await;
    let annals = annals::read(&lines);
    let (mut registered, mut delivered, mut again) = (0, 0, 0);
    for (app, ledger) in APPS.iter().zip(&shared.ledgers) {
        let ledger = ledger.lock().unwrap();
        registered += ledger.registered;
        delivered += ledger.delivered.len();
        again += ledger.delivered.values().map(|times| times - 1).sum::<u32>();
        let its: Vec<_> =
            annals.completed.iter().filter(|(_, owner)| owner == app).map(|(instance, _)| instance).collect();
        assert!(ledger.delivered.keys().eq(its.iter().copied()), "{app} hears of its own instances, and of each");
        for id in &ledger.spent {
            assert_eq!(annals.fired.get(id), Some(&1), "a one-shot registration left without having fired once: {id}");
        }
        no_violations(&home.data(app));
    }
    let Annals { fired, interrupted, abandoned, .. } = &annals;
    let fired: usize = fired.values().sum();
    assert!(delivered > 0 && registered > 0, "the test does something");
    format!(
        "{registered} registrations, {fired} firings, {delivered} completions ({again} told again), \
         {interrupted} attempts interrupted, {abandoned} given up, {} lines of history",
        lines.len()
    )
}

fn no_violations(data: &Path) {
    let violations = std::fs::read_to_string(data.join("violations")).unwrap_or_default();
    assert_eq!(violations, "", "one instance per registration (D2)");
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

impl Shared {
    fn is_quiet(&self) -> bool {
        self.quiet.load(Ordering::Relaxed)
    }
}
