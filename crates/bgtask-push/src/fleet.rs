//! A fleet over MQTT: how an operator's order goes to machines, and how their answers come back.
//!
//! Below the prefix of the server an order is published to `fleet/all`, `fleet/group/GROUP` or `fleet/machine/MACHINE`, as JSON. Its
//! response topic is `fleet/answers/ORDER`, below which each machine answers on a topic of its own name, so that the server's access
//! rules can see to it that no machine speaks for another; and with the correlation data of the order, as MQTT 5 has it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::mqtt::{InvalidServer, Server};

/// The longest text in an answer, in bytes; a longer one is cut.
pub const MAX_TEXT_BYTES: usize = 1_024;

/// The longest time over which the machines of a fleet begin with an order.
pub const MAX_SPREAD: Duration = Duration::from_secs(30 * 86_400);

/// To whom an order goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// Every machine that belongs to the fleet.
    All,
    /// The machines that say that they belong to this group.
    Group(String),
    /// One machine.
    Machine(String),
}

impl To {
    /// `all`, `group:NAME` or `machine:NAME`.
    ///
    /// ```
    /// use bgtask_push::fleet::To;
    /// assert_eq!(To::from_word("group:berlin").unwrap(), To::Group("berlin".into()));
    /// assert!(To::from_word("berlin").is_err());
    /// assert!(To::from_word("group:#").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// It is none of these, or the name cannot stand in a topic.
    pub fn from_word(word: &str) -> Result<Self, String> {
        let name = |what, name: &str| {
            Server::check_name(what, name).map_err(|InvalidServer(error)| error)?;
            Ok::<_, String>(name.to_owned())
        };
        match word.split_once(':') {
            _ if word == "all" => Ok(Self::All),
            Some(("group", group)) => Ok(Self::Group(name("the name of a group", group)?)),
            Some(("machine", machine)) => Ok(Self::Machine(name("the name of a machine", machine)?)),
            _ => Err(format!("{word:?} is nobody: write all, group:NAME or machine:NAME")),
        }
    }

    /// Where an order to them is published.
    pub fn topic(&self, prefix: &str) -> String {
        match self {
            Self::All => format!("{prefix}/fleet/all"),
            Self::Group(group) => format!("{prefix}/fleet/group/{group}"),
            Self::Machine(machine) => format!("{prefix}/fleet/machine/{machine}"),
        }
    }
}

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Group(group) => write!(f, "group:{group}"),
            Self::Machine(machine) => write!(f, "machine:{machine}"),
        }
    }
}

/// Where the answers to an order are published, each below this.
pub fn answers_topic(prefix: &str, order: &str) -> String {
    format!("{prefix}/fleet/answers/{order}")
}

/// An order: have this task run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Its id: 1 to 64 letters, digits and `-`. A machine does an order of the same id once.
    pub order: String,
    /// The app's id; `org.bgtask.Commands` are the user's own commands.
    pub app: String,
    /// The name of the task.
    pub task: String,
    /// Over how many seconds the machines begin with it, at most [`MAX_SPREAD`].
    #[serde(default)]
    pub spread: u64,
}

impl Order {
    /// Over how long the machines begin with it.
    pub fn spread(&self) -> Duration {
        Duration::from_secs(self.spread)
    }

    /// As it is published.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers")
    }

    /// What was published. A field that this version does not know may change what is meant, so it is a mistake.
    ///
    /// # Errors
    ///
    /// It is no order.
    pub fn read(payload: &[u8]) -> Result<Self, String> {
        let order: Self = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
        if order.spread > MAX_SPREAD.as_secs() {
            return Err(format!("spread = {}: no more than {} seconds", order.spread, MAX_SPREAD.as_secs()));
        }
        Ok(order)
    }
}

/// What came of an order on one machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Which order.
    pub order: String,
    /// Which machine; whoever reads it takes the topic's word for that.
    pub machine: String,
    /// One word: `succeeded`, `failed`, `cancelled`, `killed`, `host-failed`, `abandoned`, `refused` or `dropped`.
    pub result: String,
    /// The same for people, at most [`MAX_TEXT_BYTES`].
    pub text: String,
    /// When, in microseconds since the Unix epoch, by the machine's clock.
    pub at: i64,
}

impl Answer {
    /// As it is published.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers")
    }

    /// What was published on a topic below that of the order's answers. The order and the machine are those of the topic.
    ///
    /// # Errors
    ///
    /// It is no answer.
    pub fn read(prefix: &str, topic: &str, payload: &[u8]) -> Result<Self, String> {
        let names = topic.strip_prefix(prefix).and_then(|rest| rest.strip_prefix("/fleet/answers/"));
        let names = names.and_then(|rest| rest.split_once('/')).filter(|(_, machine)| !machine.contains('/'));
        let (order, machine) = names.ok_or_else(|| format!("{topic:?} is no topic of an answer"))?;
        let answer: Self = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
        Ok(Self { order: order.to_owned(), machine: machine.to_owned(), ..answer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_it_was_written() {
        let order = Order { order: "3f2a".into(), app: "org.bgtask.Commands".into(), task: "ä\"".into(), spread: 600 };
        assert_eq!(Order::read(&order.to_json()), Ok(order));
    }

    #[test]
    fn what_is_no_order_is_said() {
        for (payload, part) in [
            (&b"\xff"[..], "expected value"),
            (br#"{"order":"a","app":"b"}"#, "task"),
            (br#"{"order":"a","app":"b","task":"c","spread":2592001}"#, "2592000"),
            (br#"{"order":"a","app":"b","task":"c","spread":-1}"#, "-1"),
            (br#"{"order":"a","app":"b","task":"c","force":true}"#, "force"),
        ] {
            let error = Order::read(payload).expect_err(part);
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    /// A machine that says that it is another is known by the topic that the server lets it write to.
    #[test]
    fn an_answer_is_of_the_machine_that_its_topic_names() {
        let text = |machine: &str| Answer {
            order: "a".into(),
            machine: machine.into(),
            result: "succeeded".into(),
            text: "succeeded".into(),
            at: 7,
        };
        let liar = text("another").to_json();
        assert_eq!(Answer::read("acme/x", "acme/x/fleet/answers/a/kitchen", &liar), Ok(text("kitchen")));
        for topic in ["acme/x/fleet/answers/a", "acme/x/fleet/answers/a/b/c", "bgtask/fleet/answers/a/kitchen"] {
            assert!(Answer::read("acme/x", topic, &liar).is_err(), "{topic}");
        }
    }

    #[test]
    fn a_name_that_would_reach_others_is_refused() {
        for word in ["", "everybody", "group:", "machine:a/b", "group:+", "machine:#"] {
            assert!(To::from_word(word).is_err(), "{word}");
        }
        for word in ["all", "group:berlin", "machine:kitchen 7"] {
            assert_eq!(To::from_word(word).unwrap().to_string(), word);
        }
    }
}
