//! Control channels of an app whose process the test plays.

use std::os::fd::AsFd;

use bgtask_core::{
    AppId, ClientId, ControlChannelTriggerResourceType, HostId, Input, NewControlChannel, Refusal, Reply, Request,
};

use super::convert::{refused, same};
use super::{TestBroker, app_id};
use crate::Error;
use crate::network::ControlChannelTriggerStatus;

impl TestBroker {
    /// Opens a control channel in the place of the app, as [`wait_for_push_enabled`](crate::network::ControlChannelTrigger::wait_for_push_enabled)
    /// does in its process: from now on the app runs by itself, and so do its tasks without an entry point, in the handler of
    /// [`background_activated`](Self::background_activated). What arrives at the connection, which the test keeps, is seen when the test lets the broker go
    /// on, by [`settle`](Self::settle) or [`advance`](Self::advance). Opened again, it is a new beginning.
    ///
    /// A task itself cannot open one here. After a [crash](Self::crash) the app opens its channels anew, which is the test's to do.
    ///
    /// ```
    /// use std::io::Write as _;
    /// use std::os::unix::net::UnixStream;
    /// use bgtask::BackgroundTaskBuilder;
    /// use bgtask::network::{ControlChannelTrigger, ControlChannelTriggerEventDetails, ControlChannelTriggerStatus};
    /// use bgtask::testing::TestBroker;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
    /// let mut broker = TestBroker::new();
    /// let mail = broker.install("app = { id = \"org.example.Mail\", version = \"1\", executable = \"mail\" }")?;
    /// broker.background_activated(async |args| {
    ///     let details = ControlChannelTriggerEventDetails::of(args.task_instance()).ok_or("another trigger")?;
    ///     println!("{} has something to read", details.control_channel_trigger_id());
    ///     Ok(())
    /// });
    /// let channel = ControlChannelTrigger::new("mail", 25)?;
    /// let builder = BackgroundTaskBuilder::new().name("Mail").trigger(channel.push_notification_trigger());
    /// let task = broker.register(&mail, &builder)?;
    ///
    /// let (ours, mut server) = UnixStream::pair()?;
    /// let status = broker.open_control_channel(&mail, "mail", 25, &ours)?;
    /// assert_eq!(status, ControlChannelTriggerStatus::SoftwareSlotAllocated);
    /// server.write_all(b"* 1 EXISTS")?;
    /// broker.settle().await;
    /// assert!(broker.last_outcome(task).unwrap().check_result().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`wait_for_push_enabled`](crate::network::ControlChannelTrigger::wait_for_push_enabled), and
    /// [`is_invalid_argument`](Error::is_invalid_argument) where the id or the interval, in minutes, is none.
    pub fn open_control_channel(
        &mut self,
        app: &str,
        channel_id: &str,
        keep_alive: u32,
        transport: &impl AsFd,
    ) -> Result<ControlChannelTriggerStatus, Error> {
        let app = app_id(app)?;
        self.run_app(&app)?;
        let copy = transport.as_fd().try_clone_to_owned().map_err(|error| Error::channel(&error))?;
        let (key, ended) = self.sockets.watch_over(copy)?;
        let new = NewControlChannel {
            key,
            id: channel_id.to_owned(),
            client: self.clients[&app],
            host: None,
            keep_alive,
            resource: ControlChannelTriggerResourceType::RequestSoftwareSlot,
            ended,
        };
        match self.ask(Request::EnableControlChannel(app, new))? {
            Reply::ControlChannel { status, .. } => Ok(same(ControlChannelTriggerStatus::from_number(status.number()))),
            other => unreachable!("a control channel was to be opened, answered {other:?}"),
        }
    }

    /// Closes a channel, as [`close`](crate::network::ControlChannelTrigger::close) does. That there is none is no error.
    ///
    /// # Errors
    ///
    /// [`is_no_broker`](Error::is_no_broker) after a crash.
    pub fn close_control_channel(&mut self, app: &str, channel_id: &str) -> Result<(), Error> {
        self.ask(Request::CloseControlChannel { app: app_id(app)?, id: channel_id.to_owned() }).map(drop)
    }

    /// The ids of the channels that are open, and where each stands, in a word: as `bgtask channels` tells it.
    ///
    /// # Errors
    ///
    /// [`is_invalid_argument`](Error::is_invalid_argument): that is no app id; [`is_no_broker`](Error::is_no_broker) after a crash.
    pub fn control_channels(&self, app: &str) -> Result<Vec<(String, &'static str)>, Error> {
        let (app, core) = (app_id(app)?, self.core.as_ref().ok_or_else(Self::has_crashed)?);
        let its = core.control_channels().filter(|channel| channel.app == app);
        Ok(its.map(|channel| (channel.id.to_string(), channel.state.word())).collect())
    }

    /// The app's process ends, where it runs by itself: what runs in it is lost, and its channels are reset, which its tasks with
    /// [`ControlChannelReset`](crate::SystemTriggerType::ControlChannelReset) hear (CCT-15).
    ///
    /// # Errors
    ///
    /// [`is_invalid_argument`](Error::is_invalid_argument): that is no app id.
    pub fn quit(&mut self, app: &str) -> Result<(), Error> {
        let app = app_id(app)?;
        if self.running.contains_key(&app) {
            self.end_app(&app);
            self.welcome(&app);
        }
        Ok(())
    }

    /// The app runs by itself from now on, and says so in the place of the one that only listens.
    fn run_app(&mut self, app: &AppId) -> Result<(), Error> {
        let client = *self.clients.get(app).ok_or_else(|| self.no_such_app(app))?;
        if !self.running.contains_key(app) {
            self.hears_anew(app);
            self.tell(Input::Attach { client, app: app.clone(), activates: true });
        }
        Ok(())
    }

    /// The client of an app is its process from now on.
    pub(super) fn adopt(&mut self, host: HostId, client: ClientId) {
        let app = self.clients.iter().find(|(_, its)| **its == client).map(|(app, _)| app.clone());
        let app = app.expect("only an app that has a client is adopted");
        let data_dir = self.data_dir(app.as_str());
        self.processes.launch(host, &self.entries, data_dir, self.sockets.taker());
        self.running.insert(app, host);
    }

    /// The process of an app is gone, and with it its connection to the broker.
    pub(super) fn end_app(&mut self, app: &AppId) {
        if let Some(host) = self.running.remove(app) {
            let _its_exit = self.processes.kill(host);
        }
        if let Some(client) = self.clients.remove(app) {
            self.hears_anew(app);
            self.tell(Input::Detach(client));
        }
    }

    /// Who attaches is told again what it has not handled.
    pub(super) fn hears_anew(&mut self, app: &AppId) {
        self.heard.completions.retain(|one| one.app != *app);
    }

    fn no_such_app(&self, app: &AppId) -> Error {
        match &self.core {
            None => Self::has_crashed(),
            Some(_) => refused(&Refusal::UnknownApp(app.clone()), None, ""),
        }
    }
}
