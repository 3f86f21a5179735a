use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::server::{Credentials, Server, Trust};

const DAY: u64 = 24 * 3_600;

/// The longest that a server is asked to keep a session.
const MAX_EXPIRY_DAYS: u64 = 3_650;

/// The shortest and the longest silence: MQTT cannot say more.
const KEEP_ALIVE_SECONDS: std::ops::RangeInclusive<u64> = 15..=u16::MAX as u64;

/// A server and this machine's account there, as a person writes them: the part `[push.mqtt]` of `config.toml`, and `fleet.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    server: String,
    machine: Option<String>,
    prefix: Option<String>,
    username: Option<String>,
    password_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    keep_alive_seconds: Option<u64>,
    session_expiry_days: Option<u64>,
}

impl Settings {
    /// Stands for the name of a machine that nobody has named.
    pub const UNNAMED: &str = "its own";

    /// The server. A machine without a name is [`UNNAMED`](Self::UNNAMED).
    ///
    /// # Errors
    ///
    /// Something in it cannot be: what, in a sentence.
    pub fn server(self) -> Result<Server, String> {
        let machine = self.machine.as_deref().unwrap_or(Self::UNNAMED);
        let prefix = self.prefix.as_deref().unwrap_or("bgtask");
        let server = Server::at(&self.server, machine).and_then(|server| server.with_prefix(prefix));
        let mut server = server.map_err(|error| error.to_string())?;
        if let Some(seconds) = self.keep_alive_seconds {
            server.keep_alive = Duration::from_secs(within("keep_alive_seconds", seconds, &KEEP_ALIVE_SECONDS)?);
        }
        if let Some(days) = self.session_expiry_days {
            let days = within("session_expiry_days", days, &(1..=MAX_EXPIRY_DAYS))?;
            server.session_expiry = Duration::from_secs(days * DAY);
        }
        server.credentials = Credentials { username: self.username, password_file: self.password_file.map(credential) };
        let certificate = match (self.certificate_file, self.key_file) {
            (Some(certificate), Some(key)) => Some((credential(certificate), credential(key))),
            (None, None) => None,
            _ => return Err("certificate_file and key_file go together".into()),
        };
        let files = self.ca_file.is_some() || certificate.is_some();
        match &mut server.trust {
            Some(trust) => *trust = Trust { ca_file: self.ca_file.map(credential), certificate },
            None if files => return Err("certificates are for a server by mqtts://".into()),
            None => {}
        }
        Ok(server)
    }
}

fn within(key: &str, value: u64, range: &std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    let (least, most) = (range.start(), range.end());
    if range.contains(&value) {
        return Ok(value);
    }
    Err(format!("{key} = {value}: it has to be between {least} and {most}"))
}

/// A name without a folder is one of the credentials that systemd hands over (`LoadCredential=`), where it does.
fn credential(path: PathBuf) -> PathBuf {
    match std::env::var_os("CREDENTIALS_DIRECTORY") {
        Some(folder) if path.components().count() == 1 => Path::new(&folder).join(path),
        _ => path,
    }
}
