//! The end of a group of transfers: one task hears of it, once. Who carries them and when they have ended, the driver knows.

use bgtask_core::{
    AccessSetting, Config, Details, EventClass, Input, Output, Properties, Refusal, Request, Subject, TaskId, Trigger,
};

use crate::harness::{Broker, PHOTOS, app, app_id, command, triggered};

const GROUP: &str = "7b2d9a54-9b2f-4b39-8a39-4f4f4c1c2d11";

fn end_of(group: &str) -> Trigger {
    let properties = Properties::from([("group".into(), group.into())]);
    Trigger::Event { class: EventClass::BackgroundTransferCompletionGroup, properties, one_shot: false }
}

fn ends(broker: &mut Broker, task: TaskId) {
    let events = Details(b"{\"id\":\"1\"}\n{\"id\":\"2\"}\n"[..].into());
    broker.tell(Input::Happened { task, events, count: 2, lost: 0 });
}

/// SYS-9: it fires once, however it was registered, and is gone when its task has run; over a restart, too.
#[test]
fn sys_9_the_end_of_a_group_is_told_once() {
    let mut broker = Broker::new();
    let task = broker.register(triggered("Films", end_of(GROUP)));
    let subject = Subject::of(&end_of(GROUP)).expect("it listens");
    assert!(broker.orders().contains(&Output::Listen { task, app: app_id(PHOTOS), subject }));
    ends(&mut broker, task);
    broker.restarts();
    ends(&mut broker, task);
    let run = broker.expect_run("Films");
    assert_eq!((run.order.firing.count, run.order.firing.lost), (2, 0));
    run.started(&mut broker);
    run.finishes(&mut broker, Ok(()));
    assert_eq!(broker.core.task(task), None);
    broker.expect_no_run();
}

/// BLD-16: another task cannot have the same group's end; the same task may take its own place, and another group's is free.
#[test]
fn bld_16_one_task_hears_of_the_end_of_a_group() {
    let mut broker = Broker::new();
    broker.register(triggered("Films", end_of(GROUP)));
    let refusal = broker.try_register(PHOTOS, triggered("Also", end_of(GROUP))).expect_err("it has its task");
    assert!(matches!(&refusal, Refusal::InvalidArgument(text) if text.contains("Films")), "{refusal}");
    let again = Request::RegisterOrUpdate(app_id(PHOTOS), triggered("Films", end_of(GROUP)));
    assert!(broker.request(again).is_ok());
    broker.register(triggered("Songs", end_of("7b2d9a54-9b2f-4b39-8a39-4f4f4c1c2d12")));
}

/// ACC-27: nobody has to ask for access; who was denied it waits.
#[test]
fn acc_27_the_end_of_a_group_needs_no_access_but_none_that_was_denied() {
    for denied in [false, true] {
        let mut broker = Broker::empty(Config::default());
        broker.install(app(PHOTOS, "1"));
        let task = broker.register(triggered("Films", end_of(GROUP)));
        if denied {
            broker.request(Request::SetAccess(app_id(PHOTOS), Some(AccessSetting::Never))).expect("it is decided");
        }
        ends(&mut broker, task);
        if denied {
            broker.expect_no_run();
            broker.request(Request::SetAccess(app_id(PHOTOS), None)).expect("it is decided");
        }
        broker.expect_run("Films");
    }
}

#[test]
fn a_command_has_no_group() {
    let mut broker = Broker::of_commands();
    let refusal = broker.refused(command("films", end_of(GROUP)));
    assert!(matches!(&refusal, Refusal::NotSupported { help, .. } if help.contains("transfers add")), "{refusal}");
}
