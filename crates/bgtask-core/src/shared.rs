use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::condition::Condition;
use crate::model::registration::{Entry, Registration};
use crate::model::trigger::Trigger;

/// Texts and conditions that many registrations have in common, each kept once: what they are read from has one for each.
///
/// The core has its own. Who reads very many registrations shares what is in them as he reads them, so that what is let go
/// leaves no holes in memory between what stays.
#[derive(Debug, Default)]
pub struct Shared {
    texts: Kept<str>,
    conditions: Kept<[Condition]>,
}

impl Shared {
    /// What is usually the same in many registrations shares its memory from now on. The name is not: it is usually one's own.
    pub fn share_in(&mut self, registration: &mut Registration) {
        let Registration { app, entry, trigger, conditions, group, counted_in, .. } = registration;
        let texts = &mut self.texts;
        texts.share(app.text_mut());
        if let Entry::Component(name) = entry {
            texts.share(name);
        }
        match trigger {
            Trigger::CustomSystemEvent { id, .. } => texts.share(id),
            Trigger::AppService { name } => texts.share(name),
            Trigger::Calendar { calendar, zone, .. } => {
                texts.share(calendar);
                zone.iter_mut().for_each(|zone| texts.share(zone));
            }
            _ => {}
        }
        self.conditions.share(conditions);
        if let Some(group) = group {
            texts.share(&mut group.id);
            texts.share(&mut group.name);
        }
        counted_in.iter_mut().for_each(|session| texts.share(session));
    }
}

/// Values of one type, each once. Those that nobody else has any more go when there are many.
#[derive(Debug)]
struct Kept<T: ?Sized> {
    kept: BTreeSet<Arc<T>>,
    /// With so many it is time to let go of those that nobody has any more.
    many: usize,
}

impl<T: ?Sized + Ord> Kept<T> {
    fn share(&mut self, value: &mut Arc<T>) {
        if let Some(kept) = self.kept.get(value) {
            *value = Arc::clone(kept);
            return;
        }
        if self.kept.len() >= self.many {
            self.kept.retain(|value| Arc::strong_count(value) > 1);
            self.many = 2 * self.kept.len() + 64;
        }
        self.kept.insert(Arc::clone(value));
    }
}

impl<T: ?Sized> Default for Kept<T> {
    fn default() -> Self {
        Self { kept: BTreeSet::new(), many: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::condition::SystemConditionType;

    #[test]
    fn what_is_equal_shares_its_memory_and_what_nobody_has_is_let_go() {
        let mut texts = Kept::default();
        let (mut one, mut other): (Arc<str>, Arc<str>) = ("Tasks.Sync".into(), "Tasks.Sync".into());
        texts.share(&mut one);
        texts.share(&mut other);
        assert!(Arc::ptr_eq(&one, &other));
        for number in 0..10_000 {
            texts.share(&mut number.to_string().into());
        }
        assert!(texts.kept.len() <= 2 * 64 + 2, "{}", texts.kept.len());
        assert!(texts.kept.contains("Tasks.Sync"));
    }

    #[test]
    fn equal_conditions_share_their_memory() {
        let conditions = || Arc::from([Condition::from(SystemConditionType::InternetAvailable)]);
        let (mut one, mut other): (Arc<[Condition]>, _) = (conditions(), conditions());
        let mut kept = Kept::default();
        kept.share(&mut one);
        kept.share(&mut other);
        assert!(Arc::ptr_eq(&one, &other));
    }
}
