//! Who decides whether an app may run: the policy before the user, the user before what the app was granted (AC-7).

use bgtask_core::limits::MAX_CONSENTS;
use bgtask_core::{
    AccessSetting, App, BackgroundAccessRequestKind as Kind, BackgroundAccessStatus as Status, Consent, Input, Limit,
    Output, Policy, PolicyEntry, PolicyRule, Refusal, Reply, Request, RequestId,
};

use crate::harness::{Broker, PHOTOS, app, app_id, zone_task};

fn policy(rule: PolicyRule) -> Input {
    let entry = PolicyEntry { rule, file: "/etc/bgtask/policy.d/10-site.toml".into(), budget: 100 };
    Input::Policy(Policy { default: None, apps: [(app_id(PHOTOS), entry)].into() })
}

fn set(broker: &mut Broker, setting: Option<AccessSetting>) {
    assert_eq!(broker.request(Request::SetAccess(app_id(PHOTOS), setting)), Ok(Reply::Set));
}

fn status(broker: &Broker) -> Status {
    broker.core.access(&app_id(PHOTOS))
}

#[test]
fn ac_7_acc_10_the_users_setting_is_the_status() {
    let mut broker = Broker::new();
    for (setting, expected) in [
        (Some(AccessSetting::Always), Status::AlwaysAllowed),
        (Some(AccessSetting::Managed), Status::AllowedSubjectToSystemPolicy),
        (Some(AccessSetting::Never), Status::DeniedByUser),
        (None, Status::AllowedSubjectToSystemPolicy),
    ] {
        set(&mut broker, setting);
        assert_eq!(status(&broker), expected, "{setting:?}");
    }
}

#[test]
fn ac_7_the_policy_wins_over_the_user_and_says_which_file_it_is() {
    let mut broker = Broker::new();
    set(&mut broker, Some(AccessSetting::Always));
    broker.tell(policy(PolicyRule::ForceDeny));
    assert_eq!(status(&broker), Status::DeniedBySystemPolicy);
    assert!(broker.core.access_decided_by(&app_id(PHOTOS)).ends_with("10-site.toml"));

    set(&mut broker, Some(AccessSetting::Never));
    broker.tell(policy(PolicyRule::ForceAllow));
    assert_eq!(status(&broker), Status::AllowedSubjectToSystemPolicy);
    broker.tell(policy(PolicyRule::UserInControl));
    assert_eq!(status(&broker), Status::DeniedByUser);
}

#[test]
fn ac_7_a_default_policy_is_for_all_who_are_not_named() {
    let mut broker = Broker::new();
    let entry = |rule| PolicyEntry { rule, file: "site".into(), budget: 100 };
    let apps = [(app_id("org.example.Other"), entry(PolicyRule::ForceAllow))].into();
    broker.tell(Input::Policy(Policy { default: Some(entry(PolicyRule::ForceDeny)), apps }));
    assert_eq!(status(&broker), Status::DeniedBySystemPolicy);
    assert_eq!(broker.core.access(&app_id("org.example.Other")), Status::AllowedSubjectToSystemPolicy);
}

#[test]
fn ac_7_the_master_switch_stops_everything_the_policy_does_not_force() {
    let mut broker = Broker::new();
    set(&mut broker, Some(AccessSetting::Always));
    broker.request(Request::SetBackground { enabled: false }).expect("the user may");
    assert_eq!(status(&broker), Status::DeniedByUser);
    broker.restarts();
    assert!(!broker.core.background_enabled(), "it is durable");
    broker.tell(policy(PolicyRule::ForceAllow));
    assert_eq!(status(&broker), Status::AlwaysAllowed);
    broker.tell(Input::Policy(Policy::default()));
    broker.request(Request::SetBackground { enabled: true }).expect("the user may");
    assert_eq!(status(&broker), Status::AlwaysAllowed);
}

#[test]
fn d13_what_a_denied_app_fired_waits_and_runs_when_the_user_allows_it() {
    let mut broker = Broker::new();
    set(&mut broker, Some(AccessSetting::Never));
    let task = broker.register(zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    broker.expect_no_run();
    let why = broker.why(task).sentence;
    assert!(why.contains("DeniedByUser, says the user's setting"), "{why}");
    set(&mut broker, Some(AccessSetting::Managed));
    broker.expect_run("Clock");
}

#[test]
fn re_8_a_setting_outlives_the_app_and_the_broker() {
    let mut broker = Broker::new();
    set(&mut broker, Some(AccessSetting::Always));
    broker.uninstall(PHOTOS);
    broker.restarts();
    broker.install(app(PHOTOS, "1"));
    assert_eq!(status(&broker), Status::AlwaysAllowed);
}

fn ask(broker: &mut Broker, id: u64, kind: Kind, standby: bool) {
    let (application, reason) = (String::new(), "We sync your photos.".into());
    let request = Request::RequestAccessKind { app: app_id(PHOTOS), application, kind, standby, reason };
    broker.tell(Input::Request(RequestId(id), request));
}

fn answer(broker: &mut Broker) -> Option<bool> {
    broker.orders().into_iter().find_map(|order| match order {
        Output::Reply(_, Ok(Reply::Approved(approved))) => Some(approved),
        _ => None,
    })
}

#[test]
fn acc_18_the_usual_level_is_granted_without_a_question() {
    let mut broker = Broker::empty(Default::default());
    broker.install(app(PHOTOS, "1"));
    ask(&mut broker, 1, Kind::AllowedSubjectToSystemPolicy, false);
    assert_eq!(answer(&mut broker), Some(true));
    assert_eq!(status(&broker), Status::AllowedSubjectToSystemPolicy);
}

#[test]
fn acc_18_acc_19_always_is_a_question_to_the_user_in_the_apps_words() {
    for (consent, approved, expected) in [
        (Consent::Granted, true, Status::AlwaysAllowed),
        (Consent::Refused, false, Status::AllowedSubjectToSystemPolicy),
        (Consent::Unavailable("no portal".into()), false, Status::AllowedSubjectToSystemPolicy),
    ] {
        let mut broker = Broker::new();
        ask(&mut broker, 90, Kind::AlwaysAllowed, false);
        let (request, reason) = (RequestId(90), "We sync your photos.".to_owned());
        assert!(broker.orders().contains(&Output::Ask { request, app: app_id(PHOTOS), reason }));
        broker.tell(Input::Consent(request, consent.clone()));
        assert_eq!(answer(&mut broker), Some(approved), "{consent:?}");
        assert_eq!(status(&broker), expected);
        broker.tell(Input::Consent(request, Consent::Granted));
        assert_eq!(answer(&mut broker), None, "a question has one answer");
    }
}

#[test]
fn acc_18_what_is_decided_is_not_asked() {
    let mut broker = Broker::new();
    for (setting, approved) in
        [(AccessSetting::Always, true), (AccessSetting::Managed, false), (AccessSetting::Never, false)]
    {
        set(&mut broker, Some(setting));
        ask(&mut broker, 90, Kind::AlwaysAllowed, false);
        assert_eq!(answer(&mut broker), Some(approved), "{setting:?}");
    }
}

#[test]
fn acc_18_what_is_decided_while_the_user_is_asked_still_wins() {
    for (setting, approved) in
        [(AccessSetting::Always, true), (AccessSetting::Managed, false), (AccessSetting::Never, false)]
    {
        let mut broker = Broker::new();
        ask(&mut broker, 90, Kind::AlwaysAllowed, false);
        set(&mut broker, Some(setting));
        broker.orders();
        broker.tell(Input::Consent(RequestId(90), Consent::Granted));
        assert_eq!(answer(&mut broker), Some(approved), "{setting:?}");
    }
}

#[test]
fn acc_18_an_app_that_goes_while_its_user_is_asked_is_granted_nothing() {
    let mut broker = Broker::new();
    ask(&mut broker, 90, Kind::AlwaysAllowed, false);
    broker.tell(Input::AppRemoved(app_id(PHOTOS)));
    broker.orders();
    broker.tell(Input::Consent(RequestId(90), Consent::Granted));
    assert_eq!(broker.orders(), [Output::Reply(RequestId(90), Err(Refusal::UnknownApp(app_id(PHOTOS))))]);
    broker.install(app(PHOTOS, "2"));
    assert_ne!(status(&broker), Status::AlwaysAllowed);
}

#[test]
fn acc_21_modern_standby_is_a_grant_of_its_own() {
    let mut broker = Broker::new();
    let standby = |broker: &Broker| broker.core.access_of(&app_id(PHOTOS), "", true).expect("the first application");
    assert_eq!(standby(&broker), Status::Unspecified);
    ask(&mut broker, 1, Kind::AllowedSubjectToSystemPolicy, true);
    assert_eq!(standby(&broker), Status::AllowedSubjectToSystemPolicy);
    ask(&mut broker, 90, Kind::AlwaysAllowed, true);
    broker.tell(Input::Consent(RequestId(90), Consent::Granted));
    assert_eq!(standby(&broker), Status::AlwaysAllowed);
    assert_eq!(status(&broker), Status::AllowedSubjectToSystemPolicy);
}

#[test]
fn acc_15_acc_16_applications_of_a_package_have_access_of_their_own() {
    let mut broker = Broker::empty(Default::default());
    let mut declared = app(PHOTOS, "1");
    declared.entry_points[0].server.application = "Editor".into();
    broker.install(App { applications: vec!["Editor".into()], ..declared });
    broker.allow(PHOTOS);
    broker.register(zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    broker.expect_no_run();
    let editor = Request::RequestAccess { app: app_id(PHOTOS), application: "Editor".into() };
    assert_eq!(broker.request(editor), Ok(Reply::Access(Status::AllowedSubjectToSystemPolicy)));
    broker.expect_run("Clock");
    let other = Request::RequestAccess { app: app_id(PHOTOS), application: "Viewer".into() };
    assert_eq!(broker.request(other), Err(Refusal::UnknownApplication(app_id(PHOTOS), "Viewer".into())));
}

#[test]
fn the_most_questions_at_the_same_time() {
    let mut broker = Broker::new();
    for id in 0..MAX_CONSENTS as u64 {
        ask(&mut broker, 1_000 + id, Kind::AlwaysAllowed, false);
    }
    broker.orders();
    ask(&mut broker, 5_000, Kind::AlwaysAllowed, false);
    let full = Output::Reply(RequestId(5_000), Err(Refusal::LimitReached(Limit::Consents)));
    assert_eq!(broker.orders(), [full]);
}

#[test]
fn acc_7_who_was_not_answered_or_was_refused_may_ask_again() {
    let mut broker = Broker::new();
    for (id, consent) in [(90, Consent::Unavailable("nobody".into())), (91, Consent::Refused), (92, Consent::Granted)] {
        ask(&mut broker, id, Kind::AlwaysAllowed, false);
        let asked = broker.orders().iter().any(|order| matches!(order, Output::Ask { .. }));
        assert!(asked, "before {consent:?}");
        broker.tell(Input::Consent(RequestId(id), consent));
    }
    assert_eq!(status(&broker), Status::AlwaysAllowed);
}
