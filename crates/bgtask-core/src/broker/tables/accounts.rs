use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::ids::AppId;
use crate::model::budget::{Account, EnergyLevel, Resource};
use crate::time::WallTime;

/// What apps have used of their budgets: of those that are installed, and have used something.
#[derive(Default)]
pub(in crate::broker) struct Accounts {
    by_app: BTreeMap<AppId, Entry>,
    alarms: BTreeSet<(WallTime, AppId)>,
    lent_cpu: Duration,
    lent_network: u64,
}

/// The account of one app, and what was seen to follow from it.
pub(in crate::broker) struct Entry {
    account: Account,
    /// What it has used up.
    pub(in crate::broker) throttled: Option<Resource>,
    /// How much energy it was last told to use.
    pub(in crate::broker) level: EnergyLevel,
    alarm: Option<WallTime>,
    /// It is not as it was written.
    changed: bool,
}

impl Accounts {
    pub(in crate::broker) fn get(&self, app: &AppId) -> Option<&Entry> {
        self.by_app.get(app)
    }

    pub(in crate::broker) fn get_mut(&mut self, app: &AppId) -> Option<&mut Entry> {
        self.by_app.get_mut(app)
    }

    pub(in crate::broker) fn account(&self, app: &AppId) -> Account {
        self.get(app).map_or_else(Account::default, |entry| entry.account)
    }

    /// The account is this from now on.
    pub(in crate::broker) fn put(&mut self, app: &AppId, account: Account) {
        let before = self.account(app);
        if before == account {
            return;
        }
        self.lent_cpu = self.lent_cpu.saturating_sub(before.borrowed_cpu).saturating_add(account.borrowed_cpu);
        self.lent_network = self.lent_network.saturating_sub(before.borrowed_network);
        self.lent_network = self.lent_network.saturating_add(account.borrowed_network);
        let entry = self.by_app.entry(app.clone()).or_insert(Entry {
            account,
            throttled: None,
            level: EnergyLevel::Low,
            alarm: None,
            changed: true,
        });
        (entry.account, entry.changed) = (account, true);
    }

    /// Answers whether there was one.
    pub(in crate::broker) fn remove(&mut self, app: &AppId) -> bool {
        self.put(app, Account::default());
        self.set_alarm(app, None);
        self.by_app.remove(app).is_some()
    }

    /// What is to be written of an account: it changed since it was last asked.
    pub(in crate::broker) fn take_changed(&mut self, app: &AppId) -> Option<Account> {
        let entry = self.by_app.get_mut(app)?;
        std::mem::take(&mut entry.changed).then_some(entry.account)
    }

    /// What all of them have borrowed together.
    pub(in crate::broker) const fn lent(&self) -> (Duration, u64) {
        (self.lent_cpu, self.lent_network)
    }

    pub(in crate::broker) fn iter(&self) -> impl Iterator<Item = (&AppId, &Account)> {
        self.by_app.iter().map(|(app, entry)| (app, &entry.account))
    }

    /// Time changes something about it then, or never.
    pub(in crate::broker) fn set_alarm(&mut self, app: &AppId, at: Option<WallTime>) {
        let Some(entry) = self.by_app.get_mut(app) else { return };
        let before = std::mem::replace(&mut entry.alarm, at);
        if before != at {
            before.map(|at| self.alarms.remove(&(at, app.clone())));
            self.alarms.extend(at.map(|at| (at, app.clone())));
        }
    }

    pub(in crate::broker) fn first_alarm(&self) -> Option<WallTime> {
        self.alarms.first().map(|(at, _)| *at)
    }

    pub(in crate::broker) fn alarms_until(&self, now: WallTime) -> Vec<AppId> {
        self.alarms.iter().take_while(|(at, _)| *at <= now).map(|(_, app)| app.clone()).collect()
    }
}
