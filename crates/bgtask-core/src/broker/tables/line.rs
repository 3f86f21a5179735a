use std::collections::{BTreeMap, BTreeSet};

use crate::ids::AppId;

/// The apps with something that may run, in the order in which it is their turn: who occupies least first, of several such who had
/// a turn longest ago, then what fired first. The next is found without looking at the others.
#[derive(Default)]
pub(super) struct Line {
    apps: BTreeMap<AppId, Place>,
    order: BTreeSet<(Place, AppId)>,
    last_turn: u64,
}

/// Where an app stands; those that occupy nothing, had no turn and have nothing open stand nowhere.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// How many of its instances occupy a host.
    occupied: usize,
    /// When it had its last turn, while anything waits for one.
    turn: Option<u64>,
    /// The first of what is open.
    first: Option<u64>,
}

impl Line {
    /// What is first of all that is open of an app.
    pub(super) fn set_first(&mut self, app: &AppId, first: Option<u64>) {
        self.change(app, |place| place.first = first);
    }

    /// An instance of the app occupies a host, and that was its turn.
    pub(super) fn occupy(&mut self, app: &AppId) {
        self.last_turn += 1;
        let turn = Some(self.last_turn);
        self.change(app, |place| (place.occupied, place.turn) = (place.occupied + 1, turn));
    }

    /// An instance of the app occupies it no longer.
    pub(super) fn release(&mut self, app: &AppId) {
        self.change(app, |place| place.occupied = place.occupied.saturating_sub(1));
    }

    /// Nothing waits for a turn: who had the last one counts no longer.
    pub(super) fn forget_turns(&mut self) {
        let had: Vec<_> =
            self.apps.iter().filter(|(_, place)| place.turn.is_some()).map(|(app, _)| app.clone()).collect();
        had.iter().for_each(|app| self.change(app, |place| place.turn = None));
    }

    /// Nothing is open until it is said again.
    pub(super) fn close_all(&mut self) {
        let open: Vec<_> = self.order.iter().map(|(_, app)| app.clone()).collect();
        open.iter().for_each(|app| self.set_first(app, None));
    }

    /// Those with something open in their order, each with how much it occupies.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&AppId, usize)> {
        self.order.iter().map(|(place, app)| (app, place.occupied))
    }

    fn change(&mut self, app: &AppId, change: impl FnOnce(&mut Place)) {
        let before = self.apps.get(app).copied().unwrap_or_default();
        let mut place = before;
        change(&mut place);
        if place == before {
            return;
        }
        if before.first.is_some() {
            self.order.remove(&(before, app.clone()));
        }
        if place.first.is_some() {
            self.order.insert((place, app.clone()));
        }
        if place == Place::default() {
            self.apps.remove(app);
        } else {
            self.apps.insert(app.clone(), place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_turn_it_is_is_kept_in_order_and_nothing_is_left_of_who_is_done() {
        let apps = ["org.example.A", "org.example.B", "org.example.C"].map(|name| AppId::new(name).expect("an id"));
        let [a, b, c] = &apps;
        let mut line = Line::default();
        let order = |line: &Line| line.iter().map(|(app, _)| app.clone()).collect::<Vec<_>>();
        for (app, first) in [(a, 3), (b, 2), (c, 1)] {
            line.set_first(app, Some(first));
        }
        assert_eq!(order(&line), [c.clone(), b.clone(), a.clone()], "what fired first");
        line.occupy(c);
        assert_eq!(order(&line), [b.clone(), a.clone(), c.clone()], "who occupies least");
        line.occupy(b);
        line.release(b);
        line.release(c);
        assert_eq!(order(&line), [a.clone(), c.clone(), b.clone()], "who had a turn longest ago");
        line.set_first(a, None);
        assert_eq!(order(&line), [c.clone(), b.clone()]);
        line.close_all();
        assert_eq!(line.iter().count(), 0);
        line.forget_turns();
        assert!(line.apps.is_empty() && line.order.is_empty());
    }
}
