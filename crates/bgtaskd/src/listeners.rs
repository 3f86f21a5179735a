//! What is listened to for registrations, and what happens there as the core's. Registrations that listen to the same share it.

use std::collections::{BTreeSet, HashMap};

use bgtask_convert::core_status;
use bgtask_core::{AppId, Details, EventClass, Input, PathWatch, SourceStatus, Subject, TaskId, Trigger};
use bgtask_sources::{
    ChangeKind, Event, EventReport, Listening, PathChange, PathEvents, PathReport, PathSpec, PathWatching, World,
    listen, watch_path,
};
use serde_json::json;
use tokio::sync::mpsc;

/// What is known by its key, which is never given again: the last words of what has ended are not taken for another's.
type Key = u128;

/// What is listened to.
pub(crate) struct Listeners {
    /// Where paths are watched: they are the user's own, whatever else is looked at.
    paths: World,
    world: World,
    changes: mpsc::Sender<(Key, PathReport)>,
    events: mpsc::Sender<(Key, EventReport)>,
    shared: HashMap<Key, Shared>,
    /// Where those that can be shared are found, and what a registration listens to.
    by_subject: HashMap<(Subject, Option<AppId>), Key>,
    by_task: HashMap<TaskId, Key>,
    /// How many listeners have said how well they hear a subject: who asks whether it is heard asks at every registration.
    heard: HashMap<Subject, usize>,
    last: Key,
}

/// One listener, and for whom it is.
struct Shared {
    subject: Subject,
    /// Whose events, where events belong to an app.
    app: Option<AppId>,
    tasks: BTreeSet<TaskId>,
    status: Option<SourceStatus>,
    _running: Option<Running>,
}

#[expect(dead_code, reason = "held to be dropped")]
enum Running {
    Path(PathWatching),
    Events(Listening),
}

impl Listeners {
    pub(crate) fn new(
        paths: World,
        world: World,
        changes: mpsc::Sender<(Key, PathReport)>,
        events: mpsc::Sender<(Key, EventReport)>,
    ) -> Self {
        let (shared, by_subject, by_task, heard) = (HashMap::new(), HashMap::new(), HashMap::new(), HashMap::new());
        Self { paths, world, changes, events, shared, by_subject, by_task, heard, last: 0 }
    }

    /// What is known already of how well it is heard is the answer.
    pub(crate) fn listen(&mut self, task: TaskId, app: &AppId, subject: Subject) -> Option<Input> {
        self.unlisten(task);
        let app = belongs_to_an_app(&subject).then(|| app.clone());
        let place = (subject, app);
        if let Some(key) = self.by_subject.get(&place)
            && let Some(shared) = self.shared.get_mut(key)
        {
            shared.tasks.insert(task);
            self.by_task.insert(task, *key);
            return shared.status.clone().map(|status| Input::Heard(task, status));
        }
        self.last += 1;
        self.by_task.insert(task, self.last);
        if !begins_with_news(&place.0) {
            self.by_subject.insert(place.clone(), self.last);
        }
        let (subject, app) = place;
        let (running, status) = match self.start(self.last, app.as_ref(), &subject) {
            Ok(running) => (Some(running), None),
            Err(why) => {
                let help = "register the task again with other properties".to_owned();
                (None, Some(SourceStatus::Missing { why, help }))
            }
        };
        let known = status.clone().map(|status| Input::Heard(task, status));
        if status.is_some() {
            self.note_heard(&subject);
        }
        let tasks = BTreeSet::from([task]);
        self.shared.insert(self.last, Shared { subject, app, tasks, status, _running: running });
        known
    }

    /// Whether what a trigger listens to is heard already.
    pub(crate) fn hears(&self, trigger: &Trigger) -> bool {
        Subject::of(trigger).is_some_and(|subject| self.heard.contains_key(&subject))
    }

    pub(crate) fn unlisten(&mut self, task: TaskId) {
        let Some(key) = self.by_task.remove(&task) else { return };
        let Some(shared) = self.shared.get_mut(&key) else { return };
        shared.tasks.remove(&task);
        if shared.tasks.is_empty()
            && let Some(Shared { subject, app, status, .. }) = self.shared.remove(&key)
        {
            if status.is_some() {
                self.note_unheard(&subject);
            }
            let place = (subject, app);
            if self.by_subject.get(&place) == Some(&key) {
                self.by_subject.remove(&place);
            }
        }
    }

    /// What happened at a path, for everyone who watches it.
    pub(crate) fn changed(&mut self, key: Key, report: PathReport) -> Vec<Input> {
        match report {
            PathReport::Status(status) => self.heard(key, &core_status(status)),
            PathReport::Burst(burst) => self.happened(key, burst.changes.iter().map(change_line), burst.lost),
        }
    }

    /// What happened elsewhere, for everyone who listens.
    pub(crate) fn came(&mut self, key: Key, report: EventReport) -> Vec<Input> {
        match report {
            EventReport::Status(status) => self.heard(key, &core_status(status)),
            EventReport::Burst { events, lost } => self.happened(key, events.into_iter().map(event_line), lost),
        }
    }

    fn start(&self, key: Key, app: Option<&AppId>, subject: &Subject) -> Result<Running, String> {
        Ok(match subject {
            Subject::Path(watch) => Running::Path(watch_path(key, spec(watch), &self.paths, self.changes.clone())),
            Subject::Events { class, properties } => {
                let subject = bgtask_convert::subject(*class, properties, app)?;
                Running::Events(listen(key, subject, &self.world, self.events.clone()))
            }
        })
    }

    fn heard(&mut self, key: Key, status: &SourceStatus) -> Vec<Input> {
        let Some(shared) = self.shared.get_mut(&key) else { return Vec::new() };
        let first = shared.status.replace(status.clone()).is_none().then(|| shared.subject.clone());
        let tell = shared.tasks.iter().map(|task| Input::Heard(*task, status.clone())).collect();
        first.iter().for_each(|subject| self.note_heard(subject));
        tell
    }

    fn note_heard(&mut self, subject: &Subject) {
        *self.heard.entry(subject.clone()).or_default() += 1;
    }

    fn note_unheard(&mut self, subject: &Subject) {
        let Some(count) = self.heard.get_mut(subject) else { return };
        *count -= 1;
        if *count == 0 {
            self.heard.remove(subject);
        }
    }

    fn happened(&self, key: Key, lines: impl ExactSizeIterator<Item = String>, lost: u64) -> Vec<Input> {
        let Some(shared) = self.shared.get(&key) else { return Vec::new() };
        let count = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        let lost = u32::try_from(lost).unwrap_or(u32::MAX);
        let events = Details(lines.collect::<String>().into_bytes().into());
        let tell = |task: &TaskId| Input::Happened { task: *task, events: events.clone(), count, lost };
        shared.tasks.iter().map(tell).collect()
    }
}

/// Whether the first event says that nothing is known of before: everyone has to hear that.
const fn begins_with_news(subject: &Subject) -> bool {
    matches!(subject, Subject::Events { class: EventClass::StorageLibraryChangeTracker, .. })
}

const fn belongs_to_an_app(subject: &Subject) -> bool {
    use EventClass::{ToastNotificationAction, ToastNotificationHistoryChanged};
    matches!(subject, Subject::Events { class: ToastNotificationAction | ToastNotificationHistoryChanged, .. })
}

fn spec(watch: &PathWatch) -> PathSpec {
    PathSpec {
        path: watch.path.as_ref().into(),
        recursive: watch.recursive,
        on: path_events(watch.on),
        settle: watch.settle,
    }
}

/// A change as one line of JSON: what the core gathers without reading it.
fn change_line(change: &PathChange) -> String {
    let word = match change.kind {
        ChangeKind::Created => "created",
        ChangeKind::Changed => "changed",
        ChangeKind::Written => "written",
        ChangeKind::Deleted => "deleted",
        ChangeKind::MovedIn => "moved-in",
        ChangeKind::MovedOut => "moved-out",
    };
    format!("{}\n", json!({"path": change.path.to_string_lossy(), "change": word, "at": change.at_micros}))
}

fn event_line(event: Event) -> String {
    let mut fields = event.fields;
    fields.insert("at".to_owned(), event.at_micros.into());
    format!("{}\n", serde_json::Value::Object(fields))
}

fn path_events(on: bgtask_core::PathEvents) -> PathEvents {
    let all = [
        (on.created, PathEvents::CREATED),
        (on.changed, PathEvents::CHANGED),
        (on.written, PathEvents::WRITTEN),
        (on.deleted, PathEvents::DELETED),
        (on.moved, PathEvents::MOVED),
    ];
    all.into_iter().filter(|(counts, _)| *counts).fold(PathEvents::NONE, |sum, (_, one)| sum | one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &std::path::Path) -> Subject {
        let path = path.to_str().expect("text").into();
        Subject::Path(PathWatch { path, recursive: false, on: Default::default(), settle: Default::default() })
    }

    /// Those that listen to the same share it to the last of them, and who listens to something else has left the first.
    #[tokio::test]
    async fn what_nobody_listens_to_any_more_is_gone() {
        let (changes, _heard) = mpsc::channel(8);
        let (events, _came) = mpsc::channel(8);
        let mut listeners = Listeners::new(World::new("/"), World::new("/"), changes, events);
        let app = AppId::new("org.example.App").expect("an id");
        let [first, second] = [1, 2].map(TaskId::from_random);
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [here, there] = [0, 1].map(|place: usize| at(folders[place].path()));
        let counts = |it: &Listeners| (it.shared.len(), it.by_subject.len(), it.by_task.len());
        listeners.listen(first, &app, here.clone());
        listeners.listen(second, &app, here.clone());
        assert_eq!(counts(&listeners), (1, 1, 2));
        listeners.listen(second, &app, there);
        assert_eq!(counts(&listeners), (2, 2, 2));
        listeners.unlisten(first);
        listeners.unlisten(first);
        assert_eq!(counts(&listeners), (1, 1, 1));
        listeners.listen(first, &app, here);
        listeners.unlisten(first);
        listeners.unlisten(second);
        assert_eq!(counts(&listeners), (0, 0, 0));
    }

    /// Whether something is heard is known without looking at everything else that is listened to, and for as long as any of those
    /// that listen to it has said so.
    #[tokio::test]
    async fn what_is_heard_is_known_until_the_last_who_said_so_is_gone() {
        let (changes, _heard) = mpsc::channel(8);
        let (events, _came) = mpsc::channel(8);
        let mut listeners = Listeners::new(World::new("/"), World::new("/"), changes, events);
        let (class, properties) = (EventClass::ToastNotificationAction, Default::default());
        let trigger = Trigger::Event { class, properties, one_shot: false };
        let subject = Subject::of(&trigger).expect("events");
        let ids = [1, 2].map(TaskId::from_random);
        for (id, app) in ids.iter().zip(["org.example.One", "org.example.Other"]) {
            listeners.listen(*id, &AppId::new(app).expect("an id"), subject.clone());
        }
        assert!(!listeners.hears(&trigger), "nobody has said anything yet");
        let how = SourceStatus::Available { how: "a test".into() };
        for (key, again) in [(1, 2), (2, 1)] {
            (0..again).for_each(|_| assert_eq!(listeners.heard(key, &how).len(), 1));
        }
        listeners.unlisten(ids[0]);
        assert!(listeners.hears(&trigger), "the other app's is still there");
        listeners.unlisten(ids[1]);
        assert!(!listeners.hears(&trigger));
        assert!(listeners.heard.is_empty());
    }
}
