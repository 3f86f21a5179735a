//! One request and the head of its answer: connecting, TLS, redirects.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION,
    PROXY_AUTHORIZATION, USER_AGENT,
};
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::outgoing::Outgoing;
use super::proxy::Proxies;
use super::{CHUNK, MAX_REDIRECTS, Settings, chain};
use crate::Order;
use crate::fault::Fault;
use crate::order::{MAX_URI_BYTES, check_uri};

/// So much of a wrong place is shown.
const MAX_SHOWN_CHARS: usize = 200;

/// What servers are told about who asks.
const AGENT: &str = concat!("bgtask/", env!("CARGO_PKG_VERSION"));

/// What is asked for besides what the order says.
#[derive(Default)]
pub(super) struct Asking<'a> {
    /// Another place than that of the order.
    pub(super) to: Option<&'a Uri>,
    /// Another method.
    pub(super) method: Option<Method>,
    /// More headers.
    pub(super) headers: &'a [(HeaderName, String)],
}

/// The way to servers.
pub(super) struct Network {
    tls: TlsConnector,
    proxies: Proxies,
    connect: Duration,
    stall: Duration,
}

impl Network {
    pub(super) fn new(settings: &Settings) -> Result<Self, Fault> {
        let roots = roots(settings)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|error| Fault::Final(format!("TLS cannot be used: {error}")))?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let (tls, proxies) = (TlsConnector::from(Arc::new(config)), settings.proxies.clone());
        Ok(Self { tls, proxies, connect: settings.connect, stall: settings.stall })
    }

    /// Asks, and follows where the server points to. `body` makes what the request carries, anew for each.
    pub(super) async fn ask(
        &self,
        order: &Order,
        asking: Asking<'_>,
        mut body: impl FnMut() -> Result<Outgoing, Fault>,
        answer_within: Duration,
    ) -> Result<(Uri, Response<Incoming>), Fault> {
        let first = order.target().map_err(|error| Fault::Final(error.to_string()))?;
        let mut uri = asking.to.unwrap_or(&first).clone();
        let mut method = asking.method.unwrap_or_else(|| order.method());
        for _ in 0..=MAX_REDIRECTS {
            let carried = if method == Method::GET { Outgoing::Nothing } else { body()? };
            let request = request(order, &uri, &first, &method, asking.headers, carried)?;
            let response = self.send(&uri, request, answer_within).await?;
            let status = response.status();
            let Some(next) = redirect(status, response.headers(), &uri)? else { return Ok((uri, response)) };
            if status == StatusCode::SEE_OTHER {
                method = Method::GET;
            }
            uri = next;
        }
        Err(Fault::server(format!("more than {MAX_REDIRECTS} redirects: the last one to {uri}")))
    }

    async fn send(
        &self,
        uri: &Uri,
        mut request: Request<Outgoing>,
        answer_within: Duration,
    ) -> Result<Response<Incoming>, Fault> {
        let host = uri.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        match (self.proxies.between(uri), tls) {
            (None, false) => speak(self.connect(bare, port).await?, request, host, answer_within).await,
            (None, true) => {
                let stream = self.secure(self.connect(bare, port).await?, host, bare).await?;
                speak(stream, request, host, answer_within).await
            }
            (Some(proxy), false) => {
                // A proxy is told the whole of where to ask.
                *request.uri_mut() = uri.clone();
                proxy.introduce(request.headers_mut());
                speak(self.connect(&proxy.host, proxy.port).await?, request, &proxy.host, answer_within).await
            }
            (Some(proxy), true) => {
                let stream = self.connect(&proxy.host, proxy.port).await?;
                let tunnel = proxy.tunnel(stream, &format!("{host}:{port}"), self.connect).await?;
                speak(self.secure(tunnel, host, bare).await?, request, host, answer_within).await
            }
        }
    }

    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, Fault> {
        let connected = timeout(self.connect, TcpStream::connect((host, port))).await.map_err(|_| late(host))?;
        connected.map_err(|error| unreachable(host, &error))
    }

    async fn secure<S>(&self, stream: S, host: &str, bare: &str) -> Result<TlsStream<S>, Fault>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|error| Fault::Final(format!("{host} is no name that a certificate could have: {error}")))?;
        let shaken = timeout(self.connect, self.tls.connect(name, stream)).await.map_err(|_| late(host))?;
        shaken.map_err(|error| match error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
            // It may be somebody between here and there, such as the page of a café's network to log in.
            true => Fault::server(format!("{host} is not trusted: {error}")),
            false => unreachable(host, &error),
        })
    }

    /// How long a body may be silent.
    pub(super) const fn stall(&self) -> Duration {
        self.stall
    }
}

fn unreachable(host: &str, why: &dyn std::fmt::Display) -> Fault {
    Fault::Network(format!("{host} cannot be reached: {why}"))
}

pub(super) fn late(host: &str) -> Fault {
    Fault::Network(format!("{host} cannot be reached: it did not answer in time"))
}

/// Whose word about a server counts.
fn roots(settings: &Settings) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    match &settings.trust {
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        Some(path) => {
            let cannot =
                |error| Fault::Final(format!("the certificates in {} cannot be read: {error}", path.display()));
            for found in CertificateDer::pem_file_iter(path).map_err(cannot)? {
                roots.add_parsable_certificates([found.map_err(cannot)?]);
            }
        }
    }
    Ok(roots)
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    request: Request<Outgoing>,
    host: &str,
    answer_within: Duration,
) -> Result<Response<Incoming>, Fault> {
    let broke = |error: hyper::Error| broke(host, &error);
    let mut builder = http1::Builder::new();
    builder.max_buf_size(CHUNK);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(broke)?;
    // Whatever it ends with, the request or the body that is read ends with the same.
    tokio::spawn(connection);
    let answer = timeout(answer_within, sender.send_request(request)).await;
    answer.map_err(|_| Fault::Network(format!("{host} did not answer in time")))?.map_err(broke)
}

/// What a broken connection is told as. What is no HTTP at all is the server's fault.
pub(super) fn broke(host: &str, error: &hyper::Error) -> Fault {
    let text = format!("the connection to {host} broke: {}", chain(error));
    if error.is_parse() { Fault::server(text) } else { Fault::Network(text) }
}

fn request(
    order: &Order,
    uri: &Uri,
    first: &Uri,
    method: &Method,
    more: &[(HeaderName, String)],
    body: Outgoing,
) -> Result<Request<Outgoing>, Fault> {
    let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .version(Version::HTTP_11)
        .body(body)
        .map_err(|error| Fault::Final(format!("{uri} cannot be asked for: {error}")))?;
    let own = is_same_origin(uri, first);
    let headers = request.headers_mut();
    put(headers, HOST, authority)?;
    put(headers, USER_AGENT, AGENT)?;
    // The bytes of the file itself, for only of these a range can be asked for.
    put(headers, ACCEPT_ENCODING, "identity")?;
    for (name, value) in &order.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| Fault::Final(error.to_string()))?;
        // What was meant for one server is not told another.
        if own || ![AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION].contains(&name) {
            put(headers, name, value)?;
        }
    }
    for (name, value) in more {
        put(headers, name.clone(), value)?;
    }
    if let Outgoing::File { left, .. } = request.body() {
        let length = *left;
        request.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    Ok(request)
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<(), Fault> {
    let value = HeaderValue::from_str(value)
        .map_err(|_| Fault::Final(format!("the header {name:?} is not of the form that HTTP has for them")))?;
    headers.append(name, value);
    Ok(())
}

fn is_same_origin(one: &Uri, other: &Uri) -> bool {
    (one.scheme(), one.authority()) == (other.scheme(), other.authority())
}

/// Where an answer points to, if it does.
fn redirect(status: StatusCode, headers: &HeaderMap, from: &Uri) -> Result<Option<Uri>, Fault> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    located(headers, from).map(Some)
}

/// The place that an answer names.
pub(super) fn located(headers: &HeaderMap, from: &Uri) -> Result<Uri, Fault> {
    let location = super::answer::text(headers, LOCATION);
    let next = location.filter(|location| location.len() <= MAX_URI_BYTES).and_then(|location| join(from, location));
    let next = next.and_then(|next| check_uri(next).ok());
    let next = next.ok_or_else(|| {
        let host = from.host().unwrap_or_default();
        let location: String = location.unwrap_or_default().chars().take(MAX_SHOWN_CHARS).collect();
        Fault::server(format!("{host} points to {location:?}, which is nothing that can be asked"))
    })?;
    if from.scheme_str() == Some("https") && next.scheme_str() == Some("http") {
        return Err(Fault::Final(format!("{from} points to {next}, from a safe connection to one that is not")));
    }
    Ok(next)
}

/// A reference, as seen from where it stands.
fn join(from: &Uri, to: &str) -> Option<Uri> {
    let to = to.split('#').next().unwrap_or_default();
    if to.split(['/', '?']).next().is_some_and(|first| first.contains(':')) {
        return to.parse().ok();
    }
    let scheme = from.scheme_str()?;
    if to.starts_with("//") {
        return format!("{scheme}:{to}").parse().ok();
    }
    let root = format!("{scheme}://{}", from.authority()?);
    let path = from.path();
    let folder = &path[..=path.rfind('/').unwrap_or(0)];
    let target = match to.chars().next() {
        None => from.path_and_query()?.to_string(),
        Some('/') => to.to_owned(),
        Some('?') => format!("{path}{to}"),
        Some(_) => format!("{folder}{to}"),
    };
    format!("{root}{}", without_dots(&target)).parse().ok()
}

/// RFC 3986, 5.2.4.
fn without_dots(target: &str) -> String {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let mut kept: Vec<&str> = Vec::new();
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        match part {
            ".." => drop(kept.pop()),
            "." => {}
            other => kept.push(other),
        }
        if parts.peek().is_none() && matches!(part, "." | "..") {
            kept.push("");
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use hyper::header::RANGE;

    use super::*;

    #[test]
    fn a_reference_is_read_from_where_it_stands() {
        let from = Uri::from_static("http://a:1/b/c/d?q");
        for (to, expected) in [
            ("http://x/y", "http://x/y"),
            ("//x/y", "http://x/y"),
            ("/y?z", "http://a:1/y?z"),
            ("y", "http://a:1/b/c/y"),
            ("../y", "http://a:1/b/y"),
            ("../../../y", "http://a:1/y"),
            ("./", "http://a:1/b/c/"),
            ("..", "http://a:1/b/"),
            ("?z", "http://a:1/b/c/d?z"),
            ("", "http://a:1/b/c/d?q"),
            ("y#part", "http://a:1/b/c/y"),
        ] {
            assert_eq!(join(&from, to).map(|uri| uri.to_string()).as_deref(), Some(expected), "{to}");
        }
    }

    #[test]
    fn a_redirect_leads_to_a_server_and_never_to_less_safety() {
        let to = |location: &str| {
            let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_str(location).unwrap())]);
            redirect(StatusCode::FOUND, &headers, &Uri::from_static("https://a/b"))
        };
        assert_eq!(to("/c").unwrap(), Some(Uri::from_static("https://a/c")));
        assert!(matches!(to("http://a/c"), Err(Fault::Final(_))));
        assert!(matches!(to("file:///etc/passwd"), Err(Fault::Server { .. })));
        assert!(matches!(to("https://ada:secret@a/"), Err(Fault::Server { .. })));
        let missing = redirect(StatusCode::FOUND, &HeaderMap::new(), &Uri::from_static("https://a/b"));
        assert!(matches!(missing, Err(Fault::Server { .. })));
    }

    #[test]
    fn what_was_meant_for_one_server_is_not_told_another() {
        let mut order = Order::new(crate::Kind::Download, "a", "https://a/b", "/f");
        order.headers = vec![("Authorization".into(), "secret".into()), ("X-Kind".into(), "film".into())];
        let headers = |uri: &'static str| {
            let (uri, first) = (Uri::from_static(uri), Uri::from_static("https://a/b"));
            let range = [(RANGE, "bytes=7-".to_owned())];
            request(&order, &uri, &first, &Method::GET, &range, Outgoing::Nothing).unwrap().headers().clone()
        };
        assert_eq!(headers("https://a/c")[AUTHORIZATION], "secret");
        for other in ["https://b/c", "https://a:8443/c"] {
            assert!(!headers(other).contains_key(AUTHORIZATION), "{other}");
            assert_eq!(headers(other)["x-kind"], "film");
        }
        assert_eq!(headers("https://a/c")[RANGE], "bytes=7-");
    }
}
