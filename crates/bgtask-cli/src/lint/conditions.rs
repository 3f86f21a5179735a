//! Which conditions exclude one another, and how much of a usual day each of them holds.

use bgtask_core::{Condition, Fact};

/// What a condition asks of its fact.
pub(super) fn wanted(condition: Condition) -> (Fact, bool) {
    (condition.fact(), condition.holds_at(true))
}

/// Whether two conditions can never hold together. Times of the day are not looked at: see [`Day`](super::day::Day).
pub(super) fn exclude(one: Condition, other: Condition) -> bool {
    let (one, other) = (wanted(one), wanted(other));
    is_denied_by(one, other) || is_denied_by(other, one)
}

/// Whether `one` implies what `other` denies.
fn is_denied_by((one, holds): (Fact, bool), (other, other_holds): (Fact, bool)) -> bool {
    if matches!(one, Fact::Between(_)) {
        return false;
    }
    if one == other {
        return holds != other_holds;
    }
    holds
        && !other_holds
        && match (one, other) {
            (Fact::FreeNetwork, Fact::Internet) => true,
            (Fact::BatteryAbove(much), Fact::BatteryAbove(less)) => less <= much,
            (Fact::Idle(long), Fact::Idle(shorter)) => shorter <= long,
            (Fact::DiskFree(much), Fact::DiskFree(less)) => less <= much,
            (Fact::LoadBelow(low), Fact::LoadBelow(higher)) => higher >= low,
            _ => false,
        }
}

/// Which part of a usual day it holds, roughly: enough to tell what is rare. Times of the day are counted exactly elsewhere.
pub(super) fn usual_share(condition: Condition) -> f64 {
    let (fact, holds) = wanted(condition);
    let share = match fact {
        Fact::Between(_) | Fact::TimeZone => return 1.0,
        Fact::NetworkState | Fact::PowerState | Fact::OnlineAccounts | Fact::DefaultAccount => return 1.0,
        Fact::SessionConnected | Fact::WorkCost => 0.9,
        Fact::Internet | Fact::DiskFree(_) => 0.95,
        Fact::FreeNetwork | Fact::ExternalPower | Fact::BatteryAbove(_) => 0.7,
        Fact::LoadBelow(_) => 0.8,
        Fact::UserPresence | Fact::Screen => 0.4,
        Fact::Idle(_) => 0.6,
        Fact::EnergySaver | Fact::MemoryPressure => 0.05,
        Fact::CpuPressure => 0.1,
        Fact::Standby => 0.0,
    };
    if holds { share } else { 1.0 - share }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(word: &str) -> Condition {
        Condition::from_name(word).unwrap()
    }

    #[test]
    fn opposites_and_what_follows_from_them_exclude_one_another() {
        for (one, other) in [
            ("internet", "no-internet"),
            ("user-present", "user-away"),
            ("ac-power", "not:ac-power"),
            ("unmetered", "no-internet"),
            ("battery-above:80", "not:battery-above:50"),
            ("idle:1h", "not:idle:10min"),
            ("disk-free:10G", "not:disk-free:1G"),
            ("load-below:1", "not:load-below:2"),
        ] {
            assert!(exclude(named(one), named(other)) && exclude(named(other), named(one)), "{one} {other}");
        }
        for (one, other) in [
            ("internet", "unmetered"),
            ("internet", "not:unmetered"),
            ("battery-above:50", "not:battery-above:80"),
            ("idle:10min", "not:idle:1h"),
            ("load-below:2", "not:load-below:1"),
            ("ac-power", "user-away"),
        ] {
            assert!(!exclude(named(one), named(other)) && !exclude(named(other), named(one)), "{one} {other}");
        }
    }

    #[test]
    fn a_share_and_that_of_the_opposite_are_the_whole_day() {
        for word in ["internet", "user-away", "ac-power", "memory-pressure", "load-below:1.5"] {
            let condition = named(word);
            let sum = usual_share(condition) + usual_share(condition.opposite());
            assert!((sum - 1.0).abs() < 1e-9, "{word}: {sum}");
        }
    }
}
