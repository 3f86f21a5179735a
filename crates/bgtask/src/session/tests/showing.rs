//! Notifications and devices: what the app asks for as the broker gets it.

use std::time::Duration;

use super::*;
use crate::DeviceTriggerResult;
use crate::notify::{ToastNotification, Urgency};

/// A notification says what it was given, and nothing of what it was not.
#[tokio::test]
async fn a_notification_goes_to_the_broker_as_it_was_built() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let broker = async {
        let mut client = Client::attached(&listener).await;
        let (call, message) = client.call().await;
        let Call::ShowNotification(app, shown) = call else { panic!("{call:?}") };
        assert_eq!((app.as_str(), shown.title.as_str(), shown.body.as_deref()), ("", "Full", Some("of words")));
        let actions = [("retry", "Try again"), ("stop", "Stop")].map(|(id, label)| (id.to_owned(), label.to_owned()));
        assert_eq!(shown.actions.as_deref(), Some(&actions[..]), "in their order");
        assert_eq!((shown.tag.as_deref(), shown.icon.as_deref()), (Some("upload"), Some("drive-harddisk")));
        assert_eq!((shown.urgency.as_deref(), shown.expiration), (Some("critical"), Some(1_500_000)));
        assert_eq!(shown.reply.as_deref(), Some("Why?"));
        client.answer(&message, &7_u32).await;

        let (call, message) = client.call().await;
        let Call::ShowNotification(_, shown) = call else { panic!("{call:?}") };
        let plain = bgtask_wire::NotificationInfo { title: "Plain".into(), ..Default::default() };
        assert_eq!(*shown, plain);
        client.refuse(&message, ErrorKind::NotSupported).await;

        let (call, message) = client.call().await;
        assert!(matches!(call, Call::RemoveNotification { app, tag } if app.is_empty() && tag == "upload"));
        client.answer(&message, &()).await;
    };
    let app = async {
        let full = ToastNotification::new("Full")
            .body("of words")
            .icon("drive-harddisk")
            .action("retry", "Try again")
            .action("stop", "Stop")
            .reply("Why?")
            .tag("upload")
            .urgency(Urgency::Critical)
            .expiration(Duration::from_millis(1500));
        assert_eq!(session.show(&full).await.unwrap(), 7);
        assert!(session.show(&ToastNotification::new("Plain")).await.unwrap_err().is_not_supported());
        session.unshow("upload").await.unwrap();
    };
    tokio::join!(app, broker);
}

#[tokio::test]
async fn what_cannot_be_shown_does_not_reach_the_broker() {
    let session = Place::new().session();
    for wrong in [
        ToastNotification::new("a\0"),
        ToastNotification::new("a").body("\0"),
        ToastNotification::new("a").tag("\0"),
        ToastNotification::new("a").icon("\0"),
        ToastNotification::new("a").reply("\0"),
        ToastNotification::new("a").action("\0", "b"),
        ToastNotification::new("a").action("b", "\0"),
    ] {
        let error = session.show(&wrong).await.unwrap_err();
        assert!(error.is_invalid_argument() && error.to_string().contains("NUL"), "{error}");
    }
    for tag in ["", "\0"] {
        assert!(session.unshow(tag).await.unwrap_err().is_invalid_argument(), "{tag:?} names none");
    }
}

/// REQ-1, REQ-4, AC-10
#[tokio::test]
async fn a_device_is_asked_for_with_its_arguments() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let broker = async {
        let mut client = Client::attached(&listener).await;
        for result in [0_u32, 3, 42] {
            let (call, message) = client.call().await;
            let Call::RequestTrigger { class, details, .. } = call else { panic!("{call:?}") };
            assert_eq!(class, "DeviceUseTrigger");
            let text = |name: &str| String::try_from(details[name].try_clone().unwrap()).unwrap();
            assert_eq!((text("device_id"), text("arguments")), ("/sys/x".to_owned(), "sync".to_owned()));
            client.answer(&message, &(result, "because")).await;
        }
    };
    let app = async {
        let allowed = session.use_device("/sys/x", "sync").await.unwrap();
        assert_eq!((allowed.result(), allowed.why()), (DeviceTriggerResult::Allowed, "because"));
        assert_eq!(session.use_device("/sys/x", "sync").await.unwrap().result(), DeviceTriggerResult::LowBattery);
        assert!(session.use_device("/sys/x", "sync").await.unwrap_err().to_string().contains("42"));
        assert!(session.use_device("/sys/\0", "").await.unwrap_err().is_invalid_argument());
        assert!(session.use_device("/sys/x", &"x".repeat(1 << 20)).await.unwrap_err().is_limit_reached());
    };
    tokio::join!(app, broker);
}
