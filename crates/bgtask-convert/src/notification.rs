use std::time::Duration;

use bgtask_sources::{Notification, Urgency};
use bgtask_wire::{Error, ErrorKind, NotificationInfo};

/// A notification as an app gave it.
///
/// # Errors
///
/// Something is missing, too long or makes no sense: the text says what, and what would.
pub fn notification(info: NotificationInfo) -> Result<Notification, Error> {
    let invalid = |text: String| Error::new(ErrorKind::InvalidArgument, text);
    let notification = Notification {
        tag: info.tag.unwrap_or_default(),
        title: info.title,
        body: info.body.unwrap_or_default(),
        icon: info.icon.unwrap_or_default(),
        actions: info.actions.unwrap_or_default(),
        urgency: info.urgency.as_deref().map_or(Ok(Urgency::Normal), urgency).map_err(invalid)?,
        timeout: info.expiration.map(Duration::from_micros),
        reply: info.reply,
    };
    notification.check().map_err(invalid)?;
    Ok(notification)
}

fn urgency(word: &str) -> Result<Urgency, String> {
    match word {
        "low" => Ok(Urgency::Low),
        "normal" => Ok(Urgency::Normal),
        "critical" => Ok(Urgency::Critical),
        other => Err(format!("{other:?} is no urgency: it is low, normal or critical")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut NotificationInfo)) -> Result<Notification, Error> {
        let mut info = NotificationInfo { title: "Two new mails".into(), ..NotificationInfo::default() };
        change(&mut info);
        notification(info)
    }

    #[test]
    fn what_an_app_leaves_out_is_as_usual() {
        let plain = with(|_| {}).expect("a title is enough");
        assert_eq!((plain.urgency, plain.timeout, plain.tag.as_str()), (Urgency::Normal, None, ""));
        let short = with(|info| info.expiration = Some(2_500_000)).expect("it may be short");
        assert_eq!(short.timeout, Some(Duration::from_millis(2_500)));
    }

    #[test]
    fn what_cannot_be_shown_is_said() {
        let refused = |change: fn(&mut NotificationInfo)| with(change).expect_err("wrong");
        assert!(refused(|info| info.title.clear()).message.contains("title"));
        assert!(refused(|info| info.urgency = Some("panic".into())).message.contains("low, normal or critical"));
        assert_eq!(refused(|info| info.body = Some("x".repeat(5_000))).kind, ErrorKind::InvalidArgument);
    }
}
