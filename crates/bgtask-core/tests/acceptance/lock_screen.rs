//! `LockScreenApplicationAdded` and `LockScreenApplicationRemoved`. On Windows an app on the lock screen is one that may always
//! run; here that is the user's or the policy's word, and to be given it is to be put there.

use bgtask_core::SystemTriggerType::{LockScreenApplicationAdded as Added, LockScreenApplicationRemoved as Removed};
use bgtask_core::{
    AccessSetting, BackgroundAccessRequestKind, Consent, EventKind, Input, Policy, PolicyEntry, PolicyRule, Reply,
    Request, RequestId,
};

use crate::harness::{Broker, MAIL, PHOTOS, app, app_id, on};

/// A broker in which both apps wait for both.
fn broker() -> Broker {
    let mut broker = Broker::new();
    broker.install(app(MAIL, "1"));
    broker.allow(MAIL);
    for name in [PHOTOS, MAIL] {
        for kind in [Added, Removed] {
            broker.try_register(name, on(kind, &format!("{name} {kind}"))).expect("in order");
        }
    }
    broker
}

fn set(broker: &mut Broker, setting: Option<AccessSetting>) {
    assert_eq!(broker.request(Request::SetAccess(app_id(PHOTOS), setting)), Ok(Reply::Set));
}

/// The names of what has fired since the last look.
fn fired(broker: &mut Broker) -> Vec<String> {
    let history = std::mem::take(&mut broker.history);
    let fired = history.into_iter().filter(|event| matches!(event.kind, EventKind::Fired { .. }));
    fired.map(|event| event.name.to_string()).collect()
}

fn added() -> Vec<String> {
    vec![format!("{PHOTOS} {Added}")]
}

fn removed() -> Vec<String> {
    vec![format!("{PHOTOS} {Removed}")]
}

#[test]
fn the_user_puts_an_app_there_and_takes_it_off_and_only_that_app_hears_of_it() {
    let mut broker = broker();
    set(&mut broker, Some(AccessSetting::Always));
    assert_eq!(fired(&mut broker), added());
    set(&mut broker, Some(AccessSetting::Always));
    assert_eq!(fired(&mut broker), [""; 0], "it is there already");
    set(&mut broker, Some(AccessSetting::Managed));
    assert_eq!(fired(&mut broker), removed());
}

#[test]
fn acc_18_an_app_that_asks_and_is_granted_it_is_there() {
    let mut broker = broker();
    let kind = BackgroundAccessRequestKind::AlwaysAllowed;
    let (app, application, reason) = (app_id(PHOTOS), String::new(), "to sync".into());
    let request = RequestId(77);
    broker.tell(Input::Request(request, Request::RequestAccessKind { app, application, kind, standby: false, reason }));
    assert_eq!(fired(&mut broker), [""; 0], "the user is still thinking");
    broker.tell(Input::Consent(request, Consent::Granted));
    assert_eq!(fired(&mut broker), added());
    broker.request(Request::RemoveAccess { app: app_id(PHOTOS), application: String::new() }).expect("its own");
    assert_eq!(fired(&mut broker), removed(), "ACC-17: the app gives it up itself");
}

#[test]
fn ac_7_the_policy_takes_it_off_and_lets_it_come_back() {
    let mut broker = broker();
    set(&mut broker, Some(AccessSetting::Always));
    fired(&mut broker);
    let deny = PolicyEntry { rule: PolicyRule::ForceDeny, file: "site".into(), budget: 100 };
    broker.tell(Input::Policy(Policy { apps: [(app_id(PHOTOS), deny)].into(), ..Policy::default() }));
    assert_eq!(fired(&mut broker), removed());
    broker.tell(Input::Policy(Policy::default()));
    assert_eq!(fired(&mut broker), added());
}

#[test]
fn the_switch_for_everything_takes_it_off_and_puts_it_back() {
    let mut broker = broker();
    set(&mut broker, Some(AccessSetting::Always));
    fired(&mut broker);
    broker.request(Request::SetBackground { enabled: false }).expect("the user may");
    assert_eq!(fired(&mut broker), removed());
    broker.request(Request::SetBackground { enabled: true }).expect("the user may");
    assert_eq!(fired(&mut broker), added());
}

/// What fires while the app may not run waits until it may.
#[test]
fn d13_an_app_that_was_forbidden_to_run_hears_of_it_when_it_may_again() {
    let mut broker = broker();
    set(&mut broker, Some(AccessSetting::Always));
    broker.expect_run(&added()[0]).finishes(&mut broker, Ok(()));
    set(&mut broker, Some(AccessSetting::Never));
    broker.expect_no_run();
    set(&mut broker, Some(AccessSetting::Managed));
    broker.expect_run(&removed()[0]);
}

#[test]
fn what_an_app_may_do_when_it_or_the_broker_appears_is_no_news() {
    let mut broker = broker();
    set(&mut broker, Some(AccessSetting::Always));
    fired(&mut broker);
    broker.restarts();
    broker.install(app(PHOTOS, "2"));
    broker.request(Request::SetAccess(app_id(MAIL), Some(AccessSetting::Managed))).expect("the user may");
    let about = |name: &String| name.contains(&Added.to_string()) || name.contains(&Removed.to_string());
    assert_eq!(fired(&mut broker).into_iter().filter(about).collect::<Vec<_>>(), [""; 0]);
}

/// A command belongs to no app that could be put anywhere.
#[test]
fn commands_have_no_lock_screen() {
    let mut broker = Broker::of_commands();
    for kind in [Added, Removed] {
        let trigger = bgtask_core::Trigger::System { kind, one_shot: false };
        let refusal = broker.refused(crate::harness::command("look", trigger)).to_string();
        assert!(refusal.contains("a command has none"), "{refusal}");
    }
}
