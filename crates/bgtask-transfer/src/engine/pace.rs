use std::time::Duration;

use super::Settings;

/// How long to wait after so many faults in a row: twice as long after each, and a random half of that less, so that many
/// machines whose server was away do not all come back at once.
pub(super) fn pause_after(faults: u32, settings: &Settings) -> Duration {
    let doubled = 1_u32.checked_shl(faults.saturating_sub(1)).unwrap_or(u32::MAX);
    let whole = settings.pause.saturating_mul(doubled).min(settings.longest_pause);
    whole.mul_f64(0.5 + 0.5 * share())
}

/// Something from 0 to 1.
fn share() -> f64 {
    let random = uuid::Uuid::new_v4().as_u128();
    f64::from((random >> 96) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_differ_from_each_other() {
        let settings = Settings::default();
        for (faults, most) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (1_000, 60)] {
            let pause = pause_after(faults, &settings);
            let most = Duration::from_secs(most);
            assert!((most / 2..=most).contains(&pause), "after {faults}: {pause:?}");
        }
        let some: std::collections::BTreeSet<_> = (0..16).map(|_| pause_after(5, &settings)).collect();
        assert!(some.len() > 1);
    }
}
