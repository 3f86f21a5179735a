//! Whether an app may run in the background.

use bgtask_core::{
    AccessSetting, BackgroundAccessStatus, CancellationReason, Input, Policy, PolicyEntry, PolicyRule, Refusal, Reply,
    Request, RequestId,
};

use crate::harness::{Broker, MAIL, PHOTOS, app, app_id, zone_task};

fn fires(broker: &mut Broker) {
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
}

#[test]
fn d13_ac_5_acc_8_without_access_an_app_registers_and_waits() {
    let mut broker = Broker::empty(Default::default());
    broker.install(app(PHOTOS, "1"));
    let task = broker.register(zone_task("Clock"));
    assert_eq!(broker.core.access(&app_id(PHOTOS)), BackgroundAccessStatus::Unspecified);
    fires(&mut broker);
    broker.expect_no_run();
    let why = broker.why(task);
    assert_eq!(why.phase, "buffered");
    assert!(why.sentence.contains("has not asked for background access"), "{}", why.sentence);

    broker.allow(PHOTOS);
    broker.expect_run("Clock");
    assert_eq!(broker.story(task), ["registered", "fired", "buffered", "started"]);
}

#[test]
fn acc_1_acc_3_asking_is_granted_without_a_prompt_and_asking_again_changes_nothing() {
    let mut broker = Broker::new();
    let granted = Ok(Reply::Access(BackgroundAccessStatus::AllowedSubjectToSystemPolicy));
    assert_eq!(broker.request(Request::RequestAccess { app: app_id(PHOTOS), application: String::new() }), granted);
    assert_eq!(broker.request(Request::RequestAccess { app: app_id(PHOTOS), application: String::new() }), granted);
}

#[test]
fn ac_2_what_the_user_or_the_policy_decided_is_not_overruled_by_asking() {
    let denied = |rule| Policy {
        default: Some(PolicyEntry { rule, file: "10-site.toml".into(), budget: 100 }),
        ..Policy::default()
    };
    let by_user = Input::Request(RequestId(0), Request::SetAccess(app_id(PHOTOS), Some(AccessSetting::Never)));
    for (decision, decided) in [
        (by_user, BackgroundAccessStatus::DeniedByUser),
        (Input::Policy(denied(PolicyRule::ForceDeny)), BackgroundAccessStatus::DeniedBySystemPolicy),
    ] {
        let mut broker = Broker::empty(Default::default());
        broker.install(app(PHOTOS, "1"));
        broker.tell(decision);
        let request = Request::RequestAccess { app: app_id(PHOTOS), application: String::new() };
        assert_eq!(broker.request(request), Ok(Reply::Access(decided)));
        broker.register(zone_task("Clock"));
        fires(&mut broker);
        broker.expect_no_run();
    }
}

#[test]
fn ac_4_acc_17_removing_access_lets_what_runs_go_on_and_holds_what_fires() {
    let mut broker = Broker::new();
    broker.register(zone_task("Clock"));
    fires(&mut broker);
    let run = broker.expect_run("Clock");
    let removed = broker.request(Request::RemoveAccess { app: app_id(PHOTOS), application: String::new() });
    assert_eq!(removed, Ok(Reply::Access(BackgroundAccessStatus::Unspecified)));
    broker.zone_changes("Europe/Paris", 3_600);
    assert_eq!(run.cancelled(&mut broker), None);
    run.finishes(&mut broker, Ok(()));
    broker.expect_no_run();
    broker.allow(PHOTOS);
    broker.expect_run("Clock");
}

#[test]
fn acc_17_what_goes_on_without_access_is_not_ended_by_a_decision_about_others() {
    let mut broker = Broker::new();
    broker.register(zone_task("Clock"));
    fires(&mut broker);
    let run = broker.expect_run("Clock");
    broker.request(Request::RemoveAccess { app: app_id(PHOTOS), application: String::new() }).expect("installed");
    broker.request(Request::SetAccess(app_id(MAIL), Some(AccessSetting::Never))).expect("the user may");
    broker.tell(Input::Policy(Policy::default()));
    assert_eq!(run.cancelled(&mut broker), None);
    broker.request(Request::SetAccess(app_id(PHOTOS), Some(AccessSetting::Never))).expect("the user may");
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::SystemPolicy));
}

#[test]
fn access_is_kept_over_a_restart_and_over_an_uninstall() {
    let mut broker = Broker::new();
    broker.restarts();
    assert!(broker.core.access(&app_id(PHOTOS)).allows());
    broker.uninstall(PHOTOS);
    broker.install(app(PHOTOS, "2"));
    assert!(broker.core.access(&app_id(PHOTOS)).allows(), "RE-8: the grant is tied to the app's identity");
}

#[test]
fn an_unknown_app_has_no_access_to_ask_for() {
    let mut broker = Broker::new();
    for request in [
        Request::RequestAccess { app: app_id(MAIL), application: String::new() },
        Request::RemoveAccess { app: app_id(MAIL), application: String::new() },
    ] {
        assert_eq!(broker.request(request), Err(Refusal::UnknownApp(app_id(MAIL))));
    }
}
