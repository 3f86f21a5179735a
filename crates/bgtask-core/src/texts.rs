use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::registration::{Entry, Registration};
use crate::model::trigger::Trigger;

/// Texts that many registrations have in common, each kept once: what they are read from has one for each.
///
/// The core has its own. Who reads very many registrations shares their texts as he reads them, so that those that are let go
/// leave no holes in memory between those that stay.
#[derive(Debug, Default)]
pub struct Texts {
    kept: BTreeSet<Arc<str>>,
    /// With so many it is time to let go of those that nobody has any more.
    many: usize,
}

impl Texts {
    /// What is usually the same in many registrations shares its memory from now on. The name is not: it is usually one's own.
    pub fn share_in(&mut self, registration: &mut Registration) {
        let Registration { app, entry, trigger, group, counted_in, .. } = registration;
        self.share(app.text_mut());
        if let Entry::Component(name) = entry {
            self.share(name);
        }
        match trigger {
            Trigger::CustomSystemEvent { id, .. } => self.share(id),
            Trigger::AppService { name } => self.share(name),
            Trigger::Calendar { calendar, zone, .. } => {
                self.share(calendar);
                zone.iter_mut().for_each(|zone| self.share(zone));
            }
            _ => {}
        }
        if let Some(group) = group {
            self.share(&mut group.id);
            self.share(&mut group.name);
        }
        counted_in.iter_mut().for_each(|session| self.share(session));
    }

    fn share(&mut self, text: &mut Arc<str>) {
        if let Some(kept) = self.kept.get(text) {
            *text = Arc::clone(kept);
            return;
        }
        if self.kept.len() >= self.many {
            self.kept.retain(|text| Arc::strong_count(text) > 1);
            self.many = 2 * self.kept.len() + 64;
        }
        self.kept.insert(Arc::clone(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_share_their_memory_and_what_nobody_has_is_let_go() {
        let mut texts = Texts::default();
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
}
