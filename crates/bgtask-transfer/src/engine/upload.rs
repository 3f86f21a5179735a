use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Response, Uri};

use super::ask::Asking;
use super::outgoing::Outgoing;
use super::{Carrier, answer};
use crate::fault::Fault;

/// How often it is looked how much has gone.
const LOOK: Duration = Duration::from_millis(250);

/// The timer takes no more than some centuries.
const FOR_EVER: Duration = Duration::from_secs(86_400 * 36_500);

impl Carrier<'_> {
    /// One attempt. HTTP alone knows no way to go on with an upload, so each gives the whole file.
    pub(super) async fn upload(&mut self) -> Result<(), Fault> {
        let path = &self.order.file;
        let total = std::fs::metadata(path).map_err(|error| Fault::file("cannot read", path, &error))?.len();
        self.state.total = Some(total);
        self.progressed(0);
        let (uri, response) = self.give(Asking::default(), 0, total).await?;
        if response.status().is_success() {
            self.progressed(total);
            return Ok(());
        }
        Err(answer::refused(response.status(), response.headers(), &uri))
    }

    /// Gives the file from there on.
    pub(super) async fn give(
        &mut self,
        asking: Asking<'_>,
        from: u64,
        total: u64,
    ) -> Result<(Uri, Response<Incoming>), Fault> {
        let path = &self.order.file;
        let taken = Arc::new(AtomicU64::new(from));
        let body = || {
            taken.store(from, Ordering::Relaxed);
            let cannot = |error| Fault::file("cannot read", path, &error);
            let mut file = File::open(path).map_err(cannot)?;
            file.seek(SeekFrom::Start(from)).map_err(cannot)?;
            Ok(Outgoing::File { file, left: total - from, taken: Arc::clone(&taken) })
        };
        let asked = self.ask_and_tell(asking, body, &taken).await;
        // What was given is not what was taken: only the server knows.
        self.state.done = from;
        let (uri, response) = asked?;
        self.state.status = Some(response.status().as_u16());
        Ok((uri, response))
    }

    /// Tells how much of the file is `taken` meanwhile.
    async fn ask_and_tell(
        &mut self,
        asking: Asking<'_>,
        body: impl FnMut() -> Result<Outgoing, Fault>,
        taken: &AtomicU64,
    ) -> Result<(Uri, Response<Incoming>), Fault> {
        // How long it takes depends on the file: whether it goes on at all is looked at meanwhile.
        let mut asking = pin!(self.network.ask(self.order, asking, body, FOR_EVER));
        let (mut before, mut silent) = (taken.load(Ordering::Relaxed), Duration::ZERO);
        loop {
            tokio::select! {
                asked = &mut asking => return asked,
                () = tokio::time::sleep(LOOK) => {}
            }
            let now = taken.load(Ordering::Relaxed);
            silent = if now == before { silent + LOOK } else { Duration::ZERO };
            before = now;
            self.state.done = now;
            (self.tell)(&self.state);
            if silent >= self.network.stall() {
                return Err(Fault::Network(format!("nothing was taken for {} s", silent.as_secs_f32())));
            }
        }
    }
}
