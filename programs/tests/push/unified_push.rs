//! The same by UnifiedPush: a real session bus, a distributor of the tests' own on it, and a real broker.

#[allow(dead_code, reason = "the crate's own tests use the other part")]
#[path = "../../../crates/bgtask-push/src/unified_push/tests/distributor.rs"]
mod distributor;

use std::collections::BTreeSet;

use bgtask_wire::ErrorKind;

use self::distributor::{Distributor, Manner};
use crate::harness::{Home, New, SAMPLE, UserBus, eventually, kind};
use crate::{CLASS, listed, numbered};

const NAME: &str = "org.unifiedpush.Distributor.tests";

/// A session bus, and a home whose broker has its messages from it.
async fn stage() -> Option<(Home, UserBus)> {
    let (home, _app) = Home::with_sample();
    home.configure("[push.unified_push]\n");
    let bus = UserBus::start(&home.world).await?;
    Some((home, bus))
}

/// A distributor waits for the answer before it gives its copy up: with the answer, the message is durable.
#[tokio::test]
async fn a_message_of_a_distributor_starts_its_task_and_is_answered_when_it_is_durable() {
    let Some((home, bus)) = stage().await else { return };
    let mut distributor = Distributor::start(bus.address(), NAME, Manner::Second).await;
    let broker = home.start().await;
    let user = broker.user().await;
    user.broker.request_access(SAMPLE, "").await.unwrap();
    let (uri, _) = user.broker.create_push_channel(SAMPLE).await.unwrap();
    let token = distributor.registers().await;
    assert_eq!(uri, format!("https://push.example.org/{token}"));
    let channel = user.broker.list_push_channels(SAMPLE).await.unwrap().remove(0);
    assert_eq!(channel.how.as_deref(), Some(format!("registered with {NAME}").as_str()), "{channel:?}");
    user.register_for(New { name: "Mail", entry: "Tasks.Lists", ..New::default() }, CLASS, &[]).await.unwrap();
    let answer = eventually("it is answered", async || distributor.sends(&token, "new-mail", "7").await.unwrap().ok());
    answer.await;
    eventually("the task is told", async || listed(&home).contains(&"new-mail".to_owned()).then_some(())).await;
    user.broker.close_push_channel(SAMPLE).await.unwrap();
    assert_eq!(distributor.asked().await, distributor::Asked::Unregister(token));
}

/// At least once: what the broker has not answered when it is killed is sent again, and what it has answered is never lost.
#[tokio::test]
async fn no_message_of_a_distributor_is_lost_when_the_broker_is_killed() {
    let Some((home, bus)) = stage().await else { return };
    let mut distributor = Distributor::start(bus.address(), NAME, Manner::Second).await;
    let mut broker = home.start().await;
    let user = broker.user().await;
    user.broker.request_access(SAMPLE, "").await.unwrap();
    user.broker.create_push_channel(SAMPLE).await.unwrap();
    let token = distributor.registers().await;
    user.register_for(New { name: "Mail", entry: "Tasks.Lists", ..New::default() }, CLASS, &[]).await.unwrap();
    drop(user);
    let mut left: BTreeSet<String> = numbered(0..100).into_iter().collect();
    for _ in 0..2 {
        let sent: Vec<_> =
            left.iter().map(|number| (number.clone(), distributor.sends(&token, number, number))).collect();
        broker.kill();
        for (number, answer) in sent {
            if answer.await.unwrap().is_ok() {
                left.remove(&number);
            }
        }
        broker = home.start().await;
        assert_eq!(distributor.registers().await, token, "the channel is the same");
    }
    for number in left {
        eventually("it is answered", async || distributor.sends(&token, &number, &number).await.unwrap().ok()).await;
    }
    let all = numbered(0..100);
    eventually("each is told", async || {
        let told: BTreeSet<String> = listed(&home).into_iter().collect();
        all.iter().all(|number| told.contains(number)).then_some(())
    })
    .await;
}

/// D16: an app hears what is missing when it asks for its channel; whoever listens is told the same.
#[tokio::test]
async fn without_a_distributor_a_channel_is_refused_with_what_to_do() {
    let Some((home, _bus)) = stage().await else { return };
    let broker = home.start().await;
    let user = broker.user().await;
    assert_eq!(kind(user.broker.create_push_channel(SAMPLE).await), ErrorKind::NotSupported);
    let refused = user.broker.create_push_channel(SAMPLE).await.unwrap_err();
    assert!(refused.to_string().contains("install one"), "{refused}");
}
