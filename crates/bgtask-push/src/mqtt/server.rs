use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where a server is, and how this machine speaks to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name or address.
    pub host: String,
    /// Its port: 1883, or 8883 by TLS, where none is given.
    pub port: u16,
    /// By TLS, and whom to trust then; `None` is in the clear.
    pub trust: Option<Trust>,
    /// As whom.
    pub credentials: Credentials,
    /// What all topics begin with.
    pub prefix: String,
    /// The name of this machine in topics.
    pub machine: String,
    /// After how long of silence the connection is tried. A shorter one notices a dead connection sooner, and wakes more often.
    pub keep_alive: Duration,
    /// For how long the server keeps what arrives while this machine is away.
    pub session_expiry: Duration,
}

/// As whom a machine connects. Files are read for each connection, so a password may be changed while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The user name; none is anonymous.
    pub username: Option<String>,
    /// The file with the password. A line's end at its end is not part of it.
    pub password_file: Option<PathBuf>,
}

/// Whom to trust, and who this machine is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// The certificates of those who may vouch for the server, PEM; the system's where there is none.
    pub ca_file: Option<PathBuf>,
    /// The certificate of this machine and its key, PEM, where the server wants them.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// An address or a name that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidServer(pub(crate) String);

impl Server {
    /// Longest name of a machine, and longest prefix of topics, in bytes.
    pub const MAX_NAME_BYTES: usize = 255;

    /// The server at such an address, with what is usual otherwise.
    ///
    /// ```
    /// use bgtask_push::mqtt::Server;
    /// let server = Server::at("mqtts://push.example.org", "kitchen-7").unwrap();
    /// assert_eq!((server.port, server.trust.is_some()), (8883, true));
    /// assert_eq!(server.topic_of("org.example.Mail"), "bgtask/kitchen-7/org.example.Mail");
    /// assert!(Server::at("http://push.example.org", "kitchen-7").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// The address is not `mqtt://HOST[:PORT]` or `mqtts://HOST[:PORT]`, or the name of the machine cannot stand in a topic.
    pub fn at(address: &str, machine: &str) -> Result<Self, InvalidServer> {
        let invalid =
            || InvalidServer(format!("{address:?} is no server: write mqtts://HOST, or mqtt://HOST:PORT without TLS"));
        let (scheme, rest) = address.split_once("://").ok_or_else(invalid)?;
        let (trust, usual_port) = match scheme {
            "mqtt" => (None, 1883),
            "mqtts" => (Some(Trust::default()), 8883),
            _ => return Err(invalid()),
        };
        let (host, port) = host_and_port(rest.trim_end_matches('/'), usual_port).ok_or_else(invalid)?;
        check_part("the name of the machine", machine, false)?;
        if machine == "fleet" {
            return Err(InvalidServer(
                "a machine cannot be called fleet: that is where the orders of all machines are".into(),
            ));
        }
        Ok(Self {
            host,
            port,
            trust,
            credentials: Credentials::default(),
            prefix: "bgtask".into(),
            machine: machine.to_owned(),
            keep_alive: Duration::from_secs(240),
            session_expiry: Duration::from_secs(30 * 86_400),
        })
    }

    /// The same with another prefix of topics.
    ///
    /// # Errors
    ///
    /// It cannot stand in a topic.
    pub fn with_prefix(self, prefix: &str) -> Result<Self, InvalidServer> {
        check_part("the prefix of topics", prefix, true)?;
        Ok(Self { prefix: prefix.to_owned(), ..self })
    }

    /// Whether a name can stand in a topic, as the name of a machine does; `what` is what it names.
    pub(crate) fn check_name(what: &str, name: &str) -> Result<(), InvalidServer> {
        check_part(what, name, false)
    }

    /// The topic of a channel of this machine.
    pub fn topic_of(&self, channel: &str) -> String {
        format!("{}/{}/{channel}", self.prefix, self.machine)
    }

    /// A topic of this server as an address that can be handed to others: there is no secret in it.
    pub fn uri_of(&self, topic: &str) -> String {
        format!("{self}/{topic}")
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, usual_port) = if self.trust.is_some() { ("mqtts", 8883) } else { ("mqtt", 1883) };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == usual_port {
            write!(f, "{scheme}://{host}")
        } else {
            write!(f, "{scheme}://{host}:{}", self.port)
        }
    }
}

fn host_and_port(text: &str, usual: u16) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']')?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    if host.is_empty() || host.len() > 253 || !host.chars().all(legal) {
        return None;
    }
    let port = port.map_or(Some(usual), |port| port.parse().ok().filter(|port| *port != 0))?;
    Some((host.to_owned(), port))
}

/// What stands in a topic must be no wildcard of one.
fn check_part(what: &str, text: &str, slashes: bool) -> Result<(), InvalidServer> {
    let legal = |c: char| !c.is_control() && !matches!(c, '+' | '#' | '$') && (slashes || c != '/');
    let shaped = !text.starts_with('/') && !text.ends_with('/');
    if text.is_empty() || text.len() > Server::MAX_NAME_BYTES || !shaped || !text.chars().all(legal) {
        let shown: String = text.chars().take(64).collect();
        return Err(InvalidServer(format!(
            "{what} cannot be {shown:?}: it has 1 to {} bytes, and none of the characters +, # and ${}",
            Server::MAX_NAME_BYTES,
            if slashes { "" } else { ", nor /" }
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_shown_as_it_was_written() {
        for text in ["mqtt://localhost", "mqtt://127.0.0.1:18830", "mqtts://push.example.org", "mqtt://[::1]:1884"] {
            assert_eq!(Server::at(text, "m").expect(text).to_string(), text);
        }
        assert_eq!(Server::at("mqtts://h:8883/", "m").expect("a slash at the end").to_string(), "mqtts://h");
    }

    #[test]
    fn what_is_no_server_is_refused_with_an_example() {
        let long = format!("mqtt://{}", "a".repeat(254));
        for text in [
            "",
            "h",
            "mqtt://",
            "mqtt://:1",
            "mqtt://h:0",
            "mqtt://h:x",
            "mqtt://u:p@h",
            "mqtt://h/topic",
            "mqtt://[::1",
            &long,
        ] {
            let error = Server::at(text, "m").expect_err(text).to_string();
            assert!(error.contains("mqtts://HOST"), "{error}");
        }
    }

    #[test]
    fn a_name_that_would_reach_other_machines_is_refused() {
        for name in ["", "+", "a/b", "#", "$SYS", "fleet", "a\nb", &"a".repeat(256)] {
            assert!(Server::at("mqtt://h", name).is_err(), "{name:?}");
        }
        let server = Server::at("mqtt://h", "m").expect("a server");
        assert!(server.clone().with_prefix("acme/bgtask").is_ok());
        for prefix in ["", "/a", "a/", "a/#"] {
            assert!(server.clone().with_prefix(prefix).is_err(), "{prefix:?}");
        }
    }
}
