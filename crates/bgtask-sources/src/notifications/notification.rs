//! One notification.

use std::collections::HashMap;
use std::time::Duration;

use zbus::wire::Variant;

/// The longest tag, in bytes.
pub const MAX_TAG_BYTES: usize = 64;
/// The longest title, and the longest icon, in bytes.
pub const MAX_TITLE_BYTES: usize = 512;
/// The longest body, in bytes.
pub const MAX_BODY_BYTES: usize = 4096;
/// The most actions.
pub const MAX_ACTIONS: usize = 5;
/// The longest id and the longest label of an action, and the longest prompt for an answer, in bytes.
pub const MAX_ACTION_BYTES: usize = 128;

/// The action that answers carry.
pub(super) const REPLY: &str = "inline-reply";

/// What is shown. All texts are plain: nothing in them is markup.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Notification {
    /// Its name within the app, at most [`MAX_TAG_BYTES`]; a later one of the same name takes its place. Empty for one that
    /// nothing replaces.
    pub tag: String,
    /// One line, which must not be empty.
    pub title: String,
    /// More, or nothing.
    pub body: String,
    /// The name of an icon of the theme, or the address of a picture (`file://…`), or nothing.
    pub icon: String,
    /// Id and label of each button, in their order. The id `default` is the notification itself.
    pub actions: Vec<(String, String)>,
    /// How much it matters.
    pub urgency: Urgency,
    /// How long it is shown: zero for until somebody takes it away; as the server likes where nothing is said.
    pub timeout: Option<Duration>,
    /// What stands where people write an answer, if they may. Shown by servers that can take one (the capability
    /// `inline-reply`, as Plasma's), and left out by others.
    pub reply: Option<String>,
}

/// How much a notification matters.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Urgency {
    /// It can wait.
    Low,
    /// As most do.
    #[default]
    Normal,
    /// It is shown whatever else happens, and until somebody takes it away.
    Critical,
}

impl Notification {
    /// Whether it can be shown as it is.
    ///
    /// # Errors
    ///
    /// A sentence for people: what is missing or too long.
    pub fn check(&self) -> Result<(), String> {
        if self.title.is_empty() {
            return Err("a notification needs a title; write one line that says what happened".to_owned());
        }
        for (what, text, most) in [
            ("tag", &self.tag, MAX_TAG_BYTES),
            ("title", &self.title, MAX_TITLE_BYTES),
            ("icon", &self.icon, MAX_TITLE_BYTES),
            ("body", &self.body, MAX_BODY_BYTES),
        ] {
            text_fits(what, text, most)?;
        }
        if self.actions.len() > MAX_ACTIONS {
            return Err(format!("a notification has {} actions; write at most {MAX_ACTIONS}", self.actions.len()));
        }
        for (id, label) in &self.actions {
            if id.is_empty() || id == REPLY {
                return Err(format!("an action has the id `{id}`; write a word of your own"));
            }
            text_fits("id of an action", id, MAX_ACTION_BYTES)?;
            text_fits("label of an action", label, MAX_ACTION_BYTES)?;
        }
        self.reply.as_ref().map_or(Ok(()), |reply| text_fits("prompt for an answer", reply, MAX_ACTION_BYTES))
    }

    /// In the words of the server: title, body, actions, hints, and milliseconds.
    pub(super) fn in_words<'n>(&'n self, app: &'n str, can: Can) -> Words<'n> {
        let body = if can.markup { escaped(&self.body) } else { self.body.clone() };
        let mut actions: Vec<&str> =
            self.actions.iter().flat_map(|(id, label)| [id.as_str(), label.as_str()]).collect();
        let urgency = self.urgency as u8;
        let mut hints = HashMap::from([("urgency", urgency.into()), ("desktop-entry", app.into())]);
        if let Some(prompt) = self.reply.as_ref().filter(|_| can.reply) {
            actions.extend([REPLY, prompt]);
            hints.insert("x-kde-reply-placeholder-text", prompt.as_str().into());
        }
        let timeout = self.timeout.map_or(-1, |timeout| i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
        (&self.title, body, actions, hints, timeout)
    }
}

pub(super) type Words<'n> = (&'n str, String, Vec<&'n str>, HashMap<&'n str, Variant<'n>>, i32);

/// What a server can do.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Can {
    /// It shows buttons, and says when one was pressed.
    pub(super) actions: bool,
    /// It takes the body for markup.
    pub(super) markup: bool,
    /// It can take an answer.
    pub(super) reply: bool,
}

fn text_fits(what: &str, text: &str, most: usize) -> Result<(), String> {
    if text.len() > most {
        return Err(format!("the {what} of a notification has {} bytes; write at most {most}", text.len()));
    }
    match text.contains('\0') {
        true => Err(format!("the {what} of a notification has a NUL in it; leave it out")),
        false => Ok(()),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titled() -> Notification {
        Notification { title: "x".to_owned(), ..Notification::default() }
    }

    /// Each of the bounds.
    #[test]
    fn what_is_wrong_is_said_with_what_to_write() {
        let action = |id: &str, label: &str| vec![(id.to_owned(), label.to_owned())];
        let long = |most: usize| "x".repeat(most + 1);
        for (notification, why) in [
            (Notification::default(), "needs a title"),
            (
                Notification { title: long(MAX_TITLE_BYTES), ..titled() },
                "the title of a notification has 513 bytes; write at most 512",
            ),
            (Notification { tag: long(MAX_TAG_BYTES), ..titled() }, "has 65 bytes; write at most 64"),
            (Notification { body: long(MAX_BODY_BYTES), ..titled() }, "write at most 4096"),
            (Notification { icon: long(MAX_TITLE_BYTES), ..titled() }, "the icon"),
            (Notification { body: "a\0".to_owned(), ..titled() }, "has a NUL in it"),
            (
                Notification { actions: vec![action("a", "b").remove(0); MAX_ACTIONS + 1], ..titled() },
                "write at most 5",
            ),
            (Notification { actions: action("", "b"), ..titled() }, "write a word of your own"),
            (Notification { actions: action(REPLY, "b"), ..titled() }, "write a word of your own"),
            (Notification { actions: action("a", &long(MAX_ACTION_BYTES)), ..titled() }, "the label of an action"),
            (Notification { actions: action(&long(MAX_ACTION_BYTES), ""), ..titled() }, "the id of an action"),
            (Notification { reply: Some(long(MAX_ACTION_BYTES)), ..titled() }, "the prompt for an answer"),
        ] {
            let error = notification.check().unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let most = Notification { body: "x".repeat(MAX_BODY_BYTES), tag: "x".repeat(MAX_TAG_BYTES), ..titled() };
        assert_eq!(most.check(), Ok(()));
    }

    #[test]
    fn words_are_those_that_the_server_understands() {
        let notification = Notification {
            body: "<b> & more".to_owned(),
            actions: vec![("open".to_owned(), "Open".to_owned())],
            reply: Some("Answer".to_owned()),
            timeout: Some(Duration::from_secs(u64::MAX)),
            urgency: Urgency::Critical,
            ..titled()
        };
        let (title, body, actions, hints, timeout) = notification.in_words("org.example.A", Can::default());
        assert_eq!((title, body.as_str(), timeout), ("x", "<b> & more", i32::MAX));
        assert_eq!((actions, hints.len()), (vec!["open", "Open"], 2));
        assert_eq!(hints["urgency"], Variant::U8(2));
        let all = Can { actions: true, markup: true, reply: true };
        let (_, body, actions, hints, _) = notification.in_words("org.example.A", all);
        assert_eq!((body.as_str(), hints.len()), ("&lt;b&gt; &amp; more", 3));
        assert_eq!(actions, ["open", "Open", "inline-reply", "Answer"]);
        assert_eq!(titled().in_words("", all).4, -1);
    }
}
