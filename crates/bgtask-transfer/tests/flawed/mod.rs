//! An HTTP server with every flaw that a real one, or the way to it, may have. It runs on threads of its own, and keeps no file:
//! what it serves is computed, so that a file may be of any size.
#![allow(dead_code, reason = "each test program uses a part of it")]

mod tus;

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// A file that a server has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Content {
    /// How many bytes.
    pub(crate) len: u64,
    /// Which of all files of that length.
    pub(crate) seed: u64,
}

impl Content {
    /// The bytes from there on, as many as fit.
    pub(crate) fn fill(self, from: u64, buffer: &mut [u8]) {
        let (mut at, mut rest) = (from, buffer);
        while !rest.is_empty() {
            let word = (at / 8 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.seed;
            let word = (word ^ (word >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9).to_be_bytes();
            let first = (at % 8) as usize;
            let count = rest.len().min(8 - first);
            rest[..count].copy_from_slice(&word[first..first + count]);
            rest = &mut rest[count..];
            at += count as u64;
        }
    }

    /// All of them, however many.
    pub(crate) fn reader(self) -> impl Read {
        let mut at = 0;
        reading(move |buffer| {
            let count = buffer.len().min(usize::try_from(self.len - at).unwrap_or(usize::MAX));
            self.fill(at, &mut buffer[..count]);
            at += count as u64;
            count
        })
    }

    /// All of them: for small files.
    pub(crate) fn bytes(self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.len).expect("a small file")];
        self.fill(0, &mut bytes);
        bytes
    }

    fn tag(self) -> String {
        format!("\"{:x}-{:x}\"", self.len, self.seed)
    }
}

/// Reads what a function puts into a buffer, until it puts nothing there.
fn reading(fill: impl FnMut(&mut [u8]) -> usize) -> impl Read {
    struct Reading<F>(F);
    impl<F: FnMut(&mut [u8]) -> usize> Read for Reading<F> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            Ok((self.0)(buffer))
        }
    }
    Reading(fill)
}

/// What goes wrong with one request.
#[derive(Clone, Debug)]
pub(crate) enum Flaw {
    /// Nothing.
    None,
    /// The connection breaks after so many bytes of the body.
    CutAfter(u64),
    /// Nothing but this status, and when to ask again.
    Status(u16, Option<u32>),
    /// The file is another one from now on.
    Changed(Content),
    /// Another part than the one that was asked for, this many bytes off, with headers that say so.
    WrongRange(u64),
    /// The headers are right and the part is not of the file: another seed.
    Damaged,
    /// The whole file, whatever was asked for.
    IgnoreRange,
    /// So many bytes, and then nothing, with the connection open.
    StallAfter(u64),
    /// One byte at a time, with pauses.
    Drip(Duration),
    /// What is no HTTP.
    Garbage,
    /// The connection closes without an answer.
    HangUp,
    /// This place instead.
    Redirect(String),
    /// So many bytes more than the headers say: as a second answer that nobody asked for.
    TooMuch(u64),
}

/// How the server tells one version of the file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tells {
    /// By a strong tag.
    Tag,
    /// By a weak tag, which does not tell enough.
    WeakTag,
    /// By the date of the last change.
    Date,
    /// Not at all.
    Nothing,
}

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Its first line.
    pub(crate) line: String,
    /// Its headers, with small names.
    pub(crate) headers: Vec<(String, String)>,
    /// How many bytes its body had.
    pub(crate) body: u64,
    /// Whether they were those of [`Server::expects`].
    pub(crate) body_is_right: bool,
}

impl Seen {
    /// One of the headers.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

struct Shared {
    content: Content,
    tells: Tells,
    flaws: VecDeque<Flaw>,
    seen: Vec<Seen>,
    /// How many bytes a second a connection gets; 0 is as many as it takes.
    rate: u64,
    /// How much of an upload that may go on it has.
    kept: Option<u64>,
}

/// The server; it ends with the process of the test.
#[derive(Clone)]
pub(crate) struct Server {
    shared: Arc<Mutex<Shared>>,
    address: SocketAddr,
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl Server {
    /// Serves this at every path.
    pub(crate) fn start(content: Content) -> Self {
        Self::start_with(content, None)
    }

    /// The same, over TLS.
    pub(crate) fn start_with(content: Content, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared =
            Shared { content, tells: Tells::Tag, flaws: VecDeque::new(), seen: Vec::new(), rate: 0, kept: None };
        let server = Self { shared: Arc::new(Mutex::new(shared)), address, tls };
        let its = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = its.clone();
                // Who goes away in the middle is what this is about.
                std::thread::spawn(move || drop(server.attend(stream)));
            }
        });
        server
    }

    /// Where this path is.
    pub(crate) fn uri(&self, path: &str) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let host = if self.tls.is_some() { "localhost" } else { "127.0.0.1" };
        format!("{scheme}://{host}:{}{path}", self.address.port())
    }

    /// What goes wrong with the next requests, in this order; after them nothing does.
    pub(crate) fn flaws(&self, flaws: impl IntoIterator<Item = Flaw>) -> &Self {
        self.lock().flaws.extend(flaws);
        self
    }

    /// How it tells versions apart.
    pub(crate) fn tells(&self, tells: Tells) -> &Self {
        self.lock().tells = tells;
        self
    }

    /// How many bytes a second a connection gets.
    pub(crate) fn rate(&self, rate: u64) -> &Self {
        self.lock().rate = rate;
        self
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("nobody panics with it")
    }

    fn now(&self) -> (Content, Tells, u64) {
        let shared = self.lock();
        (shared.content, shared.tells, shared.rate)
    }

    /// After how much of an upload the connection breaks, if it does.
    fn cut(&self) -> Option<u64> {
        let flaws = &mut self.lock().flaws;
        let Some(Flaw::CutAfter(bytes)) = flaws.front() else { return None };
        let bytes = *bytes;
        flaws.pop_front();
        Some(bytes)
    }

    fn attend(&self, stream: TcpStream) -> io::Result<()> {
        match &self.tls {
            None => self.converse(stream),
            Some(config) => {
                let session = rustls::ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                self.converse(rustls::StreamOwned::new(session, stream))
            }
        }
    }

    fn converse(&self, stream: impl Read + Write) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        let seen = self.hear(&mut stream)?;
        // Who was killed before it has asked has asked for nothing.
        if !seen.line.ends_with('\n') {
            return Ok(());
        }
        let range =
            seen.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        let if_range = seen.header("if-range").map(str::to_owned);
        let upload = !seen.line.starts_with("GET");
        self.lock().seen.push(seen.clone());
        let flaw = self.lock().flaws.pop_front().unwrap_or(Flaw::None);
        if matches!(flaw, Flaw::None) && seen.header("tus-resumable").is_some() {
            return self.keep(&seen, stream.get_mut());
        }
        self.answer(stream.get_mut(), &flaw, range, if_range.as_deref(), upload)
    }

    fn hear(&self, stream: &mut BufReader<impl Read>) -> io::Result<Seen> {
        let mut seen = Seen::default();
        stream.read_line(&mut seen.line)?;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            match line.trim_end().split_once(": ") {
                Some((name, value)) => seen.headers.push((name.to_lowercase(), value.to_owned())),
                None => break,
            }
        }
        let (content, _, rate) = self.now();
        let length = seen.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if length > 0
            && let Some(bytes) = self.cut()
        {
            let taken = stream.take(bytes).read_to_end(&mut Vec::new())?;
            let kept = &mut self.lock().kept;
            *kept = kept.map(|kept| kept + taken as u64);
            return Err(io::Error::other("cut"));
        }
        let from = seen.header("upload-offset").and_then(|offset| offset.parse().ok()).unwrap_or(0);
        seen.body_is_right = true;
        let (mut chunk, mut expected) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
        while seen.body < length {
            let most = chunk.len().min((length - seen.body) as usize);
            let count = stream.read(&mut chunk[..most])?;
            if count == 0 {
                break;
            }
            content.fill(from + seen.body, &mut expected[..count]);
            seen.body_is_right &= chunk[..count] == expected[..count];
            seen.body += count as u64;
            pause(rate, count);
        }
        Ok(seen)
    }

    fn answer(
        &self,
        stream: &mut impl Write,
        flaw: &Flaw,
        range: Option<u64>,
        if_range: Option<&str>,
        upload: bool,
    ) -> io::Result<()> {
        match flaw {
            Flaw::Changed(content) => self.lock().content = *content,
            Flaw::Garbage => {
                return stream.write_all(b"\x16\x03\x01 this is not the protocol you are looking for\r\n\r\n");
            }
            Flaw::HangUp => return Ok(()),
            Flaw::Status(status, after) => {
                let after = after.map_or(String::new(), |after| format!("Retry-After: {after}\r\n"));
                return write!(stream, "HTTP/1.1 {status} Flawed\r\n{after}Content-Length: 0\r\n\r\n");
            }
            Flaw::Redirect(to) => {
                return write!(stream, "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
            }
            _ => {}
        }
        if upload {
            return write!(stream, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
        }
        let (content, tells, rate) = self.now();
        let (validator, same) = told(content, tells, if_range);
        let whole = matches!(flaw, Flaw::IgnoreRange) || !same;
        let mut from = range.filter(|_| !whole).unwrap_or(0);
        if let (Flaw::WrongRange(off), true) = (flaw, from > 0) {
            from -= (*off).min(from);
        }
        if from > content.len {
            let head =
                format!("HTTP/1.1 416 Too far\r\nContent-Range: bytes */{}\r\nContent-Length: 0\r\n\r\n", content.len);
            return stream.write_all(head.as_bytes());
        }
        let left = content.len - from;
        let status = match range.filter(|_| !whole) {
            Some(_) => format!("206 Partial\r\nContent-Range: bytes {from}-{}/{}", content.len - 1, content.len),
            None => "200 OK".to_owned(),
        };
        write!(stream, "HTTP/1.1 {status}\r\nDate: {NOW}\r\n{validator}Content-Length: {left}\r\n\r\n")?;
        let content = if matches!(flaw, Flaw::Damaged) { Content { seed: !content.seed, ..content } } else { content };
        let end = match flaw {
            Flaw::CutAfter(bytes) | Flaw::StallAfter(bytes) => left.min(*bytes),
            Flaw::TooMuch(bytes) => left + bytes,
            _ => left,
        };
        if let Flaw::Drip(pause) = flaw {
            return drip(stream, content, from, *pause);
        }
        pour(stream, content, from, end, rate)?;
        if let Flaw::StallAfter(_) = flaw {
            std::thread::sleep(Duration::from_secs(60));
        }
        Ok(())
    }
}

const NOW: &str = "Sun, 22 Nov 2026 02:30:00 GMT";

/// The header that tells the version, and whether it is the one that was asked for.
fn told(content: Content, tells: Tells, if_range: Option<&str>) -> (String, bool) {
    let day = 1 + content.seed % 20;
    let (header, value) = match tells {
        Tells::Tag => ("ETag", content.tag()),
        Tells::WeakTag => ("ETag", format!("W/{}", content.tag())),
        Tells::Date => ("Last-Modified", format!("Sun, {day:02} Nov 2026 02:30:00 GMT")),
        Tells::Nothing => return (String::new(), if_range.is_none()),
    };
    let same = if_range.is_none_or(|wanted| wanted == value);
    (format!("{header}: {value}\r\n"), same)
}

fn pour(stream: &mut impl Write, content: Content, from: u64, count: u64, rate: u64) -> io::Result<()> {
    let mut chunk = vec![0; 64 * 1024];
    let mut sent = 0;
    while sent < count {
        let next = chunk.len().min((count - sent) as usize);
        content.fill(from + sent, &mut chunk[..next]);
        stream.write_all(&chunk[..next])?;
        sent += next as u64;
        pause(rate, next);
    }
    stream.flush()
}

fn drip(stream: &mut impl Write, content: Content, from: u64, pause: Duration) -> io::Result<()> {
    for at in from..content.len {
        let mut byte = [0];
        content.fill(at, &mut byte);
        stream.write_all(&byte)?;
        stream.flush()?;
        std::thread::sleep(pause);
    }
    Ok(())
}

fn pause(rate: u64, bytes: usize) {
    if rate > 0 {
        std::thread::sleep(Duration::from_secs_f64(bytes as f64 / rate as f64));
    }
}
