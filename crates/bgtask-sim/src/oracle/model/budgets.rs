//! What apps have used of what they may, who is suspended for that, and how much energy it took.

use std::time::Duration;

use bgtask_core::{
    Account, AppId, BackgroundAccessStatus, CancellationReason, ClientId, EnergyUsage, Entry, HostId, Registration,
    Resource, ThrottleCounts, Usage, WallTime,
};

use super::super::{Verdict, check};
use super::{Model, Owed, Run};
use crate::apps;
use crate::hosts::Hosts;

/// energy is counted for so long.
const PERIOD: Duration = Duration::from_secs(1_800);

/// The percentages at which levels begin (POL-6).
const LEVELS: [u32; 5] = [80, 100, 150, 250, 300];
const TERMINATION: u32 = 300;

/// A budget is overrun by at most such a part of it, and what all processors use in so long.
const PART: u32 = 20;
const LOOK_LEAST: Duration = Duration::from_millis(20);

/// The memory of what has a bound on it is looked at so often.
const MEMORY_SEEN: Duration = Duration::from_secs(2);

/// What an app has used, and what it was last told of its energy.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Purse {
    pub(super) account: Account,
    pub(super) level: u32,
}

/// What a host has used since it was last seen.
pub(super) struct Spent {
    app: AppId,
    cpu: Duration,
    network: u64,
    energy: u64,
}

impl Model {
    /// What of the use of a host is new; `None` is nobody's.
    pub(super) fn metered(&mut self, host: HostId, usage: Usage) -> Option<Spent> {
        let place = self.hosts.get_mut(&host)?;
        let before = place.used;
        place.seen = self.now.boot;
        place.used.cpu = before.cpu.max(usage.cpu);
        place.used.io = before.io.max(usage.io);
        place.used.network = Some(before.network.unwrap_or(0).max(usage.network.unwrap_or(0)));
        let (app, after) = (place.app.clone(), place.used);
        let network = |of: &Usage| of.network.unwrap_or(0);
        let guaranteed = self.is_guaranteed(host);
        let place = self.hosts.get(&host)?;
        place.program.is_some().then(|| Spent {
            app,
            cpu: if guaranteed { Duration::ZERO } else { after.cpu - before.cpu },
            network: if guaranteed { 0 } else { network(&after) - network(&before) },
            energy: weight(&after) - weight(&before),
        })
    }

    /// first of its own, then of what all share; the rest is used all the same.
    pub(super) fn pays(&mut self, spent: &Spent, owed: &mut Owed) {
        if !self.apps.contains_key(&spent.app) {
            return;
        }
        let mut account = self.as_of_now(&spent.app);
        if spent.energy > 0 && account.energy == 0 {
            account.period = self.now.wall;
        }
        account.energy += spent.energy;
        if (spent.cpu, spent.network) != (Duration::ZERO, 0) {
            if (account.cpu, account.network) == (Duration::ZERO, 0) {
                account.window = self.now.wall;
            }
            let (pool_cpu, pool_network) = self.pool();
            account.cpu += spent.cpu;
            account.network += spent.network;
            if let Some(own) = self.own_cpu(&spent.app) {
                let beyond = account.cpu - account.borrowed_cpu;
                account.borrowed_cpu += beyond.saturating_sub(own).min(pool_cpu);
            }
            if let Some(own) = self.own_network(&spent.app) {
                let beyond = account.network - account.borrowed_network;
                account.borrowed_network += beyond.saturating_sub(own).min(pool_network);
            }
        }
        self.puts(&spent.app, account, owed);
    }

    /// A wake-up costs 50 thousandths, shared by whom it served.
    pub(super) fn wakes(&mut self, app: &AppId, shared: u32, owed: &mut Owed) {
        let units = 50 / u64::from(shared);
        if units > 0 && *app != apps::commands() && self.apps.contains_key(app) {
            let mut account = self.as_of_now(app);
            account.period = if account.energy == 0 { self.now.wall } else { account.period };
            account.energy += units;
            self.puts(app, account, owed);
        }
    }

    fn puts(&mut self, app: &AppId, account: Account, owed: &mut Owed) {
        if account != Account::default() || self.purses.contains_key(app) {
            self.purses.entry(app.clone()).or_default().account = account;
            self.weighs(app, owed);
        }
    }

    /// POL-7, POL-8: what an app is told of its energy, and what ends at the highest level.
    fn weighs(&mut self, app: &AppId, owed: &mut Owed) {
        let percent = self.policy_percent(app);
        let Some(purse) = self.purses.get_mut(app) else { return };
        let used = purse.account.energy * 10_000 / (60_000 * u64::from(percent));
        let level = LEVELS.into_iter().filter(|begin| u64::from(*begin) <= used).max().unwrap_or(0);
        let before = std::mem::replace(&mut purse.level, level);
        if level > before || (level < before && level == 0) {
            let told = self.clients.iter().filter(|(_, its)| *its == app).map(|(client, _)| (*client, level));
            owed.energy.extend(told);
        }
        if level == TERMINATION && before != TERMINATION {
            self.cancel_where(owed, CancellationReason::ResourceRevocation, |model, run| {
                run.app == *app && model.ends_for_energy(run)
            });
        }
    }

    /// What becomes subject to that later ends with the next that is used, and may end before.
    pub(super) fn may_end_for_energy(&self, run: &Run, reason: CancellationReason) -> bool {
        reason == CancellationReason::ResourceRevocation && run.cancelled.is_none() && self.ends_for_energy(run)
    }

    fn ends_for_energy(&self, run: &Run) -> bool {
        let launched = self.hosts.get(&run.host).is_some_and(|place| place.program.is_some());
        launched && self.is_held_by_energy(&self.registrations[&run.task])
    }

    pub(super) fn weigh_everybody(&mut self, owed: &mut Owed) {
        let apps: Vec<_> = self.purses.keys().cloned().collect();
        apps.iter().for_each(|app| self.weighs(app, owed));
    }

    pub(super) fn told_of_energy(&self, client: ClientId, usage: &EnergyUsage, owed: &mut Owed) -> Verdict {
        let told = (client, usage.level.number());
        let place = owed.energy.iter().position(|its| *its == told);
        place.map(|place| owed.energy.remove(place));
        check(place.is_some(), || format!("{told:?} is told of its energy, to be told is {:?}", owed.energy))
    }

    /// Windows and periods end when somebody waits for that: who is throttled, has borrowed, or uses much energy.
    pub(super) fn refills(&mut self, owed: &mut Owed) {
        let now = self.now.wall;
        let over = |app: &AppId, purse: &Purse| {
            let account = &purse.account;
            let borrowed = !account.borrowed_cpu.is_zero() || account.borrowed_network > 0;
            let waits = borrowed || self.throttled(app).is_some();
            (waits && account.window + self.config.budgets.window <= now)
                || (purse.level > 0 && account.period + PERIOD <= now)
        };
        let over: Vec<_> = self.purses.iter().filter(|(app, purse)| over(app, purse)).map(|it| it.0.clone()).collect();
        over.iter().for_each(|app| self.begins_anew(app, owed));
        owed.keeps.extend(over);
    }

    /// No window ends later than its length from now.
    pub(super) fn purses_set_back(&mut self, owed: &mut Owed) {
        let now = self.now.wall;
        let ahead = |purse: &Purse| purse.account.window > now || purse.account.period > now;
        let ahead: Vec<_> = self.purses.iter().filter(|(_, purse)| ahead(purse)).map(|it| it.0.clone()).collect();
        ahead.iter().for_each(|app| self.begins_anew(app, owed));
    }

    pub(super) fn purses_restored(&mut self, owed: &mut Owed) {
        let apps: Vec<_> = self.purses.keys().cloned().collect();
        apps.iter().for_each(|app| self.begins_anew(app, owed));
        owed.keeps.extend(apps);
    }

    fn begins_anew(&mut self, app: &AppId, owed: &mut Owed) {
        let account = self.as_of_now(app);
        self.puts(app, account, owed);
        if account == Account::default() {
            self.purses.remove(app);
        }
    }

    /// Its account, of which nothing is left that has ended.
    fn as_of_now(&self, app: &AppId) -> Account {
        let mut account = self.purses.get(app).copied().unwrap_or_default().account;
        let now = self.now.wall;
        let started = |at: WallTime| at.min(now);
        let used = (account.cpu, account.network) != (Duration::ZERO, 0);
        if !used || started(account.window) + self.config.budgets.window <= now {
            account = Account { period: account.period, energy: account.energy, ..Account::default() };
        }
        if account.energy == 0 || started(account.period) + PERIOD <= now {
            (account.period, account.energy) = Default::default();
        }
        (account.window, account.period) = (started(account.window), started(account.period));
        account
    }

    /// What an app has used up: its own, and everything there is to borrow.
    pub(super) fn throttled(&self, app: &AppId) -> Option<Resource> {
        let account = self.purses.get(app)?.account;
        let (pool_cpu, pool_network) = self.pool();
        let over_cpu = self.own_cpu(app).map(|own| (account.cpu - account.borrowed_cpu).checked_sub(own));
        let over_network =
            self.own_network(app).map(|own| (account.network - account.borrowed_network).checked_sub(own));
        if over_cpu.flatten().is_some_and(|over| over >= pool_cpu) {
            return Some(Resource::Cpu);
        }
        over_network.flatten().is_some_and(|over| over >= pool_network).then_some(Resource::Network)
    }

    /// What is left to borrow.
    fn pool(&self) -> (Duration, u64) {
        let accounts = || self.purses.values().map(|purse| &purse.account);
        let (cpu, network) = (self.config.budgets.pool_cpu, self.config.budgets.pool_network);
        let lent: Duration = accounts().map(|account| account.borrowed_cpu).sum();
        (cpu.saturating_sub(lent), network.saturating_sub(accounts().map(|it| it.borrowed_network).sum()))
    }

    fn own_cpu(&self, app: &AppId) -> Option<Duration> {
        Some(self.config.budgets.cpu? * self.policy_percent(app) / 100)
    }

    fn own_network(&self, app: &AppId) -> Option<u64> {
        Some((self.config.budgets.network? * u64::from(self.policy_percent(app)) / 100).max(1))
    }

    pub(super) fn policy_percent(&self, app: &AppId) -> u32 {
        self.policy.apps.get(app).or(self.policy.default.as_ref()).map_or(100, |entry| entry.budget)
    }

    /// what something critical runs in is not charged to the window of its app, nor suspended.
    fn is_guaranteed(&self, host: HostId) -> bool {
        let critical = |run: &Run| self.registrations[&run.task].trigger.is_critical();
        self.running.values().any(|run| run.host == host && critical(run))
    }

    /// Not commands, nor what is critical, nor what the app itself runs that runs by itself.
    pub(super) fn is_held_by_budgets(&self, its: &Registration) -> bool {
        let own = self.hosts.values().any(|place| place.app == its.app && place.client.is_some() && !place.killed);
        its.app != apps::commands() && !its.trigger.is_critical() && !(own && its.entry == Entry::InProcess)
    }

    pub(super) fn is_held_by_energy(&self, its: &Registration) -> bool {
        let terminated = self.purses.get(&its.app).is_some_and(|purse| purse.level == TERMINATION);
        terminated && self.is_held_by_budgets(its) && self.status_of(its) != BackgroundAccessStatus::AlwaysAllowed
    }

    /// POL-1: whatever was started for an app that has used something up, unless something in it has to stop.
    pub(super) fn is_to_be_suspended(&self, host: HostId) -> Option<Resource> {
        let place = self.hosts.get(&host).filter(|place| place.program.is_some() && !place.killed)?;
        let mut runs = self.running.values().filter(|run| run.host == host).peekable();
        let busy = runs.peek().is_some() && runs.all(|run| run.cancelled.is_none());
        self.throttled(&place.app).filter(|_| busy && !self.is_guaranteed(host))
    }

    pub(super) fn freezes(&mut self, host: HostId, owed: &mut Owed) -> Verdict {
        let resource =
            self.is_to_be_suspended(host).ok_or_else(|| format!("{host:?} is suspended without a reason"))?;
        let now = self.now.boot;
        let before = self.hosts.get_mut(&host).expect("just seen").frozen.replace(now);
        check(before.is_none(), || format!("{host:?} is suspended twice"))?;
        for (instance, run) in self.running.iter_mut().filter(|(_, run)| run.host == host) {
            let ThrottleCounts { cpu, network } = &mut run.held.throttled;
            match resource {
                Resource::Cpu => *cpu += 1,
                Resource::Network => *network += 1,
            }
            owed.suspended.insert(*instance, resource);
        }
        Ok(())
    }

    /// Its time stood still.
    pub(super) fn thaws(&mut self, host: HostId, owed: &mut Owed) -> Verdict {
        check(self.is_to_be_suspended(host).is_none(), || format!("{host:?} goes on and is to be suspended"))?;
        let frozen = self.time_frozen(host);
        let place = self.hosts.get_mut(&host).ok_or_else(|| format!("{host:?} is no host and goes on"))?;
        check(place.frozen.take().is_some(), || format!("{host:?} was not suspended"))?;
        (place.active, place.seen) = (place.active + frozen, self.now.boot);
        for (instance, run) in self.running.iter_mut().filter(|(_, run)| run.host == host) {
            if run.cancelled.is_none() {
                run.ends = run.ends + frozen;
            }
            owed.released.insert(*instance, run.held.throttled);
        }
        Ok(())
    }

    /// The store held up everything: what stood still so far is counted.
    pub(super) fn frozen_time_is_counted(&mut self) {
        let frozen: Vec<_> = self.hosts.keys().copied().filter(|host| self.is_frozen(*host)).collect();
        for host in frozen {
            let time = self.time_frozen(host);
            let place = self.hosts.get_mut(&host).expect("just seen");
            (place.frozen, place.active) = (Some(self.now.boot), place.active + time);
            for run in self.running.values_mut().filter(|run| run.host == host && run.cancelled.is_none()) {
                run.ends = run.ends + time;
            }
        }
    }

    pub(super) fn time_frozen(&self, host: HostId) -> Duration {
        let since = self.hosts.get(&host).and_then(|place| place.frozen);
        since.map_or(Duration::ZERO, |since| self.now.boot.since(since))
    }

    pub(super) fn is_frozen(&self, host: HostId) -> bool {
        self.hosts.get(&host).is_some_and(|place| place.frozen.is_some())
    }

    /// Suspended is who is to be, and nobody else.
    pub(super) fn nothing_throttled_runs(&self) -> Verdict {
        for (host, place) in &self.hosts {
            let right = self.is_to_be_suspended(*host);
            check(right.is_some() == place.frozen.is_some(), || {
                format!("{host:?} of {} is to be suspended for {right:?}: {place:?}", place.app)
            })?;
        }
        Ok(())
    }

    /// The same in the world: nothing of an app runs that has used up its budget, and what is to go on does.
    pub(in crate::oracle) fn suspends(&self, hosts: &Hosts) -> Verdict {
        hosts.iter().filter(|(_, host)| !host.killed).try_for_each(|(id, host)| {
            let right = self.is_frozen(id);
            check(host.frozen.is_some() == right, || format!("{id:?} is to be suspended: {right}"))
        })
    }

    /// What was used is durable when somebody is suspended for it, and when what used it has ended.
    pub(super) fn accounts_are_kept(&self, owed: &Owed, all_of_it: bool) -> Verdict {
        for app in &owed.keeps {
            let right = self.purses.get(app).map(|purse| purse.account).unwrap_or_default();
            let kept = self.kept_accounts.get(app).copied().unwrap_or_default();
            let window = |account: Account| Account { energy: 0, period: WallTime::default(), ..account };
            let same = if all_of_it { right == kept } else { window(right) == window(kept) };
            check(same, || format!("the account of {app} is {right:?}, kept is {kept:?}"))?;
        }
        Ok(())
    }

    /// Only who has something bounded, and does something, is asked what it uses.
    pub(super) fn may_be_asked(&self, host: HostId) -> bool {
        let Some(place) = self.hosts.get(&host) else { return false };
        let runs = self.running.values().find(|run| run.host == host && run.cancelled.is_none());
        let Some(run) = runs.filter(|_| place.frozen.is_none()) else { return false };
        let bounded = self.registrations[&run.task].entry.command().is_some_and(|command| command.cpu.is_some());
        place.program.is_some() || (place.is_command && bounded)
    }

    /// Whatever is bounded is looked at before it can be overrun by more than a little.
    pub(in crate::oracle) fn nothing_overruns(&self, hosts: &Hosts) -> Verdict {
        for (id, place) in &self.hosts {
            let Some(host) = hosts.get(*id).filter(|host| !host.killed && host.sampled.is_none()) else { continue };
            let mut runs = self.running.values().filter(|run| run.host == *id);
            let Some(run) = runs.find(|run| run.cancelled.is_none()) else { continue };
            let command = self.registrations[&run.task].entry.command().map(|command| command.cpu);
            let (left, whole) = match command {
                Some(most) => (most.map(|most| most.saturating_sub(place.used.cpu)), most),
                None if place.program.is_none() || place.frozen.is_some() || self.is_guaranteed(*id) => continue,
                None => (self.cpu_left(&place.app), self.own_cpu(&place.app)),
            };
            let app_of = place.program.is_some() && !place.is_command;
            let unseen = self.now.boot.since(place.seen);
            check(!app_of || self.config.budgets.memory.is_none() || unseen <= MEMORY_SEEN, || {
                format!("nobody looked at the memory of {id:?} of {} for {unseen:?}", place.app)
            })?;
            let Some((left, whole)) = left.zip(whole) else { continue };
            let slack = whole / PART + LOOK_LEAST * self.config.processors;
            let unknown = self.now.boot.since(place.seen) * host.percent_of_a_processor() / 100;
            check(unknown <= left + slack, || {
                format!(
                    "{id:?} of {} used {unknown:?}, of which nobody knows; left are {left:?} of {whole:?}",
                    place.app
                )
            })?;
        }
        Ok(())
    }

    fn cpu_left(&self, app: &AppId) -> Option<Duration> {
        let account = self.as_of_now(app);
        let own = self.own_cpu(app)?.saturating_sub(account.cpu - account.borrowed_cpu);
        Some(own + self.pool().0)
    }
}

fn weight(usage: &Usage) -> u64 {
    let of = |bytes: u64, mib: u64| bytes * 1_000 / (mib << 20);
    let cpu = u64::try_from(usage.cpu.as_micros()).unwrap_or(u64::MAX) / 1_000;
    cpu + of(usage.io, 64) + of(usage.network.unwrap_or(0), 8)
}
