//! Many devices at once, simulated around the real core and the real sessions: the benchmark `fleet` in small.

use std::time::Duration;

use bgtask_push::mqtt::Server;
use tempfile::TempDir;

use crate::device::Crowd;
use crate::operator::Operator;
use crate::server::Mosquitto;

const DEVICES: usize = 150;

/// The server is restarted, devices lose their power, and every device runs the task once and is heard.
#[tokio::test]
async fn an_order_to_a_crowd_is_done_once_by_each_over_restarts_of_the_server_and_of_devices() {
    let folder = TempDir::new().unwrap();
    let mut mosquitto = Mosquitto::start(folder.path());
    let server = Server::at(&mosquitto.address(), "operator").unwrap();
    let mut crowd = Crowd::of(DEVICES, &server);
    crowd.are_there().await;
    let mut operator = Operator::order(&server, "storm", 2).await;
    for round in 0..3 {
        operator.hears_for(Duration::from_millis(300)).await;
        for number in (round..DEVICES).step_by(5) {
            crowd.restart(number).await;
        }
        if round == 1 {
            mosquitto.stop();
            mosquitto.run();
        }
    }
    operator.until(DEVICES, Duration::from_secs(60)).await;
    assert_eq!(crowd.sum(|disk| disk.fired), DEVICES, "each once");
}
