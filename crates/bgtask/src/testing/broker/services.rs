//! App services: connections whose caller is the test, and whose other end a task of the broker has.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;

use bgtask_convert::service_details;
use bgtask_core::{AppId, InstanceId, Reply, Request};
use tokio::task::AbortHandle;

use super::convert::{refused, same};
use super::{TestBroker, app_id};
use crate::{AppServiceConnection, AppServiceConnectionStatus, AppServiceFailure, Error};

type Failure = AppServiceFailure<AppServiceConnectionStatus>;

/// The connections there are.
#[derive(Default)]
pub(super) struct Services {
    /// Who looks whether a caller is still there.
    callers: BTreeMap<InstanceId, AbortHandle>,
}

impl Services {
    pub(super) fn forget(&mut self, instance: InstanceId) {
        if let Some(caller) = self.callers.remove(&instance) {
            caller.abort();
        }
    }
}

impl TestBroker {
    /// Connects to an [app service](crate::app_service), as [`AppServiceConnection::open`] does in a program of `caller`; without one in
    /// a program of the user that is no app.
    ///
    /// The connection is real: what goes over it takes no virtual time. Where the test lets go of it, the task is told to stop.
    ///
    /// ```
    /// # use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};
    /// # use bgtask::testing::TestBroker;
    /// # use bgtask::{AppServiceConnectionStatus, ValueSet};
    /// struct Resize;
    ///
    /// impl BackgroundTask for Resize {
    ///     async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
    ///         let details = instance.app_service()?;
    ///         while let Some(request) = details.connection().next_request().await {
    ///             let width: u32 = request.message().get("width")?.unwrap_or(320);
    ///             request.send_response(&ValueSet::from([("width", width / 2)]))?;
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
    /// let mut broker = TestBroker::new();
    /// let photos = broker.install(
    ///     r#"
    ///     app = { id = "org.example.Photos", version = "1" }
    ///     task = [{ entry_point = "Services.Resize", executable = "photos-tasks", types = ["general"] }]
    ///     app_service = [{ name = "resize", entry_point = "Services.Resize", allow = ["org.example.Mail"] }]
    ///     "#,
    /// )?;
    /// broker.implement(Host::new().entry_point("Services.Resize", Resize));
    ///
    /// let mail = broker.open_app_service(Some("org.example.Mail"), &photos, "resize").await?;
    /// let answer = mail.send_message(&ValueSet::from([("width", 640_u32)])).await?;
    /// assert_eq!(answer.get::<u32>("width")?, Some(320));
    ///
    /// let refused = broker.open_app_service(None, &photos, "resize").await.unwrap_err();
    /// assert_eq!(refused.status(), AppServiceConnectionStatus::NotAuthorized);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`AppServiceConnection::open`].
    ///
    /// # Panics
    ///
    /// As [`settle`](Self::settle).
    pub async fn open_app_service(
        &mut self,
        caller: Option<&str>,
        app: &str,
        service: &str,
    ) -> Result<AppServiceConnection, Failure> {
        let unknown = |error: Error| Failure::new(AppServiceConnectionStatus::Unknown, error.to_string());
        let caller = caller.map(app_id).transpose().map_err(unknown)?;
        let connection = self.connect(caller, app_id(app).map_err(unknown)?, service)?;
        self.settle().await;
        Ok(connection)
    }

    fn connect(&mut self, caller: Option<AppId>, app: AppId, service: &str) -> Result<AppServiceConnection, Failure> {
        let unknown = |error: Error| Failure::new(AppServiceConnectionStatus::Unknown, error.to_string());
        let pair = || UnixStream::pair().map_err(|error| unknown(Error::channel(&error)));
        let ((own, its), (lifeline, looked_at)) = (pair()?, pair()?);
        let details = service_details(caller.as_ref(), service).map_err(|error| unknown(error.into()))?;
        let socket = self.sockets.keep(its.into());
        let request = Request::OpenAppService { caller, app, service: service.to_owned(), socket, details };
        let answered = self.answer(request).map_err(unknown)?;
        let (status, why, instance) = match answered.map_err(|refusal| unknown(refused(&refusal, None, "")))? {
            Reply::AppService { status, why, instance } => (status, why, instance),
            other => unreachable!("asked for an app service, answered {other:?}"),
        };
        let Some(instance) = instance else {
            return Err(Failure::new(same(AppServiceConnectionStatus::from_number(status.number())), why));
        };
        let looks =
            self.processes.tell_when_gone(instance, looked_at).map_err(|error| unknown(Error::channel(&error)))?;
        self.services.callers.insert(instance, looks);
        AppServiceConnection::over(own, Some(lifeline.into())).map_err(unknown)
    }
}
