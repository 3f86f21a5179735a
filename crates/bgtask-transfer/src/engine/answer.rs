//! What the headers of an answer say.

use std::time::Duration;

use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED, RETRY_AFTER};
use hyper::{StatusCode, Uri};

use crate::Validator;
use crate::fault::Fault;

/// The longest that a server's wish to be asked later is followed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);

pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// By what this version of the file can be told from others, byte for byte: a weak tag cannot, nor can a date that is as young
/// as the answer, for the file may have changed twice in that second.
pub(super) fn validator(headers: &HeaderMap) -> Option<Validator> {
    if let Some(tag) = text(headers, ETAG) {
        let strong = tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"');
        return strong.then(|| Validator::Etag(tag.to_owned()));
    }
    let changed = text(headers, LAST_MODIFIED)?;
    let answered = text(headers, DATE)?;
    (changed != answered).then(|| Validator::LastModified(changed.to_owned()))
}

pub(super) fn length(headers: &HeaderMap) -> Option<u64> {
    text(headers, CONTENT_LENGTH)?.parse().ok()
}

/// Which part of how many bytes a `206` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) total: Option<u64>,
}

pub(super) fn range(headers: &HeaderMap) -> Option<Range> {
    let (part, total) = text(headers, CONTENT_RANGE)?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = part.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    let range = Range { first: first.parse().ok()?, last: last.parse().ok()?, total };
    let sound = range.first <= range.last && range.total.is_none_or(|total| range.last < total);
    sound.then_some(range)
}

/// An answer that is none of those that were hoped for.
pub(super) fn refused(status: StatusCode, headers: &HeaderMap, uri: &Uri) -> Fault {
    let text = format!("{} answered {status}", uri.host().unwrap_or_default());
    let passes = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS);
    let not_ever = matches!(status, StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED);
    if passes && !not_ever { Fault::Server { text, retry_after: retry_after(headers) } } else { Fault::Final(text) }
}

/// In seconds; a date would need the server's clock and ours to agree.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = text(headers, RETRY_AFTER)?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(of: &[(HeaderName, &str)]) -> HeaderMap {
        of.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn only_what_tells_versions_apart_byte_for_byte_is_a_validator() {
        let (old, now) = ("Tue, 15 Nov 1994 08:12:31 GMT", "Tue, 15 Nov 1994 08:12:32 GMT");
        let of = |given: &[(HeaderName, &str)]| validator(&headers(given));
        assert_eq!(of(&[(ETAG, "\"a\"")]), Some(Validator::Etag("\"a\"".into())));
        assert_eq!(of(&[(ETAG, "W/\"a\""), (LAST_MODIFIED, old), (DATE, now)]), None);
        assert_eq!(of(&[(ETAG, "a")]), None);
        assert_eq!(of(&[(LAST_MODIFIED, old), (DATE, now)]), Some(Validator::LastModified(old.into())));
        assert_eq!(of(&[(LAST_MODIFIED, now), (DATE, now)]), None);
        assert_eq!(of(&[(LAST_MODIFIED, old)]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_range_is_read_if_it_makes_sense() {
        let of = |text: &str| range(&headers(&[(CONTENT_RANGE, text)]));
        assert_eq!(of("bytes 2-9/10"), Some(Range { first: 2, last: 9, total: Some(10) }));
        assert_eq!(of("bytes 2-9/*"), Some(Range { first: 2, last: 9, total: None }));
        for wrong in ["bytes 9-2/10", "bytes 2-10/10", "bytes */10", "lines 1-2/3", "bytes 1-2", "bytes a-b/c", ""] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_may_pass_is_the_servers_fault_and_the_rest_is_final() {
        let uri = Uri::from_static("http://example.org/");
        let after = headers(&[(RETRY_AFTER, "7")]);
        for status in [500, 502, 503, 504, 429, 408] {
            let fault = refused(StatusCode::from_u16(status).unwrap(), &after, &uri);
            let seven = Some(Duration::from_secs(7));
            assert!(matches!(fault, Fault::Server { retry_after, .. } if retry_after == seven), "{status}");
        }
        for status in [400, 401, 403, 404, 410, 501, 505] {
            let fault = refused(StatusCode::from_u16(status).unwrap(), &after, &uri);
            assert!(matches!(fault, Fault::Final(_)), "{status}");
        }
        let long = headers(&[(RETRY_AFTER, "99999999")]);
        assert_eq!(retry_after(&long), Some(MAX_RETRY_AFTER));
    }
}
