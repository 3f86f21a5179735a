//! Asking by a notification with two buttons, `org.freedesktop.Notifications`.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use bgtask_core::AppId;
use futures_util::StreamExt as _;
use zbus::fdo::{self, DBusProxy};
use zbus::names::OwnedUniqueName;
use zbus::{Connection, MatchRule, Message, MessageStream, Variant};

use super::{Answer, MAX_REASON_CHARS, SHOWN_WITHIN};

/// Signals about notifications that may wait until the desktop has replied.
const MAX_EARLY: NonZeroUsize = NonZeroUsize::new(64).unwrap();

const DESKTOP: &str = "org.freedesktop.Notifications";
const OBJECT: &str = "/org/freedesktop/Notifications";
const ALLOW: &str = "allow";
const DENY: &str = "deny";

/// The desktop's word for a notification that the user closed.
const DISMISSED: u32 = 2;

/// Asks, for as long as the user may think about it.
pub(super) async fn ask(bus: &str, app: &AppId, reason: &str, patience: Duration) -> Answer {
    let mut question = match tokio::time::timeout(SHOWN_WITHIN, Question::put(bus, app, reason)).await {
        Ok(Ok(question)) => question,
        Ok(Err(unasked)) => return unasked,
        Err(_) => {
            return Answer::Open(format!("the desktop did not show the question within {} s", SHOWN_WITHIN.as_secs()));
        }
    };
    match tokio::time::timeout(patience, question.answered()).await {
        Ok(answer) => answer,
        Err(_) => {
            question.take_back().await;
            Answer::Open(format!("nobody answered the question on the desktop within {} s", patience.as_secs_f32()))
        }
    }
}

/// A question on the screen.
struct Question {
    connection: Connection,
    desktop: OwnedUniqueName,
    id: u32,
    signals: MessageStream,
    departure: fdo::NameOwnerChangedStream,
}

impl Question {
    /// Where something shows notifications that cannot show this one, the question stays open: an app may have brought that
    /// about, and must not gain by it.
    async fn put(bus: &str, app: &AppId, reason: &str) -> Result<Self, Answer> {
        let lost = |error: zbus::Error| Answer::Open(format!("the session bus cannot be used: {error}"));
        let connection = zbus::connection::Builder::address(bus).build().await.map_err(lost)?;
        let (desktop, markup) = find(&connection).await?;
        // Both before the question: it may be answered before the reply to the call is here.
        let rule = MatchRule::builder().msg_type(zbus::message::Type::Signal).sender(desktop.as_str());
        let rule = rule.interface(DESKTOP).build().map_err(lost)?;
        let signals = MessageStream::for_match_rule(rule, &connection, Some(MAX_EARLY)).await.map_err(lost)?;
        let daemon = DBusProxy::new(&connection).await.map_err(lost)?;
        let departure = daemon.receive_name_owner_changed_with_args(&[(0, desktop.as_str())]).await.map_err(lost)?;
        let id = notify(&connection, &desktop, app, &body(reason, markup)).await?;
        Ok(Self { connection, desktop, id, signals, departure })
    }

    async fn answered(&mut self) -> Answer {
        loop {
            tokio::select! {
                biased;
                signal = self.signals.next() => {
                    let Some(Ok(signal)) = signal else { return Answer::Open("the session bus is gone".to_owned()) };
                    if let Some(answer) = self.meaning(&signal) {
                        return answer;
                    }
                }
                _ = self.departure.next() => {
                    return Answer::Open("the desktop ended before the user had answered".to_owned());
                }
            }
        }
    }

    /// What a signal says about this question, if anything.
    fn meaning(&self, signal: &Message) -> Option<Answer> {
        let (header, body) = (signal.header(), signal.body());
        let (id, answer) = match header.member()?.as_str() {
            "ActionInvoked" => {
                let (id, action): (u32, String) = body.deserialize().ok()?;
                let pressed =
                    [(ALLOW, Answer::Yes), (DENY, Answer::No)].into_iter().find(|(button, _)| *button == action);
                (id, pressed?.1)
            }
            "NotificationClosed" => match body.deserialize().ok()? {
                (id, DISMISSED) => (id, Answer::No),
                (id, _) => {
                    let why = "the desktop took the question away without an answer of the user";
                    (id, Answer::Open(why.to_owned()))
                }
            },
            _ => return None,
        };
        (id == self.id).then_some(answer)
    }

    async fn take_back(&self) {
        let close = zbus::Message::method_call(OBJECT, "CloseNotification")
            .destination(self.desktop.as_str())
            .interface(DESKTOP)
            .with_flags(zbus::message::Flags::NO_REPLY_EXPECTED);
        // A desktop that is gone shows no question.
        if let Ok(close) = close.build(&(self.id,)) {
            let _gone = self.connection.send(&close).await;
        }
    }
}

/// Who shows notifications, and whether as markup.
async fn find(connection: &Connection) -> Result<(OwnedUniqueName, bool), Answer> {
    let reply = connection.call_method(Some(DESKTOP), OBJECT, Some(DESKTOP), "GetCapabilities", &()).await;
    let cannot = |error: zbus::Error| match &error {
        zbus::Error::FDO(known) if matches!(**known, fdo::Error::ServiceUnknown(_) | fdo::Error::NameHasNoOwner(_)) => {
            let why = "nothing shows notifications in this session: start the desktop's notification service";
            Answer::Nowhere(why.to_owned())
        }
        _ => Answer::Open(format!("the desktop shows no notifications: {error}")),
    };
    let reply = reply.map_err(cannot)?;
    let able: Vec<String> = reply.body().deserialize().map_err(cannot)?;
    let able = |what: &str| able.iter().any(|able| able == what);
    if !able("actions") {
        let why = "the desktop's notifications have no buttons, so that nobody can answer";
        return Err(Answer::Nowhere(why.to_owned()));
    }
    let nameless = || Answer::Open("the session bus does not name its senders".to_owned());
    let desktop = reply.header().sender().map(|sender| OwnedUniqueName::from(sender.to_owned()));
    Ok((desktop.ok_or_else(nameless)?, able("body-markup")))
}

async fn notify(connection: &Connection, desktop: &OwnedUniqueName, app: &AppId, body: &str) -> Result<u32, Answer> {
    let replaces_none = 0_u32;
    let icon = "";
    let title = format!("May {app} always run in the background?");
    let actions = [ALLOW, "Always allow", DENY, "Don't allow"];
    let hints = HashMap::from([("desktop-entry", Variant::from(app.as_str()))]);
    let never_expires = 0_i32;
    let words = (app.as_str(), replaces_none, icon, title, body, &actions[..], hints, never_expires);
    let refused = |error: zbus::Error| Answer::Open(format!("the desktop does not show the question: {error}"));
    let shown = connection.call_method(Some(desktop.as_str()), OBJECT, Some(DESKTOP), "Notify", &words).await;
    shown.map_err(refused)?.body().deserialize().map_err(refused)
}

/// ACC-19: what it means for the battery, and the app's own words, which are marked as such and never markup.
fn body(reason: &str, markup: bool) -> String {
    let consequence = "It would run in battery saver too, and the battery would last less long.";
    let reason: String = reason.chars().filter(|c| !c.is_control()).take(MAX_REASON_CHARS).collect();
    let reason = match markup {
        true => reason.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
        false => reason,
    };
    if reason.is_empty() { consequence.to_owned() } else { format!("{consequence} The app says: “{reason}”") }
}

#[cfg(test)]
mod tests {
    use super::super::stage::{Actors, Bus, DEADLINE, Stage, app, why};
    use super::*;

    async fn ask(bus: &str, reason: &str) -> Answer {
        super::ask(bus, &app(), reason, DEADLINE).await
    }

    async fn ask_with(bus: &Bus, play: Play) -> Answer {
        let stage = open(bus, play).await;
        let answer = ask(&bus.address, "to upload what you took").await;
        assert_eq!(stage.calls("Notify").len(), usize::from(play != Play::NoButtons), "the user saw one question");
        answer
    }

    async fn open(bus: &Bus, play: Play) -> Stage {
        Stage::open(bus, DESKTOP, move |desktop| perform(desktop, play)).await
    }

    /// What happens to the question.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Play {
        /// The user presses this button.
        Press(&'static str),
        /// The user presses before the desktop has replied.
        PressFirst,
        /// It is closed for this reason.
        Close(u32),
        /// Somebody else's question is answered, and another program answers this one, before the user says no.
        Confusion,
        /// Nothing.
        Silence,
        /// The desktop ends.
        End,
        /// This desktop has no buttons.
        NoButtons,
        /// It shows too much already.
        Full,
    }

    const ID: u32 = 7;

    async fn perform(mut desktop: Actors, play: Play) {
        while let Some(call) = desktop.call().await {
            let header = call.header();
            let member = header.member().map(|member| member.as_str().to_owned()).unwrap_or_default();
            match (member.as_str(), play) {
                ("GetCapabilities", Play::NoButtons) => desktop.service.reply(&header, &(vec!["body"],)).await,
                ("GetCapabilities", _) => {
                    desktop.service.reply(&header, &(vec!["actions", "body", "body-markup"],)).await
                }
                ("Notify", Play::Full) => {
                    desktop.service.reply_error(&header, "org.example.Error.ExcessNotifications", &"too many").await
                }
                ("Notify", _) => show(&desktop, &call, play).await,
                _ => Ok(()),
            }
            .expect("the bus takes it");
            if member == "Notify" && play == Play::End {
                return;
            }
        }
    }

    /// Puts the question on the screen.
    async fn show(actors: &Actors, call: &Message, play: Play) -> zbus::Result<()> {
        let desktop = &actors.service;
        if play == Play::PressFirst {
            press(desktop, call, ID, ALLOW).await?;
        }
        desktop.reply(&call.header(), &ID).await?;
        match play {
            Play::Press(button) => press(desktop, call, ID, button).await,
            Play::Close(reason) => {
                desktop.emit_signal(None::<&str>, OBJECT, DESKTOP, "NotificationClosed", &(ID, reason)).await
            }
            Play::Confusion => {
                press(&actors.intruder, call, ID, ALLOW).await?;
                actors.intruder_was_heard().await?;
                press(desktop, call, ID + 1, ALLOW).await?;
                press(desktop, call, ID, "default").await?;
                press(desktop, call, ID, DENY).await
            }
            Play::PressFirst | Play::Silence | Play::End | Play::NoButtons | Play::Full => Ok(()),
        }
    }

    async fn press(from: &Connection, question: &Message, id: u32, button: &str) -> zbus::Result<()> {
        let asker = question.header().sender().map(ToString::to_string);
        from.emit_signal(asker.as_deref(), OBJECT, DESKTOP, "ActionInvoked", &(id, button)).await
    }

    #[tokio::test]
    async fn the_button_is_the_answer() {
        let Some(bus) = Bus::start() else { return };
        assert_eq!(ask_with(&bus, Play::Press(ALLOW)).await, Answer::Yes);
        assert_eq!(ask_with(&bus, Play::Press(DENY)).await, Answer::No);
        assert_eq!(ask_with(&bus, Play::Close(DISMISSED)).await, Answer::No, "cancelled");
    }

    #[tokio::test]
    async fn a_press_counts_however_early_it_comes() {
        let Some(bus) = Bus::start() else { return };
        assert_eq!(ask_with(&bus, Play::PressFirst).await, Answer::Yes);
    }

    #[tokio::test]
    async fn nobody_else_presses_for_the_user() {
        let Some(bus) = Bus::start() else { return };
        assert_eq!(ask_with(&bus, Play::Confusion).await, Answer::No);
    }

    #[tokio::test]
    async fn a_question_without_an_answer_is_taken_back() {
        let Some(bus) = Bus::start() else { return };
        let mut stage = open(&bus, Play::Silence).await;
        let answer = super::ask(&bus.address, &app(), "", Duration::from_millis(200)).await;
        assert!(why(&answer).contains("nobody answered") && why(&answer).contains("0.2 s"), "{answer:?}");
        let taken_back = stage.hears("CloseNotification").await;
        assert_eq!(taken_back.body().deserialize::<u32>().expect("CloseNotification(u)"), ID);
    }

    /// A question that could not be shown, or went away, is no reason to take anything else for the user's answer.
    #[tokio::test]
    async fn where_notifications_are_shown_only_a_button_answers() {
        let open = |answer: Answer, said: &str| {
            assert!(matches!(&answer, Answer::Open(why) if why.contains(said)), "{answer:?}");
        };
        open(ask("unix:path=/nonexistent/bus", "").await, "session bus cannot be used");
        let Some(bus) = Bus::start() else { return };
        open(ask_with(&bus, Play::End).await, "ended before the user had answered");
        open(ask_with(&bus, Play::Close(1)).await, "without an answer");
        open(ask_with(&bus, Play::Full).await, "too many");
    }

    #[tokio::test]
    async fn where_nothing_shows_buttons_the_reason_says_so() {
        let nowhere = |answer: Answer, said: &str| {
            assert!(matches!(&answer, Answer::Nowhere(why) if why.contains(said)), "{answer:?}");
        };
        let Some(bus) = Bus::start() else { return };
        nowhere(ask(&bus.address, "").await, "nothing shows notifications");
        nowhere(ask_with(&bus, Play::NoButtons).await, "have no buttons");
    }

    /// ACC-19: in the app's own words, which are no markup.
    #[tokio::test]
    async fn the_question_is_the_app_s() {
        type Notify = (String, u32, String, String, String, Vec<String>, HashMap<String, zbus::OwnedVariant>, i32);
        let Some(bus) = Bus::start() else { return };
        let stage = open(&bus, Play::Press(ALLOW)).await;
        assert_eq!(ask(&bus.address, "to <b>upload</b>").await, Answer::Yes);
        let calls = stage.calls("Notify");
        let (asker, _, _, title, body, actions, hints, expires): Notify =
            calls[0].body().deserialize().expect("Notify");
        assert_eq!((asker.as_str(), expires), (app().as_str(), 0));
        assert_eq!(title, "May org.example.Photos always run in the background?");
        assert!(body.ends_with("The app says: “to &lt;b&gt;upload&lt;/b&gt;”"), "{body}");
        assert_eq!((actions[0].as_str(), actions[2].as_str()), (ALLOW, DENY));
        assert_eq!(**hints.get("desktop-entry").expect("the app's icon"), Variant::from(app().as_str()));
    }

    #[test]
    fn the_app_s_words_are_cut_and_stay_on_one_line() {
        let shown = body(&"ä\n".repeat(MAX_REASON_CHARS + 1), false);
        assert_eq!(shown.chars().filter(|c| *c == 'ä').count(), MAX_REASON_CHARS);
        assert!(!shown.contains('\n'));
        assert_eq!(body("", true), "It would run in battery saver too, and the battery would last less long.");
    }
}
