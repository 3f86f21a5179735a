//! An app service: how long it takes to connect to one that is warm, and to be answered, beside the least that the broker can be asked.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use bgtask::host::{BackgroundTask, TaskError, TaskInstance};
use bgtask::{AppServiceConnection, ValueSet};

use super::caller::ping;
use super::{Broker, ROUNDS, WARM_UP, connect, median, millis, ratio, row};

const APP: &str = "org.example.Serves";
const SERVICE: &str = "org.example.serves.echo";

/// What begins this program as the one who asks; behind it comes the broker's socket.
pub(crate) const ASKS: &str = "asks";

/// The entry point of the service.
pub(crate) const ENTRY: &str = "Bench.Echo";

/// Answers whatever it is asked with that.
pub(crate) struct Echo;

impl BackgroundTask for Echo {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        let details = instance.app_service()?;
        while let Some(request) = details.connection().next_request().await {
            let echo = request.message().clone();
            request.send_response(&echo)?;
        }
        Ok(())
    }
}

/// The app that serves is this program, and so is the process that asks, which the broker knows as the same app.
pub(crate) fn measure() {
    let program = std::env::current_exe().expect("its own path");
    let mut broker = Broker::start(&[] as &[(&str, &Path)], "warm_linger_seconds = 600\n");
    let manifest = format!(
        "[app]\nid = {APP:?}\nversion = \"1\"\nexecutable = {program:?}\n[[app_service]]\nname = {SERVICE:?}\nentry_point = {ENTRY:?}\n"
    );
    std::fs::write(broker.root().join("apps").join(format!("{APP}.toml")), manifest).expect("a manifest");
    // From its start on it knows the app.
    broker.restart();
    let socket = broker.root().join("run/broker");
    let address = format!("unix:path={}", socket.display());
    let asked = Command::new(&program).arg(ASKS).arg(&socket).env("BGTASK_ADDRESS", address).status();
    assert!(asked.expect("this program").success());
}

/// What the process that asks finds.
pub(crate) async fn asks(socket: &Path) {
    let broker = connect(socket).await;
    let message = ValueSet::from([("what", "echo")]);
    let (mut pings, mut answers, mut openings) = (Vec::new(), Vec::new(), Vec::new());
    let connection = AppServiceConnection::open(APP, SERVICE).await.expect("a connection");
    for _ in 0..ROUNDS + WARM_UP {
        let begun = Instant::now();
        ping(&broker).await;
        pings.push(begun.elapsed());
        let begun = Instant::now();
        connection.send_message(&message).await.expect("an answer");
        answers.push(begun.elapsed());
    }
    connection.close().await;
    for _ in 0..ROUNDS + WARM_UP {
        tokio::time::sleep(super::GAP).await;
        let begun = Instant::now();
        let connection = AppServiceConnection::open(APP, SERVICE).await.expect("a connection");
        connection.send_message(&message).await.expect("an answer");
        openings.push(begun.elapsed());
        connection.close().await;
    }
    let of = |mut times: Vec<Duration>| median(times.split_off(WARM_UP));
    let floor = of(pings);
    println!();
    row("a round trip of Peer.Ping to the broker", &millis(floor), "", "");
    for (what, times) in [
        ("a message to an app service and its answer", answers),
        ("connect to a warm app service, until its first answer", openings),
    ] {
        let time = of(times);
        row(what, &millis(time), &format!("{:.2}× the round trip", ratio(time, floor)), "");
    }
}
