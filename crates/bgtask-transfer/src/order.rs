use std::path::{Path, PathBuf};

use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Uri};
use serde::{Deserialize, Serialize};

use crate::{GroupId, Sha256, TransferId};

/// The most bytes of a URI.
pub const MAX_URI_BYTES: usize = 8_192;
/// The most headers of an order.
pub const MAX_HEADERS: usize = 32;
/// The most bytes of all headers of an order together.
pub const MAX_HEADER_BYTES: usize = 8_192;
/// The most bytes of the name of a group.
pub const MAX_GROUP_BYTES: usize = 255;

/// What is to be transferred.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Which transfer.
    pub id: TransferId,
    /// Whose it is: an app id.
    pub app: String,
    /// In which direction.
    pub kind: Kind,
    /// From where, or where to: `http` or `https`.
    pub uri: String,
    /// The file on this machine: an absolute path.
    pub file: PathBuf,
    /// The method of the request; empty is `GET` for a download and `PUT` for an upload.
    #[serde(default)]
    pub method: String,
    /// What is sent besides the headers of HTTP itself.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Over which networks.
    #[serde(default)]
    pub cost: CostPolicy,
    /// Before or after others.
    #[serde(default)]
    pub priority: Priority,
    /// The group it belongs to; empty is none.
    #[serde(default)]
    pub group: String,
    /// Whose end is told together with its own (NEI-4).
    #[serde(default)]
    pub completion_group: Option<GroupId>,
    /// What a download has to be in the end.
    #[serde(default)]
    pub sha256: Option<Sha256>,
    /// Whether an upload goes on where it broke: its server has to speak tus 1.0.
    #[serde(default)]
    pub resumable: bool,
    /// When it was ordered, in microseconds since 1970.
    pub created: i64,
}

/// In which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// From the server.
    Download,
    /// To the server.
    Upload,
}

impl Kind {
    /// `download` or `upload`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Upload => "upload",
        }
    }
}

/// Over which networks (`BackgroundTransferCostPolicy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CostPolicy {
    /// Over any; it would not roam, where that could be told.
    #[default]
    Default,
    /// Only where it costs nothing: paused on a metered connection.
    UnrestrictedOnly,
    /// Over any.
    Always,
}

/// Before or after others (`BackgroundTransferPriority`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// As any other task.
    #[default]
    Default,
    /// As the default: what runs is not taken back for it.
    High,
    /// It gives way to everything else on this machine.
    Low,
}

impl Order {
    /// An order with nothing but what it needs.
    pub fn new(kind: Kind, app: impl Into<String>, uri: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        Self {
            id: TransferId::new(),
            app: app.into(),
            kind,
            uri: uri.into(),
            file: file.into(),
            method: String::new(),
            headers: Vec::new(),
            cost: CostPolicy::default(),
            priority: Priority::default(),
            group: String::new(),
            completion_group: None,
            sha256: None,
            resumable: false,
            created: 0,
        }
    }

    /// Everything that can be told to be wrong without a network: whoever orders hears it at once.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), OrderError> {
        self.target()?;
        self.check_file()?;
        self.check_method()?;
        self.check_headers()?;
        if self.group.len() > MAX_GROUP_BYTES {
            return Err(OrderError::GroupTooLong);
        }
        match (self.kind, self.sha256) {
            (Kind::Upload, Some(_)) => Err(OrderError::ChecksumOfUpload),
            (Kind::Download, _) if self.resumable => Err(OrderError::ResumableDownload),
            _ if self.resumable && !self.method.is_empty() => Err(OrderError::MethodOfResumable),
            _ => Ok(()),
        }
    }

    /// The URI, read.
    ///
    /// # Errors
    ///
    /// It is none that can be fetched.
    pub(crate) fn target(&self) -> Result<Uri, OrderError> {
        if self.uri.len() > MAX_URI_BYTES {
            return Err(OrderError::UriTooLong(self.uri.len()));
        }
        check_uri(self.uri.parse().map_err(|error| wrong_uri(&self.uri, &error))?)
    }

    pub(crate) fn method(&self) -> Method {
        match (self.method.is_empty(), self.kind) {
            (true, Kind::Download) => Method::GET,
            (true, Kind::Upload) => Method::PUT,
            (false, _) => Method::from_bytes(self.method.as_bytes()).unwrap_or(Method::GET),
        }
    }

    fn check_file(&self) -> Result<(), OrderError> {
        let file = self.file.as_path();
        let plain = file.is_absolute() && file.file_name().is_some();
        let upwards = file.components().any(|part| matches!(part, std::path::Component::ParentDir));
        if !plain || upwards || file.as_os_str().as_encoded_bytes().contains(&0) {
            return Err(OrderError::File(file.to_owned()));
        }
        Ok(())
    }

    fn check_method(&self) -> Result<(), OrderError> {
        let allowed: &[&str] = match self.kind {
            Kind::Download => &["", "GET", "POST"],
            Kind::Upload => &["", "PUT", "POST", "PATCH"],
        };
        match allowed.contains(&self.method.as_str()) {
            true => Ok(()),
            false => Err(OrderError::Method { method: shown(&self.method), kind: self.kind.word() }),
        }
    }

    fn check_headers(&self) -> Result<(), OrderError> {
        let bytes: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if self.headers.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
            return Err(OrderError::TooManyHeaders);
        }
        for (name, value) in &self.headers {
            let known = HeaderName::from_bytes(name.as_bytes()).map_err(|_| OrderError::Header(shown(name)))?;
            HeaderValue::from_str(value).map_err(|_| OrderError::Header(shown(name)))?;
            let of_tus = self.resumable && TUS_HEADERS.contains(&known.as_str());
            if of_tus || OWN_HEADERS.contains(&known.as_str()) {
                return Err(OrderError::OwnHeader(known.to_string()));
            }
        }
        Ok(())
    }
}

/// What the engine itself says.
const OWN_HEADERS: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "host",
    "if-range",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The same where an upload goes on after a break.
const TUS_HEADERS: &[&str] = &["content-type", "tus-resumable", "upload-length", "upload-offset"];

/// Whether a URI names something that can be fetched.
pub(crate) fn check_uri(uri: Uri) -> Result<Uri, OrderError> {
    let text = || shown(&uri.to_string());
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(OrderError::Scheme(text()));
    }
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => Err(OrderError::Password),
        // What is no port would be taken for none.
        Some(authority) if authority.port().is_none() && authority.as_str().len() > authority.host().len() + 1 => {
            Err(wrong_uri(&uri.to_string(), &"a port is a number up to 65535"))
        }
        Some(authority) if !authority.host().is_empty() => Ok(uri),
        _ => Err(OrderError::Scheme(text())),
    }
}

fn wrong_uri(uri: &str, error: &dyn std::fmt::Display) -> OrderError {
    OrderError::Uri { uri: shown(uri), why: error.to_string() }
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// What is wrong with an order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// It cannot be read.
    #[error("the URI {uri:?} cannot be read: {why}")]
    Uri {
        /// What was given.
        uri: String,
        /// What is wrong.
        why: String,
    },
    /// It is no URI of a server of files.
    #[error("{0:?} cannot be transferred: a URI begins with http:// or https:// and names a host")]
    Scheme(String),
    /// It has a password in it.
    #[error("the URI names a user or a password: others see URIs, so send a header `Authorization` instead")]
    Password,
    /// It is longer than any server takes.
    #[error("the URI has {0} bytes: at most {MAX_URI_BYTES} are allowed")]
    UriTooLong(usize),
    /// The file is not named so that it could only be one.
    #[error("the file {} is not named by an absolute path without `..`", .0.display())]
    File(PathBuf),
    /// The method has another meaning.
    #[error("the method {method:?} is none of a {kind}: downloads take GET or POST, uploads PUT, POST or PATCH")]
    Method {
        /// What was given.
        method: String,
        /// In which direction.
        kind: &'static str,
    },
    /// A header is malformed.
    #[error("the header {0:?} is not of the form that HTTP has for them")]
    Header(String),
    /// A header is the engine's own.
    #[error("the header {0:?} is set by the transfer itself: leave it out")]
    OwnHeader(String),
    /// There are too many.
    #[error("the headers are too many: at most {MAX_HEADERS} of together {MAX_HEADER_BYTES} bytes are sent")]
    TooManyHeaders,
    /// A group's name is too long.
    #[error("the name of a group has at most {MAX_GROUP_BYTES} bytes")]
    GroupTooLong,
    /// Nothing is compared with that.
    #[error("an upload has no SHA-256 to compare with: leave it out")]
    ChecksumOfUpload,
    /// Every download is.
    #[error("a download goes on after a break in any case: `resumable` is for uploads")]
    ResumableDownload,
    /// The protocol has methods of its own.
    #[error("a resumable upload has the methods of tus 1.0: leave the method out")]
    MethodOfResumable,
}

/// The folder of a file that has been checked.
pub(crate) fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(uri: &str) -> Order {
        Order::new(Kind::Download, "org.example.Photos", uri, "/home/ada/film.mkv")
    }

    #[test]
    fn a_plain_order_is_right() {
        assert_eq!(order("https://example.org:8443/a/b?c=d").check(), Ok(()));
        assert_eq!(order("http://[::1]:80/").check(), Ok(()));
        assert_eq!(order("http://[::1]/").check(), Ok(()));
        assert_eq!(order("http://example.org:/").check(), Ok(()), "RFC 3986 lets a port be empty");
    }

    #[test]
    fn a_uri_that_cannot_be_fetched_is_refused() {
        for uri in [
            "",
            "film.mkv",
            "/film.mkv",
            "ftp://example.org/f",
            "file:///etc/passwd",
            "https://",
            "http://a b/",
            "https://example.org:99999/",
            "http://[::1]:a/",
        ] {
            assert!(order(uri).check().is_err(), "{uri}");
        }
        assert_eq!(order("https://ada:secret@example.org/").check(), Err(OrderError::Password));
        let long = format!("https://example.org/{}", "a".repeat(MAX_URI_BYTES));
        assert_eq!(order(&long).check(), Err(OrderError::UriTooLong(long.len())));
    }

    #[test]
    fn a_file_that_could_be_another_is_refused() {
        for file in ["film.mkv", "/", "/home/ada/../eve/f", "/a\0b", ""] {
            let order = Order { file: file.into(), ..order("https://example.org/") };
            assert_eq!(order.check(), Err(OrderError::File(file.into())), "{file:?}");
        }
    }

    #[test]
    fn headers_have_bounds_and_leave_out_what_is_the_engines() {
        let with = |headers: Vec<(String, String)>| Order { headers, ..order("https://example.org/") }.check();
        let one = |name: &str, value: &str| with(vec![(name.into(), value.into())]);
        assert_eq!(one("Authorization", "Bearer x"), Ok(()));
        assert_eq!(one("Range", "bytes=0-"), Err(OrderError::OwnHeader("range".into())));
        assert_eq!(one("a b", "c"), Err(OrderError::Header("a b".into())));
        assert_eq!(one("a", "b\r\nc: d"), Err(OrderError::Header("a".into())));
        assert_eq!(with(vec![("a".into(), "b".into()); MAX_HEADERS]), Ok(()));
        assert_eq!(with(vec![("a".into(), "b".into()); MAX_HEADERS + 1]), Err(OrderError::TooManyHeaders));
        assert_eq!(one("a", &"b".repeat(MAX_HEADER_BYTES)), Err(OrderError::TooManyHeaders));
    }

    #[test]
    fn the_rest_has_bounds_too() {
        let group = Order { group: "g".repeat(MAX_GROUP_BYTES + 1), ..order("https://example.org/") };
        assert_eq!(group.check(), Err(OrderError::GroupTooLong));
        let method = Order { method: "DELETE".into(), ..order("https://example.org/") };
        assert!(matches!(method.check(), Err(OrderError::Method { .. })));
        let sha256 = Some(Sha256::of(&b""[..]).unwrap());
        let upload = Order { kind: Kind::Upload, sha256, ..order("https://example.org/") };
        assert_eq!(upload.check(), Err(OrderError::ChecksumOfUpload));
        let download = Order { resumable: true, ..order("https://example.org/") };
        assert_eq!(download.check(), Err(OrderError::ResumableDownload));
        let upload = Order { kind: Kind::Upload, ..download };
        assert_eq!(upload.check(), Ok(()));
        assert_eq!(Order { method: "PUT".into(), ..upload.clone() }.check(), Err(OrderError::MethodOfResumable));
        let headers = vec![("Upload-Offset".to_owned(), "0".to_owned())];
        assert_eq!(Order { headers, ..upload }.check(), Err(OrderError::OwnHeader("upload-offset".into())));
    }
}
