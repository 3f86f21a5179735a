//! What apps may borrow together, what is exempt, what is rationed besides processor time, and what outlives the broker
//!

use std::time::Duration;

use bgtask_core::{
    Account, Budgets, CancellationReason, Config, Entry, EventKind, Input, InstanceId, Outcome, Output, Resource,
    SystemTriggerType, ThrottleCounts, Usage, WakeReason,
};

use crate::budget::{WINDOW, config, fire, frozen, spinning, start};
use crate::burning::{Burning, burn};
use crate::harness::{Broker, HOUR, MAIL, PHOTOS, Run, app, app_id, on, program, seconds, zone_task};
use crate::order::fired_at;

fn with_pool(cpu: u64) -> Config {
    Config { budgets: Budgets { pool_cpu: seconds(cpu), ..config().budgets }, ..config() }
}

/// A task of each of two apps that uses a processor.
fn two_apps(config: Config) -> (Broker, [Run; 2], [Burning; 2]) {
    let mut broker = Broker::with(config);
    broker.install(app(MAIL, "1"));
    broker.allow(MAIL);
    broker.register(zone_task("Photos"));
    broker.try_register(MAIL, zone_task("Mail")).expect("it is in order");
    fire(&mut broker);
    let runs = ["Photos", "Mail"].map(|name| start(&mut broker, name));
    let hosts = [0, 1].map(|place: usize| Burning::new(&broker, &runs[place], 100));
    (broker, runs, hosts)
}

#[test]
fn q_7_who_has_used_up_its_own_borrows_from_what_all_share() {
    let (mut broker, _, mut hosts) = two_apps(with_pool(6));
    burn(&mut broker, seconds(30), &mut hosts);
    let used: Duration = hosts.iter().map(|host| host.used.cpu).sum();
    assert!(hosts.iter().all(|host| host.frozen), "nothing is left");
    assert!((seconds(10)..=seconds(10) + Duration::from_millis(200)).contains(&used), "{used:?} of 2 s, 2 s and 6 s");
    let borrowed = |name| broker.core.account(&app_id(name), broker.now).expect("it has used something").borrowed_cpu;
    assert_eq!(borrowed(PHOTOS) + borrowed(MAIL), seconds(6));
}

#[test]
fn q_7_what_was_borrowed_comes_back_with_the_window_of_the_borrower() {
    let (mut broker, runs, mut hosts) = two_apps(with_pool(6));
    hosts[1].percent = 0;
    burn(&mut broker, seconds(30), &mut hosts);
    assert_eq!(hosts[0].used.cpu.as_secs(), 8, "one borrows everything");
    burn(&mut broker, seconds(20), &mut hosts);
    (hosts[0].percent, hosts[1].percent) = (0, 100);
    let orders = burn(&mut broker, seconds(9), &mut hosts);
    assert_eq!(frozen(&orders), [runs[1].host], "the other one has its own, and no more");
    let orders = burn(&mut broker, WINDOW - seconds(20), &mut hosts);
    let thawed = orders.iter().filter(|order| matches!(order, Output::Thaw(_))).count();
    assert_eq!(thawed, 2, "there is something to borrow again: {orders:?}");
}

#[test]
fn q_7_a_conservative_pool_lends_nothing() {
    let (mut broker, _, mut hosts) = two_apps(with_pool(0));
    burn(&mut broker, seconds(30), &mut hosts);
    assert!(hosts.iter().all(|host| host.used.cpu < Duration::from_millis(2_100)));
}

#[test]
fn q_4_pol_2_bytes_over_the_network_are_rationed_where_they_can_be_counted() {
    let budgets = Budgets { network: Some(1 << 20), cpu: None, ..config().budgets };
    let (mut broker, run, mut host) = spinning(Config { budgets, ..config() });
    host[0].percent = 0;
    burn(&mut broker, seconds(1), &mut host);
    host[0].used.network = Some(2 << 20);
    let orders = burn(&mut broker, seconds(1), &mut host);
    assert_eq!(frozen(&orders), [run.host], "it is looked at within a second");
    let suspended = broker
        .history
        .iter()
        .any(|event| matches!(event.kind, EventKind::Suspended { resource: Resource::Network, .. }));
    assert!(suspended);
    let orders = burn(&mut broker, WINDOW, &mut host);
    let counts = ThrottleCounts { cpu: 0, network: 1 };
    assert_eq!(orders[..2], [Output::Thaw(run.host), Output::Throttled(run.host, run.instance(), counts)]);
}

#[test]
fn q_4_bytes_that_nobody_can_count_hold_nobody() {
    let budgets = Budgets { network: Some(1), cpu: None, ..config().budgets };
    let (mut broker, _, mut host) = spinning(Config { budgets, ..config() });
    host[0].used.network = None;
    assert_eq!(frozen(&burn(&mut broker, seconds(50), &mut host)), []);
}

#[test]
fn q_15_can_6_a_host_with_more_memory_than_it_may_have_is_told_to_stop() {
    let budgets = Budgets { memory: Some(64 << 20), ..config().budgets };
    let (mut broker, run, mut host) = spinning(Config { budgets, ..config() });
    host[0].percent = 0;
    broker.orders();
    host[0].used.memory_peak = Some(64 << 20);
    assert_eq!(burn(&mut broker, seconds(10), &mut host), [], "so much it may have");
    host[0].used.memory_peak = Some(65 << 20);
    let orders = burn(&mut broker, seconds(2), &mut host);
    let [Output::Cancel(it, _, notice)] = orders[..] else { panic!("{orders:?}") };
    assert_eq!((it, notice.reason), (run.host, CancellationReason::ResourceRevocation));
}

/// CAN-6: it loses what runs in it, and has no grace to become more in.
#[test]
fn q_15_can_6_a_host_that_is_more_processes_than_it_may_be_is_ended_at_once() {
    let budgets = Budgets { processes: Some(40), ..config().budgets };
    let (mut broker, run, host) = spinning(Config { budgets, ..config() });
    let told = |processes| Input::HostUsage { host: run.host, usage: Usage { processes, ..host[0].used } };
    broker.orders();
    broker.tell(told(Some(40)));
    broker.tell(told(None));
    assert_eq!(broker.orders(), [], "so many it may be, and what is not seen holds nobody");
    broker.tell(told(Some(41)));
    let orders = broker.orders();
    let [Output::Cancel(it, _, notice), Output::Kill(killed)] = orders[..] else { panic!("{orders:?}") };
    assert_eq!((it, killed, notice.reason), (run.host, run.host, CancellationReason::ResourceRevocation));
    broker.tell(told(Some(300)));
    assert_eq!(broker.orders(), [], "once");
    let exit = bgtask_core::HostExit::Signal(9);
    broker.tell(Input::HostExited { host: run.host, exit, output_tail: "too many".into(), usage: None });
    let reason = CancellationReason::ResourceRevocation;
    assert_eq!(broker.last_outcome(), Outcome::Killed { reason, output_tail: "too many".into() });
}

#[test]
fn q_15_a_host_starts_with_the_limits_of_the_machine() {
    let budgets = Budgets { memory: Some(64 << 20), processes: Some(7), ..config().budgets };
    let mut broker = Broker::with(Config { budgets, ..config() });
    broker.register(zone_task("Clock"));
    fire(&mut broker);
    let limits = broker.orders().into_iter().find_map(|order| match order {
        Output::Launch { limits, .. } => Some(limits),
        _ => None,
    });
    assert_eq!(limits.map(|limits| (limits.memory, limits.processes)), Some((Some(64 << 20), Some(7))));
}

#[test]
fn what_an_app_does_that_runs_by_itself_is_no_background_work() {
    let mut broker = Broker::empty(config());
    broker.install(bgtask_core::App { itself: Some(program("photos")), ..app(PHOTOS, "1") });
    broker.allow(PHOTOS);
    broker.register(zone_task("Clock"));
    broker.register(bgtask_core::NewRegistration { entry: Entry::InProcess, ..on(SystemTriggerType::UserAway, "Own") });
    broker.user(true);
    fire(&mut broker);
    let run = start(&mut broker, "Clock");
    let mut host = [Burning::new(&broker, &run, 100)];
    burn(&mut broker, seconds(10), &mut host);
    assert!(host[0].frozen);
    broker.user(false);
    broker.expect_no_run();
    let own = broker.app_starts(1, PHOTOS);
    broker.now = broker.now + seconds(1);
    broker.tell(Input::Tick);
    broker.user(true);
    broker.user(false);
    let runs: Vec<_> = broker.core.activations().filter_map(|(_, it)| it.state.host()).collect();
    assert!(runs.contains(&own), "it runs in the app itself, whatever was used in the background: {runs:?}");
    let usage = Usage { cpu: seconds(60), ..Usage::default() };
    broker.tell(Input::HostUsage { host: own, usage });
    assert_eq!(frozen(&broker.orders()), [], "and nobody suspends the app itself");
    assert!(broker.core.account(&app_id(PHOTOS), broker.now).expect("of its host").cpu < seconds(3));
}

#[test]
fn q_6_what_is_critical_has_a_budget_of_its_own() {
    let (mut broker, _, mut host) = spinning(config());
    let task = broker.register(on(SystemTriggerType::ControlChannelReset, "Reset"));
    burn(&mut broker, seconds(30), &mut host);
    // No source of this version tells of it: a store of another may hold one that has fired.
    let instance = InstanceId::from_random(7);
    let activation = fired_at(broker.now.wall, instance);
    broker.durable.activations = vec![(task, activation)];
    broker.restarts();
    assert!(broker.core.budget_left(&app_id(PHOTOS), broker.now).throttled.is_some());
    let run = start(&mut broker, "Reset");
    let mut host = [Burning::new(&broker, &run, 100)];
    let before = broker.core.account(&app_id(PHOTOS), broker.now).expect("it is remembered").cpu;
    assert_eq!(frozen(&burn(&mut broker, seconds(50), &mut host)), []);
    broker.tell(host[0].told());
    let after = broker.core.account(&app_id(PHOTOS), broker.now).expect("it is remembered");
    assert_eq!(after.cpu, before, "nobody else pays for it");
}

#[test]
fn d7_what_was_used_outlives_the_broker() {
    let (mut broker, _, mut host) = spinning(config());
    burn(&mut broker, seconds(30), &mut host);
    let account = broker.core.account(&app_id(PHOTOS), broker.now).expect("it has used something");
    assert_eq!(broker.durable.accounts, [(app_id(PHOTOS), account)]);
    broker.restarts();
    broker.expect_no_run();
    assert!(matches!(broker.next_wake(), Some((_, WakeReason::Refill))));
    broker.passes(WINDOW);
    let run = broker.expect_run("Clock");
    assert_eq!((run.order.attempt, run.order.throttled), (2, ThrottleCounts { cpu: 1, network: 0 }));
    assert_eq!(broker.durable.accounts, [], "a window that has ended is nothing to remember");
}

#[test]
fn d7_a_window_that_ended_while_no_broker_ran_is_over() {
    let (mut broker, _, mut host) = spinning(config());
    burn(&mut broker, seconds(30), &mut host);
    broker.now = broker.now + WINDOW;
    broker.restarts();
    broker.expect_run("Clock");
    assert_eq!(broker.durable.accounts, []);
}

#[test]
fn q_7_a_new_broker_knows_what_is_borrowed() {
    let mut broker = Broker::with(with_pool(6));
    let window = broker.now.wall;
    let account = |cpu, borrowed_cpu| Account { window, cpu, borrowed_cpu, ..Account::default() };
    broker.install(app(MAIL, "1"));
    broker.durable.accounts =
        vec![(app_id(PHOTOS), account(seconds(2), seconds(0))), (app_id(MAIL), account(seconds(8), seconds(6)))];
    broker.restarts();
    for name in [PHOTOS, MAIL] {
        assert_eq!(broker.core.budget_left(&app_id(name), broker.now).throttled, Some(Resource::Cpu), "{name}");
    }
}

#[test]
fn re_8_an_app_that_is_removed_leaves_no_account() {
    let (mut broker, run, mut host) = spinning(config());
    burn(&mut broker, seconds(30), &mut host);
    broker.uninstall(PHOTOS);
    let orders = broker.orders();
    assert_eq!(orders[0], Output::Thaw(run.host), "to be able to stop");
    assert_eq!(broker.durable.accounts, []);
    assert_eq!(broker.core.account(&app_id(PHOTOS), broker.now), None);
}

#[test]
fn what_a_host_uses_while_it_lingers_is_charged_too() {
    let (mut broker, run, host) = spinning(config());
    broker.tell(Input::HostFinished {
        host: run.host,
        instance: run.instance(),
        result: Ok(()),
        usage: Some(host[0].used),
    });
    let used = Usage { cpu: seconds(3), ..host[0].used };
    let exit = bgtask_core::HostExit::Code(0);
    broker.tell(Input::HostExited { host: run.host, exit, output_tail: String::new(), usage: Some(used) });
    fire(&mut broker);
    broker.expect_no_run();
    broker.passes(2 * HOUR);
    broker.expect_run("Clock");
}
