//! How much energy apps use, what they hear of it, and what becomes of those that use too much (POL-6 to POL-8, Q-17).

use std::time::Duration;

use bgtask_core::limits::{ENERGY_PERIOD, IO_OF_A_SECOND, NETWORK_OF_A_SECOND};
use bgtask_core::{
    AccessSetting, App, Budgets, CancellationReason, ClientId, Config, EnergyLevel, EnergyUsage, Input, Notice, Output,
    Policy, PolicyEntry, PolicyRule, Request, Trigger, Usage,
};

use crate::budget::{fire, spinning, start};
use crate::burning::{Burning, burn};
use crate::harness::{Broker, HOUR, PHOTOS, app_id, command, every, seconds, triggered, zone_task};

/// After so long with one processor an app is at its end, and has not been killed yet.
pub(crate) const JUST_TOO_LONG: Duration = seconds(183);

/// As much processor time as an app wants: energy is what bounds it.
fn config() -> Config {
    let budgets = Budgets { cpu: None, ..Budgets::default() };
    Config { budgets, processors: 2, wall_budget: seconds(3_000), idle_after: None, ..Config::default() }
}

fn energy(broker: &Broker) -> EnergyUsage {
    broker.core.energy(&app_id(PHOTOS), broker.now)
}

/// What the app was told of its energy, in percent and levels.
fn told(orders: &[Output]) -> Vec<(u32, EnergyLevel)> {
    let told = orders.iter().filter_map(|order| match order {
        Output::Deliver(ClientId(1), Notice::Energy(usage)) => Some((usage.percent, usage.level)),
        _ => None,
    });
    told.collect()
}

fn cancelled(orders: &[Output]) -> Option<CancellationReason> {
    orders.iter().find_map(|order| if let Output::Cancel(_, _, it) = order { Some(it.reason) } else { None })
}

#[test]
fn pol_6_q_17_a_minute_of_a_processor_in_half_an_hour_is_normal() {
    let (mut broker, _, mut host) = spinning(config());
    burn(&mut broker, seconds(10), &mut host);
    assert_eq!(energy(&broker).percent, 0, "nobody has looked yet");
    let began = broker.now.wall;
    broker.tell(host[0].told());
    let expected = EnergyUsage { percent: 16, level: EnergyLevel::Low, until: began + ENERGY_PERIOD };
    assert_eq!(energy(&broker), expected, "10 s of 60 s; the period begins with the first use");
    broker.now = broker.now + ENERGY_PERIOD;
    assert_eq!(energy(&broker).percent, 0, "another period");
}

#[test]
fn pol_6_the_levels_begin_at_their_percentages() {
    let levels = [0, 79, 80, 100, 149, 150, 250, 300, 10_000].map(|percent| EnergyLevel::of(percent).number());
    assert_eq!(levels, [0, 0, 80, 100, 100, 150, 250, 300, 300]);
}

#[test]
fn pol_8_the_app_hears_of_each_rise_and_when_it_uses_little_again() {
    let (mut broker, _, mut host) = spinning(config());
    broker.attach(1, PHOTOS);
    let mut orders = burn(&mut broker, seconds(160), &mut host);
    host[0].percent = 0;
    orders.extend(burn(&mut broker, ENERGY_PERIOD, &mut host));
    use EnergyLevel::{Excessive, Low, MaxAcceptable, NearMaxAcceptable, NearTermination};
    let expected = [(80, NearMaxAcceptable), (100, MaxAcceptable), (150, Excessive), (250, NearTermination), (0, Low)];
    assert_eq!(told(&orders), expected, "in good time");
}

#[test]
fn pol_7_can_6_at_termination_what_runs_ends_and_what_fires_waits_for_the_next_period() {
    let (mut broker, run, mut host) = spinning(config());
    let began = broker.now.boot;
    while cancelled(&burn(&mut broker, seconds(1), &mut host)).is_none() {
        assert!(broker.now.boot.since(began) < seconds(190), "180 s are three times what is normal");
    }
    assert!(host[0].used.cpu >= seconds(180), "{:?}", host[0].used);
    run.finishes(&mut broker, Ok(()));
    fire(&mut broker);
    broker.expect_no_run();
    assert_eq!(energy(&broker).level, EnergyLevel::Termination);
    broker.passes(ENERGY_PERIOD);
    broker.expect_run("Clock");
}

#[test]
fn pol_7_what_is_always_allowed_is_not_ended_for_its_energy() {
    let (mut broker, _, mut host) = spinning(config());
    broker.request(Request::SetAccess(app_id(PHOTOS), Some(AccessSetting::Always))).expect("the user may");
    let orders = burn(&mut broker, seconds(300), &mut host);
    assert_eq!(cancelled(&orders), None);
    assert_eq!(energy(&broker).level, EnergyLevel::Termination);
    broker.register(zone_task("Other"));
    fire(&mut broker);
    broker.expect_run("Other");
}

#[test]
fn commands_of_the_user_have_no_levels_of_energy() {
    let mut broker = Broker::of_commands_with(config());
    broker.add(command("busy", every(HOUR)));
    broker.passes(HOUR);
    let run = start(&mut broker, "busy");
    let mut host = [Burning::new(&broker, &run, 200)];
    assert_eq!(cancelled(&burn(&mut broker, seconds(600), &mut host)), None);
    broker.tell(host[0].told());
    assert_eq!(broker.core.energy(&app_id(App::COMMANDS), broker.now).percent, 0);
}

#[test]
fn pol_6_input_and_output_and_the_network_weigh_too() {
    let percent = |io, network| {
        let (mut broker, _, host) = spinning(config());
        let usage = Usage { io, network: Some(network), ..Usage::default() };
        broker.tell(Input::HostUsage { host: host[0].host, usage });
        energy(&broker).percent
    };
    assert_eq!(percent(60 * IO_OF_A_SECOND, 0), 100);
    assert_eq!(percent(0, 60 * NETWORK_OF_A_SECOND), 100);
    assert_eq!(percent(6 * IO_OF_A_SECOND, 6 * NETWORK_OF_A_SECOND), 20);
}

#[test]
fn pol_6_nothing_is_lost_by_looking_often() {
    let (mut broker, _, host) = spinning(config());
    for step in 1..=6_000_u64 {
        // So little that each by itself weighs nothing.
        let usage = Usage { cpu: Duration::from_micros(999 * step), io: 60_000 * step, ..host[0].used };
        broker.tell(Input::HostUsage { host: host[0].host, usage });
    }
    let right = (999 * 6_000 / 1_000 + 60_000 * 6_000 * 1_000 / IO_OF_A_SECOND) / 600;
    assert_eq!(u64::from(energy(&broker).percent), right);
}

#[test]
fn pol_6_a_wake_up_weighs_a_little_and_is_shared_by_those_it_serves() {
    let energy_of_wakes = |timers: usize| {
        let mut broker = Broker::with(config());
        for number in 0..timers {
            broker.register(triggered(&number.to_string(), Trigger::Time { freshness: 15, one_shot: true }));
        }
        broker.passes(seconds(1_800));
        broker.core.account(&app_id(PHOTOS), broker.now).map(|account| account.energy)
    };
    assert_eq!(energy_of_wakes(1), Some(50));
    assert_eq!(energy_of_wakes(5), Some(50), "five pay for one");
    assert_eq!(energy_of_wakes(0), None);
}

#[test]
fn policy_scales_what_is_normal_and_lets_go_what_waits() {
    let (mut broker, run, mut host) = spinning(config());
    burn(&mut broker, JUST_TOO_LONG, &mut host);
    run.finishes(&mut broker, Ok(()));
    fire(&mut broker);
    broker.expect_no_run();
    let percent = energy(&broker).percent;
    let entry = PolicyEntry { rule: PolicyRule::UserInControl, file: "10-site.toml".into(), budget: 200 };
    broker.tell(Input::Policy(Policy { default: Some(entry), ..Policy::default() }));
    assert_eq!(energy(&broker).percent, percent / 2);
    broker.expect_run("Clock");
}

#[test]
fn d7_a_new_broker_knows_how_much_energy_was_used() {
    let (mut broker, run, mut host) = spinning(config());
    burn(&mut broker, JUST_TOO_LONG, &mut host);
    run.finishes(&mut broker, Ok(()));
    fire(&mut broker);
    let usage = energy(&broker);
    broker.restarts();
    assert_eq!(energy(&broker), usage);
    broker.expect_no_run();
    broker.passes(ENERGY_PERIOD);
    broker.expect_run("Clock");
}
