//! What the broker keeps.

use bgtask_store::StoreError;

use super::places::Places;
use super::{Area, Finding};
use crate::output::quantity::amount;
use crate::output::time::rfc3339;

const AREA: Area = Area("State");

/// With less the broker is about to fail.
const LITTLE: u64 = 64 << 20;
/// With less somebody should look: the store alone may take 128 MiB.
const ENOUGH: u64 = 512 << 20;
/// Clocks that are kept in step with the world go back by no more than that, in microseconds.
const SET_BACK: i64 = 2_000_000;

pub(super) async fn check(places: &Places, now: i64) -> Vec<Finding> {
    let folder = places.state.clone();
    let checked = tokio::task::spawn_blocking(move || bgtask_store::check(&folder)).await;
    let mut findings = vec![match &checked {
        Ok(Ok(Some(found))) => AREA.ok(
            "store",
            format!("{}: sound, {}, {} rows of state", places.state.display(), amount(found.bytes), found.state_rows),
        ),
        Ok(Ok(None)) => AREA.ok("store", format!("{}: none yet, the first broker makes it", places.state.display())),
        Ok(Err(error)) => damaged(error),
        Err(error) => AREA.problem("store", format!("the check ended early: {error}"), "try again"),
    }];
    if let Ok(Ok(Some(found))) = &checked {
        findings.extend(found.newest_us.map(|newest| history(newest, now)));
    }
    findings.push(disk(places));
    findings
}

fn damaged(error: &StoreError) -> Finding {
    let text = error.to_string();
    let (what, help) =
        text.split_once("; ").unwrap_or((&text, "see what the broker logs: `journalctl --user -u bgtask`"));
    if error.is_busy() { AREA.warning("store", what, help) } else { AREA.problem("store", what, help) }
}

/// Time that goes back moves what is due.
fn history(newest: i64, now: i64) -> Finding {
    let name = "history";
    if newest <= now.saturating_add(SET_BACK) {
        return AREA.ok(name, format!("its newest line is of {}", rfc3339(newest)));
    }
    AREA.problem(
        name,
        format!(
            "its newest line is of {}, which is still to come: the clock is wrong now, or was then",
            rfc3339(newest)
        ),
        "set the clock: `timedatectl set-ntp true`",
    )
}

fn disk(places: &Places) -> Finding {
    let name = "disk";
    // The folder may not be there yet.
    let found = places.state.ancestors().find_map(|folder| Some((folder, rustix::fs::statvfs(folder).ok()?)));
    let Some((folder, space)) = found else {
        return AREA.warning(name, "how much is free cannot be seen", "make the folder readable for this user");
    };
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let what = format!("{} free at {}", amount(free), folder.display());
    let read_only = space.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY);
    match free {
        _ if read_only => AREA.problem(name, format!("{} cannot be written", folder.display()), "mount it for writing"),
        0..LITTLE => AREA.problem(name, what, "free some space: the broker cannot keep what happens"),
        LITTLE..ENOUGH => AREA.warning(name, what, "free some space before the broker runs out of it"),
        _ => AREA.ok(name, what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Verdict;

    #[test]
    fn a_history_from_the_future_is_a_problem() {
        assert_eq!(history(1_000, 5_000_000).verdict, Verdict::Ok);
        assert_eq!(history(5_000_000, 4_000_000).verdict, Verdict::Ok, "a clock that is kept in step");
        assert_eq!(history(50_000_000, 4_000_000).verdict, Verdict::Problem);
    }
}
