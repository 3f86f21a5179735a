//! The transport on a real bus of the test's own, with distributors of the test's own on it.

mod distributor;

use std::collections::HashMap;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;
use zbus::Message as Call;
use zbus::wire::OwnedVariant;

use self::distributor::{Asked, Distributor, Manner};
use super::{SERVICE, Settings, UnifiedPush};
use crate::{MAX_UNACKNOWLEDGED, Message, Report, Status, Ticket, Transport};

const KDE: &str = "org.unifiedpush.Distributor.kde";
const NTFY: &str = "org.unifiedpush.Distributor.ntfy";
const MAIL: &str = "org.example.Mail";

/// Whoever waits longer than that waits in vain, on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

/// A bus, and the folder in which the transport keeps its tokens.
struct Stage {
    folder: TempDir,
    bus: Option<Child>,
}

impl Stage {
    fn new() -> Self {
        let mut stage = Self { folder: tempfile::tempdir().expect("a folder"), bus: None };
        stage.run();
        stage
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("bus")
    }

    fn address(&self) -> String {
        format!("unix:path={}", self.socket().display())
    }

    fn run(&mut self) {
        let config = self.folder.path().join("bus.conf");
        let text = format!(
            r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>{}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy>
<limit name="max_replies_per_connection">50000</limit></busconfig>"#,
            self.address()
        );
        fs::write(&config, text).expect("written");
        let mut daemon = Command::new("dbus-daemon");
        daemon.arg(format!("--config-file={}", config.display())).args(["--nofork", "--nopidfile"]);
        let daemon = daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.bus = Some(daemon.spawn().expect("the Debian package dbus-daemon is installed"));
        let begin = std::time::Instant::now();
        while UnixStream::connect(self.socket()).is_err() {
            assert!(begin.elapsed() < PATIENCE, "the bus does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn stop(&mut self) {
        if let Some(mut bus) = self.bus.take() {
            bus.kill().and_then(|()| bus.wait()).expect("it ends");
        }
        let _none = fs::remove_file(self.socket());
    }

    fn transport(&self, distributor: Option<&str>) -> Broker {
        let (sender, reports) = mpsc::channel(16);
        let settings = Settings {
            address: self.address(),
            distributor: distributor.map(str::to_owned),
            tokens: self.folder.path().join("push-tokens"),
        };
        Broker { transport: UnifiedPush::new(settings, sender).expect("whole tokens"), reports }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Who uses the transport.
struct Broker {
    transport: UnifiedPush,
    reports: mpsc::Receiver<Report>,
}

impl Broker {
    async fn hears(&mut self) -> Report {
        soon("a report", self.reports.recv()).await.expect("the transport runs")
    }

    /// The address of the channel that is opened next.
    async fn opened(&mut self) -> String {
        loop {
            if let Report::Opened { uri, .. } = self.hears().await {
                return uri;
            }
        }
    }

    async fn connected(&mut self) -> String {
        loop {
            if let Report::Status { status: Status::Connected { how }, .. } = self.hears().await {
                return how;
            }
        }
    }

    /// Why nothing arrives, with what to do.
    async fn away(&mut self) -> String {
        loop {
            if let Report::Status { status: status @ Status::Away { .. }, .. } = self.hears().await {
                return status.to_string();
            }
        }
    }

    async fn messages(&mut self, count: usize) -> Vec<Message> {
        let mut all = Vec::new();
        while all.len() < count {
            if let Report::Messages { messages, channel } = self.hears().await {
                assert_eq!(channel, MAIL);
                all.extend(messages);
            }
        }
        all
    }

    fn acknowledges(&mut self, messages: &[Message]) {
        let tickets: Vec<Ticket> = messages.iter().filter_map(|message| message.ticket).collect();
        self.transport.acknowledge(MAIL, &tickets);
    }
}

fn id_of(reply: &Call) -> String {
    let mut said: HashMap<String, OwnedVariant> = reply.body().deserialize().unwrap();
    String::try_from(said.remove("id").unwrap()).unwrap()
}

fn error_of(answer: zbus::Result<Call>) -> String {
    answer.expect_err("it is refused").to_string()
}

/// A channel that works, at a distributor of that kind.
async fn working(stage: &Stage, manner: Manner) -> (Broker, Distributor, String) {
    let mut distributor = Distributor::start(&stage.address(), KDE, manner).await;
    let mut broker = stage.transport(None);
    broker.transport.open(MAIL);
    let token = distributor.registers().await;
    assert_eq!(broker.opened().await, format!("https://push.example.org/{token}"));
    assert_eq!(broker.connected().await, format!("registered with {KDE}"));
    (broker, distributor, token)
}

#[tokio::test]
async fn a_message_is_answered_when_it_is_acknowledged_and_not_before() {
    let stage = Stage::new();
    let (mut broker, distributor, token) = working(&stage, Manner::Second).await;
    let first = distributor.sends(&token, "new mail", "7");
    let told = broker.messages(1).await;
    assert_eq!(told[0].payload.as_deref(), Some(b"new mail".as_slice()));
    // Whatever is asked later is answered earlier.
    let unknown = distributor.sends("guessed", "evil", "8");
    assert!(error_of(soon("it is refused", unknown).await.unwrap()).contains("UnknownToken"));
    assert!(!first.is_finished(), "nobody has made it durable");
    broker.acknowledges(&told);
    assert_eq!(id_of(&soon("the answer", first).await.unwrap().unwrap()), "7");
}

/// Who speaks the first version is spoken to in its words.
#[tokio::test]
async fn a_distributor_of_the_first_version_works_as_well() {
    let stage = Stage::new();
    let (mut broker, mut distributor, token) = working(&stage, Manner::First).await;
    let sent = distributor.sends(&token, "new mail", "");
    let told = broker.messages(1).await;
    assert_eq!(told[0].payload.as_deref(), Some(b"new mail".as_slice()));
    broker.acknowledges(&told);
    soon("the answer", sent).await.unwrap().unwrap().body().deserialize::<()>().unwrap();
    broker.transport.close(MAIL);
    assert_eq!(distributor.asked().await, Asked::Unregister(token));
}

/// What was sent while the broker was away comes when it is back, under the address that its app knows.
#[tokio::test]
async fn a_channel_is_the_same_in_the_next_life_and_another_one_once_it_was_closed() {
    let stage = Stage::new();
    let (broker, mut distributor, token) = working(&stage, Manner::Second).await;
    drop(broker);
    let mut broker = stage.transport(None);
    broker.transport.open(MAIL);
    assert_eq!(broker.opened().await, format!("https://push.example.org/{token}"), "before anybody is asked");
    assert_eq!(distributor.registers().await, token, "its address may have changed");
    broker.transport.close(MAIL);
    assert_eq!(distributor.asked().await, Asked::Unregister(token.clone()));
    broker.transport.open(MAIL);
    assert_ne!(distributor.registers().await, token);
}

/// A channel that is closed while its distributor is away: it is told when it comes.
#[tokio::test]
async fn a_distributor_hears_of_a_closed_channel_when_it_is_back() {
    let stage = Stage::new();
    let (mut broker, distributor, token) = working(&stage, Manner::Second).await;
    distributor.stop().await;
    assert!(broker.away().await.contains("has ended"));
    broker.transport.close(MAIL);
    let closed = |report: &Report| matches!(report, Report::Closed { .. });
    while !closed(&broker.hears().await) {}
    drop(broker);
    let _broker = stage.transport(None);
    let mut distributor = Distributor::start(&stage.address(), KDE, Manner::Second).await;
    assert_eq!(distributor.asked().await, Asked::Unregister(token), "in another life of the broker, too");
}

#[tokio::test]
async fn without_a_distributor_it_is_said_what_to_do_and_one_that_appears_is_used() {
    let stage = Stage::new();
    let mut broker = stage.transport(None);
    broker.transport.open(MAIL);
    assert!(broker.away().await.contains("install one"));
    let mut distributor = Distributor::start(&stage.address(), KDE, Manner::Second).await;
    let token = distributor.registers().await;
    assert_eq!(broker.opened().await, format!("https://push.example.org/{token}"));
}

/// Who asks for a channel while there is no bus hears so, at once and each time.
#[tokio::test]
async fn without_a_bus_it_is_said_each_time_a_channel_is_asked_for() {
    let mut stage = Stage::new();
    stage.stop();
    let mut broker = stage.transport(None);
    for _ in 0..5 {
        broker.transport.open(MAIL);
        assert!(broker.away().await.contains("cannot be used"));
        broker.transport.close(MAIL);
    }
    stage.run();
    let mut distributor = Distributor::start(&stage.address(), KDE, Manner::Second).await;
    broker.transport.open(MAIL);
    let token = distributor.registers().await;
    assert_eq!(broker.opened().await, format!("https://push.example.org/{token}"));
}

#[tokio::test]
async fn of_several_distributors_one_has_to_be_chosen() {
    let stage = Stage::new();
    let mut kde = Distributor::start(&stage.address(), KDE, Manner::Second).await;
    let mut ntfy = Distributor::start(&stage.address(), NTFY, Manner::Second).await;
    let mut broker = stage.transport(None);
    broker.transport.open(MAIL);
    let why = broker.away().await;
    assert!(why.contains(&format!("{KDE}, {NTFY}")) && why.contains("[push.unified_push] distributor = "), "{why}");
    drop(broker);
    let mut broker = stage.transport(Some(NTFY));
    broker.transport.open(MAIL);
    let first = ntfy.registers().await;
    assert_eq!(broker.connected().await, format!("registered with {NTFY}"));
    drop(broker);
    let mut broker = stage.transport(Some(KDE));
    broker.transport.open(MAIL);
    assert_ne!(kde.registers().await, first, "each of them has a secret of its own");
    assert_eq!(ntfy.asked().await, Asked::Unregister(first), "who is used no longer is told");
}

#[tokio::test]
async fn who_is_refused_hears_why_and_what_to_do() {
    for (reason, help) in
        [("ACTION_REQUIRED", "sign in"), ("VAPID_REQUIRED", "another distributor"), ("NETWORK", "again")]
    {
        let stage = Stage::new();
        let _distributor = Distributor::start(&stage.address(), KDE, Manner::Refuses(reason)).await;
        let mut broker = stage.transport(None);
        broker.transport.open(MAIL);
        let why = broker.away().await;
        assert!(why.contains(reason) && why.contains(help), "{why}");
    }
    let stage = Stage::new();
    let mut broker = stage.transport(Some(KDE));
    broker.transport.open(MAIL);
    let why = broker.away().await;
    assert!(why.contains(KDE) && why.contains("cannot be started"), "{why}");
}

/// A flood while the task cannot run: what has no room is refused, and told as lost.
#[tokio::test]
async fn a_flood_is_bounded_and_told() {
    let stage = Stage::new();
    let (mut broker, distributor, token) = working(&stage, Manner::Second).await;
    let most = usize::from(MAX_UNACKNOWLEDGED);
    let sent: Vec<_> = (0..most).map(|number| distributor.sends(&token, "x", &number.to_string())).collect();
    let told = broker.messages(most).await;
    let beyond = distributor.sends(&token, "x", "beyond");
    assert!(error_of(soon("it is refused", beyond).await.unwrap()).contains("LimitsExceeded"));
    assert_eq!(broker.messages(1).await, [Message { payload: None, headers: vec![], ticket: None, reply: None }], "it is lost");
    broker.acknowledges(&told);
    for answer in sent {
        soon("the answer", answer).await.unwrap().unwrap();
    }
    let long = "x".repeat(5_121);
    let _sent = distributor.sends(&token, &long, "long");
    assert_eq!(broker.messages(1).await[0].payload, None, "Q-22: it is counted");
}

/// The bus breaks after the message is in safe hands and before the distributor knows: it is sent again, and not told again.
#[tokio::test]
async fn a_bus_that_is_started_again_is_found_and_nothing_is_told_twice() {
    let mut stage = Stage::new();
    let (mut broker, distributor, token) = working(&stage, Manner::Second).await;
    let _never_answered = distributor.sends(&token, "x", "7");
    let told = broker.messages(1).await;
    stage.stop();
    broker.away().await;
    broker.acknowledges(&told);
    stage.run();
    let mut distributor = Distributor::start(&stage.address(), KDE, Manner::Second).await;
    broker.transport.nudge();
    assert_eq!(distributor.registers().await, token);
    let again = distributor.sends(&token, "x", "7");
    assert_eq!(id_of(&soon("the answer", again).await.unwrap().unwrap()), "7", "at once");
    let _sent = distributor.sends(&token, "y", "8");
    assert_eq!(broker.messages(1).await[0].payload.as_deref(), Some(b"y".as_slice()));
}

#[tokio::test]
async fn a_channel_that_the_distributor_gives_up_is_said_to_be() {
    let stage = Stage::new();
    let (mut broker, distributor, token) = working(&stage, Manner::Second).await;
    distributor.gives_up(&token).await;
    let why = broker.away().await;
    assert!(why.contains("given up") && why.contains("bgtask push close"), "{why}");
}

/// The bus starts the broker for a message that waits.
#[test]
fn the_package_has_the_connector_started_under_its_name() {
    let file = include_str!("../../../../../packaging/dbus/org.bgtask.Push.service");
    assert!(file.lines().any(|line| line == format!("Name={SERVICE}")), "{file}");
}

/// Only one broker on a bus can be the connector.
#[tokio::test]
async fn a_second_connector_is_told_that_there_is_one() {
    let stage = Stage::new();
    let (_broker, _distributor, _) = working(&stage, Manner::Second).await;
    let other = TempDir::new().unwrap();
    let (sender, reports) = mpsc::channel(16);
    let settings = Settings { address: stage.address(), distributor: None, tokens: other.path().join("tokens") };
    let mut second = Broker { transport: UnifiedPush::new(settings, sender).unwrap(), reports };
    second.transport.open(MAIL);
    assert!(second.away().await.contains(SERVICE));
}
