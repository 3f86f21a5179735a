//! What each app may use in a window of time, what it has used, and when that begins anew (Q-1, Q-7, POL-2).
//!
//! Only what broker-started hosts of apps use is counted: the user's own commands are not rationed, and what an app does that
//! runs by itself is no background work.

use std::time::Duration;

use super::Core;
use crate::host::HostKind;
use crate::ids::{AppId, HostId};
use crate::model::budget::{Account, Allowed, BudgetLeft, Resource};
use crate::model::command::Usage;
use crate::model::registration::{Entry, Registration};
use crate::output::{Change, Wake, WakeReason};
use crate::time::{Now, WallTime};

/// What a host has used since it was last read.
pub(super) struct Spent {
    cpu: Duration,
    network: u64,
    energy: u64,
    /// The broker started it.
    background: bool,
    /// What runs in it has a budget of its own.
    guaranteed: bool,
}

impl Spent {
    /// Whether any of what is bounded was used.
    pub(super) fn is_something(&self) -> bool {
        !self.cpu.is_zero() || self.network > 0
    }
}

impl Core {
    /// What an app has used in its present window and its present period of energy; `None` is nothing.
    pub fn account(&self, app: &AppId, now: Now) -> Option<Account> {
        let account = self.accounts.account(app).at(now.wall, self.config.budgets.window);
        (!account.is_empty()).then_some(account)
    }

    /// What of its budget an app has left in its present window.
    pub fn budget_left(&self, app: &AppId, now: Now) -> BudgetLeft {
        let account = self.account(app, now).unwrap_or_default();
        let allowed = self.allowed(app);
        let (cpu_left, network_left) = account.left(&allowed);
        let throttled = self.throttled(app);
        let refill = account.refill(self.config.budgets.window);
        let refill = throttled.and_then(|resource| self.released_at_latest(app, resource)).or(refill);
        BudgetLeft {
            percent: self.budget_percent(app),
            window: self.config.budgets.window,
            cpu: allowed.cpu,
            cpu_left,
            network: allowed.network,
            network_left,
            throttled,
            refill,
        }
    }

    /// What an app has used up, for which its tasks wait and its hosts are suspended.
    pub(super) fn throttled(&self, app: &AppId) -> Option<Resource> {
        self.accounts.get(app)?.throttled
    }

    /// A host has used so much since it began. What of that is new is to be [paid for](Self::pay): when what ran there has
    /// ended, if it has.
    pub(super) fn read_meter(&mut self, id: HostId, total: Usage) -> Option<Spent> {
        let guaranteed = self.is_guaranteed(id);
        let host = self.hosts.get_mut(id)?;
        let before = host.meter.used;
        let used = Usage {
            cpu: total.cpu.max(before.cpu),
            io: total.io.max(before.io),
            memory_peak: total.memory_peak,
            network: total.network.map(|network| network.max(before.network.unwrap_or(0))),
            processes: total.processes,
        };
        host.meter.used = used;
        let background = matches!(host.kind, HostKind::Launched(_));
        Some(Spent {
            cpu: used.cpu - before.cpu,
            network: used.network.map_or(0, |network| network - before.network.unwrap_or(0)),
            energy: used.energy().saturating_sub(before.energy()),
            background,
            guaranteed,
        })
    }

    /// Charges an app with what one of its hosts has used, and does what follows from that.
    pub(super) fn pay(&mut self, app: &AppId, spent: &Spent) {
        if spent.background && self.is_rationed(app) {
            let mut account = self.accounts.account(app).at(self.now.wall, self.config.budgets.window);
            account.spend_energy(spent.energy, self.now.wall);
            if !spent.guaranteed {
                account.spend(spent.cpu, spent.network, &self.allowed(app), self.now.wall);
            }
            let lent = self.accounts.lent();
            self.accounts.put(app, account);
            if self.accounts.lent() != lent {
                self.weigh_borrowers();
            }
        }
        self.weigh(app);
    }

    /// What ran of an app has ended: it is charged with what that used, durably.
    pub(super) fn settle(&mut self, app: &AppId, spent: Option<Spent>) {
        match spent {
            Some(spent) => self.pay(app, &spent),
            None => self.weigh(app),
        }
        self.keep_account(app);
    }

    /// An account, what counts for it, or what runs of its app has changed: what follows from that follows now.
    pub(super) fn weigh(&mut self, app: &AppId) {
        if self.accounts.get(app).is_none() {
            return self.ration_hosts(app);
        }
        let exhausted = self.accounts.account(app).exhausted(&self.allowed(app));
        let entry = self.accounts.get_mut(app).expect("just seen");
        if std::mem::replace(&mut entry.throttled, exhausted) != exhausted {
            self.keep_account(app);
            self.refresh_gates_of(app);
        }
        self.weigh_energy(app);
        self.set_account_alarm(app);
        self.ration_hosts(app);
    }

    /// The policy has other words about budgets now.
    pub(super) fn weigh_all(&mut self) {
        let apps: Vec<_> = self.accounts.iter().map(|(app, _)| app.clone()).collect();
        apps.into_iter().for_each(|app| self.weigh(&app));
    }

    /// There is more or less to borrow, for all that have used up their own.
    fn weigh_borrowers(&mut self) {
        let borrowers: Vec<_> =
            self.accounts.iter().map(|(app, _)| app).filter(|app| self.borrows(app)).cloned().collect();
        borrowers.into_iter().for_each(|app| self.weigh(&app));
    }

    /// Whether an app has used up its own, and borrows if it goes on.
    pub(super) fn borrows(&self, app: &AppId) -> bool {
        self.accounts.account(app).borrows(&self.allowed(app))
    }

    /// Windows and periods that somebody waits for have ended.
    pub(super) fn refill(&mut self) {
        for app in self.accounts.alarms_until(self.now.wall) {
            let lent = self.accounts.lent();
            self.begin_account_anew(&app);
            if self.accounts.lent() != lent {
                self.weigh_borrowers();
            }
        }
    }

    /// A window never ends later than its length from now, wherever the clock was set back to.
    pub(super) fn accounts_set_back(&mut self) {
        let now = self.now.wall;
        let ahead = |account: &Account| account.window > now || account.period > now;
        let ahead: Vec<_> =
            self.accounts.iter().filter(|(_, account)| ahead(account)).map(|(app, _)| app.clone()).collect();
        ahead.into_iter().for_each(|app| self.begin_account_anew(&app));
    }

    /// Of what has ended nothing is left. One of nothing is none.
    fn begin_account_anew(&mut self, app: &AppId) {
        let account = self.accounts.account(app).at(self.now.wall, self.config.budgets.window);
        self.accounts.put(app, account);
        self.weigh(app);
        self.keep_account(app);
        if account.is_empty() {
            self.accounts.remove(app);
        }
    }

    pub(super) fn restore_accounts(&mut self, accounts: Vec<(AppId, Account)>) {
        let apps: Vec<_> = accounts.iter().map(|(app, _)| app.clone()).collect();
        for (app, account) in accounts {
            self.accounts.put(&app, account);
            self.accounts.take_changed(&app);
        }
        apps.into_iter().for_each(|app| self.begin_account_anew(&app));
        // Only now all is known that was borrowed.
        self.weigh_all();
    }

    /// Makes an account durable, if it is another than it was.
    pub(super) fn keep_account(&mut self, app: &AppId) {
        let Some(account) = self.accounts.take_changed(app) else { return };
        self.persist(match account.is_empty() {
            true => Change::DeleteAccount(app.clone()),
            false => Change::PutAccount(app.clone(), account),
        });
    }

    /// Nobody is left who could use anything.
    pub(super) fn forget_account(&mut self, app: &AppId) {
        if self.accounts.remove(app) {
            self.persist(Change::DeleteAccount(app.clone()));
            self.weigh_borrowers();
        }
    }

    /// Time alone changes something only for who is throttled, has borrowed, or uses much energy.
    fn set_account_alarm(&mut self, app: &AppId) {
        let Some(entry) = self.accounts.get(app) else { return };
        let account = self.accounts.account(app);
        let borrowed = !account.borrowed_cpu.is_zero() || account.borrowed_network > 0;
        let window = account.refill(self.config.budgets.window).filter(|_| entry.throttled.is_some() || borrowed);
        let period = account.period_end().filter(|_| entry.level > crate::EnergyLevel::Low);
        self.accounts.set_alarm(app, window.into_iter().chain(period).min());
    }

    pub(super) fn refill_wake(&self) -> Option<Wake> {
        let at = self.accounts.first_alarm()?;
        Some(Wake { at: self.now.boot + (at - self.now.wall), why: WakeReason::Refill })
    }

    /// When there is something again of what an app has used up: its window ends, or that of one that has borrowed.
    pub(super) fn released_at_latest(&self, app: &AppId, resource: Resource) -> Option<WallTime> {
        let window = self.config.budgets.window;
        let lends = |(other, account): &(&AppId, &Account)| {
            let borrowed = match resource {
                Resource::Cpu => !account.borrowed_cpu.is_zero(),
                Resource::Network => account.borrowed_network > 0,
            };
            borrowed || *other == app
        };
        self.accounts.iter().filter(lends).filter_map(|(_, account)| account.refill(window)).min()
    }

    /// What an app may use of its own in a window, and borrow beyond that.
    pub(super) fn allowed(&self, app: &AppId) -> Allowed {
        let budgets = &self.config.budgets;
        let percent = u64::from(self.budget_percent(app));
        let (lent_cpu, lent_network) = self.accounts.lent();
        Allowed {
            // Nothing at all would never be filled again.
            cpu: budgets.cpu.map(|cpu| self.scaled(app, cpu).max(Duration::from_micros(1))),
            network: budgets.network.map(|network| (network.saturating_mul(percent) / 100).max(1)),
            pool_cpu: budgets.pool_cpu.saturating_sub(lent_cpu),
            pool_network: budgets.pool_network.saturating_sub(lent_network),
        }
    }

    /// So much of it as the policy gives the app.
    pub(super) fn scaled(&self, app: &AppId, usual: Duration) -> Duration {
        usual.saturating_mul(self.budget_percent(app)) / 100
    }

    pub(super) fn budget_percent(&self, app: &AppId) -> u32 {
        self.policy_of(app).map_or(100, |entry| entry.budget)
    }

    /// The user's own commands have no budget but their own.
    pub(super) fn is_rationed(&self, app: &AppId) -> bool {
        self.apps.get(app).is_some_and(|app| app.commands.is_none())
    }

    /// Whether the budgets of its app hold a registration: not what is critical, nor what the app runs that runs by itself.
    pub(super) fn is_held_by_budgets(&self, registration: &Registration) -> bool {
        let runs = |app| self.hosts.running_app(app).is_some();
        let by_itself = registration.entry == Entry::InProcess && self.apps.get(&registration.app).is_some_and(runs);
        self.is_rationed(&registration.app) && !registration.trigger.is_critical() && !by_itself
    }

    /// who runs something critical is not suspended, and what it uses is not charged to the window of its app.
    pub(super) fn is_guaranteed(&self, host: HostId) -> bool {
        let critical = |instance: &crate::InstanceId| {
            self.tasks.of_running(*instance).is_some_and(|(task, _)| task.registration.trigger.is_critical())
        };
        self.tasks.on_host(host).iter().any(critical)
    }
}
