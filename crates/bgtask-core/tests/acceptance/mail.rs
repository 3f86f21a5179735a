//! Progress and completions on their way to the app.

use bgtask_core::{ClientId, Input, Notice, Output, Reply, Request};

use crate::harness::{Broker, MAIL, PHOTOS, Run, app, app_id, zone_task};

fn broker() -> Broker {
    let mut broker = Broker::new();
    broker.register(zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker
}

/// One more activation, from firing to run.
fn runs(broker: &mut Broker, offset: i32) -> Run {
    broker.zone_changes(&format!("UTC{offset}"), offset);
    let run = broker.expect_run("Clock");
    run.started(broker);
    broker.orders();
    run
}

fn acknowledge(broker: &mut Broker, app: &str, sequence: u64) {
    let answer = broker.request(Request::Acknowledge(app_id(app), sequence));
    assert_eq!(answer, Ok(Reply::Acknowledged));
}

fn progress(broker: &mut Broker) -> Vec<(ClientId, u32)> {
    let heard = broker.orders().into_iter().filter_map(|order| match order {
        Output::Deliver(client, Notice::Progress { value, .. }) => Some((client, value)),
        _ => None,
    });
    heard.collect()
}

#[test]
fn pr_1_pr_8_evt_5_progress_is_any_number_and_reaches_every_attached_client_of_the_app() {
    let mut broker = broker();
    broker.attach(1, PHOTOS);
    broker.attach(2, PHOTOS);
    broker.attach(3, MAIL);
    let run = runs(&mut broker, 0);
    for value in [10, 4_000_000_000, 10, 0] {
        run.progress(&mut broker, value);
        assert_eq!(progress(&mut broker), [(ClientId(1), value), (ClientId(2), value)]);
    }
}

#[test]
fn pr_2_evt_1_progress_is_not_kept_for_who_is_away_except_the_latest() {
    let mut broker = broker();
    let run = runs(&mut broker, 0);
    run.progress(&mut broker, 10);
    run.progress(&mut broker, 20);
    broker.attach(1, PHOTOS);
    assert_eq!(progress(&mut broker), [(ClientId(1), 20)]);
    broker.tell(Input::Detach(ClientId(1)));
    run.progress(&mut broker, 30);
    assert_eq!(progress(&mut broker), []);
}

#[test]
fn pr_3_evt_2_evt_3_evt_4_d4_completions_wait_for_the_app_in_order() {
    let mut broker = broker();
    let instances: Vec<_> = [0, 7_200, 3_600]
        .into_iter()
        .map(|offset| {
            let run = runs(&mut broker, offset);
            run.progress(&mut broker, 50);
            run.finishes(&mut broker, Ok(()));
            run.instance()
        })
        .collect();
    broker.attach(1, PHOTOS);
    let heard = broker.delivered(1);
    assert_eq!(heard.iter().map(|it| it.instance).collect::<Vec<_>>(), instances);
    assert!(heard.iter().all(|it| it.progress == Some(50) && it.outcome.is_ok()));
    assert!(heard.is_sorted_by_key(|it| it.sequence));
}

#[test]
fn d4_a_completion_is_repeated_at_each_attach_until_acknowledged() {
    let mut broker = broker();
    runs(&mut broker, 0).finishes(&mut broker, Ok(()));
    broker.attach(1, PHOTOS);
    let sequence = broker.delivered(1)[0].sequence;
    broker.attach(2, PHOTOS);
    assert_eq!(broker.delivered(2)[0].sequence, sequence);
    broker.restarts();
    broker.attach(3, PHOTOS);
    assert_eq!(broker.delivered(3)[0].sequence, sequence, "a restart loses nothing");

    acknowledge(&mut broker, PHOTOS, sequence);
    acknowledge(&mut broker, PHOTOS, sequence);
    broker.attach(4, PHOTOS);
    assert_eq!(broker.delivered(4), []);
    assert!(broker.durable.completions.is_empty());
}

#[test]
fn d4_a_late_acknowledgement_from_an_earlier_life_meets_no_other_completion() {
    let mut broker = broker();
    runs(&mut broker, 0).finishes(&mut broker, Ok(()));
    broker.attach(1, PHOTOS);
    let sequence = broker.delivered(1)[0].sequence;
    acknowledge(&mut broker, PHOTOS, sequence);

    broker.restarts();
    broker.zone_changes("UTC0", 0);
    runs(&mut broker, 7_200).finishes(&mut broker, Ok(()));
    acknowledge(&mut broker, PHOTOS, sequence);
    broker.attach(2, PHOTOS);
    assert_eq!(broker.delivered(2).len(), 1, "the new completion is not the one that was acknowledged");
}

#[test]
fn an_acknowledgement_counts_only_for_the_own_app() {
    let mut broker = broker();
    broker.install(app(MAIL, "1"));
    runs(&mut broker, 0).finishes(&mut broker, Ok(()));
    let sequence = broker.durable.completions[0].sequence;
    acknowledge(&mut broker, MAIL, sequence);
    acknowledge(&mut broker, PHOTOS, sequence + 1);
    assert_eq!(broker.durable.completions.len(), 1);
    broker.attach(1, MAIL);
    assert_eq!(broker.delivered(1), []);
}

#[test]
fn evt_2_an_attached_client_hears_of_a_completion_at_once_with_everything_it_needs() {
    let mut broker = broker();
    broker.attach(1, PHOTOS);
    let run = runs(&mut broker, 0);
    run.finishes(&mut broker, Err("no network"));
    let [heard] = &broker.delivered(1)[..] else {
        panic!("one completion");
    };
    assert_eq!((heard.instance, &*heard.name), (run.instance(), "Clock"));
    assert_eq!(heard.outcome.to_string(), "the task failed: no network");
    assert!(!heard.outcome.is_ok(), "EVT-6: check_result fails");
}

#[test]
fn reg_3_the_completion_of_an_unregistered_task_still_reaches_the_app() {
    let mut broker = broker();
    let run = runs(&mut broker, 0);
    broker.unregister(run.order.task, false).expect("it is listed");
    run.finishes(&mut broker, Ok(()));
    broker.attach(1, PHOTOS);
    assert_eq!(&*broker.delivered(1)[0].name, "Clock");
}
