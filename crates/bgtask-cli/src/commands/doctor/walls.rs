//! Behind which walls the tasks of apps run here.

use super::ask::ask;
use super::broker::launcher_path;
use super::{Area, Finding};

const AREA: Area = Area("Walls");
const HELP: &str =
    "docs/confinement.md says what it takes, and `confinement` in config.toml whether tasks run without it";

/// The launcher tells what it could put up. That it is missing is said where it is looked for.
pub(super) async fn check() -> Vec<Finding> {
    let Some(launcher) = launcher_path() else { return Vec::new() };
    match ask(&launcher.to_string_lossy(), &["walls"]).await {
        Ok(answer) => answer.lines().filter_map(finding).collect(),
        Err(why) => vec![AREA.warning("launcher", format!("which walls there are is not known: {why}"), HELP)],
    }
}

/// `view<TAB>kept<TAB>a mount namespace`
fn finding(line: &str) -> Option<Finding> {
    let mut words = line.splitn(3, '\t');
    let (wall, state, what) = (words.next()?, words.next()?, words.next()?);
    Some(if state == "kept" { AREA.ok(wall, what) } else { AREA.warning(wall, what, HELP) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Verdict;

    #[test]
    fn a_wall_that_is_missing_is_a_warning_with_its_reason() {
        let kept = finding("files\tkept\tLandlock").expect("a wall");
        assert_eq!((kept.name.as_str(), kept.verdict, kept.what.as_str()), ("files", Verdict::Ok, "Landlock"));
        let lacking = finding("view\tlacking\tnamespaces are refused").expect("a wall");
        assert_eq!((lacking.verdict, lacking.what.as_str()), (Verdict::Warning, "namespaces are refused"));
        assert!(finding("nonsense").is_none());
    }
}
