//! Sources are watched exactly while somebody needs them.

use bgtask_core::SystemConditionType::{InternetAvailable, InternetNotAvailable};
use bgtask_core::{Fact, Output, Refusal, SourceStatus};

use crate::harness::{Broker, PHOTOS, app, one_shot, zone_task, zone_task_when};

/// What every task stands on, whatever else it needs (D13).
const ALWAYS: [Fact; 4] = [Fact::EnergySaver, Fact::MemoryPressure, Fact::CpuPressure, Fact::Standby];

/// The sources started and stopped since the last look, without those every task needs.
fn watching(broker: &mut Broker) -> Vec<(bool, Fact)> {
    let orders = broker.orders().into_iter().filter_map(|order| match order {
        Output::Watch(fact) => Some((true, fact)),
        Output::Unwatch(fact) => Some((false, fact)),
        _ => None,
    });
    orders.filter(|(_, fact)| !ALWAYS.contains(fact)).collect()
}

#[test]
fn d13_d15_whatever_is_registered_what_holds_everything_is_watched() {
    let mut broker = Broker::new();
    assert_eq!(broker.core.sources().count(), 0);
    let task = broker.register(zone_task("Clock"));
    let watched: Vec<_> = broker.core.sources().map(|(fact, _)| fact).collect();
    assert_eq!(watched, [&[Fact::TimeZone], ALWAYS.as_slice()].concat());
    broker.unregister(task, false).expect("it is listed");
    assert_eq!(broker.core.sources().count(), 0);
}

#[test]
fn a_fact_is_watched_from_its_first_user_to_its_last() {
    let mut broker = Broker::new();
    let first = broker.register(zone_task_when("First", &[InternetAvailable, InternetNotAvailable]));
    assert_eq!(watching(&mut broker), [(true, Fact::TimeZone), (true, Fact::Internet)]);
    let second = broker.register(zone_task("Second"));
    assert_eq!(watching(&mut broker), []);
    broker.unregister(first, false).expect("it is listed");
    assert_eq!(watching(&mut broker), [(false, Fact::Internet)]);
    broker.unregister(second, false).expect("it is listed");
    assert_eq!(watching(&mut broker), [(false, Fact::TimeZone)]);
    assert_eq!(broker.durable.zone, None);
}

#[test]
fn a_task_that_still_runs_still_needs_its_facts() {
    let mut broker = Broker::new();
    let task = broker.register(one_shot(zone_task("Once")));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let run = broker.expect_run("Once");
    broker.unregister(task, false).expect("it is listed");
    assert_eq!(watching(&mut broker), [(true, Fact::TimeZone)], "only the watch from before");
    run.finishes(&mut broker, Ok(()));
    assert_eq!(watching(&mut broker), [(false, Fact::TimeZone)]);
}

#[test]
fn uninstalling_the_last_user_stops_the_source() {
    let mut broker = Broker::new();
    broker.register(zone_task("Clock"));
    broker.uninstall(PHOTOS);
    assert_eq!(watching(&mut broker), [(true, Fact::TimeZone), (false, Fact::TimeZone)]);
}

#[test]
fn an_old_level_is_forgotten_with_its_source() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task_when("Sync", &[InternetAvailable]));
    broker.internet(true);
    broker.unregister(task, false).expect("it is listed");
    broker.internet(true);
    broker.register(zone_task_when("Sync", &[InternetAvailable]));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    broker.expect_no_run();
    assert_eq!(broker.core.levels().get(Fact::Internet), None);
}

#[test]
fn d16_what_has_no_working_source_is_refused_with_the_way_out() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task_when("Sync", &[InternetAvailable]));
    let missing = SourceStatus::Missing { why: "no netlink".into(), help: "allow AF_NETLINK".into() };
    broker.source(Fact::Internet, missing);
    let refusal = broker.try_register(PHOTOS, zone_task_when("Other", &[InternetAvailable])).expect_err("missing");
    let expected = "the condition InternetAvailable is not supported here: no netlink; allow AF_NETLINK";
    assert_eq!(refusal.to_string(), expected);
    assert!(matches!(refusal, Refusal::NotSupported { .. }));

    let reading = |broker: &Broker| broker.why(task).gates.into_iter().find(|gate| gate.name == "InternetAvailable");
    assert_eq!(reading(&broker).expect("it is a gate").source, "no source: no netlink");
    broker.source(Fact::Internet, SourceStatus::Available { how: "netlink".into() });
    assert_eq!(reading(&broker).expect("it is a gate").source, "netlink");
    assert!(broker.try_register(PHOTOS, zone_task_when("Other", &[InternetAvailable])).is_ok());
}

#[test]
fn a_status_or_a_report_nobody_asked_for_is_ignored() {
    let mut broker = Broker::new();
    broker.source(Fact::Internet, SourceStatus::Available { how: "netlink".into() });
    broker.internet(true);
    broker.zone_changes("Europe/Paris", 3_600);
    assert_eq!(broker.core.sources().count(), 0);
    assert_eq!(broker.core.levels().get(Fact::Internet), None);
    assert_eq!(broker.durable.zone, None);
}

#[test]
fn the_core_lists_what_it_watches_and_what_the_source_says_of_itself() {
    let mut broker = Broker::new();
    broker.install(app(PHOTOS, "2"));
    broker.register(zone_task("Clock"));
    let zone =
        |broker: &Broker| broker.core.sources().find(|(fact, _)| *fact == Fact::TimeZone).map(|(_, it)| it.cloned());
    assert_eq!(zone(&broker), Some(None));
    let status = SourceStatus::Degraded { how: "polling".into(), why: "no inotify".into(), help: "raise it".into() };
    broker.source(Fact::TimeZone, status.clone());
    assert_eq!(zone(&broker), Some(Some(status)));
}
