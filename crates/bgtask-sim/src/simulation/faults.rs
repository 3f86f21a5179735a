//! What goes on in the world, and what goes wrong.

use std::time::Duration;

use bgtask_core::{HostKind, Input, Request, WallTime};

use super::Simulation;
use crate::driver::Driver;
use crate::oracle::Verdict;
use crate::plant::Bug;
use crate::{apps, asks};

/// One seed in so many has a crowd: with so many tasks everything takes long.
const CROWDED: u64 = 30;

impl Simulation {
    pub(super) fn let_time_pass(&mut self) {
        let pass = match self.chance.below(100) {
            0 => Duration::from_secs(3_600 * (1 + self.chance.below(9))),
            1..=4 => self.chance.millis(30_000),
            5..=25 => Duration::ZERO,
            _ => self.chance.millis(1_500),
        };
        self.now = self.now + pass;
        if self.chance.percent(3) {
            // Corrected, set by hand, or lost.
            let most = *self.chance.pick(&[3, 60, 3_600, 43_200]).expect("four") * 1_000_000;
            let step = i64::try_from(self.chance.below(2 * most)).unwrap_or(0) - most as i64;
            self.now.wall = WallTime::from_micros(self.now.wall.as_micros() + step);
            self.note('~', || format!("the wall clock is set by {} ms", step / 1_000));
            if self.bug != Some(Bug::MissesTheClock) {
                self.driver.clock_was_set();
            }
        }
    }

    pub(super) fn something_happens(&mut self) {
        let (now, chance) = (self.now.boot, &mut self.chance);
        match chance.below(134) {
            0..=34 => {
                let fact = self.sources.disturb(now, chance);
                self.note('~', || format!("{fact} changes"));
            }
            35..=71 => {
                let input = self.clients.ask_something(chance);
                self.tell(input);
            }
            72..=81 => {
                let app = apps::any_name(chance);
                let activates = self.installed.contains_key(&app) && chance.percent(40);
                let input = self.clients.attach(app, activates);
                self.tell(input);
            }
            82..=87 => self.lose_a_client(),
            88..=90 => {
                let input = self.service_an_app();
                self.tell(input);
            }
            91..=92 => {
                self.policy = asks::any_policy(chance);
                self.tell(Input::Policy(self.policy.clone()));
            }
            93..=96 => self.hosts.kill_an_idle_one(now, chance),
            97..=108 => drop(self.listeners.disturb(now, chance)),
            109..=114 => {
                let registrations = self.driver.core.registrations(None);
                if let Some(ask) = self.sockets.ask(&registrations, chance) {
                    let input = self.clients.ask(ask.request, ask.must_fail);
                    self.tell(input);
                }
            }
            115..=119 => self.sockets.disturb(now, chance),
            120..=121 => self.operator.order(now, chance),
            132 if self.seed % CROWDED == CROWDED / 2 => self.crowd(),
            122..=127 => self.pushes.send(now, chance),
            _ => self.sources.restart_one(now, chance),
        }
    }

    /// A crowd comes, or hears several times of what it waits for.
    fn crowd(&mut self) {
        let there = self.driver.core.registrations(None).iter().any(|its| its.name.starts_with("crowd"));
        let raise = Request::Raise { by: None, event: apps::CROWD.into() };
        let requests = if there { vec![raise; 1 + self.chance.index(3)] } else { asks::crowd(&mut self.chance) };
        for request in requests {
            let input = self.clients.ask(request, false);
            self.tell(input);
        }
    }

    fn lose_a_client(&mut self) {
        if let Some(client) = self.clients.any(&mut self.chance) {
            self.clients.left(client);
            self.hosts.client_left(client);
            self.tell(Input::Detach(client));
        }
    }

    /// A manifest appears, changes, stays as it is, or goes.
    fn service_an_app(&mut self) -> Input {
        let app = apps::any_name(&mut self.chance);
        if self.installed.contains_key(&app) && self.chance.percent(15) {
            self.installed.remove(&app);
            return Input::AppRemoved(app);
        }
        let version = 1 + self.chance.below(apps::VERSIONS);
        self.installed.insert(app.clone(), version);
        Input::AppInstalled(apps::app(app, version))
    }

    /// The broker dies here and starts again with what the store has, perhaps much later, perhaps to other manifests.
    pub(super) fn crash(&mut self) -> Verdict {
        self.note('~', || "the broker dies and starts again".into());
        self.inputs += self.driver.inputs();
        self.life += 1;
        self.hosts.broker_died();
        self.sources.broker_died();
        self.planner.broker_died();
        self.listeners.broker_died();
        self.devices.broker_died();
        let kept = self.chance.percent(75);
        self.sockets.broker_died(kept);
        self.pushes.broker_died();
        self.operator.broker_died(self.now.boot, &mut self.chance);
        self.clients.broker_died(self.now.boot, &mut self.chance);
        if self.bug == Some(Bug::LosesARow) {
            self.store.lose_a_row(&mut self.chance);
        }
        let snapshot = self.store.load().map_err(|error| format!("the store cannot be read back: {error}"))?;
        self.oracle.broker_died(&snapshot)?;
        if self.faults {
            self.change_while_down();
        }
        let fresh = self.chance.number();
        let seed = if self.bug == Some(Bug::ReusesTheSeed) { 1 } else { fresh };
        self.driver = Driver::start(&self.config, seed, self.bug);
        self.now = self.now + self.chance.millis(3_000);
        self.begin_life(snapshot);
        Ok(())
    }

    fn change_while_down(&mut self) {
        if self.chance.percent(30) {
            let change = self.service_an_app();
            self.note('~', || format!("while no broker runs: {change:?}"));
        }
        if self.chance.percent(10) {
            self.policy = asks::any_policy(&mut self.chance);
        }
        if self.chance.percent(10) {
            self.now = self.now + Duration::from_secs(3_600 * (1 + self.chance.below(12)));
            self.note('~', || "the machine was off".into());
        }
    }

    /// The broker ends in order: within their graces all hosts are gone. Or it dies while it waits for that.
    pub(super) fn log_off(&mut self) -> Verdict {
        self.tell(Input::Stop);
        (self.faults, self.store_fails) = (false, false);
        let whole = self.config.cancel_grace * 2 + Duration::from_secs(2);
        let patience = if self.chance.percent(50) { whole } else { self.chance.millis(3_000) };
        let end = self.now.boot + patience;
        while self.now.boot < end {
            self.hear_the_world();
            self.turns()?;
            self.now = self.now + Duration::from_millis(500);
        }
        if patience == whole {
            self.everything_ended()?;
        }
        self.faults = true;
        self.session += u32::from(self.chance.percent(70));
        self.crash()
    }

    /// Only apps that run by themselves outlive the broker, and it waits for none of them.
    fn everything_ended(&self) -> Verdict {
        if let Some((id, host)) = self.hosts.iter().find(|(_, host)| !host.killed && host.client.is_none()) {
            return Err(format!("{id:?} of {} was not ended at the log-off", host.app));
        }
        match self.driver.core.hosts().find(|host| matches!(host.kind, HostKind::App(_)) && !self.is_killed(host.id)) {
            Some(host) => Err(format!("the broker that ends waits for {host:?}")),
            None => Ok(()),
        }
    }

    fn is_killed(&self, host: bgtask_core::HostId) -> bool {
        self.hosts.get(host).is_some_and(|host| host.killed)
    }
}
