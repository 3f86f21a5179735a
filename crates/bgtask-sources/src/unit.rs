//! A unit of systemd that reaches a state.
//!
//! systemd tells each change with its moment, so what is heard is compared with what was known: the state in which a unit
//! already is when listening begins is no event, nor is it one when systemd reads its files again. A unit that fails and
//! is started again at once is heard in between, and one that was active in between tells so by the moment it keeps.
//! What happened while nobody heard is told where the state differs afterwards.

mod history;
mod spec;

use std::convert::Infallible;

use serde_json::{Value, json};
use zbus::Message;
use zbus::wire::OwnedObjectPath;

use crate::bus::ear::{Ear, Heard, is_directed};
use crate::bus::{CallError, Connector, Object, Properties, Retry};
use crate::event::EventTeller;
use crate::report::Status;
use crate::unit::history::{History, Seen};
pub use crate::unit::spec::{UnitManager, UnitSpec, UnitState};
use crate::world::World;

const SERVICE: &str = "org.freedesktop.systemd1";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const MANAGER: Object<'static> =
    Object { service: SERVICE, path: "/org/freedesktop/systemd1", interface: "org.freedesktop.systemd1.Manager" };

/// Listens for ever.
pub(crate) async fn run(spec: UnitSpec, world: &World, teller: EventTeller) -> Infallible {
    let mut connector = Connector::new(spec.manager.bus(), world);
    let rules = rules(&spec.unit);
    let mut follower = Follower { history: History::new(spec.state), result: None, spec, teller };
    loop {
        let (spec, teller) = (&follower.spec, &follower.teller);
        let ear = connector.connect(&rules, || teller.status(without(spec, &CallError::NoService))).await;
        follower.follow(ear).await;
    }
}

/// What the manager is heard for: coming, going, reading its files again, and taking up or dropping the unit.
fn rules(unit: &str) -> Vec<String> {
    let manager = format!("type='signal',sender='{SERVICE}',path='{}',interface='{}'", MANAGER.path, MANAGER.interface);
    vec![
        format!(
            "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',\
             interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{SERVICE}'"
        ),
        format!("{manager},member='Reloading'"),
        format!("{manager},member='UnitNew',arg0='{unit}'"),
        format!("{manager},member='UnitRemoved',arg0='{unit}'"),
    ]
}

/// What has to be done next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Todo {
    Nothing,
    /// Read the unit if systemd has it in memory: to ask for one that is not there would make systemd take it up, tell
    /// us, and drop it again.
    Look,
    /// Introduce ourselves to the manager, and have it look for the unit.
    Begin,
}

struct Follower {
    spec: UnitSpec,
    teller: EventTeller,
    history: History,
    /// How the last run of the unit went, for units that have such a thing.
    result: Option<String>,
}

impl Follower {
    /// Follows until the connection is lost, or has to be made anew.
    async fn follow(&mut self, mut ear: Ear) {
        let mut path = None;
        let mut todo = self.anew();
        let mut retry = Retry::default();
        loop {
            if todo > Todo::Nothing {
                let seen = self.read(&mut ear, todo, &mut path).await;
                todo = Todo::Nothing;
                // Heard before the answer came: so it happened before.
                for heard in ear.held() {
                    todo = todo.max(self.hear(heard));
                }
                retry.after(&seen);
                match seen {
                    Ok(Some(seen)) => self.observe(seen),
                    // It has become another object, whose signals are not heard.
                    Ok(None) => return,
                    Err(error) => self.teller.status(without(&self.spec, &error)),
                }
            }
            if todo == Todo::Nothing {
                todo = tokio::select! {
                    heard = ear.next() => match heard {
                        Some(heard) => self.hear(heard),
                        None => return,
                    },
                    () = retry.due() => Todo::Begin,
                };
            }
        }
    }

    /// What a signal brings.
    fn hear(&mut self, heard: Heard) -> Todo {
        let signal = match heard {
            Heard::Missed(_) => return self.anew(),
            Heard::Signal(signal) if is_directed(&signal) => return Todo::Nothing,
            Heard::Signal(signal) => signal,
        };
        match signal.header().member().map(|member| member.as_str()) {
            Some("PropertiesChanged") => self.hear_properties(&signal),
            Some("UnitNew" | "UnitRemoved") => Todo::Look,
            // At the beginning of a reload all units seem to be dropped, and all are there again at its end.
            Some("Reloading") if signal.body().deserialize().ok() == Some(true) => Todo::Nothing,
            _ => self.anew(),
        }
    }

    fn anew(&mut self) -> Todo {
        self.history.forget_order();
        Todo::Begin
    }

    fn hear_properties(&mut self, signal: &Message) -> Todo {
        let Some((interface, properties)) = Properties::changed(signal) else { return Todo::Look };
        if interface != UNIT {
            // What belongs to one type of units comes first, and how it went is told there.
            self.result = properties.get("Result").ok().flatten().or(self.result.take());
            return Todo::Nothing;
        }
        match Seen::read(&properties) {
            Ok(seen) => self.observe(seen),
            // It is about something else.
            Err(_) if properties.get::<String>("ActiveState") == Ok(None) => {}
            Err(_) => return Todo::Look,
        }
        Todo::Nothing
    }

    /// Reads the unit. `None` where its name has come to mean another object than `path`.
    async fn read(
        &mut self,
        ear: &mut Ear,
        todo: Todo,
        path: &mut Option<OwnedObjectPath>,
    ) -> Result<Option<Seen>, CallError> {
        let connection = ear.connection().clone();
        let unit = self.spec.unit.as_str();
        let found: OwnedObjectPath = if todo == Todo::Begin {
            // It refuses to be asked twice by one connection, and forgets us where it starts anew.
            let _ = ear.during(MANAGER.call::<()>(&connection, "Unsubscribe", None)).await;
            ear.during(MANAGER.call::<()>(&connection, "Subscribe", None)).await?;
            ear.during(MANAGER.call(&connection, "LoadUnit", Some(unit))).await?
        } else {
            match ear.during(MANAGER.call(&connection, "GetUnit", Some(unit))).await {
                Err(CallError::NoObject) => return Ok(Some(self.history.dropped())),
                found => found?,
            }
        };
        if path.get_or_insert_with(|| found.clone()) != &found {
            return Ok(None);
        }
        if todo == Todo::Begin {
            ear.hear(&rule_of(&found)).await?;
        }
        let object = Object { service: SERVICE, path: found.as_str(), interface: UNIT };
        let properties = match ear.during(object.properties(&connection)).await {
            Err(CallError::NoObject) => return Ok(Some(self.history.dropped())),
            properties => properties?,
        };
        if let Some(interface) = self.spec.interface_of_type() {
            let own = Object { interface, ..object };
            let own = ear.during(own.properties(&connection)).await;
            self.result = own.ok().and_then(|own| own.get("Result").ok().flatten()).or(self.result.take());
        }
        self.teller.status(self.status(&properties.require::<String>("LoadState")?));
        Seen::read(&properties).map(Some)
    }

    fn observe(&mut self, seen: Seen) {
        let sub_state = seen.sub_state.clone();
        if self.history.reaches(seen) {
            self.teller.event(self.fields(&sub_state));
        }
    }

    fn fields(&self, sub_state: &str) -> [(&'static str, Value); 5] {
        [
            ("unit", json!(self.spec.unit)),
            ("state", json!(self.spec.state.word())),
            ("sub_state", json!(sub_state)),
            ("result", json!(self.result)),
            ("manager", json!(self.spec.manager.word())),
        ]
    }

    fn status(&self, load_state: &str) -> Status {
        let how = self.spec.manager.how().to_owned();
        let unit = &self.spec.unit;
        let list = match self.spec.manager {
            UnitManager::System => "systemctl",
            UnitManager::User => "systemctl --user",
        };
        let (why, help) = match load_state {
            "loaded" => return Status::Available { how },
            "not-found" => {
                let help = format!("see the names with `{list} list-unit-files`, or install what brings the unit");
                (format!("there is no unit {unit} so far"), help)
            }
            "masked" => (format!("{unit} is masked, so nothing starts it"), format!("`{list} unmask {unit}`")),
            other => (format!("systemd cannot use {unit}: {other}"), format!("see `{list} status {unit}`")),
        };
        Status::Degraded { how, why, help }
    }
}

fn rule_of(unit: &OwnedObjectPath) -> String {
    format!(
        "type='signal',sender='{SERVICE}',path='{}',\
         interface='org.freedesktop.DBus.Properties',member='PropertiesChanged'",
        unit.as_str()
    )
}

fn without(spec: &UnitSpec, error: &CallError) -> Status {
    let how = spec.manager.how();
    let help = match (error, spec.manager) {
        (CallError::NoService, UnitManager::System) => "units exist only where systemd runs the machine",
        (CallError::NoService, UnitManager::User) => {
            "install dbus-user-session, and log in where systemd runs the machine"
        }
        (_, UnitManager::System) => "run `systemctl daemon-reexec`",
        (_, UnitManager::User) => "run `systemctl --user daemon-reexec`",
    };
    Status::Missing { why: format!("{how} cannot be asked: {error}"), help: help.to_owned() }
}
