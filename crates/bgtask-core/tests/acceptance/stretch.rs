//! An interval is a suggestion: the owner of the machine may have it stretched (TM-4).

use bgtask_core::limits::{MAX_PER_TURN, MAX_STRETCH};
use bgtask_core::{
    AccessSetting, ClientId, Config, Fact, HostExit, Input, NewRegistration, Now, Output, Report, Request, Stretch,
    Trigger, WakeReason,
};

use crate::harness::{Broker, HOUR, PHOTOS, Run, app_id, seconds, triggered};

const MINUTE: u64 = 60;

fn timer(freshness: u32) -> NewRegistration {
    triggered("Timer", Trigger::Time { freshness, one_shot: false })
}

/// A broker at the beginning of an hour, with an app that also runs while energy is saved.
fn broker(stretch: Stretch) -> Broker {
    let mut broker = Broker::with(Config { stretch, ..Config::default() });
    broker.now = Now::ZERO + HOUR;
    broker.request(Request::SetAccess(app_id(PHOTOS), Some(AccessSetting::Always))).expect("the user decides");
    broker
}

fn saving(times: u32) -> Stretch {
    Stretch { saving: times, ..Stretch::default() }
}

fn rare(times: u32) -> Stretch {
    Stretch { rare: times, ..Stretch::default() }
}

fn saves(broker: &mut Broker, saves: bool) {
    broker.tell(Input::Report(Report::Level(Fact::EnergySaver, saves)));
}

/// After how many minutes each run was ordered, with the broker woken when it asks for that, for so many minutes.
fn runs_after(broker: &mut Broker, most: u64) -> Vec<u64> {
    runs_and_wakes(broker, most).0
}

/// The same, and how often a timer woke the broker.
fn runs_and_wakes(broker: &mut Broker, most: u64) -> (Vec<u64>, usize) {
    let (start, end) = (broker.now.boot, seconds(most * MINUTE));
    let (mut runs, mut wakes) = (Vec::new(), 0);
    while let Some((after, why)) = broker.next_wake().filter(|(after, _)| broker.now.boot.since(start) + *after <= end)
    {
        wakes += usize::from(matches!(why, WakeReason::Timer(_)));
        broker.passes(after);
        let ordered = std::iter::from_fn(|| {
            let orders = broker.orders();
            orders.iter().for_each(|order| {
                if let Output::Run(host, order) = order {
                    Run { host: *host, order: (**order).clone() }.finishes(broker, Ok(()));
                }
            });
            (!orders.is_empty()).then_some(orders)
        });
        let ordered = ordered.flatten().filter(|order| matches!(order, Output::Run(..))).count();
        let lingering: Vec<_> = broker.core.hosts().map(|host| host.id).collect();
        lingering.into_iter().for_each(|host| broker.exits(host, HostExit::Code(0)));
        let minute = broker.now.boot.since(start).as_secs() / MINUTE;
        runs.extend(std::iter::repeat_n(minute, ordered));
    }
    broker.passes(end - broker.now.boot.since(start));
    (runs, wakes)
}

/// TM-4: by default nothing is stretched.
#[test]
fn tm_4_nothing_is_stretched_that_the_owner_did_not_ask_for() {
    let mut broker = broker(Stretch::default());
    let task = broker.register(timer(30));
    saves(&mut broker, true);
    assert_eq!(runs_after(&mut broker, 90), [30, 60, 90]);
    assert!(!broker.why(task).sentence.contains("interval"));
}

#[test]
fn tm_4_while_energy_is_saved_a_timer_fires_at_every_so_many_th_of_its_times() {
    let mut broker = broker(saving(4));
    broker.register(timer(30));
    broker.register(triggered("Maintenance", Trigger::Maintenance { freshness: 60, one_shot: false }));
    broker.tell(Input::Report(Report::Level(Fact::ExternalPower, true)));
    saves(&mut broker, true);
    let runs = runs_after(&mut broker, 8 * 60);
    assert_eq!(runs, [120, 240, 240, 360, 480, 480], "every 2 h, and every 4 h for maintenance");
}

#[test]
fn tm_4_the_phase_stays_and_counts_again_when_energy_is_no_longer_saved() {
    let mut broker = broker(saving(4));
    broker.register(timer(40));
    saves(&mut broker, true);
    assert_eq!(runs_after(&mut broker, 170), [165], "due after 160 min, released on the tick");
    broker.passes(seconds(15 * MINUTE));
    saves(&mut broker, false);
    // 185 min: the next of its own times is after 200.
    assert_eq!(runs_after(&mut broker, 99), [25, 55], "after 210 and 240 min");
}

#[test]
fn tm_4_what_its_own_interval_made_due_meanwhile_fires_at_once() {
    let mut broker = broker(saving(4));
    broker.register(timer(30));
    saves(&mut broker, true);
    assert_eq!(runs_after(&mut broker, 70), [0_u64; 0]);
    saves(&mut broker, false);
    assert_eq!(runs_after(&mut broker, 30), [0, 20], "it was due at 30 and 60, and is at 90 again");
}

#[test]
fn tm_4_a_stretched_timer_makes_no_more_wake_ups_than_it_fires() {
    let mut broker = broker(saving(8));
    broker.register(timer(15));
    saves(&mut broker, true);
    assert_eq!(runs_and_wakes(&mut broker, 480), (vec![120, 240, 360, 480], 4));
}

#[test]
fn tm_4_no_interval_becomes_longer_than_a_day() {
    let mut broker = broker(saving(MAX_STRETCH));
    broker.register(timer(15));
    broker.register(timer(7 * 60));
    broker.register(timer(25 * 60));
    saves(&mut broker, true);
    let hours: Vec<_> = runs_after(&mut broker, 26 * 60).into_iter().map(|minutes| minutes / 60).collect();
    assert_eq!(hours, [21, 24, 25], "three times 7 h, 96 times 15 min, and 25 h as it was");
}

/// TM-3: what fires once promised a time.
#[test]
fn tm_4_what_fires_once_keeps_its_time() {
    let mut broker = broker(saving(4));
    broker.register(triggered("Once", Trigger::Time { freshness: 30, one_shot: true }));
    saves(&mut broker, true);
    assert_eq!(runs_after(&mut broker, 120), [30]);
}

#[test]
fn tm_4_an_app_that_was_not_used_for_long_is_stretched_until_it_is_used() {
    let mut broker = broker(rare(6));
    broker.request(Request::SetAccess(app_id(PHOTOS), Some(AccessSetting::Managed))).expect("the user decides");
    let app = app_id(PHOTOS);
    broker.register(timer(60));
    assert_eq!(runs_after(&mut broker, 13 * 24 * 60).len(), 13 * 24);
    runs_after(&mut broker, 24 * 60);
    assert_eq!(runs_after(&mut broker, 12 * 60).len(), 2, "every 6 h");
    broker.tell(Input::Attach { client: ClientId(1), app: app.clone(), activates: false });
    assert_eq!(runs_after(&mut broker, 3 * 60).len(), 4, "what its own interval made due meanwhile, then every hour");
    broker.tell(Input::Detach(ClientId(1)));
    let kept = broker.durable.versions.iter().find(|(id, _)| *id == app).and_then(|(_, known)| known.used);
    assert_eq!(kept, Some(broker.now.wall), "it is used until it is gone");
}

/// TM-6: who is always allowed is asked for, however seldom it is opened.
#[test]
fn tm_4_what_is_always_allowed_is_not_rarely_used() {
    let mut broker = broker(rare(6));
    broker.register(timer(60));
    assert_eq!(runs_after(&mut broker, 20 * 24 * 60).len(), 20 * 24);
}

/// When an app was used last survives the broker, is written once an hour at most, and not at all where it does not count.
#[test]
fn tm_4_when_an_app_was_used_is_kept_and_seldom_written() {
    let comes_and_goes = |broker: &mut Broker, client: u64| {
        broker.tell(Input::Attach { client: ClientId(client), app: app_id(PHOTOS), activates: false });
        broker.tell(Input::Detach(ClientId(client)));
    };
    let used = |broker: &Broker| broker.durable.versions.first().and_then(|(_, known)| known.used);
    let mut counting = broker(rare(2));
    let first = used(&counting).expect("it counts from its first look on");
    counting.passes(seconds(10 * MINUTE));
    comes_and_goes(&mut counting, 1);
    assert_eq!(used(&counting), Some(first));
    counting.passes(seconds(40 * MINUTE));
    comes_and_goes(&mut counting, 2);
    let kept = used(&counting);
    assert_eq!(kept, Some(counting.now.wall));
    counting.restarts();
    counting.tell(Input::Tick);
    assert_eq!(used(&counting), kept);
    let mut other = broker(Stretch::default());
    comes_and_goes(&mut other, 1);
    assert_eq!(used(&other), None);
}

#[test]
fn tm_4_why_says_how_long_a_stretched_interval_is_and_why() {
    let mut broker = broker(Stretch { saving: 3, ..rare(2) });
    let task = broker.register(timer(60));
    saves(&mut broker, true);
    let why = broker.why(task);
    assert!(
        why.sentence.ends_with(" Its interval is 3 h instead of 60 min because energy is saved."),
        "{}",
        why.sentence
    );
    assert_eq!(why.next, Some(broker.now.wall + 3 * HOUR));
    let reading = why.gates.iter().find(|gate| gate.name == "Interval").expect("it is shown");
    assert_eq!((reading.open, reading.value.as_str()), (true, "3 h instead of 60 min: energy is saved"));
    saves(&mut broker, false);
    broker.request(Request::SetAccess(app_id(PHOTOS), Some(AccessSetting::Managed))).expect("the user decides");
    runs_after(&mut broker, 20 * 24 * 60);
    let sentence = broker.why(task).sentence;
    assert!(
        sentence.ends_with(" Its interval is 2 h instead of 60 min because its app was not used for 20 days."),
        "{sentence}"
    );
}

/// A turn is short, however many intervals are stretched no longer.
#[test]
fn tm_4_many_are_armed_anew_some_in_each_turn() {
    let mut broker = broker(saving(4));
    let many = MAX_PER_TURN + 8;
    (0..many).for_each(|_| {
        broker.register(timer(180));
    });
    saves(&mut broker, true);
    runs_after(&mut broker, 12 * 60);
    saves(&mut broker, false);
    assert!(matches!(broker.next_wake(), Some((after, WakeReason::More)) if after.is_zero()));
    assert_eq!(runs_after(&mut broker, 3 * 60), vec![180; many]);
}
