//! A fleet end to end: an operator with the command line, a real Mosquitto, and machines with real brokers and commands.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use bgtask_push::fleet::{Answer, Order, To, answers_topic};
use bgtask_push::mqtt::{Client, Incoming, Outgoing, Server};
use serde_json::Value;
use tempfile::TempDir;

use super::harness::{Broker, Home, PATIENCE, User, eventually};
use super::server::{Mosquitto, Wanted};

/// The user's own commands.
const COMMANDS: &str = "org.bgtask.Commands";

/// A machine of the fleet, with the command `count`, which leaves a line for each run.
struct Machine {
    home: Home,
    broker: Broker,
    user: User,
    /// The command's id.
    count: String,
}

impl Machine {
    async fn named(name: &str, server: &Mosquitto, fleet: &str) -> Self {
        let home = Home::new();
        let address = server.address();
        home.configure(&format!("[push.mqtt]\nserver = \"{address}\"\nmachine = \"{name}\"\n{fleet}"));
        let mut machine = Self::on((home, String::new())).await;
        machine.count = machine.add("count", "echo run >> \"$W\"").await;
        machine
    }

    async fn on((home, count): (Home, String)) -> Self {
        let broker = home.start().await;
        let user = broker.user().await;
        Self { home, broker, user, count }
    }

    async fn add(&self, name: &str, line: &str) -> String {
        let definition =
            format!("command = [\"/bin/sh\", \"-c\", {line:?}]\nenv = {{ W = {:?} }}\nevery = \"300d\"\n", self.word());
        self.user.broker.add_task(name, &definition, false).await.unwrap().0
    }

    /// Kills it, and what it runs with it.
    fn crash(self) -> (Home, String) {
        let Self { home, broker, user, count } = self;
        drop(user);
        broker.kill();
        (home, count)
    }

    /// Waits until this has happened to the command.
    async fn tells(&self, event: &str) {
        eventually("it is in the history", async || {
            self.user.history(&self.count).await.iter().any(|line| line.event == event).then_some(())
        })
        .await;
    }

    /// Waits until orders come as well as that, which its owner is told.
    async fn hears_of_the_fleet(&self, status: &str) {
        eventually(&format!("the fleet is {status}"), async || {
            let sources = self.user.broker.list_sources().await.unwrap();
            sources.iter().any(|source| source.name == "fleet" && source.status == status).then_some(())
        })
        .await;
        let mut doctor = Command::new(env!("CARGO_BIN_EXE_bgtask"));
        doctor.arg("--root").arg(self.home.root("")).args(["doctor", "--json"]).stdin(Stdio::null());
        let findings: Value = serde_json::from_slice(&doctor.output().unwrap().stdout).unwrap();
        let fleet = findings.as_array().unwrap().iter().find(|it| it["name"] == "fleet").expect("it has a line");
        assert!(fleet["what"].as_str().unwrap().contains("open to them: count of org.bgtask.Commands"), "{fleet}");
        assert_eq!(fleet["status"] == "ok", status == "available", "{fleet}");
    }

    fn word(&self) -> PathBuf {
        self.home.root("word")
    }

    fn runs(&self) -> usize {
        fs::read_to_string(self.word()).unwrap_or_default().lines().count()
    }

    async fn has_run(&self, count: usize) {
        eventually("it runs", async || (self.runs() >= count).then_some(())).await;
        assert_eq!(self.runs(), count);
    }
}

/// What opens the command `count` to the fleet.
const OPEN: &str =
    "[fleet]\ngroups = [\"kitchens\"]\nanswers = true\n[fleet.tasks]\n\"org.bgtask.Commands\" = [\"count\"]\n";

/// Who gives orders.
struct Operator(TempDir);

impl Operator {
    fn at(server: &Mosquitto) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("fleet.toml"), format!("server = \"{}\"\n", server.address())).unwrap();
        Self(folder)
    }

    fn runs(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bgtask"));
        command.arg("--root").arg(self.0.path()).arg("fleet").args(arguments).stdin(Stdio::null());
        let ran = command.env("NO_COLOR", "1").output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (ran.status.code(), text(ran.stdout), text(ran.stderr))
    }

    /// The same, which has to go well.
    fn says(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.runs(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {out}{err}");
        out
    }
}

/// Waits until so many machines have subscribed: what is sent to nobody is kept for nobody.
async fn are_there(operator: &Operator, machines: &[&Machine]) {
    for machine in machines {
        let config = fs::read_to_string(machine.home.root("config.toml")).unwrap();
        let name = config.split("machine = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        eventually("it has subscribed", async || {
            let to = format!("machine:{name}");
            let out = operator.says(&["trigger", COMMANDS, "nothing", "--to", &to, "--json"]);
            let told: Value = serde_json::from_str(&out).unwrap();
            told["warning"].is_null().then_some(())
        })
        .await;
    }
}

fn results(out: &str) -> BTreeMap<String, String> {
    let lines = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    lines
        .filter(|line| line["machine"].is_string())
        .map(|line| (text(&line["machine"]), text(&line["result"])))
        .collect()
}

fn named<const N: usize>(results: [(&str, &str); N]) -> BTreeMap<String, String> {
    results.into_iter().map(|(machine, result)| (machine.to_owned(), result.to_owned())).collect()
}

/// The whole of it: who is meant runs the task, whose owner has not opened it does not, and the operator hears of both.
#[tokio::test]
async fn an_operator_has_a_task_run_and_hears_what_came_of_it() {
    let folder = TempDir::new().unwrap();
    let server = Mosquitto::start(folder.path());
    let operator = Operator::at(&server);
    let one = Machine::named("one", &server, OPEN).await;
    let two = Machine::named("two", &server, &OPEN.replace("\"count\"", "\"fails\"")).await;
    two.add("fails", "exit 3").await;
    let silent =
        Machine::named("silent", &server, &OPEN.replace("answers = true", "").replace("kitchens", "cellars")).await;
    are_there(&operator, &[&one, &two, &silent]).await;
    let ask = |task, to, count: &str| {
        let order =
            ["trigger", COMMANDS, task, "--to", to, "--spread", "1s", "--wait", "60s", "--expect", count, "--json"];
        operator.runs(&order)
    };
    let (code, out, err) = ask("count", "all", "2");
    assert_eq!((code, results(&out)), (Some(1), named([("one", "succeeded"), ("two", "refused")])), "{err}");
    assert!(out.contains("has not opened this task to the fleet"), "{out}");
    one.has_run(1).await;
    // Its owner has not let it answer.
    silent.has_run(1).await;
    assert_eq!(two.runs(), 0);
    let (code, out, _) = ask("fails", "machine:two", "1");
    assert_eq!((code, results(&out)), (Some(1), named([("two", "failed")])));
    assert!(out.contains("failed with exit code 3"), "{out}");
    let (code, out, _) = ask("count", "group:kitchens", "2");
    assert_eq!((code, results(&out)), (Some(1), named([("one", "succeeded"), ("two", "refused")])));
    one.has_run(2).await;
    assert_eq!(silent.runs(), 1, "it is in another group");
    let listed: Value = serde_json::from_str(&operator.says(&["outcomes", "--json"])).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 3, "{listed}");
    let why = one.user.broker.history(bgtask_wire::HistoryQuery::default()).await.unwrap();
    assert!(why.iter().any(|line| line.detail.contains("\"Fleet\"")), "the history tells who set it off: {why:?}");
}

/// Nothing is lost, and nothing done twice: machines are killed with the order in their hands, the server is restarted while they are
/// away, and the operator is not there when they answer.
#[tokio::test]
async fn an_order_outlives_the_machine_the_server_and_the_operator() {
    let folder = TempDir::new().unwrap();
    let mut server = Mosquitto::start(folder.path());
    let operator = Operator::at(&server);
    let away = Machine::named("away", &server, OPEN).await;
    let held = Machine::named("held", &server, OPEN).await;
    are_there(&operator, &[&away, &held]).await;
    let away = away.crash();
    held.user.broker.set_background(false).await.unwrap();
    operator.says(&["trigger", COMMANDS, "count", "--to", "all", "--spread", "1s", "--reply", "--order", "night"]);
    // It is given again, as who does not know whether it went out does.
    operator.says(&["trigger", COMMANDS, "count", "--to", "all", "--spread", "1s", "--reply", "--order", "night"]);
    held.tells("fired").await;
    let held = Machine::on(held.crash()).await;
    server.stop();
    held.user.broker.set_background(true).await.unwrap();
    held.tells("completed").await;
    let away = Machine::on(away).await;
    let held = Machine::on(held.crash()).await;
    server.run();
    away.tells("completed").await;
    assert_eq!((away.runs(), held.runs()), (1, 1));
    let out = operator.says(&["outcomes", "night", "--wait", "60s", "--expect", "2", "--json"]);
    assert_eq!(results(&out), named([("away", "succeeded"), ("held", "succeeded")]));
    // What was heard once is known without the server.
    server.stop();
    let (code, out, err) = operator.runs(&["outcomes", "night", "--json"]);
    assert_eq!((code, results(&out).len()), (Some(1), 2), "{err}");
    assert!(err.contains("cannot be reached"), "{err}");
    server.run();
    // A machine that heard of it before does not do it again, whoever repeats it.
    are_there(&operator, &[&away, &held]).await;
    operator.says(&["trigger", COMMANDS, "count", "--to", "all", "--spread", "1s", "--reply", "--order", "night"]);
    operator.says(&["trigger", COMMANDS, "count", "--to", "all", "--wait", "60s", "--expect", "2", "--order", "mark"]);
    assert_eq!((away.runs(), held.runs()), (2, 2), "the mark, and once the order");
}

/// A server that saves what it takes may be killed at any time: the order reaches the machine that was away, and the operator the answers.
#[tokio::test]
async fn a_server_that_saves_and_is_killed_loses_neither_orders_nor_answers() {
    let folder = TempDir::new().unwrap();
    let mut server = Mosquitto::start_as(folder.path(), Wanted { saves: true, ..Wanted::default() });
    let operator = Operator::at(&server);
    let away = Machine::named("away", &server, OPEN).await;
    let here = Machine::named("here", &server, OPEN).await;
    are_there(&operator, &[&away, &here]).await;
    let away = away.crash();
    operator.says(&["trigger", COMMANDS, "count", "--to", "all", "--reply", "--order", "night"]);
    here.tells("completed").await;
    eventually("the order and an answer are saved", async || {
        (server.has_saved("\"spread\":0") && server.has_saved("\"machine\":\"here\"")).then_some(())
    })
    .await;
    server.kill();
    here.hears_of_the_fleet("degraded").await;
    let away = Machine::on(away).await;
    server.run();
    here.hears_of_the_fleet("available").await;
    away.tells("completed").await;
    eventually("the other answer is saved", async || server.has_saved("\"machine\":\"away\"").then_some(())).await;
    server.kill();
    server.run();
    let out = operator.says(&["outcomes", "night", "--wait", "60s", "--expect", "2", "--json"]);
    assert_eq!(results(&out), named([("away", "succeeded"), ("here", "succeeded")]));
    assert_eq!((away.runs(), here.runs()), (1, 1));
}

/// One that does not, forgets all of it: who listened, the order, the answers. It is given again, and each machine answers again what came
/// of it, without doing it again.
#[tokio::test]
async fn what_a_killed_server_forgot_is_had_by_giving_the_order_again() {
    let folder = TempDir::new().unwrap();
    let mut server = Mosquitto::start(folder.path());
    let operator = Operator::at(&server);
    let one = Machine::named("one", &server, OPEN).await;
    are_there(&operator, &[&one]).await;
    let night = ["trigger", COMMANDS, "count", "--to", "all", "--order", "night", "--json"];
    operator.says(&[&night[..], &["--reply"]].concat());
    one.tells("completed").await;
    server.kill();
    server.run();
    are_there(&operator, &[&one]).await;
    let out = operator.says(&[&night[..], &["--wait", "60s", "--expect", "1"]].concat());
    assert_eq!(results(&out), named([("one", "succeeded")]));
    assert_eq!(one.runs(), 1);
}

async fn client(server: &Mosquitto, name: &str) -> (Server, Client) {
    let settings = Server::at(&server.address(), "operator").unwrap();
    let client = Client::connect(&settings, name).await.unwrap();
    (settings, client)
}

/// Whoever lies is not believed: what is no order is dropped, and nobody is made to send something elsewhere.
#[tokio::test]
async fn orders_that_lie_are_dropped_and_the_next_is_done() {
    let folder = TempDir::new().unwrap();
    let server = Mosquitto::start(folder.path());
    let operator = Operator::at(&server);
    let machine = Machine::named("one", &server, OPEN).await;
    are_there(&operator, &[&machine]).await;
    let (settings, mut liar) = client(&server, "liar").await;
    let order = |id: &str| Order { order: id.into(), app: COMMANDS.into(), task: "count".into(), spread: 0 };
    let elsewhere = format!("{}/another/{COMMANDS}", settings.prefix);
    liar.subscribe(&[format!("{elsewhere}/#"), answers_topic(&settings.prefix, "honest") + "/#"]).await.unwrap();
    let topic = To::Machine("one".into()).topic(&settings.prefix);
    let payloads = [
        b"\xff\xfe".to_vec(),
        vec![b'x'; 6_000],
        br#"{"order":"../../etc","app":"org.bgtask.Commands","task":"count"}"#.to_vec(),
        br#"{"order":"a","app":"../etc","task":"count"}"#.to_vec(),
        br#"{"order":"a","app":"org.bgtask.Commands","task":"count","spread":99999999999}"#.to_vec(),
        br#"{"order":"a","app":"org.bgtask.Commands","task":"count","as":"root"}"#.to_vec(),
    ];
    for payload in payloads {
        liar.publish(Outgoing { topic: topic.clone(), payload, ..Outgoing::default() }).await.unwrap();
    }
    for (id, reply) in [("crooked", elsewhere), ("honest", answers_topic(&settings.prefix, "honest"))] {
        let reply = Some((reply, b"\0my word".to_vec()));
        let outgoing = Outgoing { topic: topic.clone(), payload: order(id).to_json(), reply, ..Outgoing::default() };
        liar.publish(outgoing).await.unwrap();
    }
    liar.settle().await.unwrap();
    let Incoming { topic, payload, correlation, .. } =
        liar.next(PATIENCE).await.unwrap().expect("the honest one is answered");
    let answer = Answer::read(&settings.prefix, &topic, &payload).unwrap();
    assert_eq!((&*answer.order, &*answer.machine, &*answer.result), ("honest", "one", "succeeded"));
    assert_eq!(correlation.as_deref(), Some(&b"\0my word"[..]), "as MQTT 5 has it");
    let log = machine.home.log();
    assert_eq!(log.matches("is no order").count(), 6, "{log}");
}

/// The access rules of the documentation: a machine reads its orders and answers as itself, and nothing more.
#[tokio::test]
async fn the_access_rules_of_the_documentation_are_enough_and_let_no_machine_speak_for_another() {
    let folder = TempDir::new().unwrap();
    let page = include_str!("../../../docs/fleet.md");
    let rules =
        page.split("```text,acl\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the page shows them");
    fs::write(folder.path().join("rules"), rules).unwrap();
    let users = [("operator", "o"), ("one", "1"), ("two", "2")];
    let server = Mosquitto::start_as(folder.path(), Wanted { users: &users, rules: true, ..Wanted::default() });
    let account = |name: &str, word: &str| {
        let file = folder.path().join(format!("{name}.password"));
        fs::write(&file, word).unwrap();
        format!("username = \"{name}\"\npassword_file = {file:?}\n")
    };
    let operator = Operator::at(&server);
    let settings = operator.0.path().join("fleet.toml");
    let text = fs::read_to_string(&settings).unwrap() + &account("operator", "o");
    fs::write(&settings, text).unwrap();
    let mut machines = Vec::new();
    for (name, word) in &users[1..] {
        machines.push(Machine::named(name, &server, &format!("{}{OPEN}", account(name, word))).await);
    }
    are_there(&operator, &machines.iter().collect::<Vec<_>>()).await;
    let out = operator.says(&["trigger", COMMANDS, "count", "--to", "all", "--wait", "60s", "--expect", "2", "--json"]);
    assert_eq!(results(&out), named([("one", "succeeded"), ("two", "succeeded")]));
    // A machine that gives orders, and one that answers for another.
    let mut as_one = Server::at(&server.address(), "one").unwrap();
    as_one.credentials.username = Some("one".into());
    as_one.credentials.password_file = Some(folder.path().join("one.password"));
    for topic in ["bgtask/fleet/all", "bgtask/fleet/answers/x/two"] {
        let mut one = Client::connect(&as_one, "one-itself").await.unwrap();
        one.publish(Outgoing { topic: topic.into(), payload: b"{}".to_vec(), ..Outgoing::default() }).await.unwrap();
        let refused = one.settle().await.expect_err(topic);
        assert!(refused.to_string().contains("does not let"), "{refused}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_fleet_is_said() {
    let home = Home::new();
    home.configure("[fleet]\ngroups = [\"kitchens\"]\n");
    let (code, said) = home.start_in_vain();
    assert_ne!(code, Some(0));
    assert!(said.contains("[fleet.mqtt]"), "{said}");
    let operator = Operator(TempDir::new().unwrap());
    let order = ["trigger", COMMANDS, "count", "--to"];
    for (words, code, part) in [
        (&[&order[..], &["all"]].concat()[..], 2, "fleet.toml"),
        (&[&order[..], &["kitchens"]].concat(), 2, "group:NAME"),
        (&[&order[..], &["group:#"]].concat(), 2, "name of a group"),
        (&[&order[..], &["all", "--spread", "31d"]].concat(), 2, "at most 30 days"),
        (&[&order[..], &["all", "--order", "a/b"]].concat(), 2, "no id of an order"),
        (&["outcomes", "3f2a"], 3, "no order 3f2a"),
    ] {
        let (ended, _, err) = operator.runs(words);
        assert!(ended == Some(code) && err.contains(part), "{words:?}: {ended:?} {err}");
    }
    assert_eq!(operator.says(&["outcomes"]), "No order was given from here with --reply.\n");
}
