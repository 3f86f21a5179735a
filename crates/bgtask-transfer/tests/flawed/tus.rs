//! The same server for those who go on with uploads, by tus 1.0: one upload at a time, and only what arrived in order counts.

use std::io::{self, Write};

use super::{Seen, Server};

impl Server {
    /// Forgets what it has of the upload, as one that was away for too long.
    pub(crate) fn forgets(&self) {
        self.lock().kept = None;
    }

    /// How much of the upload it has.
    pub(crate) fn kept(&self) -> Option<u64> {
        self.lock().kept
    }

    pub(super) fn keep(&self, seen: &Seen, stream: &mut impl Write) -> io::Result<()> {
        let number = |name: &str| seen.header(name).and_then(|value| value.parse::<u64>().ok());
        let method = seen.line.split(' ').next().unwrap_or_default();
        let mut shared = self.lock();
        let (status, more) = match (method, shared.kept) {
            _ if seen.header("tus-resumable") != Some("1.0.0") => ("412 Precondition Failed", String::new()),
            ("POST", _) if number("upload-length") == Some(shared.content.len) => {
                shared.kept = Some(0);
                ("201 Created", "Location: the-place\r\n".to_owned())
            }
            ("HEAD", Some(kept)) => ("200 OK", format!("Upload-Offset: {kept}\r\n")),
            // What was cut has been counted when it was heard.
            ("PATCH", Some(kept)) if number("upload-offset") == Some(kept) => {
                shared.kept = Some(kept + seen.body);
                ("204 No Content", format!("Upload-Offset: {}\r\n", kept + seen.body))
            }
            ("PATCH", Some(_)) => ("409 Conflict", String::new()),
            ("HEAD" | "PATCH", None) => ("404 Not Found", String::new()),
            _ => ("400 Bad Request", String::new()),
        };
        drop(shared);
        write!(stream, "HTTP/1.1 {status}\r\nTus-Resumable: 1.0.0\r\n{more}Content-Length: 0\r\n\r\n")
    }
}
