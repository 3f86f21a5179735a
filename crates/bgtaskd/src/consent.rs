//! Asking the user for consent (ACC-18) through the desktop's portal, `org.freedesktop.portal.Background`.
//!
//! The portal takes whoever calls for the app. So each question has a connection of its own, which first says for which
//! app it asks (`org.freedesktop.host.portal.Registry`) and is closed with the question.
//!
//! Whether the portal then asks anybody is its own business: xdg-desktop-portal says yes for every program outside a
//! sandbox, registered or not, without asking (`handle_request_background` in its `src/background.c`).

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use bgtask_core::{AppId, Consent, RequestId};
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use zbus::fdo::{self, DBusProxy};
use zbus::names::OwnedUniqueName;
use zbus::{Connection, MatchRule, Message, MessageStream, OwnedObjectPath, OwnedVariant, Variant};

use crate::inbox::Incoming;

/// How long the user may think about it; then the question is taken back.
const PATIENCE: Duration = Duration::from_secs(120);

/// The longest reason the portal takes, in characters; a longer one is cut.
const MAX_REASON_CHARS: usize = 256;

/// Signals of the portal that may wait until its reply is there; it sends one.
const MAX_EARLY: NonZeroUsize = NonZeroUsize::new(8).unwrap();

const PORTAL: &str = "org.freedesktop.portal.Desktop";
const OBJECT: &str = "/org/freedesktop/portal/desktop";
const REGISTRY: &str = "org.freedesktop.host.portal.Registry";
const BACKGROUND: &str = "org.freedesktop.portal.Background";
const REQUEST: &str = "org.freedesktop.portal.Request";

/// Where the user is asked.
#[derive(Debug)]
pub(crate) struct Portal {
    /// The session bus, if there is one.
    bus: Option<String>,
    patience: Duration,
    inbox: mpsc::Sender<Incoming>,
}

impl Portal {
    /// The portal of the user's session; none for a broker that stays off the session bus.
    pub(crate) fn new(private: bool, inbox: mpsc::Sender<Incoming>) -> Self {
        let bus = std::env::var("DBUS_SESSION_BUS_ADDRESS").ok().filter(|bus| !private && !bus.is_empty());
        Self { bus, patience: PATIENCE, inbox }
    }

    /// Asks, beside everything else, and sends exactly one [`Incoming::Consent`] when it is known.
    /// The core bounds how many questions there are at the same time (`MAX_CONSENTS`).
    pub(crate) fn ask(&self, request: RequestId, app: AppId, reason: String) {
        let (bus, patience, inbox) = (self.bus.clone(), self.patience, self.inbox.clone());
        tokio::spawn(async move {
            let answer = match bus {
                None => Err("this broker has no session bus, where the desktop's portal is".to_owned()),
                Some(bus) => tokio::time::timeout(patience, answer(&bus, &app, &reason)).await.unwrap_or_else(|_| {
                    Err(format!("nobody answered the desktop's question within {} s", patience.as_secs_f32()))
                }),
            };
            let consent = answer.unwrap_or_else(|why| {
                tracing::warn!(app = app.as_str(), "the user could not be asked whether {app} may always run: {why}");
                Consent::Unavailable(why)
            });
            let _stopping = inbox.send(Incoming::Consent(request, consent)).await;
        });
    }
}

async fn answer(bus: &str, app: &AppId, reason: &str) -> Result<Consent, String> {
    let lost = |error: zbus::Error| format!("the session bus cannot be used: {error}");
    let connection = zbus::connection::Builder::address(bus).build().await.map_err(lost)?;
    let portal = introduce(&connection, app).await?;
    // Both before the question: it may be answered before the reply to the call is here.
    let mut responses = responses(&connection, &portal).await.map_err(lost)?;
    let daemon = DBusProxy::new(&connection).await.map_err(lost)?;
    let departure = daemon.receive_name_owner_changed_with_args(&[(0, portal.as_str())]).await;
    let mut departure = departure.map_err(lost)?;
    let handle = question(&connection, &portal, reason).await?;
    loop {
        tokio::select! {
            biased;
            response = responses.next() => {
                let response = response.and_then(Result::ok).ok_or("the session bus is gone")?;
                if response.header().path() == Some(&*handle) {
                    return meaning(&response);
                }
            }
            _ = departure.next() => return Err("the desktop's portal ended before the user had answered".to_owned()),
        }
    }
}

/// Says for which app this connection asks; answers which portal heard it.
async fn introduce(connection: &Connection, app: &AppId) -> Result<OwnedUniqueName, String> {
    let no_options = HashMap::<&str, Variant<'_>>::new();
    let said = (app.as_str(), no_options);
    let heard = connection.call_method(Some(PORTAL), OBJECT, Some(REGISTRY), "Register", &said).await;
    let heard = heard.map_err(|error| match fdo_error(&error) {
        Some(fdo::Error::ServiceUnknown(_) | fdo::Error::NameHasNoOwner(_)) => {
            "no desktop portal runs in this session: install xdg-desktop-portal and the backend of the desktop".to_owned()
        }
        Some(fdo::Error::UnknownMethod(_) | fdo::Error::UnknownInterface(_) | fdo::Error::UnknownObject(_)) => format!(
            "the desktop's portal cannot be told which app asks, it has no {REGISTRY}: update xdg-desktop-portal to 1.20 \
             or later"
        ),
        _ => format!("the desktop's portal does not take {app} for an app, is {app}.desktop installed? It says: {error}"),
    })?;
    let portal = heard.header().sender().map(|sender| OwnedUniqueName::from(sender.to_owned()));
    portal.ok_or_else(|| "the session bus does not name its senders".to_owned())
}

/// What this portal, and nobody in its name, says about questions.
async fn responses(connection: &Connection, portal: &OwnedUniqueName) -> zbus::Result<MessageStream> {
    let rule = MatchRule::builder().msg_type(zbus::message::Type::Signal).sender(portal.as_str());
    let rule = rule.interface(REQUEST).member("Response").build()?;
    MessageStream::for_match_rule(rule, connection, Some(MAX_EARLY)).await
}

/// Asks; answers the handle under which the portal will respond.
async fn question(connection: &Connection, portal: &OwnedUniqueName, reason: &str) -> Result<OwnedObjectPath, String> {
    let mut options: HashMap<&str, Variant<'_>> = HashMap::new();
    options.insert("handle_token", "bgtask".into());
    options.insert("autostart", false.into());
    options.insert("dbus-activatable", false.into());
    let reason: String = reason.chars().take(MAX_REASON_CHARS).collect();
    if !reason.is_empty() {
        options.insert("reason", reason.into());
    }
    let no_window = "";
    let refused = |error| format!("the desktop's portal does not ask: {error}");
    let words = (no_window, options);
    let asked = connection.call_method(Some(portal.as_str()), OBJECT, Some(BACKGROUND), "RequestBackground", &words);
    asked.await.map_err(refused)?.body().deserialize().map_err(refused)
}

/// `Response(u code, a{sv} results)`: 0 is an answer, 1 the user's refusal to give one, anything else an end without him.
fn meaning(response: &Message) -> Result<Consent, String> {
    let body = response.body();
    let (code, results): (u32, HashMap<String, OwnedVariant>) =
        body.deserialize().map_err(|error| format!("the desktop's portal answers in words of its own: {error}"))?;
    let granted = results.get("background").is_some_and(|value| matches!(**value, Variant::Bool(true)));
    match code {
        0 if granted => Ok(Consent::Granted),
        0 | 1 => Ok(Consent::Refused),
        _ => Err("the desktop ended the question without an answer of the user".to_owned()),
    }
}

fn fdo_error(error: &zbus::Error) -> Option<&fdo::Error> {
    match error {
        zbus::Error::FDO(error) => Some(error),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::net::UnixStream;
    use std::process::{Child, Command, Stdio};
    use std::time::Instant;

    use zbus::ObjectPath;
    use zbus::fdo::RequestNameFlags;

    use super::*;

    /// Generous: only a failing test reaches it.
    const DEADLINE: Duration = Duration::from_secs(60);
    const APP: &str = "org.example.Photos";

    /// A session bus of the test's own.
    struct Bus {
        daemon: Child,
        address: String,
        _folder: tempfile::TempDir,
    }

    impl Bus {
        /// Starts one, or says why the test is skipped. In CI a missing daemon fails the test.
        fn start() -> Option<Self> {
            let folder = tempfile::tempdir().expect("a folder");
            let (socket, config) = (folder.path().join("bus"), folder.path().join("bus.conf"));
            let address = format!("unix:path={}", socket.display());
            let rules = "<allow send_destination=\"*\"/><allow receive_sender=\"*\"/><allow own=\"*\"/>";
            let text = format!(
                "<busconfig><type>session</type><listen>{address}</listen><auth>EXTERNAL</auth>\
                 <policy context=\"default\">{rules}</policy></busconfig>"
            );
            fs::write(&config, text).expect("its configuration");
            let mut daemon = Command::new("dbus-daemon");
            daemon.arg("--config-file").arg(&config).args(["--nofork", "--nopidfile"]);
            let daemon = match daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
                Ok(daemon) => daemon,
                Err(error) if std::env::var_os("CI").is_some_and(|ci| ci == "true") => {
                    panic!("dbus-daemon cannot be started: {error}")
                }
                Err(error) => {
                    println!("SKIPPED: dbus-daemon is not installed ({error})");
                    return None;
                }
            };
            let bus = Self { daemon, address, _folder: folder };
            let deadline = Instant::now() + DEADLINE;
            while UnixStream::connect(&socket).is_err() {
                assert!(Instant::now() < deadline, "dbus-daemon does not listen");
                std::thread::sleep(Duration::from_millis(5));
            }
            Some(bus)
        }

        async fn connect(&self) -> Connection {
            let builder = zbus::connection::Builder::address(self.address.as_str());
            builder.build().await.expect("a connection")
        }

        async fn ask(&self, reason: &str) -> Consent {
            ask(Some(self.address.clone()), DEADLINE, reason).await
        }

        async fn ask_with(&self, play: Play) -> Consent {
            let stage = Stage::open(self, play).await;
            let consent = self.ask("to upload what you took").await;
            assert_eq!(stage.apps(), [APP], "the portal heard for whom it was asked");
            consent
        }
    }

    impl Drop for Bus {
        fn drop(&mut self) {
            let _ended = self.daemon.kill();
            let _reaped = self.daemon.wait();
        }
    }

    /// Asks as the driver does, and takes what comes into its inbox.
    async fn ask(bus: Option<String>, patience: Duration, reason: &str) -> Consent {
        let (post, mut inbox) = mpsc::channel(1);
        let portal = Portal { bus, patience, inbox: post };
        portal.ask(RequestId(7), AppId::new(APP).expect("legal"), reason.to_owned());
        drop(portal);
        let incoming = tokio::time::timeout(DEADLINE, inbox.recv()).await.expect("an end of the question");
        let Some(Incoming::Consent(RequestId(7), consent)) = incoming else { panic!("{incoming:?}") };
        assert!(inbox.recv().await.is_none(), "one question, one answer");
        consent
    }

    fn why(consent: &Consent) -> &str {
        let Consent::Unavailable(why) = consent else { panic!("somebody answered: {consent:?}") };
        why
    }

    /// What the portal does when it is asked.
    #[derive(Clone, Copy, Debug)]
    enum Play {
        /// It responds with this code and, maybe, with `background`.
        Respond(u32, Option<bool>),
        /// It responds before it replies to the call.
        RespondFirst,
        /// It uses a handle that nobody could have expected, and responds to somebody else's question first.
        OwnHandle,
        /// Another program responds in its place, before it refuses itself.
        Forged,
        /// It leaves everybody waiting.
        Silence,
        /// It ends when the question is on the screen.
        End,
        /// It is an old one, without the registry.
        WithoutRegistry,
        /// It knows no such app.
        UnknownApp,
    }

    /// The portal, and what it heard.
    struct Stage {
        heard: mpsc::UnboundedReceiver<Message>,
    }

    impl Stage {
        async fn open(bus: &Bus, play: Play) -> Self {
            let builder = zbus::connection::Builder::address(bus.address.as_str());
            let messages = builder.build_message_stream().await.expect("a connection");
            let intruder = bus.connect().await;
            // The next portal takes its place.
            let flags = RequestNameFlags::ALLOW_REPLACEMENT | RequestNameFlags::REPLACE_EXISTING;
            Connection::from(&messages).request_name_with_flags(PORTAL, flags).await.expect("the portal's name");
            let (hears, heard) = mpsc::unbounded_channel();
            tokio::spawn(perform(messages, intruder, play, hears));
            Self { heard }
        }

        fn calls(mut self, member: &str) -> Vec<Message> {
            let all = std::iter::from_fn(|| self.heard.try_recv().ok());
            all.filter(|call| call.header().member().is_some_and(|it| it == member)).collect()
        }

        fn apps(self) -> Vec<String> {
            let calls = self.calls("Register");
            calls
                .iter()
                .map(|call| call.body().deserialize::<(String, Options)>().expect("Register(sa{sv})").0)
                .collect()
        }
    }

    type Options = HashMap<String, OwnedVariant>;

    async fn perform(
        mut messages: MessageStream,
        intruder: Connection,
        play: Play,
        hears: mpsc::UnboundedSender<Message>,
    ) {
        let portal = Connection::from(&messages);
        while let Some(Ok(call)) = messages.next().await {
            let header = call.header();
            let member = header.member().map(|member| member.as_str().to_owned()).unwrap_or_default();
            if header.message_type() != zbus::message::Type::MethodCall {
                continue;
            }
            let _test_is_over = hears.send(call.clone());
            let failed = |name: &'static str| portal.reply_error(&header, name, &"no such app, no such interface");
            match (member.as_str(), play) {
                ("Register", Play::WithoutRegistry) => failed("org.freedesktop.DBus.Error.UnknownMethod").await,
                ("Register", Play::UnknownApp) => failed("org.freedesktop.portal.Error.Failed").await,
                ("Register", _) => portal.reply(&header, &()).await,
                _ => show(&portal, &intruder, &call, play).await,
            }
            .expect("the bus takes it");
            if member == "RequestBackground" && matches!(play, Play::End) {
                return;
            }
        }
    }

    /// Puts the question on the screen.
    async fn show(portal: &Connection, intruder: &Connection, call: &Message, play: Play) -> zbus::Result<()> {
        let header = call.header();
        let asker = header.sender().expect("a bus names its senders").to_string();
        let handle = format!("{OBJECT}/request/{}/bgtask", asker.trim_start_matches(':').replace('.', "_"));
        let own = format!("{OBJECT}/request/own/1");
        let (own, handle) = (ObjectPath::try_from(own.as_str())?, ObjectPath::try_from(handle.as_str())?);
        match play {
            Play::Respond(code, background) => {
                portal.reply(&header, &handle).await?;
                respond(portal, &asker, &handle, code, background).await
            }
            Play::RespondFirst => {
                respond(portal, &asker, &handle, 0, Some(true)).await?;
                portal.reply(&header, &handle).await
            }
            Play::OwnHandle => {
                portal.reply(&header, &own).await?;
                respond(portal, &asker, &handle, 0, Some(false)).await?;
                respond(portal, &asker, &own, 0, Some(true)).await
            }
            Play::Forged => {
                portal.reply(&header, &handle).await?;
                respond(intruder, &asker, &handle, 0, Some(true)).await?;
                // Its answer to the intruder tells that the bus has passed on what came before.
                DBusProxy::new(intruder).await?.get_id().await?;
                respond(portal, &asker, &handle, 1, None).await
            }
            Play::Silence | Play::End | Play::WithoutRegistry | Play::UnknownApp => {
                portal.reply(&header, &handle).await
            }
        }
    }

    async fn respond(
        from: &Connection,
        to: &str,
        handle: &ObjectPath<'_>,
        code: u32,
        background: Option<bool>,
    ) -> zbus::Result<()> {
        let results: HashMap<_, _> =
            background.map(|allowed| ("background", Variant::from(allowed))).into_iter().collect();
        from.emit_signal(Some(to), handle, REQUEST, "Response", &(code, results)).await
    }

    #[tokio::test]
    async fn what_the_user_answers_is_the_answer() {
        let Some(bus) = Bus::start() else { return };
        for (code, background, answer) in [
            (0, Some(true), Consent::Granted),
            (0, Some(false), Consent::Refused),
            (0, None, Consent::Refused),
            (1, Some(false), Consent::Refused),
        ] {
            assert_eq!(bus.ask_with(Play::Respond(code, background)).await, answer, "{code} {background:?}");
        }
        let ended = bus.ask_with(Play::Respond(2, None)).await;
        assert!(why(&ended).contains("without an answer"), "{ended:?}");
    }

    #[tokio::test]
    async fn an_answer_counts_however_early_and_wherever_it_comes() {
        let Some(bus) = Bus::start() else { return };
        assert_eq!(bus.ask_with(Play::RespondFirst).await, Consent::Granted);
        assert_eq!(bus.ask_with(Play::OwnHandle).await, Consent::Granted);
    }

    #[tokio::test]
    async fn nobody_else_answers_for_the_user() {
        let Some(bus) = Bus::start() else { return };
        assert_eq!(bus.ask_with(Play::Forged).await, Consent::Refused);
    }

    #[tokio::test]
    async fn a_question_without_an_answer_is_taken_back() {
        let Some(bus) = Bus::start() else { return };
        let _stage = Stage::open(&bus, Play::Silence).await;
        let consent = ask(Some(bus.address.clone()), Duration::from_millis(200), "").await;
        assert!(why(&consent).contains("nobody answered") && why(&consent).contains("0.2 s"), "{consent:?}");
    }

    #[tokio::test]
    async fn a_portal_that_ends_leaves_no_question_behind() {
        let Some(bus) = Bus::start() else { return };
        let consent = bus.ask_with(Play::End).await;
        assert!(why(&consent).contains("ended before the user had answered"), "{consent:?}");
    }

    #[tokio::test]
    async fn where_nobody_can_be_asked_the_reason_says_what_to_install() {
        let none = ask(None, DEADLINE, "").await;
        assert!(why(&none).contains("no session bus"), "{none:?}");
        let gone = ask(Some("unix:path=/nonexistent/bus".to_owned()), DEADLINE, "").await;
        assert!(why(&gone).contains("session bus cannot be used"), "{gone:?}");

        let Some(bus) = Bus::start() else { return };
        let absent = bus.ask("").await;
        assert!(why(&absent).contains("install xdg-desktop-portal"), "{absent:?}");
        let old = bus.ask_with(Play::WithoutRegistry).await;
        assert!(why(&old).contains("update xdg-desktop-portal"), "{old:?}");
        let unknown = bus.ask_with(Play::UnknownApp).await;
        assert!(why(&unknown).contains("is org.example.Photos.desktop installed?"), "{unknown:?}");
    }

    #[tokio::test]
    async fn the_app_s_own_words_are_shown_as_far_as_the_portal_takes_them() {
        let Some(bus) = Bus::start() else { return };
        for (reason, shown) in [
            ("", None),
            ("why not", Some("why not".to_owned())),
            (&"ä".repeat(300), Some("ä".repeat(MAX_REASON_CHARS))),
        ] {
            let stage = Stage::open(&bus, Play::Respond(0, Some(true))).await;
            assert_eq!(bus.ask(reason).await, Consent::Granted);
            let calls = stage.calls("RequestBackground");
            let (window, options): (String, Options) =
                calls[0].body().deserialize().expect("RequestBackground(sa{sv})");
            let said = options.get("reason").map(|said| said.to_string());
            assert_eq!((window.as_str(), said), ("", shown.map(|text| format!("{text:?}"))));
            assert_eq!(
                **options.get("autostart").expect("said"),
                Variant::Bool(false),
                "a task is not started at log-in"
            );
        }
    }
}
