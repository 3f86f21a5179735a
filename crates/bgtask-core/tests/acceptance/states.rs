//! States: facts that are more than yes or no. Each change is an edge of one system trigger, whatever the word is.

use bgtask_core::{Config, Fact, Input, Output, Report, SourceStatus, SystemTriggerType, TaskId};

use crate::harness::{Broker, on, one_shot, zone_task};

/// Each state with the trigger that its changes fire.
const STATES: [(Fact, SystemTriggerType); 4] = [
    (Fact::NetworkState, SystemTriggerType::NetworkStateChange),
    (Fact::PowerState, SystemTriggerType::PowerStateChange),
    (Fact::OnlineAccounts, SystemTriggerType::OnlineIdConnectedStateChange),
    (Fact::DefaultAccount, SystemTriggerType::DefaultSignInAccountChange),
];
/// Those of which a change while the broker was away is one all the same.
const KEPT: [Fact; 2] = [Fact::OnlineAccounts, Fact::DefaultAccount];

fn reads(broker: &mut Broker, fact: Fact, state: &str) {
    broker.tell(Input::Report(Report::State(fact, state.into())));
}

/// A broker with a task for the changes of one state.
fn waiting(kind: SystemTriggerType) -> (Broker, TaskId) {
    let mut broker = Broker::new();
    let task = broker.register(on(kind, "Look"));
    (broker, task)
}

#[test]
fn the_first_word_says_how_it_is_and_nothing_has_changed() {
    for (fact, kind) in STATES {
        let (mut broker, _) = waiting(kind);
        assert_eq!(broker.core.state_of(fact), None);
        reads(&mut broker, fact, "full unmetered");
        broker.expect_no_run();
        assert_eq!(broker.core.state_of(fact), Some("full unmetered"));
    }
}

#[test]
fn sys_4_each_other_word_fires_once_and_the_same_again_is_nothing() {
    for (fact, kind) in STATES {
        let (mut broker, _) = waiting(kind);
        for state in ["idle", "idle"] {
            reads(&mut broker, fact, state);
        }
        broker.expect_no_run();
        for state in ["charging", "discharging", "idle"] {
            reads(&mut broker, fact, state);
            let run = broker.expect_run("Look");
            assert_eq!((run.order.firing.count, run.order.firing.details.clone()), (1, None), "SYS-5: {kind}");
            reads(&mut broker, fact, state);
            run.finishes(&mut broker, Ok(()));
            broker.expect_no_run();
        }
    }
}

#[test]
fn a_state_fires_its_own_trigger_and_no_other() {
    let mut broker = Broker::new();
    for (_, kind) in STATES {
        broker.register(on(kind, &kind.to_string()));
    }
    for (fact, _) in STATES {
        reads(&mut broker, fact, "before");
    }
    for (fact, kind) in STATES {
        reads(&mut broker, fact, "after");
        broker.expect_run(&kind.to_string()).finishes(&mut broker, Ok(()));
        broker.expect_no_run();
    }
}

#[test]
fn d1_what_changes_several_times_while_the_task_runs_runs_it_once_more() {
    let (mut broker, _) = waiting(SystemTriggerType::NetworkStateChange);
    reads(&mut broker, Fact::NetworkState, "full");
    reads(&mut broker, Fact::NetworkState, "none");
    let run = broker.expect_run("Look");
    for state in ["limited", "portal", "full"] {
        reads(&mut broker, Fact::NetworkState, state);
    }
    run.finishes(&mut broker, Ok(()));
    let again = broker.expect_run("Look");
    assert_eq!(again.order.firing.count, 3);
    again.finishes(&mut broker, Ok(()));
    broker.expect_no_run();
}

#[test]
fn d6_one_shot_the_first_change_is_the_last_and_the_source_is_let_go_with_its_run() {
    let mut broker = Broker::new();
    broker.register(one_shot(on(SystemTriggerType::PowerStateChange, "Look")));
    reads(&mut broker, Fact::PowerState, "charging");
    reads(&mut broker, Fact::PowerState, "idle");
    let run = broker.expect_run("Look");
    reads(&mut broker, Fact::PowerState, "discharging");
    run.finishes(&mut broker, Ok(()));
    assert!(broker.orders().contains(&Output::Unwatch(Fact::PowerState)));
    assert_eq!(broker.durable.registrations, []);
}

/// A source that was gone for a while reads again; what it missed is a change.
#[test]
fn a_service_that_comes_back_to_another_state_fires() {
    let (mut broker, _) = waiting(SystemTriggerType::NetworkStateChange);
    reads(&mut broker, Fact::NetworkState, "full unmetered");
    let missing = SourceStatus::Missing { why: "NetworkManager is gone".into(), help: "start it".into() };
    broker.source(Fact::NetworkState, missing);
    broker.expect_no_run();
    broker.source(Fact::NetworkState, SourceStatus::Available { how: "NetworkManager".into() });
    reads(&mut broker, Fact::NetworkState, "full metered");
    broker.expect_run("Look");
}

#[test]
fn an_account_that_changed_while_no_broker_ran_fires_at_its_start() {
    for (fact, kind) in STATES.into_iter().filter(|(fact, _)| KEPT.contains(fact)) {
        let (mut broker, _) = waiting(kind);
        reads(&mut broker, fact, "account-1");
        assert_eq!(broker.durable.states, [(fact, "account-1".into())], "it is durable");
        broker.restarts();
        reads(&mut broker, fact, "account-1");
        broker.expect_no_run();
        broker.restarts();
        reads(&mut broker, fact, "account-2");
        broker.expect_run("Look").finishes(&mut broker, Ok(()));
        reads(&mut broker, fact, "account-2");
        broker.expect_no_run();
        assert_eq!(broker.durable.states, [(fact, "account-2".into())]);
    }
}

/// Networks and batteries are at other places when a machine is on again: at the start they are only read.
#[test]
fn another_network_or_battery_at_the_start_of_a_broker_is_no_change() {
    for (fact, kind) in STATES.into_iter().filter(|(fact, _)| !KEPT.contains(fact)) {
        let (mut broker, _) = waiting(kind);
        reads(&mut broker, fact, "before");
        assert_eq!(broker.durable.states, []);
        broker.restarts();
        reads(&mut broker, fact, "after");
        broker.expect_no_run();
        reads(&mut broker, fact, "later");
        broker.expect_run("Look");
    }
}

#[test]
fn a_state_that_nobody_cares_for_is_forgotten() {
    for (fact, kind) in STATES {
        let (mut broker, task) = waiting(kind);
        reads(&mut broker, fact, "before");
        broker.unregister(task, false).expect("it is listed");
        assert!(broker.orders().contains(&Output::Unwatch(fact)));
        assert_eq!((broker.core.state_of(fact), broker.durable.states.len()), (None, 0));
        broker.register(on(kind, "Later"));
        reads(&mut broker, fact, "after");
        broker.expect_no_run();
    }
}

/// The last who cared was ended by the end of the broker itself: the new one starts no source and forgets.
#[test]
fn a_state_that_nobody_cares_for_in_a_new_life_is_forgotten() {
    let mut broker = Broker::with(Config { max_attempts: 1, ..Config::default() });
    broker.register(one_shot(on(SystemTriggerType::DefaultSignInAccountChange, "Look")));
    broker.register(one_shot(zone_task("Clock")));
    for account in ["before", "after"] {
        reads(&mut broker, Fact::DefaultAccount, account);
    }
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    assert!(broker.durable.zone.is_some() && broker.durable.states.len() == 1, "both run, and are spent");
    broker.restarts();
    assert_eq!((broker.durable.registrations.len(), broker.core.sources().count()), (0, 0), "too often tried");
    assert_eq!((broker.durable.zone.clone(), broker.durable.states.len()), (None, 0));
    broker.register(on(SystemTriggerType::DefaultSignInAccountChange, "Later"));
    reads(&mut broker, Fact::DefaultAccount, "another");
    broker.expect_no_run();
}

#[test]
fn a_late_word_of_a_source_that_was_stopped_is_nothing() {
    let mut broker = Broker::new();
    broker.register(zone_task("Clock"));
    for (fact, _) in STATES {
        reads(&mut broker, fact, "late");
        assert_eq!((broker.core.state_of(fact), broker.durable.states.len()), (None, 0));
    }
}
