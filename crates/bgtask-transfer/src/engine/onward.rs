//! Uploads that go on after a break, where the server speaks [tus 1.0](https://tus.io/protocols/resumable-upload): it is told how long the file is and says
//! where its bytes belong. From then on it can be asked how many it has, and is given the rest.

use std::time::UNIX_EPOCH;

use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName};
use hyper::{Method, Response, StatusCode, Uri};

use super::ask::{Asking, located};
use super::outgoing::Outgoing;
use super::{Carrier, MAX_RESTARTS, answer};
use crate::Begun;
use crate::fault::Fault;

const VERSION: (HeaderName, &str) = (HeaderName::from_static("tus-resumable"), "1.0.0");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");

impl Carrier<'_> {
    /// One attempt.
    pub(super) async fn upload_onward(&mut self) -> Result<(), Fault> {
        let (total, modified) = self.source()?;
        self.state.total = Some(total);
        if self.state.begun.as_ref().is_some_and(|begun| (begun.total, begun.modified) != (total, modified)) {
            return Err(self.begin_anew("the file is another one by now"));
        }
        let (place, done) = match self.state.begun.clone() {
            Some(Begun { place, .. }) => {
                let place = place.parse().map_err(|_| Fault::Final(format!("{place:?} is no place of an upload")))?;
                let done = self.how_many(&place, total).await?;
                (place, done)
            }
            None => {
                let place = self.find_place(total).await?;
                self.state.begun = Some(Begun { place: place.to_string(), total, modified });
                self.keep()?;
                (place, 0)
            }
        };
        self.progressed(done);
        if done < total {
            self.give_rest(&place, done, total).await?;
        }
        if self.source()? == (total, modified) {
            Ok(())
        } else {
            Err(self.begin_anew("the file has changed meanwhile"))
        }
    }

    /// How long the file is and when it was changed last: with another one the server's beginning is of no use.
    fn source(&self) -> Result<(u64, i64), Fault> {
        let path = &self.order.file;
        let found = std::fs::metadata(path).map_err(|error| Fault::file("cannot read", path, &error))?;
        let modified = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        Ok((found.len(), i64::try_from(modified.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The server names a place for so many bytes.
    async fn find_place(&mut self, total: u64) -> Result<Uri, Fault> {
        let headers = [(LENGTH, total.to_string()), (CONTENT_LENGTH, "0".to_owned())];
        let (uri, response) = self.say(None, Method::POST, &headers).await?;
        let host = uri.host().unwrap_or_default();
        match response.status() {
            StatusCode::CREATED => located(response.headers(), &uri),
            status @ (StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::PRECONDITION_FAILED) => {
                Err(Fault::Final(format!("{host} answered {status}: it does not take uploads by tus 1.0 there")))
            }
            // Whoever takes a request without a file for the whole of it has something else there.
            status if status.is_success() => {
                Err(Fault::Final(format!("{host} answered {status} and named no place: it does not speak tus 1.0")))
            }
            status => Err(answer::refused(status, response.headers(), &uri)),
        }
    }

    /// The server says how many bytes it has.
    async fn how_many(&mut self, place: &Uri, total: u64) -> Result<u64, Fault> {
        let (uri, response) = self.say(Some(place), Method::HEAD, &[]).await?;
        match (response.status(), number(response.headers(), OFFSET)) {
            (status, Some(done)) if status.is_success() && done <= total => Ok(done),
            (status, _) if status.is_success() => Err(self.begin_anew("the server does not say how much it has")),
            (StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN, _) => {
                Err(self.begin_anew("the server has forgotten what it had"))
            }
            (status, _) => Err(refused(status, response.headers(), &uri)),
        }
    }

    async fn give_rest(&mut self, place: &Uri, done: u64, total: u64) -> Result<(), Fault> {
        let media = (CONTENT_TYPE, "application/offset+octet-stream".to_owned());
        let headers = with_version(&[(OFFSET, done.to_string()), media]);
        let asking = Asking { to: Some(place), method: Some(Method::PATCH), headers: &headers };
        let (uri, response) = self.give(asking, done, total).await?;
        match (response.status(), number(response.headers(), OFFSET)) {
            (status, Some(has)) if status.is_success() && has == total => {
                self.progressed(total);
                Ok(())
            }
            (status, has) if status.is_success() || status == StatusCode::CONFLICT => {
                let has = has.map_or("not so many".to_owned(), |has| has.to_string());
                Err(Fault::server(format!("{} has taken {has} of {total} bytes", uri.host().unwrap_or_default())))
            }
            (status, _) => Err(refused(status, response.headers(), &uri)),
        }
    }

    /// A request without a body.
    async fn say(
        &mut self,
        to: Option<&Uri>,
        method: Method,
        headers: &[(HeaderName, String)],
    ) -> Result<(Uri, Response<Incoming>), Fault> {
        let headers = with_version(headers);
        let asking = Asking { to, method: Some(method), headers: &headers };
        let within = self.network.stall();
        let (uri, response) = self.network.ask(self.order, asking, || Ok(Outgoing::Nothing), within).await?;
        self.state.status = Some(response.status().as_u16());
        Ok((uri, response))
    }

    /// What the server has is of no use.
    fn begin_anew(&mut self, why: &str) -> Fault {
        self.state.begun = None;
        if !self.may_begin_anew() {
            return Fault::Final(format!("{why}, after {MAX_RESTARTS} times: it is not tried again"));
        }
        Fault::server(format!("{why}: it begins anew"))
    }
}

fn with_version(headers: &[(HeaderName, String)]) -> Vec<(HeaderName, String)> {
    let version = (VERSION.0, VERSION.1.to_owned());
    headers.iter().cloned().chain([version]).collect()
}

fn number(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    answer::text(headers, name)?.parse().ok()
}

/// A server holds an upload while it believes that somebody still gives it the rest.
fn refused(status: StatusCode, headers: &HeaderMap, uri: &Uri) -> Fault {
    if status == StatusCode::LOCKED {
        let host = uri.host().unwrap_or_default();
        return Fault::Network(format!("{host} still waits for the connection that broke"));
    }
    answer::refused(status, headers, uri)
}
