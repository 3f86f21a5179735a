//! Asking the user for consent (ACC-18): by the desktop's portal, and by a notification with two buttons.
//!
//! The portal knows what the user decided in the desktop's settings, so it is asked first. But its yes may be nobody's:
//! xdg-desktop-portal says yes for every program outside a sandbox without asking anybody (`handle_request_background` in its
//! `src/background.c`). So [`answer`] has its yes confirmed by the user, whom the notification asks.

mod notification;
mod portal;
#[cfg(test)]
mod stage;

use std::time::Duration;

use bgtask_core::{AppId, Consent, RequestId};
use tokio::sync::mpsc;

use crate::inbox::Incoming;

/// How long the user may think about a question; then it is taken back.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long the desktop may take to show one.
const SHOWN_WITHIN: Duration = Duration::from_secs(25);

/// The longest reason of an app that is shown, in characters; a longer one is cut.
const MAX_REASON_CHARS: usize = 256;

/// Where consent is got.
#[derive(Debug)]
pub(crate) struct Consents {
    /// The session bus, if there is one.
    bus: Option<String>,
    inbox: mpsc::Sender<Incoming>,
}

/// What became of one question.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    /// It was put, or should have been shown, and nobody has answered: why.
    Open(String),
    /// Here is nothing that could ask: why, and what to do.
    Nowhere(String),
}

impl Consents {
    /// The user's desktop; none for a broker that stays off the session bus.
    pub(crate) fn new(private: bool, inbox: mpsc::Sender<Incoming>) -> Self {
        let bus = std::env::var("DBUS_SESSION_BUS_ADDRESS").ok().filter(|bus| !private && !bus.is_empty());
        Self { bus, inbox }
    }

    /// Asks, beside everything else, and sends exactly one [`Incoming::Consent`] when it is known.
    /// The core bounds how many questions there are at the same time (`MAX_CONSENTS`).
    pub(crate) fn ask(&self, request: RequestId, app: AppId, reason: String) {
        let (bus, inbox) = (self.bus.clone(), self.inbox.clone());
        tokio::spawn(async move {
            let consent = match bus {
                None => Consent::Unavailable("this broker has no session bus, where the desktop is".to_owned()),
                Some(bus) => {
                    let portal = portal::ask(&bus, &app, &reason, PATIENCE).await;
                    let user = notification::ask(&bus, &app, &reason, PATIENCE);
                    answer(portal, user).await
                }
            };
            if let Consent::Unavailable(why) = &consent {
                tracing::warn!(app = app.as_str(), "the user could not be asked whether {app} may always run: {why}");
            }
            let _stopping = inbox.send(Incoming::Consent(request, consent)).await;
        });
    }
}

/// What the portal's answer and the user's, whom the notification asks only where that decides, come to:
///
/// | the portal says | the notification | is the answer |
/// |---|---|---|
/// | no | is not shown | no: the user was asked by the portal, or has decided in the desktop's settings |
/// | nothing, in time | is not shown | unknown: one question at a time is enough for somebody who is not there |
/// | yes | decides | yes too where nothing here shows notifications: the system has approved (ACC-18) |
/// | it is not there | decides | unknown where nothing here shows notifications |
async fn answer(portal: Answer, user: impl Future<Output = Answer>) -> Consent {
    let no_portal = match portal {
        Answer::No => return Consent::Refused,
        Answer::Open(why) => return Consent::Unavailable(why),
        Answer::Yes => None,
        Answer::Nowhere(why) => Some(why),
    };
    match (user.await, no_portal) {
        (Answer::Yes, _) | (Answer::Nowhere(_), None) => Consent::Granted,
        (Answer::No, _) => Consent::Refused,
        (Answer::Open(why), _) => Consent::Unavailable(why),
        (Answer::Nowhere(why), Some(no_portal)) => Consent::Unavailable(format!("{no_portal}; {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::stage::{DEADLINE, app};
    use super::*;

    fn open(who: &str) -> Answer {
        Answer::Open(format!("{who} does not answer"))
    }

    fn nowhere(who: &str) -> Answer {
        Answer::Nowhere(format!("no {who}"))
    }

    /// ACC-18: the user or the system approves.
    #[tokio::test]
    async fn the_user_confirms_what_the_portal_says() {
        let unavailable = |why: &str| Consent::Unavailable(why.to_owned());
        for (portal, user, expected) in [
            (Answer::Yes, Answer::Yes, Consent::Granted),
            (Answer::Yes, Answer::No, Consent::Refused),
            (Answer::Yes, open("user"), unavailable("user does not answer")),
            (Answer::Yes, nowhere("notifications"), Consent::Granted),
            (nowhere("portal"), Answer::Yes, Consent::Granted),
            (nowhere("portal"), Answer::No, Consent::Refused),
            (nowhere("portal"), open("user"), unavailable("user does not answer")),
            (nowhere("portal"), nowhere("notifications"), unavailable("no portal; no notifications")),
        ] {
            let case = format!("{portal:?} {user:?}");
            assert_eq!(answer(portal, async { user }).await, expected, "{case}");
        }
    }

    /// ACC-18: what is decided, or on the screen already, is not asked again.
    #[tokio::test]
    async fn where_the_portal_does_not_say_yes_no_notification_is_shown() {
        for (portal, expected) in
            [(Answer::No, Consent::Refused), (open("user"), Consent::Unavailable("user does not answer".to_owned()))]
        {
            let shown = async { panic!("a notification is shown") };
            assert_eq!(answer(portal, shown).await, expected);
        }
    }

    #[tokio::test]
    async fn one_question_has_one_answer() {
        for (bus, expected) in [
            (None, "this broker has no session bus, where the desktop is"),
            (Some("unix:path=/nonexistent/bus"), "the session bus cannot be used"),
        ] {
            let (post, mut inbox) = mpsc::channel(1);
            let consents = Consents { bus: bus.map(ToOwned::to_owned), inbox: post };
            consents.ask(RequestId(7), app(), String::new());
            drop(consents);
            let incoming = tokio::time::timeout(DEADLINE, inbox.recv()).await.expect("an end of the question");
            let Some(Incoming::Consent(RequestId(7), Consent::Unavailable(why))) = incoming else {
                panic!("{incoming:?}")
            };
            assert!(why.contains(expected), "{why}");
            assert!(inbox.recv().await.is_none(), "one question, one answer");
        }
    }
}
