//! What is known of a unit, and whether something new reaches the state that is waited for.

use crate::bus::{CallError, Properties};
use crate::unit::spec::UnitState;

/// A unit at one moment. Moments are in microseconds since the machine started; zero is never.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    pub(super) state: String,
    pub(super) sub_state: String,
    /// When anything of it changed last.
    pub(super) changed: u64,
    /// When it became active last.
    pub(super) active: u64,
    /// When it became inactive or failed last.
    pub(super) inactive: u64,
}

impl Seen {
    /// From properties of the unit that are all there, as they are in systemd's signals.
    pub(super) fn read(properties: &Properties) -> Result<Self, CallError> {
        Ok(Self {
            state: properties.require("ActiveState")?,
            sub_state: properties.require("SubState")?,
            changed: properties.require("StateChangeTimestampMonotonic")?,
            active: properties.require("ActiveEnterTimestampMonotonic")?,
            inactive: properties.require("InactiveEnterTimestampMonotonic")?,
        })
    }

    /// When it came into `state`, where systemd keeps that.
    fn entered(&self, state: UnitState) -> u64 {
        match state {
            UnitState::Active => self.active,
            UnitState::Inactive | UnitState::Failed => self.inactive,
            UnitState::Activating | UnitState::Deactivating | UnitState::Reloading | UnitState::Maintenance => 0,
        }
    }
}

#[derive(Debug)]
pub(super) struct History {
    wanted: UnitState,
    last: Option<Seen>,
    /// Whether what was seen last may be compared in time with what comes next.
    ordered: bool,
}

impl History {
    pub(super) fn new(wanted: UnitState) -> Self {
        Self { wanted, last: None, ordered: false }
    }

    /// Whether this tells that the unit reached the state since it was seen last.
    pub(super) fn reaches(&mut self, seen: Seen) -> bool {
        let ordered = std::mem::replace(&mut self.ordered, true);
        let Some(last) = &self.last else {
            self.last = Some(seen);
            return false;
        };
        // An answer that was overtaken by a signal.
        if ordered && seen.changed < last.changed {
            return false;
        }
        let wanted = self.wanted.word();
        let entered = seen.entered(self.wanted);
        let reached = match seen.state == wanted {
            // A unit that systemd dropped and took up again has never entered anything, as far as systemd knows.
            true => last.state != wanted || entered > last.entered(self.wanted),
            // It was there in between. Only of being active is that certain.
            false => self.wanted == UnitState::Active && entered > last.active,
        };
        self.last = Some(seen);
        reached
    }

    /// The unit as it is when systemd has it in memory no longer, or not yet: nothing of it runs, and nothing failed.
    pub(super) fn dropped(&self) -> Seen {
        let (changed, active, inactive) =
            self.last.as_ref().map_or((0, 0, 0), |last| (last.changed, last.active, last.inactive));
        Seen { state: "inactive".to_owned(), sub_state: "dead".to_owned(), changed, active, inactive }
    }

    /// What comes next may be of another manager, which counts anew.
    pub(super) fn forget_order(&mut self) {
        self.ordered = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(state: &str, changed: u64, active: u64, inactive: u64) -> Seen {
        Seen { state: state.to_owned(), sub_state: String::new(), changed, active, inactive }
    }

    /// Which of these reach `wanted`.
    fn reached(wanted: UnitState, all: &[(&str, u64, u64, u64)]) -> Vec<bool> {
        let mut history = History::new(wanted);
        all.iter()
            .map(|(state, changed, active, inactive)| history.reaches(seen(state, *changed, *active, *inactive)))
            .collect()
    }

    #[test]
    fn the_first_look_is_no_event_and_each_entry_is_one() {
        let life = [
            ("failed", 10, 5, 10),
            ("failed", 10, 5, 10),
            ("activating", 20, 5, 10),
            ("active", 30, 30, 10),
            ("failed", 40, 30, 40),
            ("inactive", 50, 30, 40),
        ];
        assert_eq!(reached(UnitState::Failed, &life), [false, false, false, false, true, false]);
        assert_eq!(reached(UnitState::Active, &life), [false, false, false, true, false, false]);
        assert_eq!(reached(UnitState::Activating, &life), [false, false, true, false, false, false]);
        assert_eq!(reached(UnitState::Inactive, &life), [false, false, false, false, false, true]);
    }

    #[test]
    fn what_came_between_two_looks_is_known_by_its_moment() {
        assert_eq!(reached(UnitState::Active, &[("active", 1, 1, 0), ("active", 9, 9, 8)]), [false, true], "restarted");
        assert_eq!(
            reached(UnitState::Failed, &[("failed", 1, 0, 1), ("failed", 9, 0, 9)]),
            [false, true],
            "failed again"
        );
        assert_eq!(reached(UnitState::Active, &[("inactive", 1, 0, 1), ("inactive", 9, 5, 9)]), [false, true], "ran");
        assert_eq!(reached(UnitState::Active, &[("inactive", 1, 0, 1), ("failed", 9, 0, 9)]), [false, false]);
    }

    #[test]
    fn a_unit_that_is_taken_up_again_is_as_it_was() {
        let mut history = History::new(UnitState::Inactive);
        assert!(!history.reaches(seen("failed", 20, 10, 20)));
        assert!(history.reaches(history.dropped()));
        history.forget_order();
        assert!(!history.reaches(seen("inactive", 0, 0, 0)));
        assert!(!history.reaches(seen("active", 50, 50, 0)) && history.reaches(seen("inactive", 60, 50, 60)));
    }

    #[test]
    fn an_answer_that_comes_late_changes_nothing() {
        let late = [("active", 1, 1, 0), ("failed", 9, 1, 9), ("active", 1, 1, 0), ("failed", 9, 1, 9)];
        assert_eq!(reached(UnitState::Failed, &late), [false, true, false, false]);
    }

    /// A manager that starts anew has never seen the unit change.
    #[test]
    fn another_manager_counts_anew() {
        let mut history = History::new(UnitState::Inactive);
        assert!(!history.reaches(seen("active", 100, 100, 0)));
        history.forget_order();
        assert!(history.reaches(seen("inactive", 0, 0, 0)));
        assert!(!history.reaches(history.dropped()));
    }
}
