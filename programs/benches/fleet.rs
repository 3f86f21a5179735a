//! A fleet of simulated devices (the real core, the real sessions, rows in memory) on one real Mosquitto: an order to all, with and without
//! restarts of the server and of devices. Needs the Debian package `mosquitto`.
//!
//! `cargo bench -p bgtask-programs --bench fleet`; `BGTASK_FLEET=1000` takes so many instead of 5 000.

#[allow(dead_code, reason = "the tests use the other part")]
#[path = "common/device.rs"]
mod device;
#[allow(dead_code, reason = "the tests use the other part")]
#[path = "common/operator.rs"]
mod operator;
#[allow(dead_code, reason = "the tests use the other part")]
#[path = "../../crates/bgtask-push/tests/mosquitto/server.rs"]
mod server;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use bgtask_push::mqtt::Server;
use device::Crowd;
use operator::Operator;
use server::Mosquitto;
use tempfile::TempDir;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure());
    ExitCode::SUCCESS
}

async fn measure() {
    let count: usize = std::env::var("BGTASK_FLEET").ok().and_then(|text| text.parse().ok()).unwrap_or(5_000);
    let begun = Instant::now();
    let folder = TempDir::new().expect("a folder");
    let mut mosquitto = Mosquitto::start(folder.path());
    let server = Server::at(&mosquitto.address(), "operator").expect("an address");
    let mut crowd = Crowd::of(count, &server);
    crowd.are_there().await;
    println!("fleet of {count} devices on one Mosquitto (one run, this machine)\n");
    println!("all have subscribed after               {:>8.1} s", begun.elapsed().as_secs_f64());

    let mut operator = Operator::order(&server, "calm", 20).await;
    let took = operator.until(count, Duration::from_secs(120)).await;
    println!(
        "an order spread over 20 s, all answered {:>8.1} s, {} answers in the busiest second",
        took.as_secs_f64(),
        operator.busiest()
    );
    assert_eq!(crowd.sum(|disk| disk.fired), count, "each ran once");

    let mut operator = Operator::order(&server, "storm", 20).await;
    let (mut restarts, mut cut) = (0, 0);
    let storm = Instant::now();
    for round in 0..4 {
        operator.hears_for(Duration::from_secs(2)).await;
        for number in (round..count).step_by(10) {
            crowd.restart(number).await;
            cut += 1;
        }
        if round % 2 == 0 {
            mosquitto.stop();
            mosquitto.run();
            restarts += 1;
        }
    }
    operator.until(count, Duration::from_secs(180)).await;
    println!(
        "the same, {restarts} restarts of the server, {cut} of devices {:>8.1} s, {} answers came twice",
        storm.elapsed().as_secs_f64(),
        operator.twice()
    );
    assert_eq!(crowd.sum(|disk| disk.fired), 2 * count, "each ran once, and none was lost");
    println!("nothing was lost, nothing was done twice; {:.0} s in all", begun.elapsed().as_secs_f64());
}
