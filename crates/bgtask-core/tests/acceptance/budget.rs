//! What an app may use in a window of time, and what becomes of its tasks when that is used up (Q-1, Q-7, Q-8, POL-1, POL-2).

use std::time::Duration;

use bgtask_core::{
    Budgets, CancellationReason, Config, EventKind, HostId, Input, Now, Output, Policy, PolicyEntry, PolicyRule,
    Resource, Sharing, ThrottleCounts, Trigger,
};

use crate::burning::{Burning, burn};
use crate::harness::{
    Broker, HOUR, MAIL, PHOTOS, Run, app, app_id, but, command, every, seconds, triggered, zone_task,
};

pub(crate) const WINDOW: Duration = seconds(2 * 3_600);

/// Two processors; 2 s of processor time in a window, and nothing to borrow; long enough to run.
pub(crate) fn config() -> Config {
    let budgets = Budgets { cpu: Some(seconds(2)), pool_cpu: Duration::ZERO, window: WINDOW, ..Budgets::default() };
    Config { budgets, processors: 2, wall_budget: seconds(60), idle_after: None, ..Config::default() }
}

pub(crate) fn fire(broker: &mut Broker) {
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
}

pub(crate) fn start(broker: &mut Broker, name: &str) -> Run {
    let run = broker.expect_run(name);
    run.started(broker);
    run
}

/// A task of [`PHOTOS`] that uses one processor from its start on.
pub(crate) fn spinning(config: Config) -> (Broker, Run, [Burning; 1]) {
    let mut broker = Broker::with(config);
    broker.register(zone_task("Clock"));
    fire(&mut broker);
    let run = start(&mut broker, "Clock");
    let host = Burning::new(&broker, &run, 100);
    (broker, run, [host])
}

pub(crate) fn frozen(orders: &[Output]) -> Vec<HostId> {
    orders.iter().filter_map(|order| if let Output::Freeze(host) = order { Some(*host) } else { None }).collect()
}

/// As much as may be used, and a twentieth more.
fn is_just_used_up(used: Duration, budget: Duration) -> bool {
    (budget..=budget + budget / 20).contains(&used)
}

#[test]
fn q_1_pol_1_a_task_that_uses_up_the_budget_of_its_app_is_suspended_at_once() {
    let (mut broker, run, mut host) = spinning(config());
    let began = broker.now.wall;
    let orders = burn(&mut broker, seconds(30), &mut host);
    assert_eq!(frozen(&orders), [run.host]);
    assert!(is_just_used_up(host[0].used.cpu, seconds(2)), "{:?}", host[0].used);
    let suspended = broker.history.iter().find(|event| matches!(event.kind, EventKind::Suspended { .. }));
    let suspended = suspended.expect("it is recorded");
    let until = broker.core.account(&app_id(PHOTOS), broker.now).expect("it has used something").window + WINDOW;
    assert_eq!(suspended.kind, EventKind::Suspended { resource: Resource::Cpu, until });
    assert!(until > began + WINDOW && until < began + WINDOW + seconds(3), "the window begins with the first use");
}

#[test]
fn pol_1_pol_2_q_8_at_the_refill_it_goes_on_and_hears_how_often_it_was_suspended() {
    let (mut broker, run, mut host) = spinning(config());
    burn(&mut broker, seconds(30), &mut host);
    let orders = burn(&mut broker, WINDOW, &mut host);
    let counts = ThrottleCounts { cpu: 1, network: 0 };
    let told = Output::Throttled(run.host, run.instance(), counts);
    assert_eq!(orders[..2], [Output::Thaw(run.host), told]);
    // It goes on as before, and is suspended again.
    assert_eq!(frozen(&orders), [run.host]);
    assert!(is_just_used_up(host[0].used.cpu, seconds(4)), "{:?}", host[0].used);
    let (_, activation) = broker.core.activations().next().expect("it is suspended");
    assert_eq!(activation.throttled, ThrottleCounts { cpu: 2, network: 0 });
    let words: Vec<_> = broker.story(run.order.task).into_iter().filter(|word| *word != "fired").collect();
    assert_eq!(words, ["registered", "started", "suspended", "released", "suspended"]);
}

#[test]
fn pol_1_time_that_it_is_suspended_counts_for_no_deadline() {
    let (mut broker, run, mut host) = spinning(config());
    burn(&mut broker, seconds(30), &mut host);
    host[0].percent = 0;
    burn(&mut broker, WINDOW, &mut host);
    let (_, activation) = broker.core.activations().next().expect("it goes on");
    let left = activation.state.host().map(|_| broker.next_wake()).expect("it runs");
    assert!(left.is_some(), "its budget goes on");
    let orders = burn(&mut broker, seconds(60), &mut host);
    let notice = orders.iter().find_map(|order| if let Output::Cancel(_, _, it) = order { Some(*it) } else { None });
    let notice = notice.expect("it has had its minute");
    assert_eq!((notice.reason, notice.used), (CancellationReason::ExecutionTimeExceeded, seconds(60)), "{run:?}");
}

#[test]
fn q_1_all_tasks_of_an_app_share_its_budget_and_no_other_app_pays_for_it() {
    let mut broker = Broker::with(config());
    broker.install(app(MAIL, "1"));
    broker.allow(MAIL);
    for (app, name) in [(PHOTOS, "First"), (PHOTOS, "Second"), (MAIL, "Other")] {
        broker.try_register(app, zone_task(name)).expect("it is in order");
    }
    fire(&mut broker);
    let runs = ["First", "Second", "Other"].map(|name| start(&mut broker, name));
    let [first, second, other] = &runs;
    let mut hosts = [(first, 100), (second, 70), (other, 1)].map(|(run, rate)| Burning::new(&broker, run, rate));
    let orders = burn(&mut broker, seconds(30), &mut hosts);
    assert_eq!(frozen(&orders), [first.host, second.host]);
    let used = hosts[0].used.cpu + hosts[1].used.cpu;
    assert!(is_just_used_up(used, seconds(2)), "{used:?}");
    assert!(!hosts[2].frozen);
}

#[test]
fn q_1_lc_10_what_fires_while_its_app_is_throttled_waits_for_the_refill() {
    let (mut broker, _, mut host) = spinning(config());
    let other = broker.register(zone_task("Other"));
    burn(&mut broker, seconds(30), &mut host);
    fire(&mut broker);
    broker.expect_no_run();
    assert_eq!(broker.story(other), ["registered", "fired", "buffered", "fired"]);
    broker.passes(WINDOW);
    broker.expect_run("Other");
}

#[test]
fn q_1_a_window_begins_with_the_first_use_after_the_last() {
    let (mut broker, run, host) = spinning(config());
    let uses = |broker: &mut Broker, cpu| {
        let usage = bgtask_core::Usage { cpu, ..host[0].used };
        broker.tell(Input::HostUsage { host: run.host, usage });
        broker.core.account(&app_id(PHOTOS), broker.now).map(|account| (account.window, account.cpu))
    };
    let began = broker.now.wall;
    assert_eq!(uses(&mut broker, seconds(0)), None, "nothing was used");
    broker.now = broker.now + seconds(10);
    assert_eq!(uses(&mut broker, seconds(1)), Some((began + seconds(10), seconds(1))));
    broker.now = broker.now + (WINDOW - seconds(1));
    assert_eq!(
        uses(&mut broker, Duration::from_millis(1_500)),
        Some((began + seconds(10), Duration::from_millis(1_500)))
    );
    broker.now = broker.now + HOUR;
    assert_eq!(broker.core.account(&app_id(PHOTOS), broker.now), None, "it is over");
    let again = broker.now.wall;
    assert_eq!(uses(&mut broker, seconds(2)), Some((again, Duration::from_millis(500))));
}

#[test]
fn ca_9_what_is_suspended_is_not_idle() {
    let (mut broker, run, mut host) = spinning(Config { idle_after: Some(seconds(5)), ..config() });
    burn(&mut broker, seconds(30), &mut host);
    host[0].percent = 0;
    let orders = burn(&mut broker, WINDOW - seconds(29), &mut host);
    assert_eq!(
        orders,
        [Output::Thaw(run.host), Output::Throttled(run.host, run.instance(), ThrottleCounts { cpu: 1, network: 0 })]
    );
    let orders = burn(&mut broker, seconds(15), &mut host);
    let idle = orders
        .iter()
        .any(|order| matches!(order, Output::Cancel(_, _, it) if it.reason == CancellationReason::IdleTask));
    assert!(idle, "now that it could do something it is: {orders:?}");
}

#[test]
fn pol_1_what_is_told_to_stop_goes_on_first_to_be_able_to() {
    let (mut broker, run, mut host) = spinning(config());
    burn(&mut broker, seconds(30), &mut host);
    broker.now = broker.now + HOUR;
    broker.unregister(run.order.task, true).expect("it is listed");
    let orders = broker.orders();
    assert_eq!(orders[0], Output::Thaw(run.host));
    let Output::Cancel(_, _, notice) = &orders[2] else { panic!("{orders:?}") };
    assert!(notice.used < seconds(3), "the hour is not counted: {notice}");
    broker.passes(seconds(5));
    assert!(broker.orders().contains(&Output::Kill(run.host)), "its grace is as long as any");
}

#[test]
fn pol_1_in_a_shared_process_a_grace_is_given_and_then_the_others_are_suspended_again() {
    let mut broker = Broker::empty(config());
    let mut declared = app(PHOTOS, "1");
    declared.entry_points[0].server.sharing = Sharing::Together("group".into());
    broker.install(declared);
    broker.allow(PHOTOS);
    let stopped = broker.register(zone_task("Stopped"));
    broker.register(zone_task("Other"));
    fire(&mut broker);
    let runs = ["Stopped", "Other"].map(|name| start(&mut broker, name));
    let mut host = [Burning::new(&broker, &runs[0], 100)];
    let orders = burn(&mut broker, seconds(10), &mut host);
    assert_eq!(frozen(&orders), [runs[0].host], "both are in it");
    broker.unregister(stopped, true).expect("it is listed");
    assert_eq!(frozen(&burn(&mut broker, seconds(1), &mut host)), [], "one of them needs its time");
    assert!(!host[0].frozen);
    runs[0].finishes(&mut broker, Ok(()));
    assert_eq!(frozen(&burn(&mut broker, seconds(1), &mut host)), [runs[0].host]);
    let counts: Vec<_> = broker.core.activations().map(|(_, activation)| activation.throttled.cpu).collect();
    assert_eq!(counts, [2]);
}

#[test]
fn d10_a_command_has_no_budget_but_its_own_which_stops_it_in_time() {
    let mut broker = Broker::of_commands_with(config());
    broker.add(command("free", every(HOUR)));
    broker.add(but(command("bounded", every(HOUR)), |command| command.cpu = Some(seconds(2))));
    broker.passes(HOUR);
    let runs = ["free", "bounded"].map(|name| start(&mut broker, name));
    let mut hosts = [0, 1].map(|place: usize| Burning::new(&broker, &runs[place], 100));
    let stopped = loop {
        let orders = burn(&mut broker, Duration::from_millis(1), &mut hosts);
        if let Some(Output::Cancel(host, _, notice)) = orders.iter().find(|it| matches!(it, Output::Cancel(..))) {
            break (*host, notice.used);
        }
    };
    assert_eq!(stopped.0, runs[1].host);
    assert!(is_just_used_up(stopped.1, seconds(2)), "{stopped:?}");
    assert!(!burn(&mut broker, seconds(600), &mut hosts[..1]).iter().any(|it| matches!(it, Output::Freeze(_))));
    assert_eq!(broker.core.account(&app_id(bgtask_core::App::COMMANDS), broker.now), None);
}

#[test]
fn who_does_little_is_looked_at_seldom() {
    let (mut broker, _, mut host) = spinning(Config { wall_budget: seconds(3_600), ..config() });
    host[0].percent = 99;
    burn(&mut broker, seconds(2), &mut host);
    host[0].percent = 0;
    let before = broker.now.boot;
    let mut looks = 0;
    while broker.now.boot.since(before) < seconds(60) {
        let (after, _) = broker.next_wake().expect("it is looked at");
        burn(&mut broker, after, &mut host);
        looks += 1;
    }
    // 20 ms are left, and may be overrun by a twentieth of the budget: 50 ms with both processors.
    assert!((1_000..=1_220).contains(&looks), "{looks} looks in a minute");
}

#[test]
fn policy_a_percentage_of_the_usual_budgets_counts_at_once() {
    let (mut broker, run, mut host) = spinning(config());
    burn(&mut broker, seconds(30), &mut host);
    let entry = PolicyEntry { rule: PolicyRule::UserInControl, file: "10-site.toml".into(), budget: 400 };
    broker.tell(Input::Policy(Policy { default: None, apps: [(app_id(PHOTOS), entry)].into() }));
    let orders = burn(&mut broker, seconds(30), &mut host);
    assert_eq!(orders[0], Output::Thaw(run.host));
    assert_eq!(frozen(&orders), [run.host]);
    assert!(is_just_used_up(host[0].used.cpu, seconds(8)), "{:?}", host[0].used);
    assert_eq!(broker.core.budget_left(&app_id(PHOTOS), broker.now).cpu, Some(seconds(8)));
}

#[test]
fn d10_the_policy_gives_more_time_and_the_manifest_asks_for_less() {
    let budget_of = |percent, asked| {
        let mut broker = Broker::empty(Config::default());
        let mut declared = app(PHOTOS, "1");
        declared.entry_points[0].server.budget = asked;
        broker.install(declared);
        broker.allow(PHOTOS);
        let entry = PolicyEntry { rule: PolicyRule::UserInControl, file: "10-site.toml".into(), budget: percent };
        broker.tell(Input::Policy(Policy { default: Some(entry), ..Policy::default() }));
        broker.register(zone_task("Clock"));
        broker.register(triggered("Asked", Trigger::Application));
        fire(&mut broker);
        broker.expect_run("Clock").order.budget
    };
    assert_eq!(budget_of(100, None), seconds(25));
    assert_eq!(budget_of(400, None), seconds(100));
    assert_eq!(budget_of(10, None), Duration::from_millis(2_500));
    assert_eq!(budget_of(100, Some(seconds(10))), seconds(10));
    assert_eq!(budget_of(100, Some(seconds(3_600))), seconds(25), "no manifest asks for more");
    assert_eq!(budget_of(400, Some(seconds(60))), seconds(60));
}

#[test]
fn an_idle_broker_makes_no_wake_ups_for_accounts() {
    let (mut broker, run, mut host) = spinning(config());
    burn(&mut broker, seconds(1), &mut host);
    broker.tell(Input::HostFinished {
        host: run.host,
        instance: run.instance(),
        result: Ok(()),
        usage: Some(host[0].used),
    });
    broker.passes(seconds(30));
    broker.exits(run.host, bgtask_core::HostExit::Code(0));
    assert_eq!(broker.next_wake(), None, "a window ends unseen while nobody waits for that");
    assert_eq!(broker.durable.accounts.len(), 1, "what was used is remembered");
}

#[test]
fn a_clock_that_is_set_back_makes_no_window_longer() {
    let (mut broker, run, mut host) = spinning(config());
    burn(&mut broker, seconds(30), &mut host);
    broker.clock_set(-86_400);
    let orders = burn(&mut broker, WINDOW, &mut host);
    assert_eq!(orders[0], Output::Thaw(run.host));
    assert!(Now::ZERO.wall > broker.now.wall, "it is still yesterday");
}
