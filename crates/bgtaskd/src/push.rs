//! Push messages: the transport that brings them, and what it says as the core's.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

use bgtask_core::{AppId, Details, Input, Push as Pushed, PushTicket, Refusal, SourceStatus, TaskId, limits};
use bgtask_push::mqtt::{self, Mqtt, Server};
use bgtask_push::unified_push::{Settings, UnifiedPush};
use bgtask_push::{Message, Report, Status, Ticket, Transport};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::failure::Failure;

/// Reports that wait for the driver, and the most that it takes in one turn; whoever finds them full waits, and so does its server.
pub(crate) const MAX_REPORTS: usize = 16;

/// Names this machine's broker at the server, the same in all its lives.
const IDENTITY_FILE: &str = "push-id";

/// The tokens by which a distributor of UnifiedPush knows the channels.
const TOKENS_FILE: &str = "push-tokens";

/// What is wrong where nothing brings messages, and what to do.
const WHY: &str = "nothing is set that messages could come from";
const HELP: &str = "name a server of MQTT 5 in [push.mqtt] of config.toml, or write [push.unified_push] there";

/// Where messages come from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// A server.
    Mqtt(Box<Server>),
    /// A distributor on the session bus: that one, or the only one there is.
    UnifiedPush(Option<String>),
}

/// The channels of this machine.
pub(crate) struct Push {
    transport: Option<Box<dyn Transport>>,
    channels: HashMap<AppId, Channel>,
    listening: BTreeMap<TaskId, AppId>,
}

#[derive(Default)]
struct Channel {
    uri: String,
    status: Option<SourceStatus>,
}

impl Push {
    /// `session_bus` is its address.
    pub(crate) fn new(
        origin: Option<Origin>,
        state: &Path,
        session_bus: &str,
    ) -> Result<(Self, mpsc::Receiver<Report>), Failure> {
        let (reports, heard) = mpsc::channel(MAX_REPORTS);
        let transport = match origin {
            None => None,
            Some(Origin::Mqtt(server)) => {
                let (server, identity) = named(*server, state)?;
                let mqtt = Mqtt::new(server, &identity, reports);
                Some(Box::new(mqtt) as Box<dyn Transport>)
            }
            Some(Origin::UnifiedPush(distributor)) => {
                let settings =
                    Settings { address: session_bus.to_owned(), distributor, tokens: state.join(TOKENS_FILE) };
                let unified_push = UnifiedPush::new(settings, reports)
                    .map_err(|error| Failure::new("the tokens of push messages cannot be used", error))?;
                Some(Box::new(unified_push) as Box<dyn Transport>)
            }
        };
        Ok((Self { transport, channels: HashMap::new(), listening: BTreeMap::new() }, heard))
    }

    /// Why no message can arrive on this machine.
    pub(crate) fn refuses(&self) -> Option<Refusal> {
        self.transport.is_none().then(|| Refusal::NotSupported {
            what: "the trigger PushNotificationTrigger".into(),
            why: WHY.into(),
            help: HELP.into(),
        })
    }

    pub(crate) fn open(&mut self, app: AppId) -> Option<Input> {
        match &mut self.transport {
            Some(transport) => {
                self.channels.entry(app.clone()).or_default();
                transport.open(app.as_str());
                None
            }
            None => Some(Input::ChannelRefused { app, why: WHY.into(), help: HELP.into() }),
        }
    }

    pub(crate) fn close(&mut self, app: &AppId) -> Vec<Input> {
        self.channels.remove(app);
        self.transport.iter_mut().for_each(|transport| transport.close(app.as_str()));
        self.tell(app)
    }

    pub(crate) fn acknowledge(&mut self, app: &AppId, tickets: &[PushTicket]) {
        let tickets: Vec<_> = tickets.iter().map(|ticket| Ticket(ticket.0)).collect();
        self.transport.iter_mut().for_each(|transport| transport.acknowledge(app.as_str(), &tickets));
    }

    /// The network is back, or the machine has woken: a channel that waits need not wait any longer.
    pub(crate) fn nudge(&mut self) {
        self.transport.iter_mut().for_each(|transport| transport.nudge());
    }

    pub(crate) fn listen(&mut self, task: TaskId, app: AppId) -> Input {
        let status = self.status(&app);
        self.listening.insert(task, app);
        Input::Heard(task, status)
    }

    pub(crate) fn unlisten(&mut self, task: TaskId) {
        self.listening.remove(&task);
    }

    /// How well messages to an app arrive.
    pub(crate) fn status(&self, app: &AppId) -> SourceStatus {
        match self.channels.get(app) {
            None => SourceStatus::Missing {
                why: "the app has no channel, so nobody can send it any".into(),
                help: format!("have it create one, or run `bgtask push open {app}`"),
            },
            Some(Channel { status: None, .. }) => SourceStatus::Degraded {
                how: "push messages".into(),
                why: "the channel of the app is being opened".into(),
                help: "wait a moment".into(),
            },
            Some(Channel { status: Some(status), .. }) => status.clone(),
        }
    }

    /// What the transport said, as the core's.
    pub(crate) fn came(&mut self, report: Report) -> Vec<Input> {
        let known = |channel: &str| AppId::new(channel).ok();
        match report {
            Report::Opened { channel, uri } => {
                let Some((app, its)) =
                    known(&channel).and_then(|app| Some((app.clone(), self.channels.get_mut(&app)?)))
                else {
                    return Vec::new();
                };
                its.uri.clone_from(&uri);
                vec![Input::ChannelOpened { app, uri: uri.into() }]
            }
            // Nothing is sent over channels of apps.
            Report::Closed { .. } | Report::Sent { .. } => Vec::new(),
            Report::Messages { channel, messages } => {
                let Some(app) = known(&channel) else { return Vec::new() };
                let uri = self.channels.get(&app).map_or("", |channel| &channel.uri);
                let messages = messages.into_iter().map(|message| pushed(message, uri)).collect();
                vec![Input::Pushed { app, messages }]
            }
            Report::Status { channel, status } => {
                let Some(app) = known(&channel) else { return Vec::new() };
                let Some(its) = self.channels.get_mut(&app) else { return Vec::new() };
                let (status, refused) = match status {
                    Status::Connected { how } => (SourceStatus::Available { how }, None),
                    Status::Away { why, help } => {
                        let refused = Input::ChannelRefused { app: app.clone(), why: why.clone(), help: help.clone() };
                        (SourceStatus::Degraded { how: "push messages".into(), why, help }, Some(refused))
                    }
                };
                its.status = Some(status);
                refused.into_iter().chain(self.tell(&app)).collect()
            }
        }
    }

    fn tell(&self, app: &AppId) -> Vec<Input> {
        let status = self.status(app);
        let listens = self.listening.iter().filter(|(_, its)| *its == app);
        listens.map(|(task, _)| Input::Heard(*task, status.clone())).collect()
    }
}

/// The server, where this machine has a name in any case; and what its sessions there are called.
pub(crate) fn named(server: Server, state: &Path) -> Result<(Server, String), Failure> {
    let identity = identity(state)
        .map_err(|error| Failure::new("the name of this broker for push messages cannot be kept", error))?;
    let machine = if server.machine == mqtt::Settings::UNNAMED { identity.clone() } else { server.machine.clone() };
    Ok((Server { machine, ..server }, format!("bgtask-{identity}")))
}

/// A message as one line of JSON: what the core gathers without reading it.
fn pushed(message: Message, uri: &str) -> Pushed {
    let line = message.payload.map(|payload| {
        let mut fields = Map::new();
        match String::from_utf8(payload) {
            Ok(text) if text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t')) => {
                fields.insert("content".into(), text.into())
            }
            Ok(text) => fields.insert("bytes".into(), hex(text.as_bytes()).into()),
            Err(bytes) => fields.insert("bytes".into(), hex(bytes.as_bytes()).into()),
        };
        if !message.headers.is_empty() {
            let headers = message.headers.into_iter().map(|(name, value)| (name, Value::from(value)));
            fields.insert("headers".into(), Value::Object(headers.collect()));
        }
        fields.insert("channel".into(), uri.into());
        fields.insert("at".into(), now_micros().into());
        format!("{}\n", Value::Object(fields)).into_bytes()
    });
    let line = line.filter(|line| line.len() <= limits::MAX_DETAILS_BYTES).map(|line| Details(line.into()));
    Pushed { line, ticket: message.ticket.map(|ticket| PushTicket(ticket.0)) }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What [`hex`] wrote.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

fn now_micros() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Sixteen digits that are this broker's alone, from its first use on.
fn identity(state: &Path) -> io::Result<String> {
    let path = state.join(IDENTITY_FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) if text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => return Ok(text),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    let text = hex(&bytes);
    let beside = state.join(format!("{IDENTITY_FILE}.new"));
    std::fs::write(&beside, &text)?;
    std::fs::File::open(&beside)?.sync_all()?;
    std::fs::rename(&beside, &path)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(payload: &[u8]) -> String {
        let headers = vec![("subject".to_owned(), "ä\"".to_owned())];
        let message = Message { payload: Some(payload.to_vec()), headers, ticket: Some(Ticket(7)), reply: None };
        let pushed = pushed(message, "mqtt://h/bgtask/m/a");
        assert_eq!(pushed.ticket, Some(PushTicket(7)));
        String::from_utf8(pushed.line.expect("it fits").0.to_vec()).expect("it is text")
    }

    #[test]
    fn a_message_is_one_line_whatever_is_in_it() {
        let text = line("new\nmail".as_bytes());
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert!(text.contains(r#""content":"new\nmail""#) && text.contains(r#""headers":{"subject":"ä\""}"#), "{text}");
        assert!(line(&[0, 255]).contains(r#""bytes":"00ff""#));
        assert!(line(b"\x07").contains(r#""bytes":"07""#));
    }

    /// Q-22: whatever a payload of the largest size is made of, it fits with all its headers.
    #[test]
    fn q_22_the_largest_message_fits() {
        for byte in *b"\"\n\x01\xff" {
            let value = String::from_utf8_lossy(&[byte]).repeat(bgtask_push::MAX_HEADER_BYTES / 4);
            let headers = (0..bgtask_push::MAX_HEADERS).map(|number| (number.to_string(), value.clone())).collect();
            let payload = Some(vec![byte; bgtask_push::MAX_PAYLOAD_BYTES]);
            assert!(
                pushed(
                    Message { payload, headers, ticket: None, reply: None },
                    &"u".repeat(bgtask_push::unified_push::MAX_ENDPOINT_BYTES)
                )
                .line
                .is_some(),
                "{byte}"
            );
        }
    }

    #[test]
    fn the_name_of_a_broker_is_the_same_in_all_its_lives() {
        let folder = std::env::temp_dir().join(format!("bgtask-push-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let first = identity(&folder).unwrap();
        assert_eq!(identity(&folder).unwrap(), first);
        std::fs::write(folder.join(IDENTITY_FILE), "cut").unwrap();
        assert_ne!(identity(&folder).unwrap(), first, "a damaged one is made anew");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
