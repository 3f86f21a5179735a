//! Text messages that arrive, from ModemManager.
//!
//! What a modem had in its memory before is announced too, while the modem is being made ready; only what comes to a modem
//! that is ready has just arrived. So a message that arrives while ModemManager restarts is in the modem, and is not told.

mod spec;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use serde_json::{Value, json};
use zbus::Message;
use zbus::wire::{ObjectPath, OwnedObjectPath};

use crate::bus::ear::{Ear, Heard, is_directed};
use crate::bus::{BusKind, CallError, Connector, Interfaces, Object, Objects, Properties, Retry, Rules};
use crate::event::EventTeller;
use crate::report::Status;
pub use crate::sms::spec::{MAX_PREFIX_BYTES, SmsSpec};
use crate::world::World;

/// Modems that are looked at; machines have one or two.
pub const MAX_MODEMS: usize = 64;
/// Messages of several parts that are waited for. Of more, the oldest counts as lost.
pub const MAX_INCOMPLETE_MESSAGES: usize = 64;

const RULES: Rules = &[
    "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',\
     interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.freedesktop.ModemManager1'",
    "type='signal',sender='org.freedesktop.ModemManager1',path='/org/freedesktop/ModemManager1',\
     interface='org.freedesktop.DBus.ObjectManager'",
    "type='signal',sender='org.freedesktop.ModemManager1',path_namespace='/org/freedesktop/ModemManager1/Modem',\
     interface='org.freedesktop.ModemManager1.Modem',member='StateChanged'",
    "type='signal',sender='org.freedesktop.ModemManager1',path_namespace='/org/freedesktop/ModemManager1/Modem',\
     interface='org.freedesktop.ModemManager1.Modem.Messaging',member='Added'",
    "type='signal',sender='org.freedesktop.ModemManager1',path_namespace='/org/freedesktop/ModemManager1/SMS',\
     interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='org.freedesktop.ModemManager1.Sms'",
];

const SERVICE: &str = "org.freedesktop.ModemManager1";
const MODEM: &str = "org.freedesktop.ModemManager1.Modem";
const MESSAGING: &str = "org.freedesktop.ModemManager1.Modem.Messaging";
const ROOT: Object<'static> =
    Object { service: SERVICE, path: "/org/freedesktop/ModemManager1", interface: "org.freedesktop.ModemManager1" };

/// `MMModemState`: from here on a modem is enabled, and what is in its memory has been announced.
const MODEM_ENABLED: i32 = 6;
// `MMSmsState`: 1 stored, 2 receiving, 3 received, 4 sending, 5 sent.
const SMS_UNKNOWN: u32 = 0;
const SMS_RECEIVING: u32 = 2;
const SMS_RECEIVED: u32 = 3;

/// Listens for ever.
pub(crate) async fn run(spec: SmsSpec, world: &World, teller: EventTeller) -> Infallible {
    let rules: Vec<String> = RULES.iter().map(|rule| (*rule).to_owned()).collect();
    let mut connector = Connector::new(BusKind::System, world);
    loop {
        let ear = connector.connect(&rules, || teller.status(without(&CallError::NoService))).await;
        Receiver::new(&spec, &teller).receive(ear).await;
    }
}

struct Receiver<'a> {
    spec: &'a SmsSpec,
    teller: &'a EventTeller,
    /// The modems that can receive messages, and whether they are ready to.
    modems: BTreeMap<String, bool>,
    /// Those whose state was told by a signal since they were last asked for.
    told: BTreeSet<String>,
    /// Messages that are to be read, because they were just announced or may be complete now.
    announced: Vec<Announced>,
    /// Messages that are not complete, or could not be read because ModemManager hangs.
    incomplete: Vec<Announced>,
    /// Whether the modems have to be asked for.
    look: bool,
    retry: Retry,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Announced {
    message: String,
    modem: String,
}

impl<'a> Receiver<'a> {
    fn new(spec: &'a SmsSpec, teller: &'a EventTeller) -> Self {
        Self {
            spec,
            teller,
            modems: BTreeMap::new(),
            told: BTreeSet::new(),
            announced: Vec::new(),
            incomplete: Vec::new(),
            look: true,
            retry: Retry::default(),
        }
    }

    /// Receives until the connection is lost.
    async fn receive(&mut self, mut ear: Ear) {
        // What was heard before the first look is of before: above all that ModemManager came.
        drop(ear.held());
        loop {
            if std::mem::take(&mut self.look) {
                self.look_for_modems(&mut ear).await;
            }
            for announced in std::mem::take(&mut self.announced) {
                self.read(&mut ear, announced).await;
            }
            if self.look {
                continue;
            }
            tokio::select! {
                heard = ear.next() => match heard {
                    Some(heard) => self.hear(heard),
                    None => return,
                },
                () = self.retry.due() => {
                    self.look = true;
                    self.announced.append(&mut self.incomplete);
                }
            }
        }
    }

    /// Asks for all modems.
    async fn look_for_modems(&mut self, ear: &mut Ear) {
        self.told.clear();
        let connection = ear.connection().clone();
        let objects = ear.during(ROOT.objects(&connection)).await;
        // Heard before the answer came: so it was so before.
        for heard in ear.held() {
            self.hear(heard);
        }
        let modems = objects.and_then(|objects| modems(&objects));
        self.retry.after(&modems);
        match modems {
            Ok(mut modems) => {
                for (modem, ready) in &mut modems {
                    *ready = self.modems.get(modem).copied().filter(|_| self.told.contains(modem)).unwrap_or(*ready);
                }
                self.incomplete.retain(|message| modems.contains_key(&message.modem));
                self.modems = modems;
                self.teller.status(self.status());
            }
            Err(error) => self.teller.status(without(&error)),
        }
    }

    fn hear(&mut self, heard: Heard) {
        let signal = match heard {
            Heard::Missed(count) => {
                self.look = true;
                return self.teller.lost(count);
            }
            Heard::Signal(signal) if is_directed(&signal) => return,
            Heard::Signal(signal) => signal,
        };
        let header = signal.header();
        let (Some(path), Some(member)) = (header.path(), header.member()) else { return };
        match member.as_str() {
            "StateChanged" => self.hear_state(path.as_str(), &signal),
            "Added" => self.hear_added(path.as_str(), &signal),
            "PropertiesChanged" => {
                let known = self.incomplete.iter().position(|message| message.message == path.as_str());
                self.announced.extend(known.map(|known| self.incomplete.remove(known)));
            }
            "NameOwnerChanged" => {
                self.modems.clear();
                self.incomplete.clear();
                self.announced.clear();
                self.look = true;
            }
            _ => self.look = true,
        }
    }

    fn hear_state(&mut self, modem: &str, signal: &Message) {
        let Ok((_, state, _)) = signal.body().deserialize::<(i32, i32, u32)>() else { return self.look = true };
        if !self.modems.contains_key(modem) {
            // Whether it receives messages is still to be asked.
            self.look = true;
            if self.modems.len() == MAX_MODEMS {
                return;
            }
        }
        self.modems.insert(modem.to_owned(), state >= MODEM_ENABLED);
        self.told.insert(modem.to_owned());
        if !self.look {
            self.teller.status(self.status());
        }
    }

    fn hear_added(&mut self, modem: &str, signal: &Message) {
        let body = signal.body();
        let Ok((message, received)) = body.deserialize::<(ObjectPath<'_>, bool)>() else { return };
        if received && self.modems.get(modem) == Some(&true) {
            self.announced.push(Announced { message: message.as_str().to_owned(), modem: modem.to_owned() });
        }
    }

    async fn read(&mut self, ear: &mut Ear, announced: Announced) {
        // One that hangs is not waited for once for each message.
        if self.retry.is_pending() {
            return self.wait_for(announced);
        }
        let object =
            Object { service: SERVICE, path: &announced.message, interface: "org.freedesktop.ModemManager1.Sms" };
        let connection = ear.connection().clone();
        let read = ear.during(object.properties(&connection)).await;
        let text = read.and_then(|properties| Text::read(&properties));
        self.retry.after(&text);
        match text {
            Ok(text) if text.state == SMS_RECEIVED => self.tell(&announced, text),
            Ok(text) if [SMS_UNKNOWN, SMS_RECEIVING].contains(&text.state) => self.wait_for(announced),
            Ok(_) => {}
            Err(error @ CallError::Failed(_)) => {
                self.teller.status(without(&error));
                self.wait_for(announced);
            }
            // Whoever shows messages to people took it away at once.
            Err(CallError::NoObject | CallError::Nonsense(_)) => self.teller.lost(1),
            Err(CallError::NoService) => {}
        }
    }

    fn wait_for(&mut self, message: Announced) {
        if self.incomplete.len() == MAX_INCOMPLETE_MESSAGES {
            self.incomplete.remove(0);
            self.teller.lost(1);
        }
        self.incomplete.push(message);
    }

    fn tell(&self, announced: &Announced, text: Text) {
        if self.spec.admits(&text.number, &text.text) {
            self.teller.event([
                ("number", json!(text.number)),
                ("text", json!(text.text)),
                ("received_at", Some(text.timestamp).filter(|time| !time.is_empty()).map_or(Value::Null, Value::from)),
                ("modem", json!(announced.modem)),
                ("message", json!(announced.message)),
            ]);
        }
    }

    fn status(&self) -> Status {
        let how = "ModemManager".to_owned();
        match self.modems.values().any(|ready| *ready) {
            true => Status::Available { how },
            false if self.modems.is_empty() => Status::Missing {
                why: "ModemManager knows no modem that receives messages".to_owned(),
                help: "plug in a modem with a SIM card".to_owned(),
            },
            false => Status::Degraded {
                how,
                why: "no modem is switched on".to_owned(),
                help: "switch mobile broadband on, or run `mmcli --modem=any --enable`".to_owned(),
            },
        }
    }
}

/// What is read of a message.
struct Text {
    state: u32,
    number: String,
    text: String,
    timestamp: String,
}

impl Text {
    fn read(properties: &Properties) -> Result<Self, CallError> {
        Ok(Self {
            state: properties.require("State")?,
            number: properties.require("Number")?,
            text: properties.require("Text")?,
            timestamp: properties.get("Timestamp")?.unwrap_or_default(),
        })
    }
}

/// The modems that can receive messages, and whether they are ready to.
fn modems(objects: &Objects) -> Result<BTreeMap<String, bool>, CallError> {
    let messaging = objects.iter().filter(|(_, interfaces)| interfaces.contains_key(MESSAGING));
    let ready = |(path, interfaces): (&OwnedObjectPath, &Interfaces)| {
        let modem =
            interfaces.get(MODEM).ok_or_else(|| CallError::Nonsense("it has no state of a modem".to_owned()))?;
        Ok((path.as_str().to_owned(), modem.require::<i32>("State")? >= MODEM_ENABLED))
    };
    messaging.take(MAX_MODEMS).map(ready).collect()
}

fn without(error: &CallError) -> Status {
    let help = match error {
        CallError::NoService => "install and start modemmanager",
        _ => "restart ModemManager",
    };
    Status::Missing { why: format!("ModemManager cannot be asked: {error}"), help: help.to_owned() }
}
