//! A million registrations with timers in the core: what each takes, what one of them costs, and what all of them at once do.
//!
//! `cargo run --release -p bgtask-sim --example million [how many]`. Times are of the processor, so that what else the machine
//! does counts little; looks are counted, and the same on every machine.

use std::time::Duration;

use bgtask_core::limits::MAX_REGISTRATIONS;
use bgtask_core::{
    App, AppId, Config, Core, Entry, EntryPoint, Input, NewRegistration, Now, Output, Registration, Request, RequestId,
    Server, Shared, Sharing, Snapshot, Standing, SystemTriggerType, TaskId, TaskType, Trigger, Zone,
};
use rustix::time::{ClockId, clock_gettime};

/// How many registrations an app has.
const EACH: usize = 1_000;
/// How often what one task costs is measured.
const ROUNDS: u32 = 10_000;
const MINUTE: Duration = Duration::from_secs(60);

fn main() {
    let all = std::env::args().nth(1).map_or(1_000_000, |text| text.parse().expect("how many"));
    for count in [1_000, 100_000, all] {
        println!("\n{count} registrations");
        let mut world = World::with(count);
        world.one_of_them();
        world.all_of_them(count);
    }
}

struct World {
    core: Core,
    now: Now,
}

impl World {
    /// A broker that starts with so many.
    fn with(count: usize) -> Self {
        let mut world = Self { core: Core::new(Config::default(), 1), now: Now::ZERO };
        for number in 0..=count / EACH {
            world.turn(Input::AppInstalled(app(&name(number))));
        }
        let before = resident();
        let clock = Trigger::System { kind: SystemTriggerType::TimeZoneChange, one_shot: false };
        let clock = Registration { app: id_of(&name(0)), trigger: clock, due: None, ..registration(count) };
        let mut kept = Shared::default();
        let mut shared = |mut registration| {
            kept.share_in(&mut registration);
            registration
        };
        let registrations = (0..count).map(registration).chain([clock]).map(&mut shared).collect();
        let snapshot = Box::new(Snapshot { registrations, ..Snapshot::default() });
        let begin = cpu();
        world.turn(Input::Restore(snapshot));
        let each = resident().saturating_sub(before) as usize / count;
        println!("restored in {:.3?}; {each} B each, resident", cpu() - begin);
        world
    }

    fn turn(&mut self, input: Input) -> Vec<Output> {
        self.core.handle(self.now, input);
        let mut orders = Vec::new();
        loop {
            orders.push(self.core.poll());
            if matches!(orders.last(), Some(Output::Wake(_))) {
                return orders;
            }
        }
    }

    /// One more comes and goes, another fires, and what is next is asked for.
    fn one_of_them(&mut self) {
        self.measure("when and why to wake next", |world| assert!(matches!(world.core.poll(), Output::Wake(Some(_)))));
        let mut offset_seconds = 0;
        self.measure("a task of another app fires", |world| {
            offset_seconds += 3_600;
            let zone = Zone { identity: format!("zone {offset_seconds}"), offset_seconds };
            world.turn(Input::Report(bgtask_core::Report::TimeZone { zone, previous_offset_seconds: Some(0) }));
        });
        if self.core.registrations(None).len() < MAX_REGISTRATIONS {
            self.measure("one more is registered, and unregistered", |world| {
                let task = world.register();
                world.turn(Input::Request(RequestId(1), Request::Unregister { scope: None, task, cancel: false }));
            });
        }
    }

    fn register(&mut self) -> TaskId {
        let new = NewRegistration {
            name: "one more".to_owned(),
            entry: Entry::Component("Tasks.Example".into()),
            trigger: Trigger::Time { freshness: 60, one_shot: false },
            conditions: Vec::new(),
            cancel_on_condition_loss: false,
            is_network_requested: false,
            group: None,
        };
        let app = id_of(&name(0));
        let asked = self.turn(Input::Request(RequestId(1), Request::Register(app, new)));
        let answer = asked.into_iter().find_map(|order| match order {
            Output::Reply(_, Ok(bgtask_core::Reply::Registered(id))) => Some(id),
            Output::Reply(_, Err(refusal)) => panic!("{refusal}"),
            _ => None,
        });
        answer.expect("an answer")
    }

    fn measure(&mut self, what: &str, mut operation: impl FnMut(&mut Self)) {
        let (begin, looks) = (cpu(), self.core.looks());
        (0..ROUNDS).for_each(|_| operation(self));
        let looks = (self.core.looks() - looks) as f64 / f64::from(ROUNDS);
        println!("{what}: {:.2?} each, {looks:.1} looks", (cpu() - begin) / ROUNDS);
    }

    /// Every timer is due on the same tick.
    fn all_of_them(&mut self, count: usize) {
        self.now = self.now + 75 * MINUTE;
        let (mut turns, mut changes, mut longest) = (0_u32, 0, Duration::ZERO);
        let begin = cpu();
        loop {
            let turn = cpu();
            let orders = self.turn(Input::Tick);
            longest = longest.max(cpu() - turn);
            turns += 1;
            changes += orders.iter().filter(|order| matches!(order, Output::Persist(_))).count();
            let Some(Output::Wake(Some(wake))) = orders.last() else { break };
            if wake.at > self.now.boot {
                break;
            }
        }
        let took = cpu() - begin;
        assert!(self.core.activations().count() >= count, "all have fired");
        let each = took / u32::try_from(count).expect("a count");
        println!(
            "all fire at once: {took:.2?}, {each:.2?} each, in {turns} turns; the longest {longest:.2?}; {changes} changes"
        );
    }
}

fn app(name: &str) -> App {
    let server = Server { program: "tasks".into(), application: "".into(), sharing: Sharing::InTurn, budget: None };
    let types = vec![TaskType::SystemEvent, TaskType::Timer];
    App {
        id: id_of(name),
        version: "1".into(),
        entry_points: vec![EntryPoint { name: "Tasks.Example".into(), server, types }],
        classes: Vec::new(),
        itself: None,
        applications: Vec::new(),
        raises: Vec::new(),
        services: vec![],
        commands: None,
    }
}

/// The first app has none of the many.
fn name(number: usize) -> String {
    format!("org.example.App{number}")
}

fn id_of(name: &str) -> AppId {
    AppId::new(name).expect("an app id")
}

/// As the store hands it out: nothing is shared with the others.
fn registration(number: usize) -> Registration {
    // Spread as random ids are.
    let spread = (number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    Registration {
        id: TaskId::from_random(spread),
        app: id_of(&name(1 + number / EACH)),
        name: format!("timer {number}").into(),
        entry: Entry::Component("Tasks.Example".into()),
        trigger: Trigger::Time { freshness: 60, one_shot: false },
        conditions: [].into(),
        cancel_on_condition_loss: false,
        is_network_requested: false,
        group: None,
        registered_at: Now::ZERO.wall,
        // At a moment of its own, a little less than its interval after the start.
        due: Some(Now::ZERO.wall + (60 * MINUTE - Duration::from_micros(number as u64))),
        counted_in: None,
        standing: Standing::Active,
        paused: false,
        last: None,
        fresh_since: None,
        overdue: false,
    }
}

/// The processor time of this process.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("less than a second"))
}

/// Resident memory, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the line");
    1_024 * line.split_whitespace().next().and_then(|field| field.parse::<u64>().ok()).expect("a number")
}
