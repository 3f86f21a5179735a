//! What running tasks use, as the test says it, and what comes of that.

use std::time::{Duration, SystemTime};

use bgtask_convert::energy_info;
use bgtask_core::{HostId, Usage, limits};

use super::convert::core_id;
use super::{TestBroker, app_id};
use crate::event_args::time_of;
use crate::{EnergyUsage, Error, TaskId};

impl TestBroker {
    /// A running task uses all processor time that its app has left in this window, and is suspended (POL-1): nothing of it runs, and
    /// its budget of time stands still. It goes on at the refill, which is what is returned, and
    /// [reads](crate::host::TaskInstance::suspended_count) that it was suspended: [`advance`](Self::advance) as far, or cancel it
    /// meanwhile.
    ///
    /// ```
    /// # use bgtask::testing::{ActivationPhase, TestBroker};
    /// # async fn example(broker: &mut TestBroker, task: bgtask::TaskId) {
    /// let refill = broker.suspend(task);
    /// assert_eq!(broker.activations(task)[0].phase(), ActivationPhase::Suspended);
    /// broker.advance(refill.duration_since(broker.now()).unwrap()).await;
    /// assert_eq!(broker.activations(task)[0].phase(), ActivationPhase::Running);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// The task does not run.
    #[track_caller]
    pub fn suspend(&mut self, task: TaskId) -> SystemTime {
        let left = |broker: &Self| {
            let core = broker.core.as_ref()?;
            let (registration, _) = core.task(core_id(task))?;
            Some(core.budget_left(&registration.app, broker.clock.now()))
        };
        let cpu = left(self).and_then(|left| left.cpu_left).unwrap_or_default();
        self.use_processor_time(task, cpu);
        let refill = left(self).and_then(|left| left.refill).map(|refill| time_of(refill.as_micros()));
        refill.unwrap_or_else(|| self.now())
    }

    /// A running task uses so much processor time, in no time: two minutes in two hours are all its app may. A task uses none here by
    /// itself, however long it computes, and apps borrow nothing from each other.
    ///
    /// # Panics
    ///
    /// The task does not run.
    #[track_caller]
    pub fn use_processor_time(&mut self, task: TaskId, time: Duration) {
        self.uses(task, Usage { cpu: time, ..Usage::default() });
    }

    /// A running task sends and receives so many bytes. By default the network is not rationed: they count as energy only.
    ///
    /// # Panics
    ///
    /// The task does not run.
    #[track_caller]
    pub fn use_network(&mut self, task: TaskId, bytes: u64) {
        self.uses(task, Usage { network: Some(bytes), ..Usage::default() });
    }

    /// A running task reads and writes so much that its app has used as much energy more as is so many percent of what is normal in a
    /// period of 30 minutes (POL-6). At 300 % and beyond the app's tasks are told to stop, and wait for the next period (POL-7).
    ///
    /// # Panics
    ///
    /// The task does not run.
    #[track_caller]
    pub fn use_energy(&mut self, task: TaskId, percent: u32) {
        let units = limits::ENERGY_NORMAL * u64::from(percent) / 100;
        let io = units.div_ceil(limits::ENERGY_OF_A_SECOND) * limits::IO_OF_A_SECOND;
        self.uses(task, Usage { io, ..Usage::default() });
    }

    /// What an app has used of its energy, as
    /// [`recent_energy_usage`](crate::BackgroundEnergyManager::recent_energy_usage) tells it.
    ///
    /// # Errors
    ///
    /// [`is_unknown_app`](Error::is_unknown_app), [`is_no_broker`](Error::is_no_broker).
    pub fn energy_usage(&self, app: &str) -> Result<EnergyUsage, Error> {
        let (app, core) = (app_id(app)?, self.core.as_ref().ok_or_else(Self::has_crashed)?);
        match self.apps.contains_key(&app) {
            true => EnergyUsage::read(energy_info(&core.energy(&app, self.clock.now()))),
            false => Err(super::refused(&bgtask_core::Refusal::UnknownApp(app), None, "")),
        }
    }

    /// Each change of its energy that an app was told, oldest first: what the handlers of
    /// [`BackgroundEnergyManager`](crate::BackgroundEnergyManager) hear (POL-8). The app listens all the time.
    pub fn energy_events(&self, app: &str) -> Vec<EnergyUsage> {
        let client = app_id(app).ok().and_then(|app| self.clients.get(&app));
        let its = self.heard.energy.iter().filter(|(of, _)| Some(of) == client);
        its.map(|(_, usage)| *usage).collect()
    }

    #[track_caller]
    fn uses(&mut self, task: TaskId, more: Usage) {
        let host = self.host_of(task);
        let Some(host) = host else { panic!("{task} does not run, so it uses nothing: {}", self.why(task)) };
        self.processes.charge(host, more);
        let used = self.processes.usage(host);
        self.tell(used);
    }

    fn host_of(&self, task: TaskId) -> Option<HostId> {
        let its = |(registration, _): &(&bgtask_core::Registration, _)| registration.id == core_id(task);
        self.core.as_ref()?.activations().filter(its).find_map(|(_, activation)| activation.state.host())
    }
}
