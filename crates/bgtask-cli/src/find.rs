//! Which task a person means, by id, by name, or by the beginning of an id; and which app.

use std::collections::BTreeSet;

use bgtask_wire::{AppInfo, BrokerProxy, TaskInfo};

use crate::failure::Failure;
use crate::output::text::{printable, short};

/// Fewest characters of an id that stand for it.
const MIN_PREFIX: usize = 4;
/// Fewest characters of an id that are shown.
const SHORT_ID: usize = 8;
/// Characters of a full id.
const FULL_ID: usize = 36;
/// Most tasks or names an error lists.
const MAX_LISTED: usize = 10;

/// The registration a person means. Asks the broker for all of them.
pub(crate) async fn find_task(broker: &BrokerProxy<'_>, wanted: &str) -> Result<TaskInfo, Failure> {
    let mut tasks = broker.list_tasks("").await?;
    let place = find(wanted, &tasks)?;
    Ok(tasks.swap_remove(place))
}

/// The installed app of this id. Asks the broker for all of them.
pub(crate) async fn find_app(broker: &BrokerProxy<'_>, wanted: &str) -> Result<AppInfo, Failure> {
    let mut apps = broker.list_apps().await?;
    match apps.iter().position(|app| app.id == wanted) {
        Some(place) => Ok(apps.swap_remove(place)),
        None => Err(unknown_app(wanted, &apps)),
    }
}

/// Nothing stands for all apps; else the one that is named has to be installed.
pub(crate) async fn check_scope(broker: &BrokerProxy<'_>, wanted: &str) -> Result<(), Failure> {
    if !wanted.is_empty() {
        find_app(broker, wanted).await?;
    }
    Ok(())
}

/// The place of the task that is meant: a full id, else a name, else the beginning of an id.
pub(crate) fn find(wanted: &str, tasks: &[TaskInfo]) -> Result<usize, Failure> {
    let lower = wanted.to_ascii_lowercase();
    let by = |meant: &dyn Fn(&TaskInfo) -> bool| -> Vec<usize> {
        (0..tasks.len()).filter(|place| meant(&tasks[*place])).collect()
    };
    let mut found = by(&|task| task.id == lower);
    if found.is_empty() {
        found = by(&|task| task.name == wanted);
    }
    if found.is_empty() && lower.len() >= MIN_PREFIX {
        found = by(&|task| task.id.starts_with(&lower));
    }
    match found[..] {
        [] => Err(unknown(wanted, tasks)),
        [one] => Ok(one),
        _ => Err(ambiguous(wanted, found.iter().map(|place| &tasks[*place]))),
    }
}

/// Whether it is the built-in app that the user's own commands belong to.
pub(crate) fn is_of_commands(app: &str) -> bool {
    app == bgtask_core::App::COMMANDS
}

/// Whether a text has the form of a full id.
pub(crate) fn is_full_id(text: &str) -> bool {
    text.len() == FULL_ID && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// How many characters tell all these ids apart.
pub(crate) fn short_id_length<'a>(ids: impl Iterator<Item = &'a str>) -> usize {
    let sorted: BTreeSet<_> = ids.collect();
    let shared = |(one, other): (&&str, &&str)| one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let longest = sorted.iter().zip(sorted.iter().skip(1)).map(shared).max();
    longest.map_or(SHORT_ID, |shared| SHORT_ID.max(shared + 1))
}

/// The first characters of an id.
pub(crate) fn short_id(id: &str, length: usize) -> &str {
    id.get(..length).unwrap_or(id)
}

/// There is no such task.
pub(crate) fn unknown(wanted: &str, tasks: &[TaskInfo]) -> Failure {
    let hint = match did_you_mean(wanted, tasks.iter().map(|task| task.name.as_str())) {
        Some(hint) => hint,
        None if tasks.is_empty() => ": no tasks are registered".to_owned(),
        None => "; `bgtask list` shows what there is".to_owned(),
    };
    Failure::absent(format!("there is no task {}{hint}", quoted(wanted)))
}

/// There is no such app.
fn unknown_app(wanted: &str, apps: &[AppInfo]) -> Failure {
    let hint = match did_you_mean(wanted, apps.iter().map(|app| app.id.as_str())) {
        Some(hint) => hint,
        None if apps.is_empty() => ": no apps are installed".to_owned(),
        None => "; `bgtask apps` shows what there is".to_owned(),
    };
    Failure::absent(format!("there is no app {}{hint}", quoted(wanted)))
}

/// `; did you mean "backup"?`, if any of these names looks like what was typed.
pub(crate) fn did_you_mean<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let near = near(wanted, names);
    (!near.is_empty()).then(|| format!("; did you mean {}?", near.join(" or ")))
}

fn ambiguous<'a>(wanted: &str, found: impl ExactSizeIterator<Item = &'a TaskInfo>) -> Failure {
    let count = found.len();
    let mut message = format!("{} stands for {count} tasks; say which by its id:", quoted(wanted));
    for task in found.take(MAX_LISTED) {
        message.push_str(&format!("\n  {}  {} of {}", task.id, short(&task.name, 48), printable(&task.app)));
    }
    if count > MAX_LISTED {
        message.push_str(&format!("\n  and {} more", count - MAX_LISTED));
    }
    Failure::failed(message)
}

/// Names that look like what was typed, nearest first.
fn near<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let names: BTreeSet<&str> = names.collect();
    let mut found: Vec<_> = names.iter().filter_map(|name| Some((distance(wanted, name)?, *name))).collect();
    found.sort_unstable();
    found.iter().take(3).map(|(_, name)| quoted(name)).collect()
}

/// How far a name is from what was typed, if it may have been meant.
fn distance(wanted: &str, name: &str) -> Option<usize> {
    let (wanted, name) = (wanted.to_lowercase(), name.to_lowercase());
    // What two names of one domain share, `org.example.`, does not make them alike.
    let domain = shared_domain(&wanted, &name);
    let (own, other) = (&wanted[domain..], &name[domain..]);
    let length = own.chars().count();
    let most = length / 3 + 1;
    // Distances take time with the product of the lengths, and are only of use between texts of about one length.
    let comparable = other.chars().count().abs_diff(length) <= most;
    match comparable.then(|| strsim::osa_distance(own, other)) {
        Some(distance) if distance <= most && distance < length => Some(distance),
        _ => (length >= MIN_PREFIX && other.contains(own)).then_some(length),
    }
}

/// How many bytes two names share up to a dot.
fn shared_domain(one: &str, other: &str) -> usize {
    let shared = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b);
    shared.enumerate().filter(|(_, (byte, _))| *byte == b'.').last().map_or(0, |(place, _)| place + 1)
}

pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", short(text, 60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;
    use crate::tests::task;

    fn tasks() -> Vec<TaskInfo> {
        vec![
            task("11112222-0000-4000-8000-000000000001", "org.example.Photos", "backup"),
            task("11113333-0000-4000-8000-000000000002", "org.example.Photos", "thumbnails"),
            task("aaaa0000-0000-4000-8000-000000000003", "org.example.Mail", "sync"),
            task("bbbb0000-0000-4000-8000-000000000004", "org.example.Notes", "sync"),
            task("cccc0000-0000-4000-8000-000000000005", "org.example.Notes", "aaaa"),
        ]
    }

    #[test]
    fn a_task_is_found_by_id_name_and_beginning_of_its_id() {
        let tasks = tasks();
        let found = |wanted: &str| find(wanted, &tasks).ok();
        assert_eq!(found("AAAA0000-0000-4000-8000-000000000003"), Some(2));
        assert_eq!(found("backup"), Some(0));
        assert_eq!(found("11113"), Some(1));
        assert_eq!(found("BBBB"), Some(3));
        assert_eq!(found("aaaa"), Some(4), "a name comes before the beginning of an id");
        assert_eq!(found("bbb"), None, "too short to be meant as an id");
        assert_eq!(found(""), None);
    }

    #[test]
    fn what_is_ambiguous_lists_the_candidates() {
        let failure = find("sync", &tasks()).unwrap_err();
        assert_eq!(failure.exit, Exit::Failed);
        assert_eq!(
            failure.message,
            "\"sync\" stands for 2 tasks; say which by its id:\n  \
             aaaa0000-0000-4000-8000-000000000003  sync of org.example.Mail\n  \
             bbbb0000-0000-4000-8000-000000000004  sync of org.example.Notes"
        );
        assert!(find("1111", &tasks()).unwrap_err().message.contains("thumbnails of org.example.Photos"));
    }

    #[test]
    fn what_is_misspelt_suggests_what_is_near() {
        let said = |wanted: &str| find(wanted, &tasks()).unwrap_err().message;
        assert_eq!(said("bakcup"), "there is no task \"bakcup\"; did you mean \"backup\"?");
        assert_eq!(said("Sync"), "there is no task \"Sync\"; did you mean \"sync\"?");
        assert_eq!(said("thumb"), "there is no task \"thumb\"; did you mean \"thumbnails\"?");
        assert_eq!(said("zzzzzz\u{1b}"), "there is no task \"zzzzzz\\u{1b}\"; `bgtask list` shows what there is");
        assert_eq!(find("x", &[]).unwrap_err().message, "there is no task \"x\": no tasks are registered");
    }

    #[test]
    fn a_shared_domain_does_not_make_names_alike() {
        let ids = ["org.example.Photos", "org.example.Corp", "org.other.Photos"];
        let said = |wanted: &str| did_you_mean(wanted, ids.into_iter());
        assert_eq!(said("org.example.Phtos").as_deref(), Some("; did you mean \"org.example.Photos\"?"));
        assert_eq!(said("org.example.Zebra"), None);
        assert_eq!(said("org.example."), None);
        let both = "; did you mean \"org.example.Photos\" or \"org.other.Photos\"?";
        assert_eq!(said("photos").as_deref(), Some(both));
    }

    #[test]
    fn short_ids_stay_apart() {
        assert_eq!(short_id_length(["aaaaaaaa-1", "bbbbbbbb-1"].into_iter()), 8);
        assert_eq!(short_id_length(["aaaaaaaa-1", "aaaaaaaa-2"].into_iter()), 10);
        assert_eq!(short_id_length(std::iter::empty()), 8);
        assert_eq!(short_id("äöü", 1), "äöü");
    }
}
