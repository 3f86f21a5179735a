//! An interval is a suggestion (TM-4): while energy is saved, and of apps that are rarely used, the owner of the machine may have
//! it stretched. A stretched timer fires at every second, third or later of its times: its phase stays.

use std::time::Duration;

use super::{Core, Task};
use crate::host::HostKind;
use crate::ids::{AppId, TaskId};
use crate::input::AppVersion;
use crate::limits::{MAX_PER_TURN, MAX_STRETCHED};
use crate::model::access::BackgroundAccessStatus;
use crate::model::fact::Fact;
use crate::model::registration::Registration;
use crate::model::trigger::Trigger;
use crate::time::WallTime;

/// How exactly it is kept when an app was used last: one that comes and goes costs a write an hour at most.
const KEPT_TO: Duration = Duration::from_secs(3_600);

/// Why an interval is longer than its app asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stretched {
    /// The user saves energy.
    Saving,
    /// Its app is rarely used: since then.
    Rare(WallTime),
}

impl Core {
    /// How much later than due it fires.
    pub(super) fn stretched_by(&self, registration: &Registration) -> Duration {
        self.stretch(registration).map_or(Duration::ZERO, |(_, longer)| longer)
    }

    /// Why its interval is stretched now, and by how much: by whole intervals. What fires once has none.
    pub(super) fn stretch(&self, registration: &Registration) -> Option<(Stretched, Duration)> {
        let (Trigger::Time { one_shot: false, .. } | Trigger::Maintenance { one_shot: false, .. }) =
            registration.trigger
        else {
            return None;
        };
        let interval = registration.trigger.interval()?;
        let fitting = MAX_STRETCHED.as_micros() / interval.as_micros().max(1);
        let most = u32::try_from(fitting).unwrap_or(u32::MAX);
        let (times, why) = self.stretches(registration).max_by_key(|(times, _)| *times)?;
        let more = times.min(most).saturating_sub(1);
        (more > 0).then(|| (why, interval * more))
    }

    fn stretches(&self, registration: &Registration) -> impl Iterator<Item = (u32, Stretched)> {
        let stretch = self.config.stretch;
        let saving = self.facts.levels().get(Fact::EnergySaver).is_some_and(|(saving, _)| saving);
        let saving = saving.then_some((stretch.saving, Stretched::Saving));
        let always = || self.status_of(registration) == BackgroundAccessStatus::AlwaysAllowed;
        let rare = self.rare_since(&registration.app).filter(|_| !always());
        saving.into_iter().chain(rare.map(|since| (stretch.rare, Stretched::Rare(since))))
    }

    /// Since when an app has not been used, where that is so long ago that it counts.
    fn rare_since(&self, app: &AppId) -> Option<WallTime> {
        let used = self.apps.versions.get(app)?.used.filter(|_| self.counts_use())?;
        let rare = self.now.wall - used >= self.config.stretch.rare_after && !self.runs_by_itself(app);
        rare.then_some(used)
    }

    fn runs_by_itself(&self, app: &AppId) -> bool {
        !self.mailboxes.clients_of(app).is_empty() && !self.has_started(app)
    }

    /// Whether a process of the app may be one that runs its tasks.
    fn has_started(&self, app: &AppId) -> bool {
        self.hosts.iter().any(|host| host.app == *app && matches!(host.kind, HostKind::Launched(_)))
    }

    fn counts_use(&self) -> bool {
        self.config.stretch.rare > 1
    }

    /// It is not known how long an app was not used before that counted.
    pub(super) fn begin_to_count_use(&mut self, app: &AppId) {
        let unknown = self.apps.versions.get(app).filter(|known| known.used.is_none() && self.counts_use());
        if let Some(known) = unknown.cloned() {
            self.put_version(app, AppVersion { used: Some(self.now.wall), ..known });
        }
    }

    /// A process of the app has come or gone that the broker did not start: it is used.
    pub(super) fn note_use(&mut self, app: &AppId) {
        let Some(known) = self.apps.versions.get(app).filter(|_| self.counts_use()).cloned() else { return };
        let now = self.now.wall;
        let is_news = known.used.is_none_or(|used| used > now || now - used >= KEPT_TO);
        if !is_news || self.has_started(app) {
            return;
        }
        let was_rare = self.rare_since(app).is_some();
        self.put_version(app, AppVersion { used: Some(now), ..known });
        if was_rare {
            let its: Vec<_> = self.tasks.of_app(app).map(|task| task.registration.id).collect();
            its.into_iter().for_each(|id| self.arm(id));
        }
    }

    /// Energy is saved from now on, or no longer: what is armed for another time than its interval says now is armed anew, some in
    /// each turn, so that nothing is woken for in vain.
    pub(super) fn stretch_anew(&mut self) {
        if self.config.stretch.saving > 1 {
            let first = self.tasks.iter().next().map(place_of);
            self.portions.stretched = first;
            self.stretch_some();
        }
    }

    pub(super) fn stretch_some(&mut self) {
        let Some((app, from)) = self.portions.stretched.take() else { return };
        let mut some: Vec<_> = self.tasks.all_from(&app, from).take(MAX_PER_TURN + 1).map(place_of).collect();
        self.portions.stretched = (some.len() > MAX_PER_TURN).then(|| some.pop()).flatten();
        some.into_iter().for_each(|(_, id)| self.arm(id));
    }
}

fn place_of(task: &Task) -> (AppId, TaskId) {
    (task.registration.app.clone(), task.registration.id)
}
