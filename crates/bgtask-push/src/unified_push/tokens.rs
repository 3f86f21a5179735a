//! The tokens by which a distributor knows channels: secret, and the same in all lives of the broker.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Most channels that are closed and whose distributor has not heard of it. The oldest is forgotten first.
const MAX_CLOSING: usize = 64;
/// The largest file that can be one of tokens, in bytes.
const MAX_FILE_BYTES: u64 = 1_024 * 1_024;
/// How many random bytes a token is made of.
const RANDOM_BYTES: usize = 16;

/// What is known of one token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) token: String,
    /// Whom it was given to.
    pub(super) distributor: String,
    pub(super) channel: String,
    /// What the distributor answered last.
    pub(super) endpoint: Option<String>,
    /// The channel is closed, and the distributor is to hear so.
    pub(super) closing: bool,
}

/// A file of them, one to a line. Whatever changes is in it when the method returns.
#[derive(Debug)]
pub(super) struct Tokens {
    path: PathBuf,
    entries: Vec<Entry>,
}

impl Tokens {
    /// A file that is not there is an empty one.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let damaged = || {
            let text = format!("{} is damaged: remove it, and every channel gets another address", path.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        };
        let entries = match fs::metadata(path) {
            Ok(file) if file.len() > MAX_FILE_BYTES => return Err(damaged()),
            Ok(_) => {
                let text = fs::read_to_string(path)?;
                text.lines().map(Entry::of_line).collect::<Option<_>>().ok_or_else(damaged)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { path: path.to_owned(), entries })
    }

    pub(super) fn of_channel(&self, channel: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.channel == channel && !entry.closing)
    }

    pub(super) fn get(&self, token: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.token == token)
    }

    /// Those that a distributor has to hear of that they are closed.
    pub(super) fn closing(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.closing)
    }

    /// The token of a channel at that distributor; whichever it had at another one is closed.
    pub(super) fn of(&mut self, channel: &str, distributor: &str) -> io::Result<String> {
        if let Some(entry) = self.of_channel(channel)
            && entry.distributor == distributor
        {
            return Ok(entry.token.clone());
        }
        self.mark_closing(channel);
        let token = random()?;
        let (channel, distributor) = (channel.to_owned(), distributor.to_owned());
        self.entries.push(Entry { token: token.clone(), distributor, channel, endpoint: None, closing: false });
        self.write()?;
        Ok(token)
    }

    /// The channel has this address now.
    pub(super) fn set_endpoint(&mut self, token: &str, endpoint: &str) -> io::Result<()> {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.token == token) else { return Ok(()) };
        if entry.endpoint.as_deref() == Some(endpoint) {
            return Ok(());
        }
        entry.endpoint = Some(endpoint.to_owned());
        self.write()
    }

    /// The channel is closed: its token is kept until the distributor knows.
    pub(super) fn close(&mut self, channel: &str) -> io::Result<()> {
        self.mark_closing(channel);
        self.write()
    }

    /// The distributor does not know the token any more.
    pub(super) fn forget(&mut self, token: &str) -> io::Result<()> {
        self.entries.retain(|entry| entry.token != token);
        self.write()
    }

    fn mark_closing(&mut self, channel: &str) {
        self.entries.iter_mut().filter(|entry| entry.channel == channel).for_each(|entry| entry.closing = true);
        let too_many = self.closing().count().saturating_sub(MAX_CLOSING);
        for _ in 0..too_many {
            if let Some(oldest) = self.entries.iter().position(|entry| entry.closing) {
                self.entries.remove(oldest);
            }
        }
    }

    /// Its tokens are secrets: who knows one can send messages to the app.
    fn write(&self) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        let text: String = self.entries.iter().map(Entry::line).collect();
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

impl Entry {
    fn line(&self) -> String {
        let Self { token, distributor, channel, .. } = self;
        let state = if self.closing { "closing" } else { "open" };
        format!("{state} {token} {distributor} {channel} {}\n", self.endpoint.as_deref().unwrap_or("-"))
    }

    fn of_line(line: &str) -> Option<Self> {
        let parts: Vec<&str> = line.split(' ').collect();
        let [state, token, distributor, channel, endpoint] = parts[..] else { return None };
        let closing = match state {
            "open" => false,
            "closing" => true,
            _ => return None,
        };
        let endpoint = (endpoint != "-").then(|| endpoint.to_owned());
        let [token, distributor, channel] = [token, distributor, channel].map(str::to_owned);
        let whole = ![&token, &distributor, &channel].iter().any(|part| part.is_empty());
        whole.then_some(Self { token, distributor, channel, endpoint, closing })
    }
}

fn random() -> io::Result<String> {
    let mut bytes = [0; RANDOM_BYTES];
    if rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())? < RANDOM_BYTES {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the system gives too few random numbers"));
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const KDE: &str = "org.unifiedpush.Distributor.kde";

    fn file() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("push-tokens");
        (folder, path)
    }

    #[test]
    fn a_token_is_the_same_in_all_lives_and_nobody_else_can_read_it() {
        let (_folder, path) = file();
        let mut tokens = Tokens::read(&path).expect("none yet");
        let token = tokens.of("org.example.Mail", KDE).expect("written");
        tokens.set_endpoint(&token, "https://push.example.org/1").expect("written");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let mut again = Tokens::read(&path).expect("whole");
        assert_eq!(again.of("org.example.Mail", KDE).expect("kept"), token);
        let entry = again.of_channel("org.example.Mail").expect("known");
        assert_eq!(entry.endpoint.as_deref(), Some("https://push.example.org/1"));
        assert_ne!(again.of("org.example.Chat", KDE).expect("another"), token);
    }

    #[test]
    fn a_channel_that_is_closed_is_kept_until_its_distributor_knows() {
        let (_folder, path) = file();
        let mut tokens = Tokens::read(&path).expect("none yet");
        let first = tokens.of("a", KDE).expect("written");
        tokens.close("a").expect("written");
        let second = tokens.of("a", KDE).expect("written");
        assert_ne!(first, second, "who opens it again has another address");
        let mut again = Tokens::read(&path).expect("whole");
        assert_eq!(again.closing().map(|entry| entry.token.as_str()).collect::<Vec<_>>(), [&first]);
        again.forget(&first).expect("written");
        assert_eq!(Tokens::read(&path).expect("whole").closing().count(), 0);
    }

    #[test]
    fn another_distributor_gets_another_token() {
        let (_folder, path) = file();
        let mut tokens = Tokens::read(&path).expect("none yet");
        let first = tokens.of("a", KDE).expect("written");
        let second = tokens.of("a", "org.unifiedpush.Distributor.ntfy").expect("written");
        assert_ne!(first, second);
        assert_eq!(tokens.closing().map(|entry| entry.distributor.as_str()).collect::<Vec<_>>(), [KDE]);
    }

    #[test]
    fn so_many_that_nobody_can_be_told_of_are_kept_and_no_more() {
        let (_folder, path) = file();
        let mut tokens = Tokens::read(&path).expect("none yet");
        for number in 0..MAX_CLOSING + 3 {
            tokens.of(&number.to_string(), KDE).expect("written");
            tokens.close(&number.to_string()).expect("written");
        }
        let kept: Vec<_> = tokens.closing().map(|entry| entry.channel.clone()).collect();
        assert_eq!((kept.len(), kept[0].as_str()), (MAX_CLOSING, "3"), "the oldest are forgotten");
    }

    #[test]
    fn a_damaged_file_is_refused_with_what_to_do() {
        let (_folder, path) = file();
        for text in ["open", "open a b c", "shut a b c -", "open  b c -", "open a b c - -", "\0"] {
            fs::write(&path, text).expect("written");
            let error = Tokens::read(&path).expect_err(text).to_string();
            assert!(error.contains("push-tokens is damaged: remove it"), "{error}");
        }
        fs::write(&path, vec![b'\n'; 1_024 * 1_024 + 1]).expect("written");
        assert!(Tokens::read(&path).is_err());
    }
}
