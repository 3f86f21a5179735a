//! Asking by the desktop's portal, `org.freedesktop.portal.Background`.
//!
//! The portal takes whoever calls for the app. So each question has a connection of its own, which first says for which
//! app it asks (`org.freedesktop.host.portal.Registry`) and is closed with the question.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use bgtask_core::AppId;
use futures_util::StreamExt as _;
use zbus::fdo::{self, DBusProxy};
use zbus::names::OwnedUniqueName;
use zbus::{Connection, MatchRule, Message, MessageStream, OwnedObjectPath, OwnedVariant, Variant};

use super::{Answer, MAX_REASON_CHARS, SHOWN_WITHIN};

/// Signals of the portal that may wait until its reply is there; it sends one.
const MAX_EARLY: NonZeroUsize = NonZeroUsize::new(8).unwrap();

const PORTAL: &str = "org.freedesktop.portal.Desktop";
const OBJECT: &str = "/org/freedesktop/portal/desktop";
const REGISTRY: &str = "org.freedesktop.host.portal.Registry";
const BACKGROUND: &str = "org.freedesktop.portal.Background";
const REQUEST: &str = "org.freedesktop.portal.Request";

/// Asks, for as long as the user may think about it.
pub(super) async fn ask(bus: &str, app: &AppId, reason: &str, patience: Duration) -> Answer {
    let question = match tokio::time::timeout(SHOWN_WITHIN, Question::put(bus, app, reason)).await {
        Ok(Ok(question)) => question,
        Ok(Err(why)) => return Answer::Nowhere(why),
        Err(_) => {
            return Answer::Open(format!(
                "the desktop's portal did not take the question within {} s",
                SHOWN_WITHIN.as_secs()
            ));
        }
    };
    tokio::time::timeout(patience, question.answered()).await.unwrap_or_else(|_| {
        Answer::Open(format!("nobody answered the desktop's question within {} s", patience.as_secs_f32()))
    })
}

/// A question that the portal has taken. It is taken back with its connection.
struct Question {
    handle: OwnedObjectPath,
    responses: MessageStream,
    departure: fdo::NameOwnerChangedStream,
    _connection: Connection,
}

impl Question {
    async fn put(bus: &str, app: &AppId, reason: &str) -> Result<Self, String> {
        let lost = |error: zbus::Error| format!("the session bus cannot be used: {error}");
        let connection = zbus::connection::Builder::address(bus).build().await.map_err(lost)?;
        let portal = introduce(&connection, app).await?;
        // Both before the question: it may be answered before the reply to the call is here.
        let responses = responses(&connection, &portal).await.map_err(lost)?;
        let daemon = DBusProxy::new(&connection).await.map_err(lost)?;
        let departure = daemon.receive_name_owner_changed_with_args(&[(0, portal.as_str())]).await.map_err(lost)?;
        let handle = request(&connection, &portal, reason).await?;
        Ok(Self { handle, responses, departure, _connection: connection })
    }

    async fn answered(mut self) -> Answer {
        loop {
            tokio::select! {
                biased;
                response = self.responses.next() => {
                    let Some(Ok(response)) = response else { return Answer::Open("the session bus is gone".to_owned()) };
                    if response.header().path() == Some(&*self.handle) {
                        return meaning(&response);
                    }
                }
                _ = self.departure.next() => {
                    return Answer::Open("the desktop's portal ended before the user had answered".to_owned());
                }
            }
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
async fn request(connection: &Connection, portal: &OwnedUniqueName, reason: &str) -> Result<OwnedObjectPath, String> {
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
fn meaning(response: &Message) -> Answer {
    let body = response.body();
    let (code, results): (u32, HashMap<String, OwnedVariant>) = match body.deserialize() {
        Ok(said) => said,
        Err(error) => return Answer::Open(format!("the desktop's portal answers in words of its own: {error}")),
    };
    let granted = results.get("background").is_some_and(|value| matches!(**value, Variant::Bool(true)));
    match code {
        0 if granted => Answer::Yes,
        0 | 1 => Answer::No,
        _ => Answer::Open("the desktop ended the question without an answer of the user".to_owned()),
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
    use zbus::ObjectPath;

    use super::super::stage::{Actors, Bus, DEADLINE, Stage, app, why};
    use super::*;

    async fn ask(bus: &str, reason: &str) -> Answer {
        super::ask(bus, &app(), reason, DEADLINE).await
    }

    async fn ask_with(bus: &Bus, play: Play) -> Answer {
        let stage = open(bus, play).await;
        let answer = ask(&bus.address, "to upload what you took").await;
        let heard = stage.calls("Register");
        let apps = heard.iter().map(|call| call.body().deserialize::<(String, Options)>().expect("Register(sa{sv})").0);
        assert_eq!(apps.collect::<Vec<_>>(), [app().as_str()], "the portal heard for whom it was asked");
        answer
    }

    async fn open(bus: &Bus, play: Play) -> Stage {
        Stage::open(bus, PORTAL, move |portal| perform(portal, play)).await
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

    type Options = HashMap<String, OwnedVariant>;

    async fn perform(mut portal: Actors, play: Play) {
        while let Some(call) = portal.call().await {
            let header = call.header();
            let member = header.member().map(|member| member.as_str().to_owned()).unwrap_or_default();
            let failed =
                |name: &'static str| portal.service.reply_error(&header, name, &"no such app, no such interface");
            match (member.as_str(), play) {
                ("Register", Play::WithoutRegistry) => failed("org.freedesktop.DBus.Error.UnknownMethod").await,
                ("Register", Play::UnknownApp) => failed("org.freedesktop.portal.Error.Failed").await,
                ("Register", _) => portal.service.reply(&header, &()).await,
                _ => show(&portal, &call, play).await,
            }
            .expect("the bus takes it");
            if member == "RequestBackground" && matches!(play, Play::End) {
                return;
            }
        }
    }

    /// Puts the question on the screen.
    async fn show(actors: &Actors, call: &Message, play: Play) -> zbus::Result<()> {
        let (header, portal) = (call.header(), &actors.service);
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
                respond(&actors.intruder, &asker, &handle, 0, Some(true)).await?;
                actors.intruder_was_heard().await?;
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
            (0, Some(true), Answer::Yes),
            (0, Some(false), Answer::No),
            (0, None, Answer::No),
            (1, Some(false), Answer::No),
        ] {
            assert_eq!(ask_with(&bus, Play::Respond(code, background)).await, answer, "{code} {background:?}");
        }
        let ended = ask_with(&bus, Play::Respond(2, None)).await;
        assert!(matches!(&ended, Answer::Open(why) if why.contains("without an answer")), "{ended:?}");
    }

    #[tokio::test]
    async fn an_answer_counts_however_early_and_wherever_it_comes() {
        let Some(bus) = Bus::start() else { return };
        assert_eq!(ask_with(&bus, Play::RespondFirst).await, Answer::Yes);
        assert_eq!(ask_with(&bus, Play::OwnHandle).await, Answer::Yes);
    }

    #[tokio::test]
    async fn nobody_else_answers_for_the_user() {
        let Some(bus) = Bus::start() else { return };
        assert_eq!(ask_with(&bus, Play::Forged).await, Answer::No);
    }

    #[tokio::test]
    async fn a_question_without_an_answer_is_taken_back() {
        let Some(bus) = Bus::start() else { return };
        let _stage = open(&bus, Play::Silence).await;
        let answer = super::ask(&bus.address, &app(), "", Duration::from_millis(200)).await;
        assert!(matches!(answer, Answer::Open(_)), "somebody may see it still: {answer:?}");
        assert!(why(&answer).contains("0.2 s"), "{answer:?}");
    }

    #[tokio::test]
    async fn a_portal_that_ends_leaves_no_question_behind() {
        let Some(bus) = Bus::start() else { return };
        let ended = ask_with(&bus, Play::End).await;
        assert!(matches!(&ended, Answer::Open(why) if why.contains("ended before the user had answered")), "{ended:?}");
    }

    #[tokio::test]
    async fn where_no_portal_can_ask_the_reason_says_what_to_install() {
        let nowhere = |answer: Answer, said: &str| {
            assert!(matches!(&answer, Answer::Nowhere(why) if why.contains(said)), "{answer:?}");
        };
        nowhere(ask("unix:path=/nonexistent/bus", "").await, "session bus cannot be used");
        let Some(bus) = Bus::start() else { return };
        nowhere(ask(&bus.address, "").await, "install xdg-desktop-portal");
        nowhere(ask_with(&bus, Play::WithoutRegistry).await, "update xdg-desktop-portal");
        nowhere(ask_with(&bus, Play::UnknownApp).await, "is org.example.Photos.desktop installed?");
    }

    #[tokio::test]
    async fn the_app_s_own_words_are_shown_as_far_as_the_portal_takes_them() {
        let Some(bus) = Bus::start() else { return };
        for (reason, shown) in [
            ("", None),
            ("why not", Some("why not".to_owned())),
            (&"ä".repeat(300), Some("ä".repeat(MAX_REASON_CHARS))),
        ] {
            let stage = open(&bus, Play::Respond(0, Some(true))).await;
            assert_eq!(ask(&bus.address, reason).await, Answer::Yes);
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
