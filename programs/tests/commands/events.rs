//! Events as triggers: what happens, and carries something.

use std::fs;

use bgtask_wire::ErrorKind;
use serde_json::Value;

use crate::Stage;
use crate::harness::{UserBus, eventually};

const LISTENING: &str = "on = \"signal:interface=org.example.Bell\"";
const TELL: &str = "cat <&$BGTASK_DETAILS_FD >> $W/told; echo >> $W/told";

impl Stage {
    async fn listens(&self, task: &str) {
        eventually("the signals are heard", async || {
            let why = self.user.broker.why(task).await.unwrap();
            why.gates.iter().any(|gate| gate.name == "DBusSignalTrigger" && gate.open).then_some(())
        })
        .await;
    }

    /// The numbers that were rung, as all runs so far were told of them.
    fn told(&self) -> Vec<u64> {
        self.told_in("told").0
    }

    /// The same by the word that the runs left, and how many more there were.
    fn told_in(&self, word: &str) -> (Vec<u64>, u64) {
        let text = fs::read_to_string(self.word(word)).unwrap_or_default();
        let runs: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let number = |event: &Value| event["arguments"][0].as_u64().unwrap();
        let numbers = runs.iter().flat_map(|run| run["events"].as_array().unwrap().iter().map(number));
        (numbers.collect(), runs.iter().map(|run| run["lost"].as_u64().unwrap()).sum())
    }
}

/// Keeps every event: what comes while the command runs is what its next run gets, in order, none twice (D1).
#[tokio::test]
async fn every_signal_is_told_in_its_order() {
    let stage = Stage::set().await;
    let Some(bus) = UserBus::start(&stage.home.world).await else { return };
    let task = stage.add("bell", TELL, LISTENING).await;
    stage.listens(&task).await;
    for number in 0..40 {
        bus.ring(number).await;
    }
    let told = eventually("all are told", async || Some(stage.told()).filter(|told| told.len() >= 40)).await;
    assert_eq!(told, (0..40).collect::<Vec<_>>());
}

/// A run carries 64 KiB of what happened while it was held back; how much more there was is said.
#[tokio::test]
async fn what_finds_no_room_in_one_run_is_counted() {
    let stage = Stage::set().await;
    let Some(bus) = UserBus::start(&stage.home.world).await else { return };
    stage.home.world.online(false);
    let held = stage.add("held", &TELL.replace("told", "held"), &format!("{LISTENING}\nwhen = [\"internet\"]")).await;
    let witness = stage.add("witness", TELL, LISTENING).await;
    for task in [&held, &witness] {
        stage.listens(task).await;
    }
    stage.user.reads("internet", "false").await;
    let text = "x".repeat(3_000);
    for number in 0..30 {
        bus.ring_with(number, &text).await;
    }
    let witnessed = |(told, lost): (Vec<u64>, u64)| told.len() as u64 + lost;
    eventually("all were heard", async || (witnessed(stage.told_in("told")) >= 30).then_some(())).await;
    stage.home.world.online(true);
    let all = async || Some(stage.told_in("held")).filter(|(told, _)| !told.is_empty());
    let (told, lost) = eventually("what was held back runs", all).await;
    assert_eq!((told.len() as u64 + lost, told.clone()), (30, (0..told.len() as u64).collect()));
    assert!((15..30).contains(&told.len()), "as many as fit into 64 KiB: {}", told.len());
}

#[tokio::test]
async fn a_broker_that_died_listens_again() {
    let stage = Stage::set().await;
    let Some(bus) = UserBus::start(&stage.home.world).await else { return };
    let task = stage.add("bell", TELL, LISTENING).await;
    let stage = stage.after_a_crash().await;
    stage.listens(&task).await;
    bus.ring(7).await;
    eventually("it is told", async || Some(stage.told()).filter(|told| told == &[7])).await;
}

/// D16: never a task that silently cannot run.
#[tokio::test]
async fn what_cannot_be_heard_here_is_refused_with_what_would_bring_it() {
    let stage = Stage::set().await;
    for (word, help) in [("sms", "ModemManager"), ("signal:interface=org.example.Bell", "bus")] {
        let refused = stage.try_add("never", &stage.definition("true", &format!("on = {word:?}"))).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::NotSupported, "{refused}");
        assert!(refused.message.contains(help), "{refused}");
    }
    assert!(stage.user.broker.list_tasks("").await.unwrap().is_empty());
}

#[tokio::test]
async fn properties_that_make_no_sense_are_refused() {
    let stage = Stage::set().await;
    for word in ["signal:bus=moon,member=Rang", "device:subsystem=", "unit:backup=broken"] {
        let refused = stage.try_add("never", &stage.definition("true", &format!("on = {word:?}"))).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::InvalidArgument, "{word}: {refused}");
    }
}
