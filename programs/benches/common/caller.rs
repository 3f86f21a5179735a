//! Somebody who calls while the broker has much to do.

use std::time::Duration;

use bgtask_wire::{BROKER_PATH, BrokerProxy};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const CALL_EVERY: Duration = Duration::from_millis(1);

/// Somebody who asks at fixed times, whether or not the last answer is there.
pub(crate) struct Caller {
    asking: JoinHandle<Vec<JoinHandle<Duration>>>,
    stop: oneshot::Sender<()>,
}

impl Caller {
    pub(crate) fn start(client: BrokerProxy<'static>, apps: &[String], tasks: &[String]) -> Self {
        let (apps, tasks) = (apps.to_vec(), tasks.to_vec());
        let (stop, mut stopped) = oneshot::channel();
        let asking = tokio::spawn(async move {
            let mut calls = Vec::new();
            let mut due = tokio::time::interval(CALL_EVERY);
            loop {
                tokio::select! {
                    biased;
                    _ = &mut stopped => return calls,
                    at = due.tick() => {
                        let i = calls.len();
                        let (client, app, task) =
                            (client.clone(), apps[i % apps.len()].clone(), tasks[i % tasks.len()].clone());
                        calls.push(tokio::spawn(async move {
                            ask(&client, &app, &task, i).await;
                            at.elapsed()
                        }));
                    }
                }
            }
        });
        Self { asking, stop }
    }

    /// How long each answer took, from when its call was due.
    pub(crate) async fn stop(self) -> Vec<Duration> {
        self.stop.send(()).expect("it asks");
        let mut times = Vec::new();
        for call in self.asking.await.expect("it asks") {
            times.push(call.await.expect("an answer"));
        }
        times
    }
}

/// What apps and people ask all the time.
async fn ask(client: &BrokerProxy<'_>, app: &str, task: &str, i: usize) {
    match i % 4 {
        0 => drop(client.get_task(task).await.expect("a task")),
        1 => drop(client.why(task).await.expect("an explanation")),
        2 => drop(client.get_access_status(app, "", false).await.expect("a status")),
        _ => ping(client).await,
    }
}

/// The least that can be asked.
pub(crate) async fn ping(broker: &BrokerProxy<'_>) {
    let peer = Some("org.freedesktop.DBus.Peer");
    broker.inner().connection().call_method(None::<&str>, BROKER_PATH, peer, "Ping", &()).await.expect("an answer");
}
