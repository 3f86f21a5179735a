//! What goes from a machine to an operator, and how an operator keeps it.

use std::time::Duration;

use bgtask_push::mqtt::{Client, Outgoing};
use bgtask_push::{MAX_SENT, Report};
use tempfile::TempDir;

use super::faults::{SUBSCRIBED, WELCOME, says};
use super::server::Mosquitto;
use super::{BOUND, CHANNEL, Machine, machine_on};

const KEEP: Duration = Duration::from_secs(3_600);

fn answer(number: u64) -> Outgoing {
    let correlation = Some(vec![0, 255]);
    Outgoing { topic: "answers/kitchen".into(), payload: number.to_string().into(), correlation, ..Outgoing::default() }
}

/// Waits until so many are with the server: by which token, and why not.
async fn sent(machine: &mut Machine, count: usize) -> Vec<(u64, Option<String>)> {
    let mut all = Vec::new();
    while all.len() < count {
        if let Report::Sent { token, refused, .. } = machine.next().await {
            all.push((token, refused));
        }
    }
    all
}

/// More than the server takes at once, while it is away: it is there in the end, in order, and told once each.
#[tokio::test]
async fn what_a_machine_sends_is_with_the_server_in_the_end() {
    let folder = TempDir::new().unwrap();
    let mut server = Mosquitto::start(folder.path());
    let mut machine = Machine::on(&server).await;
    let mut operator = Client::resume(&machine_on(&server), "operator", KEEP).await.unwrap();
    assert!(!operator.session_present());
    operator.subscribe(&["answers/+".to_owned()]).await.unwrap();
    drop(operator);
    server.stop();
    machine.trouble().await;
    (0..100).for_each(|number| assert!(machine.mqtt.send(CHANNEL, number, answer(number)), "{number}"));
    server.run();
    let told = sent(&mut machine, 100).await;
    assert_eq!(told, (0..100).map(|number| (number, None)).collect::<Vec<_>>());
    // The operator was away; what he has not acknowledged when he dies comes again.
    for life in 0..2 {
        let mut operator = Client::resume(&machine_on(&server), "operator", KEEP).await.unwrap();
        assert!(operator.session_present(), "the server kept it over its restart");
        let mut heard = Vec::new();
        while heard.len() < 100 {
            heard.extend(operator.next_batch(BOUND).await.unwrap());
        }
        let numbers: Vec<_> = heard.iter().map(|it| String::from_utf8(it.payload.clone()).unwrap()).collect();
        assert_eq!(numbers, (0..100).map(|number| number.to_string()).collect::<Vec<_>>(), "life {life}");
        assert_eq!(heard[0].correlation.as_deref(), Some(&[0, 255][..]));
        if life == 1 {
            operator.acknowledge().await.unwrap();
            operator.close().await.unwrap();
        }
    }
    let mut operator = Client::resume(&machine_on(&server), "operator", KEEP).await.unwrap();
    assert_eq!(operator.next(Duration::from_millis(200)).await.unwrap(), None, "nothing is left");
}

#[tokio::test]
async fn an_operator_is_told_that_nobody_listens() {
    let folder = TempDir::new().unwrap();
    let server = Mosquitto::start(folder.path());
    let mut operator = super::sender(&server).await;
    operator.publish(super::to(&machine_on(&server), "to nobody")).await.unwrap();
    operator.settle().await.unwrap();
    assert!(!operator.was_heard());
    let _machine = Machine::on(&server).await;
    let mut operator = super::sender(&server).await;
    operator.publish(super::to(&machine_on(&server), "to one")).await.unwrap();
    operator.settle().await.unwrap();
    assert!(operator.was_heard());
}

/// A server that does not take it says so, and one that acknowledges what was never sent is not believed.
#[tokio::test]
async fn what_the_server_refuses_is_told() {
    let unasked = [0x40, 2, 0, 9];
    let refused = [0x40, 4, 0, 1, 0x87, 0];
    let (server, _serving) = says(vec![WELCOME.to_vec(), [SUBSCRIBED, &unasked].concat(), refused.to_vec()]).await;
    let mut machine = Machine::at(server);
    machine.until_connected().await;
    assert!(machine.mqtt.send(CHANNEL, 7, answer(7)));
    let told = sent(&mut machine, 1).await;
    assert!(matches!(&told[..], [(7, Some(why))] if why.contains("does not let")), "{told:?}");
}

/// The bound: whoever sends more than may wait hears it, and nothing waits for anybody.
#[tokio::test]
async fn no_more_than_may_wait_is_taken() {
    let (server, _serving) = says(vec![WELCOME.to_vec(), SUBSCRIBED.to_vec()]).await;
    let mut machine = Machine::at(server);
    let taken = (0..10 * MAX_SENT as u64).take_while(|number| machine.mqtt.send(CHANNEL, *number, answer(*number)));
    assert_eq!(taken.count(), MAX_SENT);
    machine.until_connected().await;
    assert!(!machine.mqtt.send(CHANNEL, 1, answer(1)), "they are on their way, and nobody has acknowledged them");
    assert!(!machine.mqtt.send("unheard-of", 1, answer(1)));
}
