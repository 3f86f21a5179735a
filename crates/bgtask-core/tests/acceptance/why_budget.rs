//! Why a task waits or stands still for a budget of its app: with the numbers, and when it goes on (U-9).

use bgtask_core::limits::ENERGY_PERIOD;
use bgtask_core::{Budgets, Config};

use crate::budget::{WINDOW, config, fire, spinning};
use crate::burning::burn;
use crate::energy::JUST_TOO_LONG;
use crate::harness::{Broker, HOUR, PHOTOS, app_id, seconds, zone_task};

fn gate(broker: &Broker, task: bgtask_core::TaskId, name: &str) -> (bool, String) {
    let gates = broker.why(task).gates;
    let gate = gates.into_iter().find(|gate| gate.name == name).expect("it has such a gate");
    (gate.open, gate.value)
}

#[test]
fn u_9_lc_10_what_waits_for_the_refill_says_how_much_was_used_and_when_there_is_more() {
    let (mut broker, _, mut host) = spinning(config());
    let task = broker.register(zone_task("Other"));
    burn(&mut broker, seconds(30), &mut host);
    fire(&mut broker);
    let refill = broker.core.account(&app_id(PHOTOS), broker.now).expect("it has used something").window + WINDOW;
    broker.now = broker.now + HOUR;
    let why = broker.why(task);
    let expected = "TimeZoneChange fired 2 times, first 60 min ago and it is held since 60 min ago because its app has used \
                    2 s of the 2 s of processor time it has in 2 h, and gets more in 60 min.";
    assert_eq!(why.sentence, expected);
    assert_eq!((why.phase, why.next), ("buffered", Some(refill)));
    assert!(why.remedy.is_some_and(|remedy| remedy.starts_with("wait 60 min for more processor time, or")));
    assert_eq!(gate(&broker, task, "Budget"), (false, "2 s of the 2 s of processor time used".into()));
}

#[test]
fn u_9_pol_1_what_is_suspended_says_since_when_why_and_until_when() {
    let (mut broker, run, mut host) = spinning(config());
    burn(&mut broker, seconds(30), &mut host);
    broker.now = broker.now + HOUR;
    let why = broker.why(run.order.task);
    let expected = "It is suspended since 60 min ago because its app has used 2 s of the 2 s of processor time it has in 2 h, \
                    and gets more in 60 min; then it may run for 58 s yet.";
    assert_eq!(why.sentence, expected);
    assert_eq!((why.phase, why.remedy), ("suspended", None));
    let refill = broker.core.account(&app_id(PHOTOS), broker.now).expect("it has used something").window + WINDOW;
    assert_eq!(why.next, Some(refill));
    assert_eq!(why.used.map(|used| used.as_secs()), Some(2), "it does not run now");
}

#[test]
fn u_9_q_7_what_was_borrowed_is_said_too() {
    let (mut broker, _, mut host) =
        spinning(Config { budgets: Budgets { pool_cpu: seconds(5), ..config().budgets }, ..config() });
    let task = broker.register(zone_task("Other"));
    burn(&mut broker, seconds(30), &mut host);
    fire(&mut broker);
    let sentence = broker.why(task).sentence;
    assert!(
        sentence.contains("its app has used 5 s that all apps share and 2 s of the 2 s of processor time"),
        "{sentence}"
    );
}

#[test]
fn u_9_q_4_bytes_are_said_as_people_say_them() {
    let budgets = Budgets { network: Some(10 << 20), cpu: None, ..config().budgets };
    let (mut broker, _, mut host) = spinning(Config { budgets, ..config() });
    let task = broker.register(zone_task("Other"));
    host[0].used.network = Some(12 << 20);
    burn(&mut broker, seconds(10), &mut host);
    fire(&mut broker);
    let sentence = broker.why(task).sentence;
    assert!(sentence.contains("its app has used 12 MiB of the 10 MiB of network it has in 2 h"), "{sentence}");
}

#[test]
fn u_9_pol_7_what_waits_for_the_next_period_of_energy_says_how_much_was_used() {
    let budgets = Budgets { cpu: None, ..config().budgets };
    let (mut broker, run, mut host) = spinning(Config { budgets, wall_budget: seconds(600), ..config() });
    burn(&mut broker, JUST_TOO_LONG, &mut host);
    run.finishes(&mut broker, Ok(()));
    fire(&mut broker);
    let why = broker.why(run.order.task);
    let usage = broker.core.energy(&app_id(PHOTOS), broker.now);
    assert_eq!((why.phase, why.next), ("buffered", Some(usage.until)));
    let percent = usage.percent;
    let expected = format!(
        "its app has used {percent} % of the energy that is normal in 30 min, and the next 30 min begin in 27 min."
    );
    assert!(why.sentence.ends_with(&expected), "{}", why.sentence);
    assert_eq!(gate(&broker, run.order.task, "Energy"), (false, format!("{percent} % of normal, Termination")));
    broker.passes(ENERGY_PERIOD);
    assert!(broker.why(run.order.task).sentence.starts_with("It is starting"));
}
