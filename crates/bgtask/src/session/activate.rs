//! What the broker activates in this process, over the app's own connection.

use std::sync::Arc;

use futures_util::stream;
use tokio::sync::{Mutex, mpsc};
use zbus::{Connection, Message};

use crate::host::{CANCEL_GRACE, Entries, MAX_INSTANCES, serve};

/// Most calls of the broker that wait to be served; with more it is not read from for a while.
pub(super) const MAX_WAITING_CALLS: usize = 2 * MAX_INSTANCES;

/// Serves the calls of one link, until they end with it.
///
/// `alone` is held by the one at work: what ran on the link before has to have ended first, so that no activation runs
/// in two attempts at the same time (D7).
pub(super) async fn activate(
    alone: Arc<Mutex<()>>,
    entries: Entries,
    data_dir: String,
    calls: mpsc::Receiver<Message>,
    connection: Connection,
) {
    let _alone = alone.lock().await;
    let calls = stream::unfold(calls, |mut calls| async move { Some((calls.recv().await?, calls)) });
    if !serve(entries, Some(data_dir.into()), calls, connection, CANCEL_GRACE).await {
        tracing::warn!("a task in this app did not end after the broker went away; it is dropped");
    }
}
