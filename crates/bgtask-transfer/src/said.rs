use std::fmt;
use std::str::FromStr;

use crate::State;

/// How far a transfer is, as the worker says it to the broker: words for people, which the broker reads, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Bytes that have gone over the network and count.
    pub done: u64,
    /// Of how many, where that is known.
    pub total: Option<u64>,
}

impl Said {
    /// How much of it, in percent; 0 where that cannot be known.
    #[must_use]
    pub fn percent(self) -> u32 {
        let share = self.total.filter(|total| *total > 0).map(|total| u128::from(self.done) * 100 / u128::from(total));
        share.and_then(|share| u32::try_from(share).ok()).unwrap_or(0).min(100)
    }
}

impl From<&State> for Said {
    fn from(state: &State) -> Self {
        Self { done: state.done, total: state.total }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.total {
            Some(total) => write!(f, "{} of {total} bytes", self.done),
            None => write!(f, "{} bytes", self.done),
        }
    }
}

impl FromStr for Said {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let number = |text: &str| text.parse().map_err(drop);
        let amounts = text.strip_suffix(" bytes").ok_or(())?;
        match amounts.split_once(" of ") {
            Some((done, total)) => Ok(Self { done: number(done)?, total: Some(number(total)?) }),
            None => Ok(Self { done: number(amounts)?, total: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        for said in [
            Said { done: 7, total: Some(9) },
            Said { done: 0, total: None },
            Said { done: u64::MAX, total: Some(u64::MAX) },
        ] {
            assert_eq!(said.to_string().parse(), Ok(said));
        }
        for text in ["", "7", "7 of bytes", "x of 9 bytes", "halfway"] {
            assert_eq!(text.parse::<Said>(), Err(()), "{text}");
        }
    }

    #[test]
    fn a_share_is_a_percentage_whatever_the_size() {
        let percent = |done, total| Said { done, total }.percent();
        assert_eq!(
            [percent(1, Some(2)), percent(1, None), percent(0, Some(0)), percent(u64::MAX, Some(u64::MAX))],
            [50, 0, 0, 100]
        );
    }
}
