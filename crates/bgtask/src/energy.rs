//! How much energy the app uses in the background.

use std::sync::Arc;
use std::time::SystemTime;

use bgtask_wire::EnergyUsageInfo;

use crate::event_args::time_of;
use crate::session::{Broker, Session};
use crate::windows_enum::windows_enum;
use crate::{Error, EventRegistrationToken};

windows_enum! {
    /// How much energy an app uses in the background, from the least (POL-6). The numbers are the percentages of what is normal at
    /// which each begins; on Windows they are the properties `LowUsageLevel` to `TerminationUsageLevel`.
    EnergyUsageLevel {
        /// As an app should (`LowUsageLevel`).
        Low = 0,
        /// Soon as much as is acceptable (`NearMaxAcceptableUsageLevel`).
        NearMaxAcceptable = 80,
        /// As much as is acceptable: the user may be shown the app as one that uses much (`MaxAcceptableUsageLevel`).
        MaxAcceptable = 100,
        /// More than is acceptable (`ExcessiveUsageLevel`).
        Excessive = 150,
        /// Its tasks will soon be ended (`NearTerminationUsageLevel`).
        NearTermination = 250,
        /// Its tasks are told to stop with [`ResourceRevocation`](crate::BackgroundTaskCancellationReason::ResourceRevocation), and
        /// run again in the next period (`TerminationUsageLevel`, POL-7).
        Termination = 300,
    }
}

/// What the app has used in the present period of 30 minutes, all its background tasks together (Q-17).
///
/// It is estimated from processor time, wake-ups, bytes read and written, and bytes sent and received; `docs/budgets.md` has the
/// weights. Normal is a minute of one processor in a period, scaled where the policy gives the app another budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnergyUsage {
    percent: u32,
    level: EnergyUsageLevel,
    until: SystemTime,
}

/// The app's use of energy in the background: `Windows.System.Power.BackgroundEnergyManager`.
///
/// ```no_run
/// use bgtask::{BackgroundEnergyManager, EnergyUsageLevel};
/// # async fn example() -> Result<(), bgtask::Error> {
/// BackgroundEnergyManager::on_recent_energy_usage_increased(|usage| eprintln!("{} % of normal", usage.percent()));
/// let usage = BackgroundEnergyManager::recent_energy_usage().await?;
/// if usage.level() >= EnergyUsageLevel::MaxAcceptable {
///     println!("the thumbnails can wait");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub enum BackgroundEnergyManager {}

impl BackgroundEnergyManager {
    /// What the app has used so far (`RecentEnergyUsage`, `RecentEnergyUsageLevel`).
    ///
    /// # Errors
    ///
    /// [`is_no_broker`](Error::is_no_broker), [`is_unknown_app`](Error::is_unknown_app).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn recent_energy_usage() -> Result<EnergyUsage, Error> {
        Session::current().energy_usage().await
    }

    /// Calls `handler` at each rise to another level, up to [`Termination`](EnergyUsageLevel::Termination) (POL-8). Only an app that
    /// runs hears it: what it missed is in [`recent_energy_usage`](Self::recent_energy_usage). Of several that wait for their
    /// handlers the latest is left.
    ///
    /// Handlers run one after the other on the session's runtime, and must not block.
    pub fn on_recent_energy_usage_increased(
        handler: impl Fn(EnergyUsage) + Send + Sync + 'static,
    ) -> EventRegistrationToken {
        Session::current().events().on_energy(move |usage| {
            if usage.level > EnergyUsageLevel::Low {
                handler(usage);
            }
        })
    }

    /// Calls `handler` when a period ends in which the app used more than little (POL-8). As
    /// [`on_recent_energy_usage_increased`](Self::on_recent_energy_usage_increased) in all else.
    pub fn on_recent_energy_usage_returned_to_low(
        handler: impl Fn(EnergyUsage) + Send + Sync + 'static,
    ) -> EventRegistrationToken {
        Session::current().events().on_energy(move |usage| {
            if usage.level == EnergyUsageLevel::Low {
                handler(usage);
            }
        })
    }
}

impl EnergyUsage {
    /// In percent of what is normal; more than 100 where it is more.
    pub fn percent(&self) -> u32 {
        self.percent
    }

    /// Its level.
    pub fn level(&self) -> EnergyUsageLevel {
        self.level
    }

    /// When the period ends. Of an app that has used nothing yet, when one that began now would end.
    pub fn until(&self) -> SystemTime {
        self.until
    }

    pub(crate) fn read((percent, level, until): EnergyUsageInfo) -> Result<Self, Error> {
        let level = EnergyUsageLevel::from_number(level)
            .ok_or_else(|| Error::protocol(format!("the broker sent {level} as a level of energy")))?;
        Ok(Self { percent, level, until: time_of(until) })
    }
}

impl Session {
    pub(crate) async fn energy_usage(&self) -> Result<EnergyUsage, Error> {
        let request = |broker: Broker, app: Arc<str>| async move { broker.get_energy_usage(&app).await };
        EnergyUsage::read(self.ask("GetEnergyUsage", request).await?)
    }
}
