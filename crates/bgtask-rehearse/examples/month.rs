//! A month of 1 000 tasks on ordinary working days: how long the rehearsal takes, and its picture and its text as files.
//!
//! `cargo run --release -p bgtask-rehearse --example month [SVG]`
//!
//! 20 tasks every 5 min, 80 every 15 min, 300 every hour, 200 hourly and 150 daily by a calendar, 200 every 6 h, 50 at
//! the beginning of a condition. Every third has conditions. Their phases are spread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bgtask_core::{App, Command, Condition, Entry, NewRegistration, Pace, Trigger, WallTime};
use bgtask_rehearse::{Rehearsal, RehearsedTask, Scenario};

const DAY: u64 = 86_400;
/// Sunday 1 March 2026, 00:00 UTC.
const FROM: i64 = 1_772_323_200_000_000;
const CONDITIONS: [&str; 6] =
    ["user-away", "ac-power", "unmetered", "idle:10min", "battery-above:50", "between:22:00-06:00"];

fn main() {
    let mut rehearsal =
        Rehearsal::new(WallTime::from_micros(FROM), Duration::from_secs(30 * DAY), Scenario::working_day());
    rehearsal.tasks = (0..1_000).map(task).collect();
    let begun = Instant::now();
    let timeline = rehearsal.play().expect("it fits");
    let played = begun.elapsed();
    let svg = timeline.svg();
    let drawn = begun.elapsed() - played;
    let text = timeline.text(80, 1_000);
    let told = begun.elapsed() - played - drawn;
    println!("{:?}", timeline.totals);
    println!("played in {played:?}, drawn in {drawn:?} ({} bytes), told in {told:?} ({} bytes)", svg.len(), text.len());
    if let Some(path) = std::env::args().nth(1) {
        std::fs::write(&path, svg).unwrap_or_else(|error| eprintln!("{path}: {error}"));
    }
}

fn task(n: u64) -> RehearsedTask {
    let interval = |minutes: u64| {
        (
            Trigger::Interval { every: Duration::from_secs(minutes * 60), pace: Pace::default(), one_shot: false },
            minutes * 60,
        )
    };
    let calendar = |expression: String| {
        let (zone, pace) = (None, Pace::default());
        (Trigger::Calendar { calendar: expression.into(), zone, catch_up: true, pace, one_shot: false }, 0)
    };
    let condition = |n: u64| Condition::from_name(CONDITIONS[(n % 6) as usize]).expect("it is one");
    let (trigger, period) = match n {
        0..20 => interval(5),
        20..100 => interval(15),
        100..400 => interval(60),
        400..600 => calendar(format!("{} * * * *", n % 60)),
        600..750 => calendar(format!("{} {} * * *", n % 60, n % 24)),
        750..950 => interval(360),
        _ => (Trigger::Condition { condition: condition(n), one_shot: false }, 0),
    };
    let new = NewRegistration {
        name: format!("task {n}"),
        entry: Entry::Command(Arc::new(Command::new(["true"]))),
        trigger,
        conditions: if n.is_multiple_of(3) { vec![condition(n / 3)] } else { Vec::new() },
        cancel_on_condition_loss: n.is_multiple_of(9),
        is_network_requested: false,
        group: None,
    };
    // Spread evenly, and the same every time.
    let phase = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let due = (period > 0).then(|| WallTime::from_micros(FROM) + Duration::from_secs(1 + phase % period));
    RehearsedTask { due, ..RehearsedTask::new(App::of_commands().id, new) }
}
