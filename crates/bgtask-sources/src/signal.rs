//! Any signal on a message bus, by match rule: the door for what has no trigger of its own.
//!
//! Only what is sent to everybody is heard. What somebody directs at us alone is no news, because anybody may do that in
//! the name of anybody else.

mod arguments;

use std::collections::BTreeMap;
use std::convert::Infallible;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use zbus::names::{InterfaceName, MemberName, WellKnownName};
use zbus::wire::ObjectPath;
use zbus::{MatchRule, Message, message};

use crate::bus::ear::{Ear, Heard, MAX_SIGNAL_BYTES, is_directed};
use crate::bus::{BusKind, Connector};
use crate::event::EventTeller;
use crate::given::Given;
use crate::rate::Rate;
use crate::report::Status;
use crate::world::World;

/// The longest match rule that a message bus takes, in bytes.
pub const MAX_RULE_BYTES: usize = 1024;

/// Signals that are told singly in any one minute, unless the trigger says otherwise.
pub const DEFAULT_SIGNALS_A_MINUTE: u16 = 60;
/// The most that a trigger may ask to be told singly in any one minute.
pub const MAX_SIGNALS_A_MINUTE: u16 = 600;

const KNOWN: [&str; 8] = ["bus", "sender", "path", "path_namespace", "interface", "member", "arg0", "most"];

/// Which signals are listened to: those in which everything is as it says here. Class `DBusSignalTrigger`.
///
/// Fields of an event: `bus` (`system` or `session`), `sender` (the name that was asked for, else the unique one), `path`,
/// `interface`, `member`, `arguments` (an array).
///
/// ```
/// use std::collections::BTreeMap;
///
/// use bgtask_sources::{SignalSpec, Subject};
///
/// let properties = [("interface", "org.freedesktop.ScreenSaver"), ("member", "ActiveChanged")];
/// let properties = BTreeMap::from(properties.map(|(name, value)| (name.to_owned(), value.to_owned())));
/// let Ok(Subject::Signal(spec)) = Subject::read("DBusSignalTrigger", &properties) else { panic!() };
/// assert_eq!(spec.most, 60);
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct SignalSpec {
    /// On which bus. The session bus where nothing is said.
    pub bus: BusKind,
    /// The well-known name of who sends it, such as `org.freedesktop.UPower`.
    pub sender: Option<String>,
    /// The object it is about.
    pub path: Option<String>,
    /// The object it is about, or any below it. Not together with a path.
    pub path_namespace: Option<String>,
    /// The interface it belongs to.
    pub interface: Option<String>,
    /// Its name.
    pub member: Option<String>,
    /// Its first argument, a text.
    pub arg0: Option<String>,
    /// How many are told singly in any one minute, 1 to [`MAX_SIGNALS_A_MINUTE`]; the rest is counted as lost.
    pub most: u16,
}

impl SignalSpec {
    /// What the properties of a trigger ask for, or a sentence about what is wrong with them.
    pub fn read(properties: &BTreeMap<String, String>) -> Result<Self, String> {
        Given::of(&KNOWN, properties)?;
        let value = |name: &str| properties.get(name).cloned();
        let spec = Self {
            bus: bus(value("bus").as_deref())?,
            sender: value("sender"),
            path: value("path"),
            path_namespace: value("path_namespace"),
            interface: value("interface"),
            member: value("member"),
            arg0: value("arg0"),
            most: most(value("most").as_deref())?,
        };
        spec.check().map(|()| spec)
    }

    fn check(&self) -> Result<(), String> {
        if [&self.sender, &self.path, &self.path_namespace, &self.interface, &self.member].iter().all(|it| it.is_none())
        {
            return Err(
                "every signal of a bus is too many; write at least one of sender, path, path_namespace, interface, \
                        member"
                    .to_owned(),
            );
        }
        if self.path.is_some() && self.path_namespace.is_some() {
            return Err("a path is one object and a path_namespace all below one; write one of the two".to_owned());
        }
        let length = self.rule()?.len();
        if length > MAX_RULE_BYTES {
            let why = format!("together this is a match rule of {length} bytes, and a bus takes {MAX_RULE_BYTES}");
            return Err(format!("{why}; leave something out"));
        }
        Ok(())
    }

    /// The match rule in the words of the bus.
    fn rule(&self) -> Result<String, String> {
        let mut rule = MatchRule::builder().msg_type(message::Type::Signal);
        if let Some(name) = &self.sender {
            rule = rule.sender(checked::<WellKnownName<'_>>(
                "sender",
                name,
                "a name on the bus",
                "org.freedesktop.UPower",
            )?);
        }
        let object = "the path of an object";
        if let Some(path) = &self.path {
            rule = rule.path(checked::<ObjectPath<'_>>("path", path, object, "/org/freedesktop/UPower")?);
        }
        if let Some(path) = &self.path_namespace {
            let path = checked::<ObjectPath<'_>>("path_namespace", path, object, "/org/freedesktop/UPower/devices")?;
            rule = rule.path_namespace(path);
        }
        if let Some(name) = &self.interface {
            let example = "org.freedesktop.UPower.Device";
            rule = rule.interface(checked::<InterfaceName<'_>>("interface", name, "an interface", example)?);
        }
        if let Some(name) = &self.member {
            rule = rule.member(checked::<MemberName<'_>>("member", name, "the name of a signal", "DeviceAdded")?);
        }
        if let Some(text) = &self.arg0 {
            if text.contains('\0') {
                return Err("`arg0` has a NUL in it, which no text on a bus has; leave it out".to_owned());
            }
            rule = rule.arg(0, text.as_str());
        }
        rule.build().map(|rule| rule.to_string()).map_err(|error| error.to_string())
    }
}

fn checked<'w, T: TryFrom<&'w str>>(name: &str, written: &'w str, kind: &str, example: &str) -> Result<T, String> {
    T::try_from(written).map_err(|_| format!("`{name}={written}` is not {kind}; write one as in `{name}={example}`"))
}

fn bus(written: Option<&str>) -> Result<BusKind, String> {
    match written {
        None | Some("session") => Ok(BusKind::Session),
        Some("system") => Ok(BusKind::System),
        Some(other) => Err(format!("`bus={other}`: there is no such bus; write session or system")),
    }
}

fn most(written: Option<&str>) -> Result<u16, String> {
    let Some(written) = written else { return Ok(DEFAULT_SIGNALS_A_MINUTE) };
    match written.parse() {
        Ok(most @ 1..=MAX_SIGNALS_A_MINUTE) => Ok(most),
        _ => Err(format!("`most={written}`: write how many signals a minute, 1 to {MAX_SIGNALS_A_MINUTE}")),
    }
}

/// Listens for ever.
pub(crate) async fn run(spec: SignalSpec, world: &World, teller: EventTeller) -> Infallible {
    let rules = match spec.check().and_then(|()| spec.rule()) {
        Ok(rule) => [rule],
        Err(why) => {
            teller.status(Status::Missing { why, help: "correct the trigger".to_owned() });
            return std::future::pending().await;
        }
    };
    let mut connector = Connector::new(spec.bus, world);
    let mut gate = Gate { rate: Rate::a_minute(spec.most), lost: 0 };
    loop {
        let mut ear = connector.connect(&rules, || teller.status(absent(spec.bus))).await;
        teller.status(Status::Available { how: format!("the {}", spec.bus.name()) });
        while let Some(heard) = gate.next(&mut ear, &teller).await {
            match heard {
                Heard::Missed(count) => gate.lost += count,
                Heard::Signal(message) if is_directed(&message) => {}
                Heard::Signal(message) => gate.tell(&spec, &message, &teller),
            }
        }
    }
}

/// Holds a flood back.
struct Gate {
    rate: Rate,
    /// What was held back and is not yet told.
    lost: u64,
}

impl Gate {
    /// What is heard next. Meanwhile what was held back is told, once that is no flood of its own.
    async fn next(&mut self, ear: &mut Ear, teller: &EventTeller) -> Option<Heard> {
        loop {
            tokio::select! {
                heard = ear.next() => return heard,
                () = sleep_until(self.rate.again()), if self.lost > 0 => teller.lost(std::mem::take(&mut self.lost)),
            }
        }
    }

    fn tell(&mut self, spec: &SignalSpec, message: &Message, teller: &EventTeller) {
        let fits = message.data().len() <= MAX_SIGNAL_BYTES;
        let arguments = fits.then(|| self.rate.admits(Instant::now())).and_then(|admitted| match admitted {
            true => arguments::of(message),
            false => None,
        });
        let Some(arguments) = arguments else {
            self.lost += 1;
            return;
        };
        if self.lost > 0 {
            teller.lost(std::mem::take(&mut self.lost));
        }
        teller.event(fields(spec, message, arguments));
    }
}

fn fields(spec: &SignalSpec, message: &Message, arguments: Value) -> [(&'static str, Value); 6] {
    let header = message.header();
    let sender = spec.sender.clone().or_else(|| header.sender().map(ToString::to_string));
    let bus = match spec.bus {
        BusKind::System => "system",
        BusKind::Session => "session",
    };
    [
        ("bus", json!(bus)),
        ("sender", json!(sender)),
        ("path", json!(header.path().map(|path| path.as_str()))),
        ("interface", json!(header.interface().map(|name| name.as_str()))),
        ("member", json!(header.member().map(|name| name.as_str()))),
        ("arguments", arguments),
    ]
}

fn absent(bus: BusKind) -> Status {
    let name = bus.name();
    let help = match bus {
        BusKind::System => "install and start dbus",
        BusKind::Session => "log in to a session with a bus; dbus-user-session brings one for every user",
    };
    Status::Missing { why: format!("there is no {name}"), help: help.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(properties: &[(&str, &str)]) -> Result<SignalSpec, String> {
        let owned = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        SignalSpec::read(&owned.collect())
    }

    #[test]
    fn a_rule_says_what_was_asked() {
        let spec = read(&[
            ("bus", "system"),
            ("sender", "org.example.A"),
            ("path_namespace", "/org"),
            ("interface", "org.example.B"),
            ("member", "C"),
            ("arg0", "it's"),
            ("most", "600"),
        ]);
        let spec = spec.unwrap();
        assert_eq!((spec.bus, spec.most), (BusKind::System, 600));
        let rule = spec.rule().unwrap();
        assert!(
            rule.starts_with("type='signal',sender='org.example.A',interface='org.example.B',member='C'"),
            "{rule}"
        );
        assert!(rule.contains("path_namespace='/org'") && rule.contains(r"arg0='it'\''s'"), "{rule}");
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_write() {
        for (properties, why) in [
            (&[][..], "every signal of a bus is too many; write at least one of sender, path, path_namespace"),
            (&[("arg0", "x")], "every signal of a bus is too many"),
            (&[("Member", "x")], "there is no property `Member`: this trigger takes `bus`, `sender`, `path`"),
            (&[("bus", "other")], "`bus=other`: there is no such bus; write session or system"),
            (
                &[("sender", ":1.5")],
                "`sender=:1.5` is not a name on the bus; write one as in `sender=org.freedesktop.UPower`",
            ),
            (&[("sender", "plain")], "`sender=plain` is not a name on the bus"),
            (&[("path", "a/b")], "`path=a/b` is not the path of an object"),
            (&[("path", "/a"), ("path_namespace", "/a")], "write one of the two"),
            (&[("interface", "A")], "`interface=A` is not an interface"),
            (&[("member", "a.b")], "`member=a.b` is not the name of a signal"),
            (&[("member", "a',type='method_call")], "is not the name of a signal"),
            (&[("member", "A"), ("arg0", "a\0b")], "has a NUL in it"),
            (&[("member", "A"), ("most", "0")], "`most=0`: write how many signals a minute, 1 to 600"),
            (&[("member", "A"), ("most", "601")], "1 to 600"),
            (&[("member", "A"), ("most", "many")], "1 to 600"),
        ] {
            let error = read(properties).unwrap_err();
            assert!(error.contains(why), "{properties:?}: {error}");
        }
    }

    /// [`MAX_RULE_BYTES`]
    #[test]
    fn a_rule_is_as_long_as_a_bus_takes() {
        let rule = |length: usize| read(&[("member", "A"), ("arg0", &"x".repeat(length))]);
        let rest = "type='signal',member='A',arg0=''".len();
        assert!(rule(MAX_RULE_BYTES - rest).is_ok());
        let error = rule(MAX_RULE_BYTES - rest + 1).unwrap_err();
        assert_eq!(error, "together this is a match rule of 1025 bytes, and a bus takes 1024; leave something out");
    }
}
