use std::collections::BTreeMap;

use bgtask_core::BootTime;

/// What will happen and when; what is due at the same instant happens in the order it was planned.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    planned: BTreeMap<(BootTime, u64), T>,
    entries: u64,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self { planned: BTreeMap::new(), entries: 0 }
    }
}

impl<T> Agenda<T> {
    pub(crate) fn plan(&mut self, at: BootTime, what: T) {
        self.entries += 1;
        self.planned.insert((at, self.entries), what);
    }

    pub(crate) fn take_due(&mut self, now: BootTime) -> Option<T> {
        let entry = self.planned.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    pub(crate) fn next(&self) -> Option<BootTime> {
        self.planned.keys().next().map(|(at, _)| *at)
    }

    pub(crate) fn cancel(&mut self, unwanted: impl Fn(&T) -> bool) {
        self.planned.retain(|_, what| !unwanted(what));
    }

    pub(crate) fn clear(&mut self) {
        self.planned.clear();
    }
}
