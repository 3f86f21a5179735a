//! Control channels: the test holds the connection in the place of the app, and its peer is in the same test.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use bgtask::network::{
    ControlChannelTrigger, ControlChannelTriggerEventDetails, ControlChannelTriggerResetEventDetails,
    ControlChannelTriggerStatus,
};
use bgtask::testing::TestBroker;
use bgtask::{BackgroundActivatedEventArgs, BackgroundTaskBuilder, SystemTrigger, SystemTriggerType, TaskId};

use crate::sample::{minutes, seconds};

const APP: &str = "org.example.Mail";
const OPEN: ControlChannelTriggerStatus = ControlChannelTriggerStatus::SoftwareSlotAllocated;

/// An app with a connection, and what its tasks did, one line for each run.
struct Mail {
    broker: TestBroker,
    connection: Arc<UnixStream>,
    server: UnixStream,
    told: Arc<Mutex<Vec<String>>>,
}

impl Mail {
    /// Its task reads so many bytes at a time.
    fn reading(bytes: usize) -> Self {
        let (connection, server) = UnixStream::pair().unwrap();
        connection.set_nonblocking(true).unwrap();
        let mut mail =
            Self { broker: TestBroker::new(), connection: Arc::new(connection), server, told: Arc::default() };
        mail.broker.install(&format!("app = {{ id = {APP:?}, version = \"1\", executable = \"mail\" }}")).unwrap();
        let (connection, told) = (Arc::clone(&mail.connection), Arc::clone(&mail.told));
        mail.broker.background_activated(move |args| {
            let line = does(&args, &connection, bytes);
            told.lock().unwrap().push(line);
            async { Ok(()) }
        });
        mail
    }

    fn opened(bytes: usize) -> (Self, TaskId) {
        let mut mail = Self::reading(bytes);
        let channel = ControlChannelTrigger::new("mail", 25).unwrap();
        let push = BackgroundTaskBuilder::new().name("push").trigger(channel.push_notification_trigger());
        let task = mail.broker.register(APP, &push).unwrap();
        let keep_alive = BackgroundTaskBuilder::new().name("keep-alive").trigger(channel.keep_alive_trigger());
        mail.broker.register(APP, &keep_alive).unwrap();
        assert_eq!(mail.open(25).unwrap(), OPEN);
        (mail, task)
    }

    fn open(&mut self, keep_alive: u32) -> Result<ControlChannelTriggerStatus, bgtask::Error> {
        self.broker.open_control_channel(APP, "mail", keep_alive, &*self.connection)
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

/// What an activation is for, and what it has read.
fn does(args: &BackgroundActivatedEventArgs, mut connection: &UnixStream, bytes: usize) -> String {
    let instance = args.task_instance();
    if let Some(reset) = ControlChannelTriggerResetEventDetails::of(instance) {
        return format!("reset: {}", reset.reset_reason());
    }
    let details = ControlChannelTriggerEventDetails::of(instance).expect("a task of a channel");
    if details.is_keep_alive() {
        return format!("keep-alive of {}", details.control_channel_trigger_id());
    }
    let mut read = vec![0; bytes];
    let length = connection.read(&mut read).expect("something to read, or the end");
    format!("{}: {}", details.control_channel_trigger_id(), String::from_utf8_lossy(&read[..length]))
}

/// CCT-5, CCT-7: also two messages of one length, between which all was read.
#[tokio::test(start_paused = true)]
async fn cct_7_what_arrives_runs_the_task_in_the_app_that_holds_the_connection() {
    let (mut mail, task) = Mail::opened(64);
    for word in ["first", "again"] {
        mail.server.write_all(word.as_bytes()).unwrap();
        mail.broker.settle().await;
        assert_eq!(mail.told(), [format!("mail: {word}")]);
    }
    assert!(mail.broker.last_outcome(task).unwrap().check_result().is_ok());
    assert_eq!(mail.broker.control_channels(APP).unwrap(), [("mail".to_owned(), "watched")]);
}

/// CCT-4: up to a minute later, so that one wake-up serves several.
#[tokio::test(start_paused = true)]
async fn cct_4_a_keep_alive_ends_in_virtual_time_again_and_again() {
    let (mut mail, _) = Mail::opened(64);
    mail.broker.advance(minutes(25) - seconds(1)).await;
    assert!(mail.told().is_empty());
    mail.broker.advance(seconds(61)).await;
    assert_eq!(mail.told(), ["keep-alive of mail"]);
    mail.broker.advance(minutes(26)).await;
    assert_eq!(mail.told(), ["keep-alive of mail"]);
}

/// A task that reads nothing is run again, ever later; one that has read some of it at once.
#[tokio::test(start_paused = true)]
async fn what_is_left_unread_is_told_again() {
    let (mut mail, _) = Mail::opened(0);
    mail.server.write_all(b"unread").unwrap();
    mail.broker.settle().await;
    assert_eq!(mail.told(), ["mail: "]);
    assert_eq!(mail.broker.control_channels(APP).unwrap(), [("mail".to_owned(), "unread")]);
    mail.broker.advance(seconds(1)).await;
    assert_eq!(mail.told().len(), 1);
    mail.broker.advance(seconds(1)).await;
    assert_eq!(mail.told().len(), 0, "the second pause is longer");

    let (mut mail, _) = Mail::opened(3);
    mail.server.write_all(b"in two").unwrap();
    mail.broker.settle().await;
    assert_eq!(mail.told(), ["mail: in ", "mail: two"]);
}

/// The end of the connection is told once, by the same trigger: reading says so.
#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_is_told_once() {
    let (mut mail, _) = Mail::opened(64);
    drop(std::mem::replace(&mut mail.server, UnixStream::pair().unwrap().0));
    mail.broker.advance(minutes(1)).await;
    assert_eq!(mail.told(), ["mail: "]);
    assert_eq!(mail.broker.control_channels(APP).unwrap(), [("mail".to_owned(), "ended")]);
    assert_eq!(mail.open(25).unwrap(), ControlChannelTriggerStatus::TransportDisconnected);
}

/// CCT-15: the app is started for it, as it does not run any more.
#[tokio::test(start_paused = true)]
async fn cct_15_an_app_that_quits_hears_of_the_reset() {
    let (mut mail, _) = Mail::opened(64);
    let reset = SystemTrigger::new(SystemTriggerType::ControlChannelReset, false);
    let task = mail.broker.register(APP, &BackgroundTaskBuilder::new().name("reset").trigger(reset)).unwrap();
    mail.broker.quit(APP).unwrap();
    mail.server.write_all(b"nobody hears it").unwrap();
    mail.broker.settle().await;
    assert_eq!(mail.told(), ["reset: ApplicationRestart"]);
    assert!(mail.broker.last_outcome(task).unwrap().check_result().is_ok());
    assert_eq!(mail.broker.control_channels(APP).unwrap(), []);

    assert_eq!(mail.open(25).unwrap(), OPEN, "the app runs again");
    mail.broker.settle().await;
    assert_eq!(mail.told(), ["mail: nobody hears it"]);
}

/// CCT-13
#[tokio::test(start_paused = true)]
async fn a_channel_that_was_closed_is_not_watched() {
    let (mut mail, _) = Mail::opened(64);
    mail.broker.close_control_channel(APP, "mail").unwrap();
    mail.broker.close_control_channel(APP, "mail").unwrap();
    mail.server.write_all(b"unheard").unwrap();
    mail.broker.advance(minutes(60)).await;
    assert!(mail.told().is_empty());
    mail.broker.uninstall(APP).unwrap();
    assert!(mail.open(25).unwrap_err().is_unknown_app());
}

#[tokio::test(start_paused = true)]
async fn cct_1_cct_2_what_no_channel_can_be_is_refused() {
    let mut mail = Mail::reading(64);
    assert!(mail.open(14).unwrap_err().is_invalid_argument());
    let long = "x".repeat(65);
    let refused = mail.broker.open_control_channel(APP, &long, 25, &*mail.connection);
    assert!(refused.unwrap_err().is_invalid_argument());
    let file = std::fs::File::open("/dev/null").unwrap();
    assert!(mail.broker.open_control_channel(APP, "mail", 25, &file).unwrap_err().is_wrong_kind());
    mail.broker.crash();
    assert!(mail.open(25).unwrap_err().is_no_broker());
    mail.broker.restart();
    assert_eq!(mail.open(25).unwrap(), OPEN);
}
