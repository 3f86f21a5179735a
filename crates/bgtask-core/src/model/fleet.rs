//! Orders of the fleet: an operator has a task run on one machine or on very many.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::outcome::Outcome;
use crate::ids::{AppId, InstanceId, InvalidId, PushTicket};
use crate::limits::MAX_ORDER_ID_BYTES;
use crate::time::WallTime;

/// Names an order, on every machine that gets it: its operator's word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(Arc<str>);

impl OrderId {
    /// # Errors
    ///
    /// Empty, longer than [`MAX_ORDER_ID_BYTES`], or with characters other than letters, digits and `-`: it stands in topics.
    ///
    /// ```
    /// use bgtask_core::OrderId;
    /// assert!(OrderId::new("3f2a-upgrade").is_ok());
    /// assert!(OrderId::new("all/#").is_err());
    /// ```
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if text.is_empty() || text.len() > MAX_ORDER_ID_BYTES || !text.chars().all(legal) {
            let shown: String = text.chars().take(MAX_ORDER_ID_BYTES).collect();
            return Err(InvalidId {
                expected: format!("{shown:?} is no id of an order: 1 to {MAX_ORDER_ID_BYTES} letters, digits and '-'"),
            });
        }
        Ok(Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An order as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Its id: an order of the same id is the same order.
    pub id: OrderId,
    /// Whose task.
    pub app: AppId,
    /// The name of the task.
    pub task: Arc<str>,
    /// Over how long the machines of the fleet begin with it: each after its own share.
    pub spread: Duration,
    /// Whether the owner of the machine has opened this task to the fleet: the driver knows.
    pub opened: bool,
    /// Where the answer goes, in the driver's words; `None` where there is to be none.
    pub reply: Option<Arc<str>>,
    /// By which it is acknowledged.
    pub ticket: PushTicket,
}

/// An order that this machine has: durable from before it is acknowledged until others have taken its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetOrder {
    /// Its id.
    pub id: OrderId,
    /// Whose task.
    pub app: AppId,
    /// The name of the task.
    pub task: Arc<str>,
    /// When it arrived.
    pub at: WallTime,
    /// How long after that this machine begins: its share of the spread.
    pub share: Duration,
    /// See [`NewOrder::opened`].
    pub opened: bool,
    /// See [`NewOrder::reply`].
    pub reply: Option<Arc<str>>,
    /// Where it stands.
    pub state: OrderState,
    /// What came of it and since when that is known: kept for as long as the order is, for an operator who has lost the answer.
    pub came_of: Option<(WallTime, OrderResult)>,
}

/// Where an order stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderState {
    /// Its time has not come.
    Held {
        /// When it comes.
        due: WallTime,
    },
    /// The task has fired for it: this activation decides what came of it.
    Fired(InstanceId),
    /// The answer is on its way to the operator.
    Answering {
        /// Since when it is known.
        at: WallTime,
        /// What came of it.
        result: OrderResult,
    },
    /// Nothing is left to do: it is only remembered, so that it is not done twice.
    Over,
}

/// What can happen to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderEvent {
    /// Its time has come, and the task fired for it.
    Fired(InstanceId),
    /// It is known what came of it.
    Known {
        /// Now.
        at: WallTime,
        /// What.
        result: OrderResult,
    },
    /// The answer has arrived, or nobody wants one.
    Settled,
    /// It came again, and what came of it is to be said again.
    AskedAgain {
        /// When this machine's share of the spread is over once more.
        due: WallTime,
    },
}

/// What came of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderResult {
    /// The task ran.
    Ran(Outcome),
    /// It was not fired for it, and why.
    Refused(Arc<str>),
    /// It fired, and was given up before it ran.
    Dropped,
}

impl OrderResult {
    /// One word for tables and fields.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Ran(outcome) => outcome.word(),
            Self::Refused(_) => "refused",
            Self::Dropped => "dropped",
        }
    }
}

impl fmt::Display for OrderResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ran(outcome) => write!(f, "{outcome}"),
            Self::Refused(why) => f.write_str(why),
            Self::Dropped => f.write_str("given up before it ran: the task was removed or cancelled there"),
        }
    }
}

impl OrderState {
    /// The whole legal transition relation; `None` is an event that cannot happen in this state.
    pub fn next(&self, event: OrderEvent) -> Option<Self> {
        use OrderEvent as E;
        Some(match (self, event) {
            (Self::Held { .. }, E::Fired(instance)) => Self::Fired(instance),
            (Self::Held { .. } | Self::Fired(_), E::Known { at, result }) => Self::Answering { at, result },
            (Self::Answering { .. }, E::Settled) => Self::Over,
            (Self::Over, E::AskedAgain { due }) => Self::Held { due },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transition_relation_is_exactly_this_table() {
        let at = WallTime::from_micros(1);
        let instance = InstanceId::from_random(1);
        let states = [
            OrderState::Held { due: at },
            OrderState::Fired(instance),
            OrderState::Answering { at, result: OrderResult::Dropped },
            OrderState::Over,
        ];
        let events = [
            ("fired", OrderEvent::Fired(instance)),
            ("known", OrderEvent::Known { at, result: OrderResult::Dropped }),
            ("settled", OrderEvent::Settled),
            ("asked again", OrderEvent::AskedAgain { due: at }),
        ];
        let legal: Vec<String> = states
            .iter()
            .map(|state| {
                let names =
                    events.iter().filter(|(_, event)| state.next(event.clone()).is_some()).map(|(name, _)| *name);
                names.collect::<Vec<_>>().join(", ")
            })
            .collect();
        assert_eq!(legal, ["fired, known", "known", "settled", "asked again"]);
    }

    #[test]
    fn an_id_that_would_reach_another_topic_is_refused() {
        for id in ["", "a/b", "+", "#", "ä", "a b", &"a".repeat(MAX_ORDER_ID_BYTES + 1)] {
            assert!(OrderId::new(id).is_err(), "{id:?}");
        }
        assert!(OrderId::new(&"a".repeat(MAX_ORDER_ID_BYTES)).is_ok());
    }
}
