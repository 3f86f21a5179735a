use std::future::poll_fn;
use std::pin::Pin;

use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{IF_RANGE, RANGE};
use hyper::{Response, StatusCode, Uri};
use tokio::time::{Instant, timeout_at};

use super::ask::{Asking, broke};
use super::outgoing::Outgoing;
use super::{Carrier, MAX_RESTARTS, answer};
use crate::Phase;
use crate::fault::Fault;
use crate::part::Part;

impl Carrier<'_> {
    /// One attempt.
    pub(super) async fn download(&mut self) -> Result<(), Fault> {
        let placed = self.state.phase == Phase::Placing && self.is_in_place();
        if placed {
            return Ok(());
        }
        self.state.phase = Phase::Going;
        let mut part = Part::open(self.order, &self.state, &self.boot)?;
        if part.len() > 0 && self.state.validator.is_none() && !self.is_whole(&part) {
            // Whether it is still the same file could not be told.
            part.clear()?;
        }
        (self.state.done, self.state.durable) = (part.len(), self.state.durable.min(part.len()));
        if !self.is_whole(&part) {
            let fetched = self.fetch(&mut part).await;
            part.sync()?;
            self.state.durable = part.len();
            self.keep()?;
            fetched?;
        }
        self.place(part)
    }

    fn is_whole(&self, part: &Part) -> bool {
        part.len() > 0 && self.state.total == Some(part.len())
    }

    /// Whether the target is what a life before this one had put there.
    fn is_in_place(&self) -> bool {
        let found = std::fs::metadata(&self.order.file).map(|found| found.len());
        !crate::part_of(self.order).exists() && found.is_ok_and(|found| found == self.state.done)
    }

    async fn fetch(&mut self, part: &mut Part) -> Result<(), Fault> {
        let validator = self.state.validator.clone();
        let range = validator
            .as_ref()
            .filter(|_| part.len() > 0)
            .map(|validator| [(RANGE, format!("bytes={}-", part.len())), (IF_RANGE, validator.value().to_owned())]);
        let asking = Asking { headers: range.as_ref().map_or(&[], |range| range.as_slice()), ..Asking::default() };
        let asked = self.network.ask(self.order, asking, || Ok(Outgoing::Nothing), self.network.stall()).await;
        let (uri, response) = asked?;
        self.state.status = Some(response.status().as_u16());
        match response.status() {
            StatusCode::OK => self.begin(part, &response)?,
            StatusCode::PARTIAL_CONTENT if range.is_some() => self.go_on(part, &response, &uri)?,
            StatusCode::RANGE_NOT_SATISFIABLE if range.is_some() => {
                self.restart(part)?;
                return Err(Fault::server("the file is shorter than it was: it begins anew"));
            }
            status if status.is_success() => {
                let host = uri.host().unwrap_or_default();
                return Err(Fault::Final(format!("{host} answered {status}, which is no file")));
            }
            status => return Err(answer::refused(status, response.headers(), &uri)),
        }
        self.keep()?;
        self.take(part, response, &uri).await
    }

    /// The whole file comes: for the first time, or because it is another one, or the server knows no ranges.
    fn begin(&mut self, part: &mut Part, response: &Response<Incoming>) -> Result<(), Fault> {
        if part.len() > 0 {
            self.restart(part)?;
        }
        self.state.validator = answer::validator(response.headers());
        self.state.total = answer::length(response.headers());
        Ok(())
    }

    /// The rest comes, if it really is that.
    fn go_on(&mut self, part: &mut Part, response: &Response<Incoming>, uri: &Uri) -> Result<(), Fault> {
        let host = uri.host().unwrap_or_default();
        let same = answer::validator(response.headers()).is_none_or(|it| Some(it) == self.state.validator);
        let range = answer::range(response.headers());
        let fits = range.is_some_and(|range| {
            let total = range.total.or(self.state.total);
            let known = self.state.total.is_none_or(|total| range.total.is_none_or(|it| it == total));
            range.first == part.len() && known && total.is_none_or(|total| range.last + 1 == total)
        });
        if same && fits {
            self.state.total = self.state.total.or(range.and_then(|range| range.total));
            return Ok(());
        }
        self.restart(part)?;
        Err(Fault::server(format!("{host} sent another part than the one it was asked for: it begins anew")))
    }

    /// What was fetched is of no use.
    fn restart(&mut self, part: &mut Part) -> Result<(), Fault> {
        part.clear()?;
        (self.state.validator, self.state.total, self.state.durable) = (None, None, 0);
        if !self.may_begin_anew() {
            let text = format!("the file was another one, or damaged, {MAX_RESTARTS} times: it is not tried again");
            return Err(Fault::Final(text));
        }
        Ok(())
    }

    /// Bytes from the network to the disk.
    async fn take(&mut self, part: &mut Part, response: Response<Incoming>, uri: &Uri) -> Result<(), Fault> {
        let host = uri.host().unwrap_or_default();
        let mut body = response.into_body();
        let (mut window, mut since) = (Instant::now() + self.network.stall(), part.len());
        loop {
            let next = match timeout_at(window, next(&mut body)).await {
                Ok(next) => next,
                Err(_) if part.len() - since >= self.settings.least => {
                    (window, since) = (Instant::now() + self.network.stall(), part.len());
                    continue;
                }
                Err(_) => {
                    let seconds = self.network.stall().as_secs_f32();
                    let (bytes, least) = (part.len() - since, self.settings.least);
                    let text = format!("{host} sent {bytes} bytes within {seconds} s, fewer than {least}");
                    return Err(Fault::Network(text));
                }
            };
            let Some(bytes) = next.map_err(|error| broke(host, &error))? else { break };
            if self.state.total.is_some_and(|total| part.len() + bytes.len() as u64 > total) {
                self.restart(part)?;
                return Err(Fault::server(format!("{host} sent more than it had said: it begins anew")));
            }
            part.append(&bytes)?;
            self.progressed(part.len());
            if part.len() - self.state.durable >= self.settings.durable_every {
                part.sync()?;
                self.state.durable = part.len();
                self.keep()?;
            }
        }
        match self.state.total {
            Some(total) if total > part.len() => {
                Err(Fault::Network(format!("{host} ended after {} of {total} bytes", part.len())))
            }
            _ => Ok(()),
        }
    }

    /// All bytes are there: into their place, if they are the right ones.
    fn place(&mut self, mut part: Part) -> Result<(), Fault> {
        if let Some(wanted) = self.order.sha256
            && !part.has(wanted)?
        {
            self.restart(&mut part)?;
            return Err(Fault::server("the file has another SHA-256 than the one that was ordered: it begins anew"));
        }
        (self.state.phase, self.state.done, self.state.total) = (Phase::Placing, part.len(), Some(part.len()));
        self.keep()?;
        part.place(&self.order.file)
    }

    /// What will never be whole is no use to anybody.
    pub(super) fn give_up(&self) {
        if self.order.kind == crate::Kind::Download {
            let _none = std::fs::remove_file(crate::part_of(self.order));
        }
    }
}

/// The next bytes; trailers are passed over.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, hyper::Error> {
    loop {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
        match frame.transpose()?.map(hyper::body::Frame::into_data) {
            Some(Ok(bytes)) => return Ok(Some(bytes)),
            Some(Err(_trailers)) => {}
            None => return Ok(None),
        }
    }
}
