//! Which servers are asked through a proxy, as everywhere on Linux: by the environment.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderMap, HeaderValue, PROXY_AUTHORIZATION};
use hyper::upgrade::Upgraded;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::ask::{broke, late};
use super::outgoing::Outgoing;
use crate::fault::Fault;

/// The proxies of this machine. Without any, every server is asked itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    /// Hosts that are asked themselves.
    without: Vec<String>,
}

/// One that speaks HTTP.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    /// What it is told of who asks.
    pub(super) authorization: Option<HeaderValue>,
}

/// What is in it of a password is nobody's business.
impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Proxies {
    /// As the environment of this process says: `http_proxy`, `https_proxy`, `all_proxy` for both, and `no_proxy`; all but the first
    /// in capitals, too.
    ///
    /// # Errors
    ///
    /// A proxy is named that is none that can be asked; the text says which variable has it.
    ///
    /// ```
    /// use bgtask_transfer::Proxies;
    /// let set = |name: &str| (name == "https_proxy").then(|| "http://proxy.example.org:3128".to_owned());
    /// assert_ne!(Proxies::of(set).unwrap(), Proxies::default());
    /// assert!(Proxies::of(|_| Some("socks5://localhost".to_owned())).is_err());
    /// ```
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let named = |names: &[&str]| {
            let set = names.iter().find_map(|name| Some((*name, variable(name).filter(|value| !value.is_empty())?)));
            set.map(|(name, value)| read(&value).map_err(|why| format!("{name} names no proxy: {why}"))).transpose()
        };
        let all = ["all_proxy", "ALL_PROXY"];
        let without = variable("no_proxy").or_else(|| variable("NO_PROXY")).unwrap_or_default();
        Ok(Self {
            // In capitals it could be a header that somebody has sent a CGI program.
            http: named(&["http_proxy", all[0], all[1]])?,
            https: named(&["https_proxy", "HTTPS_PROXY", all[0], all[1]])?,
            without: without.split([',', ' ']).filter(|host| !host.is_empty()).map(str::to_lowercase).collect(),
        })
    }

    /// Through which one a server is asked, if through any.
    pub(super) fn between(&self, uri: &Uri) -> Option<&Proxy> {
        let (proxy, usual) = match uri.scheme_str() {
            Some("https") => (&self.https, 443),
            _ => (&self.http, 80),
        };
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_lowercase();
        let port = uri.port_u16().unwrap_or(usual);
        proxy.as_ref().filter(|_| !self.without.iter().any(|entry| is_meant(entry, &host, port)))
    }
}

impl Proxy {
    /// Says who asks, where that is to be said.
    pub(super) fn introduce(&self, headers: &mut HeaderMap) {
        headers.extend(self.authorization.clone().map(|login| (PROXY_AUTHORIZATION, login)));
    }

    /// A way through to a server, on which the proxy hears nothing but noise.
    pub(super) async fn tunnel(&self, stream: TcpStream, to: &str, within: Duration) -> Result<Tunnel, Fault> {
        let Self { host, .. } = self;
        let broke = |error: hyper::Error| broke(host, &error);
        let mut request = Request::connect(to)
            .header(HOST, to)
            .body(Outgoing::Nothing)
            .map_err(|error| Fault::Final(format!("{to} cannot be asked for: {error}")))?;
        self.introduce(request.headers_mut());
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broke)?;
        tokio::spawn(connection.with_upgrades());
        let answer = timeout(within, sender.send_request(request)).await;
        let answer = answer.map_err(|_| late(host))?.map_err(broke)?;
        if !answer.status().is_success() {
            return Err(Fault::server(format!("the proxy {host} leads to no {to}: it answered {}", answer.status())));
        }
        Ok(TokioIo::new(hyper::upgrade::on(answer).await.map_err(broke)?))
    }
}

/// What goes through a proxy as it is.
type Tunnel = TokioIo<Upgraded>;

/// Whether an entry of `no_proxy` is about a host: `*` is about all, `example.org` about that and everything below it.
fn is_meant(entry: &str, host: &str, port: u16) -> bool {
    let (name, its) = match entry.rsplit_once(':') {
        Some((name, its)) if !name.contains(':') || name.ends_with(']') => (name, its.parse().ok()),
        _ => (entry, None),
    };
    let name = name.trim_matches(['[', ']']).trim_start_matches("*.").trim_start_matches('.');
    let below = host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    (name == "*" || (below && !name.is_empty())) && its.is_none_or(|its: u16| its == port)
}

fn read(text: &str) -> Result<Proxy, String> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let (scheme, rest) = with_scheme.split_once("://").unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(format!("it begins with {scheme}://, and only http:// proxies are spoken to"));
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let (login, place) = authority.rsplit_once('@').map_or((None, authority), |(login, place)| (Some(login), place));
    let uri: Uri = format!("http://{place}/").parse().map_err(|error| format!("{place:?} is no host: {error}"))?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let authorization = login.map(|login| {
        let told = format!("Basic {}", STANDARD.encode(decoded(login)));
        let mut told = HeaderValue::from_str(&told).expect("it has letters, digits and a few signs only");
        told.set_sensitive(true);
        told
    });
    Ok(Proxy { host, port: uri.port_u16().unwrap_or(80), authorization })
}

/// What stands in a URI for other bytes.
fn decoded(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        let coded = (*first == b'%').then(|| after.get(..2)).flatten();
        let coded = coded.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(coded.unwrap_or(*first));
        rest = if coded.is_some() { &after[2..] } else { after };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(set: &[(&str, &str)]) -> Result<Proxies, String> {
        Proxies::of(|name| set.iter().find(|(its, _)| *its == name).map(|(_, value)| (*value).to_owned()))
    }

    fn through(proxies: &Proxies, uri: &'static str) -> Option<String> {
        proxies.between(&Uri::from_static(uri)).map(|proxy| format!("{proxy:?}"))
    }

    #[test]
    fn each_scheme_has_a_proxy_of_its_own_or_one_for_all() {
        let both = of(&[("http_proxy", "one:8080"), ("HTTPS_PROXY", "http://[::1]:3128/")]).unwrap();
        assert_eq!(through(&both, "http://a/"), Some("one:8080".into()));
        assert_eq!(through(&both, "https://a/"), Some("::1:3128".into()));
        let all = of(&[("ALL_PROXY", "http://two"), ("https_proxy", "")]).unwrap();
        assert_eq!(through(&all, "http://a/"), Some("two:80".into()));
        assert_eq!(through(&all, "https://a/"), Some("two:80".into()), "what is empty is not set");
        assert_eq!(of(&[("HTTP_PROXY", "one")]).unwrap(), Proxies::default(), "a header of a CGI program is none");
    }

    #[test]
    fn some_hosts_are_asked_themselves() {
        let but = |hosts: &str| of(&[("all_proxy", "p"), ("no_proxy", hosts)]).unwrap();
        let some = but("localhost,.Example.org 10.0.0.7, b:8443,[::1]");
        for near in ["http://localhost/", "https://example.org/", "http://a.example.org:8080/", "http://10.0.0.7/"] {
            assert_eq!(through(&some, near), None, "{near}");
        }
        assert_eq!(through(&some, "https://b:8443/"), None);
        assert_eq!(through(&some, "http://[::1]:80/"), None);
        for far in ["http://badexample.org/", "http://110.0.0.7/", "https://b/", "http://a/"] {
            assert!(through(&some, far).is_some(), "{far}");
        }
        assert_eq!(through(&but("*"), "http://a/"), None);
        assert!(through(&but(""), "http://a/").is_some());
    }

    #[test]
    fn who_asks_is_told_the_proxy_and_not_shown_to_anybody() {
        let proxies = of(&[("http_proxy", "http://ada:p%40ss%3A@one")]).unwrap();
        let proxy = proxies.between(&Uri::from_static("http://a/")).unwrap();
        assert_eq!(proxy.authorization.as_ref().unwrap(), &format!("Basic {}", STANDARD.encode("ada:p@ss:")));
        assert!(!format!("{proxies:?}").contains("YWRh"), "{proxies:?}");
        assert_eq!(decoded("%4"), b"%4");
        assert_eq!(decoded("%zz%ä"), "%zz%ä".as_bytes());
    }

    #[test]
    fn a_proxy_that_cannot_be_asked_is_named_with_its_variable() {
        for wrong in ["socks5://one", "https://one", "http://", "one two"] {
            let why = of(&[("https_proxy", wrong)]).unwrap_err();
            assert!(why.starts_with("https_proxy"), "{why}");
        }
    }
}
