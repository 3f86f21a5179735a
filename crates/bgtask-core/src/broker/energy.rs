//! How much energy each app uses in a period of half an hour, and what becomes of those that use too much (POL-6 to POL-8).

use super::Core;
use crate::host::HostKind;
use crate::ids::{AppId, TaskId};
use crate::limits::{ENERGY_NORMAL, ENERGY_OF_A_WAKE, ENERGY_PERIOD};
use crate::model::access::BackgroundAccessStatus;
use crate::model::budget::{Account, EnergyLevel, EnergyUsage};
use crate::model::cancel::CancellationReason;
use crate::model::registration::Registration;
use crate::output::{Notice, Output};
use crate::time::Now;

impl Core {
    /// How much energy an app has used in the present period, in percent of what is normal for it (POL-6). A period begins when
    /// the app first uses something after the last one; of one that has used nothing it would begin now.
    pub fn energy(&self, app: &AppId, now: Now) -> EnergyUsage {
        self.energy_of(app, self.account(app, now).unwrap_or_default(), now)
    }

    fn energy_of(&self, app: &AppId, account: Account, now: Now) -> EnergyUsage {
        let normal = u128::from(ENERGY_NORMAL) * u128::from(self.budget_percent(app).max(1));
        let percent = u128::from(account.energy) * 100 * 100 / normal;
        let percent = u32::try_from(percent).unwrap_or(u32::MAX);
        let until = account.period_end().unwrap_or(now.wall + ENERGY_PERIOD);
        EnergyUsage { percent, level: EnergyLevel::of(percent), until }
    }

    /// A timer of a task woke the broker, perhaps for others too: each has its share of that.
    pub(super) fn charge_energy_of_wake(&mut self, id: TaskId, shared: u32) {
        let Some(app) = self.tasks.get(id).map(|task| task.registration.app.clone()) else { return };
        let units = ENERGY_OF_A_WAKE / u64::from(shared.max(1));
        if units > 0 && self.is_rationed(&app) {
            let mut account = self.accounts.account(&app).at(self.now.wall, self.config.budgets.window);
            account.spend_energy(units, self.now.wall);
            self.accounts.put(&app, account);
            self.weigh(&app);
        }
    }

    /// POL-8: the app is told of each rise, and when it uses little again.
    pub(super) fn weigh_energy(&mut self, app: &AppId) {
        let usage = self.energy_of(app, self.accounts.account(app), self.now);
        let Some(entry) = self.accounts.get_mut(app) else { return };
        let before = std::mem::replace(&mut entry.level, usage.level);
        if usage.level > before || (usage.level < before && usage.level == EnergyLevel::Low) {
            for client in self.mailboxes.clients_of(app) {
                self.outputs.push_back(Output::Deliver(client, Notice::Energy(usage)));
            }
        }
        if (usage.level == EnergyLevel::Termination) != (before == EnergyLevel::Termination) {
            self.keep_account(app);
            self.refresh_gates_of(app);
        }
        if usage.level == EnergyLevel::Termination {
            self.cancel_for_energy(app);
        }
    }

    /// POL-7: what runs in the background ends, but for what is always allowed, and what is critical.
    fn cancel_for_energy(&mut self, app: &AppId) {
        self.cancel_where(CancellationReason::ResourceRevocation, |core, task, activation| {
            let registration = &task.registration;
            let host = activation.state.host().and_then(|host| core.hosts.get(host));
            let in_background = host.is_some_and(|host| matches!(host.kind, HostKind::Launched(_)));
            registration.app == *app && in_background && core.is_held_by_energy(registration)
        });
    }

    /// Whether its app has used so much energy that it waits for the next period.
    pub(super) fn is_held_by_energy(&self, registration: &Registration) -> bool {
        let terminated = |entry: &super::tables::Entry| entry.level == EnergyLevel::Termination;
        self.accounts.get(&registration.app).is_some_and(terminated)
            && self.is_held_by_budgets(registration)
            && self.status_of(registration) != BackgroundAccessStatus::AlwaysAllowed
    }
}
