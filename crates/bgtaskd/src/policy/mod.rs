//! The policy of the machine's owner: files that decide before the user which apps run in the background (AC-7).
//!
//! `docs/policy.md` is for the people who write them. A file that cannot be used never allows anything: what it said
//! before still counts, and where it was never read, everything it might have denied is denied.

mod file;
mod watch;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bgtask_core::{AppId, Policy, PolicyEntry, PolicyRule};

use file::Said;
pub(crate) use watch::watch;

/// Where the policy files are, below the root of the system.
pub(crate) const FOLDER: &str = "etc/bgtask/policy.d";

/// Most policy files. What stands in more than these cannot be left out without allowing something, so none is read.
const MAX_FILES: usize = 64;

/// Every policy file, and what they decide together.
pub(crate) struct Policies {
    folder: PathBuf,
    /// What each file said when it could last be used; `None` where it never could. Later names win.
    said: BTreeMap<PathBuf, Option<Said>>,
    policy: Policy,
}

impl Policies {
    /// The files of a folder, none of which is read yet.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, said: BTreeMap::new(), policy: Policy::default() }
    }

    /// Reads the folder again and tells the policy if it is another one than before; before the first reading there is
    /// none. Says in the log what cannot be used.
    pub(crate) fn read(&mut self) -> Option<Policy> {
        match files(&self.folder) {
            Ok(paths) => self.said = paths.into_iter().filter_map(|path| self.reread(path)).collect(),
            Err(problem) if self.said.is_empty() => {
                tracing::error!("no policy can be read, every app is denied until that is repaired: {problem}");
                self.said.insert(self.folder.clone(), None);
            }
            Err(problem) => tracing::error!("the policy stays as it was: {problem}"),
        }
        let before = std::mem::replace(&mut self.policy, merge(&self.said));
        (before != self.policy).then(|| self.policy.clone())
    }

    /// Whether no app may run without every wall. The later name wins; a file that is unknown may say so.
    pub(crate) fn requires_walls(&self) -> bool {
        let said =
            self.said.values().rev().find_map(|said| said.as_ref().map_or(Some(true), |said| said.walls_required));
        said.unwrap_or_default()
    }

    /// What a file says now, or else said before; `None` if it is gone by now.
    fn reread(&self, path: PathBuf) -> Option<(PathBuf, Option<Said>)> {
        let problem = match file::read(&path) {
            Ok(said) => return Some((path, Some(said))),
            Err(problem) => problem,
        };
        if path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return None;
        }
        let before = self.said.get(&path).cloned().flatten();
        match &before {
            Some(_) => tracing::error!("policy file not used, what it said before still counts: {problem}"),
            None => tracing::error!(
                "policy file not used, every app that no later file names is denied until it is repaired: {problem}"
            ),
        }
        Some((path, before))
    }
}

/// Percent of the usual budgets, where nobody says anything else.
const USUAL_BUDGET: u32 = 100;

/// What the files decide together: who may run, and how much of the usual budgets it has then.
fn merge(said: &BTreeMap<PathBuf, Option<Said>>) -> Policy {
    let mut policy = rules(said);
    let budgets = budgets(said);
    let nobody = |file: &Arc<str>| PolicyEntry { rule: PolicyRule::UserInControl, file: file.clone(), budget: 0 };
    if let Some((_, file)) = &budgets.default {
        policy.default.get_or_insert_with(|| nobody(file));
    }
    for (app, (_, file)) in &budgets.apps {
        // Named for its budget only: who decides whether it may run is as without a name.
        let rule = policy.default.clone().unwrap_or_else(|| nobody(file));
        policy.apps.entry(app.clone()).or_insert(rule);
    }
    let usual = budgets.default.map_or(USUAL_BUDGET, |(percent, _)| percent);
    policy.default.iter_mut().for_each(|entry| entry.budget = usual);
    for (app, entry) in &mut policy.apps {
        entry.budget = budgets.apps.get(app).map_or(usual, |(percent, _)| *percent);
    }
    policy
}

/// What the files say of budgets: percent, and the file.
#[derive(Default)]
struct Budgets {
    default: Option<(u32, Arc<str>)>,
    apps: BTreeMap<AppId, (u32, Arc<str>)>,
}

fn budgets(said: &BTreeMap<PathBuf, Option<Said>>) -> Budgets {
    let mut budgets = Budgets::default();
    for (path, said) in said {
        let file: Arc<str> = path.to_string_lossy().into();
        match said {
            Some(said) => {
                budgets.default = said.default_budget.map(|percent| (percent, file.clone())).or(budgets.default);
                budgets.apps.extend(said.budgets.iter().map(|(app, percent)| (app.clone(), (*percent, file.clone()))));
            }
            // It denies all that earlier files name; what later ones let run has the usual budget.
            None => budgets = Budgets::default(),
        }
    }
    budgets
}

/// Who may run, in the order of the files' names. One that is unknown may say the strictest: it denies every
/// app that an earlier file named and every app that nobody named, so that only what later files say of single apps counts.
fn rules(said: &BTreeMap<PathBuf, Option<Said>>) -> Policy {
    let mut policy = Policy::default();
    let mut unknown = None;
    for (path, said) in said {
        let file: Arc<str> = path.to_string_lossy().into();
        let entry = |rule| PolicyEntry { rule, file: file.clone(), budget: USUAL_BUDGET };
        match said {
            Some(said) => {
                policy.default = said.default.map(entry).or(policy.default);
                policy.apps.extend(said.apps.iter().map(|(app, rule)| (app.clone(), entry(*rule))));
            }
            None => {
                policy.apps.clear();
                unknown = Some(entry(PolicyRule::ForceDeny));
            }
        }
    }
    policy.default = unknown.or(policy.default);
    policy
}

/// The policy files of a folder in the order of their names; none where there is no folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let cannot = |error: std::io::Error| format!("the folder {} cannot be read: {error}", folder.display());
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot(error)),
    };
    file::check_writers(folder, &folder.metadata().map_err(cannot)?)?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(cannot)?.path();
        if is_policy(&path) {
            paths.push(path);
        }
        if paths.len() > MAX_FILES {
            return Err(format!(
                "the folder {} holds more than {MAX_FILES} policy files: put what they say into fewer",
                folder.display()
            ));
        }
    }
    paths.sort();
    Ok(paths)
}

/// Files whose name begins with a dot are those of editors.
fn is_policy(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && path.extension() == Some(OsStr::new("toml"))
}

#[cfg(test)]
mod tests;
