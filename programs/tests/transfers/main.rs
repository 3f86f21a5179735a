//! Background transfers, end to end (NW-7, RE-5, Q-21): a real broker, real workers, and a server that does everything wrong.

#[path = "../../../crates/bgtask-transfer/tests/flawed/mod.rs"]
mod flawed;
#[path = "../harness/mod.rs"]
mod harness;

mod carried;
mod control;
mod groups;
mod library;
mod network;
mod survive;

use std::path::PathBuf;

use bgtask_wire::{ErrorKind, TransferInfo, TransferOrder, TransferStatus};
use flawed::{Content, Server};
use harness::{Broker, Home, User, eventually};

/// The file that most transfers are about.
const FILM: Content = Content { len: 3_000_001, seed: 7 };

/// A broker, and a server to transfer from.
struct Stage {
    home: Home,
    broker: Broker,
    user: User,
    server: Server,
}

impl Stage {
    async fn set() -> Self {
        Self::with(FILM).await
    }

    async fn with(content: Content) -> Self {
        let home = Home::new();
        std::fs::create_dir_all(home.root("films")).unwrap();
        Self::on(home, Server::start(content)).await
    }

    async fn on(home: Home, server: Server) -> Self {
        let broker = home.start().await;
        let user = broker.user().await;
        Self { home, broker, user, server }
    }

    /// Kills the broker and starts another in its place.
    async fn after_a_crash(self) -> Self {
        let Self { home, broker, server, .. } = self;
        broker.kill();
        Self::on(home, server).await
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.root("films").join(name)
    }

    fn order(&self, name: &str) -> TransferOrder {
        TransferOrder {
            kind: "download".into(),
            uri: self.server.uri(&format!("/{name}")),
            file: self.file(name).to_string_lossy().into_owned(),
            ..TransferOrder::default()
        }
    }

    /// Orders a download of the film for the user.
    async fn download(&self, name: &str) -> String {
        self.user.broker.create_transfer("", self.order(name)).await.expect("it is ordered")
    }

    async fn control(&self, id: &str, what: &str) {
        self.user.broker.control_transfer(id, what).await.expect("it is told");
    }

    async fn info(&self, id: &str) -> TransferInfo {
        let all = self.user.broker.list_transfers("").await.expect("they are told");
        all.into_iter().find(|info| info.id == id).expect("it is there")
    }

    /// Waits until the transfer is there.
    async fn becomes(&self, id: &str, status: TransferStatus) -> TransferInfo {
        self.until(id, &status.to_string(), |info| info.status == status.number()).await
    }

    async fn until(&self, id: &str, what: &str, is: impl Fn(&TransferInfo) -> bool) -> TransferInfo {
        let mut last = None;
        eventually(&format!("a transfer is {what}"), async || {
            let info = self.info(id).await;
            let found = is(&info);
            if last.replace(info.clone()) != Some(info.clone()) {
                println!("{} {} of {:?}: {}", info.status, info.done, info.total, info.why);
            }
            found.then_some(info)
        })
        .await
    }

    /// Waits until the film is there, whole.
    async fn arrives(&self, id: &str, name: &str) {
        let info = self.becomes(id, TransferStatus::Completed).await;
        assert_eq!((info.done, info.total), (FILM.len, Some(FILM.len)));
        assert!(std::fs::read(self.file(name)).expect("the film") == FILM.bytes(), "its bytes are wrong");
    }
}

/// What the broker says no with.
async fn refused(refused: zbus::Result<String>) -> (ErrorKind, String) {
    let error = bgtask_wire::Error::from(refused.expect_err("it is refused"));
    (error.kind, error.message)
}
