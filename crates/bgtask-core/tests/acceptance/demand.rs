//! Triggers a program asks for: `ApplicationTrigger`, `MediaProcessingTrigger` and custom events.

use bgtask_core::limits::{MAX_DETAILS_BYTES, MAX_EVENT_ID_BYTES};
use bgtask_core::{
    AccessSetting, App, ApplicationTriggerResult as Answer, CustomSystemEventTriggerRecurrence as Recurrence, Demand,
    Details, Limit, Refusal, Reply, Request, SystemConditionType, Trigger,
};

use crate::harness::{Broker, MAIL, PHOTOS, app, app_id, seconds, triggered, zone_task_when};

fn ask(broker: &mut Broker, demand: Demand, details: Option<Details>) -> Answer {
    match broker.request(Request::Activate { app: app_id(PHOTOS), demand, details }) {
        Ok(Reply::Activated(answer, _)) => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn req_1_req_2_the_app_fires_its_own_trigger_and_its_task_gets_the_arguments() {
    for demand in [Demand::Application, Demand::MediaProcessing] {
        let mut broker = Broker::new();
        broker.register(triggered("Render", demand.trigger()));
        let details = Details([1, 2, 3].into());
        assert_eq!(ask(&mut broker, demand, Some(details.clone())), Answer::Allowed);
        assert_eq!(broker.expect_run("Render").order.firing.details, Some(details), "REQ-4, REQ-7");
    }
}

#[test]
fn d3_req_3_while_it_runs_the_answer_is_currently_running_and_nothing_is_queued() {
    let mut broker = Broker::new();
    broker.register(triggered("Render", Trigger::Application));
    assert_eq!(ask(&mut broker, Demand::Application, None), Answer::Allowed);
    let run = broker.expect_run("Render");
    assert_eq!(ask(&mut broker, Demand::Application, None), Answer::CurrentlyRunning);
    run.finishes(&mut broker, Ok(()));
    broker.expect_no_run();
    assert_eq!(ask(&mut broker, Demand::Application, None), Answer::Allowed);
}

#[test]
fn cnd_2_it_waits_for_its_conditions_like_any_other() {
    let mut broker = Broker::new();
    let new = zone_task_when("Render", &[SystemConditionType::InternetAvailable]);
    broker.register(bgtask_core::NewRegistration { trigger: Trigger::Application, ..new });
    broker.internet(false);
    assert_eq!(ask(&mut broker, Demand::Application, None), Answer::Allowed);
    broker.expect_no_run();
    assert_eq!(ask(&mut broker, Demand::Application, None), Answer::CurrentlyRunning, "one waits already");
    broker.internet(true);
    broker.expect_run("Render");
}

#[test]
fn ac_10_who_may_not_run_hears_disabled_by_policy() {
    let mut broker = Broker::new();
    broker.register(triggered("Render", Trigger::Application));
    broker.request(Request::SetAccess(app_id(PHOTOS), Some(AccessSetting::Never))).expect("the user may");
    assert_eq!(ask(&mut broker, Demand::Application, None), Answer::DisabledByPolicy);
    broker.request(Request::SetAccess(app_id(PHOTOS), None)).expect("the user may");
    broker.expect_no_run();
    assert_eq!(ask(&mut broker, Demand::Application, None), Answer::Allowed);
}

#[test]
fn without_a_registration_the_answer_is_unknown_error_and_says_what_to_do() {
    let mut broker = Broker::new();
    let Ok(Reply::Activated(answer, why)) =
        broker.request(Request::Activate { app: app_id(PHOTOS), demand: Demand::Application, details: None })
    else {
        panic!("it is answered");
    };
    assert_eq!(answer, Answer::UnknownError);
    assert!(why.contains("register one"), "{why}");
}

#[test]
fn tr_1_bld_13_an_app_has_one_trigger_of_each_kind_at_a_time() {
    let mut broker = Broker::new();
    let limit = |limit| Err(Refusal::LimitReached(limit));
    let first = broker.register(triggered("Render", Trigger::Application));
    let second = broker.try_register(PHOTOS, triggered("Other", Trigger::Application));
    assert_eq!(second, limit(Limit::ApplicationTriggers));
    broker.register(triggered("Media", Trigger::MediaProcessing));
    let second = broker.try_register(PHOTOS, triggered("Other", Trigger::MediaProcessing));
    assert_eq!(second, limit(Limit::MediaProcessingTriggers));
    broker.unregister(first, false).expect("it is listed");
    assert!(broker.try_register(PHOTOS, triggered("Other", Trigger::Application)).is_ok(), "TR-2, U-12");
}

#[test]
fn d10_q_10_application_triggers_may_take_ten_minutes() {
    let mut broker = Broker::new();
    broker.register(triggered("Render", Trigger::Application));
    ask(&mut broker, Demand::Application, None);
    let run = broker.expect_run("Render");
    assert_eq!(run.order.budget, seconds(600));
}

#[test]
fn the_most_arguments() {
    let mut broker = Broker::new();
    broker.register(triggered("Render", Trigger::Application));
    let details = |bytes: usize| Some(Details(vec![0; bytes].into()));
    let request =
        Request::Activate { app: app_id(PHOTOS), demand: Demand::Application, details: details(MAX_DETAILS_BYTES + 1) };
    assert_eq!(broker.request(request), Err(Refusal::LimitReached(Limit::DetailsBytes)));
    assert_eq!(ask(&mut broker, Demand::Application, details(MAX_DETAILS_BYTES)), Answer::Allowed);
}

fn event(name: &str, recurrence: Recurrence) -> bgtask_core::NewRegistration {
    triggered(name, Trigger::CustomSystemEvent { id: "org.example.jack".into(), recurrence })
}

fn raise(broker: &mut Broker, by: Option<&str>, event: &str) -> Result<Reply, Refusal> {
    broker.request(Request::Raise { by: by.map(app_id), event: event.into() })
}

#[test]
fn sys_6_a_custom_event_fires_the_tasks_of_every_app_that_wait_for_it() {
    let mut broker = Broker::new();
    broker.install(app(MAIL, "1"));
    broker.allow(MAIL);
    broker.register(event("Photos", Recurrence::Always));
    broker.try_register(MAIL, event("Mail", Recurrence::Always)).expect("in order");
    assert_eq!(raise(&mut broker, None, "org.example.jack"), Ok(Reply::Raised(2)));
    broker.expect_run("Photos");
    broker.expect_run("Mail");
    assert_eq!(raise(&mut broker, None, "org.example.plug"), Ok(Reply::Raised(0)));
}

#[test]
fn sys_6_once_is_once_in_a_session_of_the_user_and_outlives_the_broker() {
    let mut broker = Broker::new();
    broker.register(event("Photos", Recurrence::Once));
    broker.durable.session = "first".into();
    broker.restarts();
    assert_eq!(raise(&mut broker, None, "org.example.jack"), Ok(Reply::Raised(1)));
    broker.expect_run("Photos").finishes(&mut broker, Ok(()));
    assert_eq!(raise(&mut broker, None, "org.example.jack"), Ok(Reply::Raised(0)));
    broker.restarts();
    assert_eq!(raise(&mut broker, None, "org.example.jack"), Ok(Reply::Raised(0)), "the same session");
    broker.durable.session = "second".into();
    broker.restarts();
    assert_eq!(raise(&mut broker, None, "org.example.jack"), Ok(Reply::Raised(1)));
}

#[test]
fn an_app_raises_what_its_manifest_names_and_nothing_else() {
    let mut broker = Broker::new();
    broker.install(App { raises: vec!["org.example.jack".into()], ..app(MAIL, "1") });
    broker.register(event("Photos", Recurrence::Always));
    assert_eq!(raise(&mut broker, Some(MAIL), "org.example.jack"), Ok(Reply::Raised(1)));
    let refusal = raise(&mut broker, Some(PHOTOS), "org.example.jack").expect_err("not its own");
    assert!(refusal.to_string().contains("raises = "), "{refusal}");
}

#[test]
fn an_event_needs_an_id_of_reasonable_length() {
    let mut broker = Broker::new();
    assert!(matches!(raise(&mut broker, None, ""), Err(Refusal::InvalidArgument(_))));
    let long = "e".repeat(MAX_EVENT_ID_BYTES + 1);
    assert_eq!(raise(&mut broker, None, &long), Err(Refusal::LimitReached(Limit::EventIdBytes)));
    let trigger = |id: &str| Trigger::CustomSystemEvent { id: id.into(), recurrence: Recurrence::Always };
    for id in ["", "a\nb"] {
        let refusal = broker.try_register(PHOTOS, triggered("Any", trigger(id))).expect_err("no id");
        assert!(matches!(refusal, Refusal::InvalidArgument(_)), "{refusal}");
    }
    let refusal = broker.try_register(PHOTOS, triggered("Any", trigger(&long))).expect_err("too long");
    assert_eq!(refusal, Refusal::LimitReached(Limit::EventIdBytes));
}
