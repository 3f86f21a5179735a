//! Groups of registrations.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use crate::core_application::{BackgroundActivatedEventArgs, entry};
use crate::host::TaskError;
use crate::session::Session;
use crate::{BackgroundTaskRegistration, Error};

/// A namespace for registrations: a library keeps its tasks in a group of its own, and an app that takes all its tasks away leaves
/// them alone (GR-1, GR-3).
///
/// Tasks in a group are not among [`BackgroundTaskRegistration::all_tasks`] (GR-2). The group itself is only a name: the broker
/// knows it as long as a task is registered in it (GR-5). Two values of one id are the same group.
///
/// ```no_run
/// use bgtask::{BackgroundTaskBuilder, BackgroundTaskRegistrationGroup, TimeTrigger};
///
/// # async fn example() -> Result<(), bgtask::Error> {
/// let group = BackgroundTaskRegistrationGroup::with_name("org.example.telemetry", "Telemetry");
/// if group.all_tasks().await?.is_empty() {
///     BackgroundTaskBuilder::new()
///         .name("Upload")
///         .task_entry_point("Telemetry.Upload")
///         .trigger(TimeTrigger::new(60, false))
///         .task_group(&group)
///         .register()
///         .await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct BackgroundTaskRegistrationGroup {
    session: Arc<Session>,
    id: Arc<str>,
    name: Arc<str>,
}

impl BackgroundTaskRegistrationGroup {
    /// A group of this id, 1 to 255 bytes, of the form of a domain name or a GUID, so that no two libraries use the same (GRP-2).
    pub fn new(id: impl Into<String>) -> Self {
        let id = id.into();
        Self::of(&Session::current(), &id, &id)
    }

    /// A group with a name for people, for debugging (GRP-3).
    pub fn with_name(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self::of(&Session::current(), &id.into(), &name.into())
    }

    pub(crate) fn of(session: &Arc<Session>, id: &str, name: &str) -> Self {
        Self { session: Arc::clone(session), id: id.into(), name: name.into() }
    }

    /// The id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name for people; the id, if none was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tasks this app has registered in the group and not unregistered, oldest first. A group without any has an empty list:
    /// Windows says it may be null there (GRP-4), here it never is.
    ///
    /// # Errors
    ///
    /// [`is_no_broker`](Error::is_no_broker), [`is_unknown_app`](Error::is_unknown_app).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn all_tasks(&self) -> Result<Vec<BackgroundTaskRegistration>, Error> {
        let mut tasks = self.session.tasks().await?;
        tasks.retain(|task| task.task_group() == Some(self));
        Ok(tasks)
    }

    /// Sets what runs the group's tasks without an entry point, in place of
    /// [`CoreApplication::background_activated`](crate::CoreApplication::background_activated), with which everything else is the same
    /// (GRP-5, GR-4). A grouped task with an entry point or a class runs there.
    ///
    /// ```no_run
    /// # use bgtask::BackgroundTaskRegistrationGroup;
    /// let group = BackgroundTaskRegistrationGroup::new("org.example.telemetry");
    /// group.background_activated(async |group, args| {
    ///     println!("{} of {} runs", args.task_instance().task().name(), group.name());
    ///     Ok(())
    /// });
    /// ```
    pub fn background_activated<R>(
        &self,
        handler: impl Fn(Self, BackgroundActivatedEventArgs) -> R + Send + Sync + 'static,
    ) where
        R: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        // Not the session: it holds the handler.
        let (session, id, name) = (Arc::downgrade(&self.session), Arc::clone(&self.id), Arc::clone(&self.name));
        let handler = entry(move |args| {
            let session = session.upgrade().unwrap_or_else(Session::current);
            handler(Self { session, id: Arc::clone(&id), name: Arc::clone(&name) }, args)
        });
        self.session.on_activated(Some(&self.id), handler);
    }
}

impl PartialEq for BackgroundTaskRegistrationGroup {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for BackgroundTaskRegistrationGroup {}

impl fmt::Debug for BackgroundTaskRegistrationGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BackgroundTaskRegistrationGroup({:?}, {:?})", self.id, self.name)
    }
}
