//! For how long the user has given no input.
//!
//! Where logind runs, its sessions say so: a desktop tells it when its session becomes idle, which is some minutes after
//! the last input, and only from then on is it counted here. A session that is locked or in the background is idle from
//! when it was seen so, since logind keeps no such time. Text sessions, and machines without logind, go by the terminals,
//! as the presence source does. The level begins by one timer, set to the moment it is due.

use std::time::{Duration, SystemTime};

use crate::bus::{Bus, CallError};
use crate::grace::{Grace, ask_again};
use crate::pace::Pace;
use crate::presence::logind::{self, Session};
use crate::presence::terminals::Terminals;
use crate::presence::{PRESENCE_SETTLE, status};
use crate::report::{Status, Teller, Unheard};
use crate::up_time::up_time;
use crate::wall_timer;
use crate::world::World;

/// Watches until nobody listens.
pub(crate) async fn run(least: Duration, world: &World, mut teller: Teller) -> Unheard {
    let mut bus = Bus::open(world, logind::RULES);
    let mut grace = Grace::default();
    let mut terminals = Terminals::new(world);
    let mut absence = Absence::default();
    let mut pace = Pace::new(PRESENCE_SETTLE);
    loop {
        let link = bus.link().await;
        let (sessions, again) = grace.judge(logind::sessions(&link, world.uid()).await);
        let input = Input::of(&sessions, terminals.last_input());
        let now = SystemTime::now();
        // A moment beyond the end of time never comes.
        let due = absence.since(input, now, up_time()).and_then(|since| since.checked_add(least));
        let idle = due.is_some_and(|due| due <= now);
        if terminals.watch(idle && input.ends_with_a_key()) {
            // A key struck before the watch stood made no event: judge once more.
            continue;
        }
        if let Err(unheard) = tell(&mut teller, status(&sessions, &terminals), idle).await {
            return unheard;
        }
        tokio::select! {
            () = bus.edge() => {}
            () = terminals.changed() => {}
            () = wall_timer::until(due.filter(|_| !idle)) => {}
            () = ask_again(again) => {}
        }
        pace.wait().await;
    }
}

async fn tell(teller: &mut Teller, status: Status, idle: bool) -> Result<(), Unheard> {
    teller.status(status).await?;
    teller.level(idle).await
}

/// What one reading says of the user's last input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Input {
    /// The user is at a desktop, or at a terminal of which no more is known.
    Now,
    /// A key was last struck in a terminal at this moment.
    Typed(SystemTime),
    /// Nobody is at any session; since this moment, as far as logind knows.
    Away(Option<SystemTime>),
    /// There is neither logind nor a terminal.
    Unknown,
}

impl Input {
    fn of(sessions: &Result<Vec<Session>, CallError>, last_input: Option<SystemTime>) -> Self {
        let Ok(sessions) = sessions else {
            return last_input.map_or(Self::Unknown, Self::Typed);
        };
        if sessions.contains(&Session::Graphical) {
            return Self::Now;
        }
        let typed = sessions.iter().filter_map(|session| match session {
            Session::Text { last_input } => Some(*last_input),
            Session::Graphical | Session::Away { .. } => None,
        });
        if let Some(of_session) = typed.max() {
            return of_session.max(last_input).map_or(Self::Now, Self::Typed);
        }
        let away = sessions.iter().filter_map(|session| match session {
            Session::Away { since } => Some(*since),
            Session::Graphical | Session::Text { .. } => None,
        });
        // One that was left at an unknown moment may have been left last.
        let known: Option<Vec<SystemTime>> = away.collect();
        Self::Away(known.and_then(|moments| moments.into_iter().max()))
    }

    /// Whether it is a terminal that will tell of the next input, and not logind.
    fn ends_with_a_key(self) -> bool {
        matches!(self, Self::Typed(_) | Self::Unknown)
    }
}

/// Remembers since when nobody has been seen at the machine.
#[derive(Default, Debug)]
struct Absence {
    /// How long the machine had been up then.
    first_seen: Option<Duration>,
}

impl Absence {
    /// Since when the user has given no input; `None` while they do. A desktop that tells of its idleness late, after its
    /// session was locked, does not make the user come back.
    fn since(&mut self, input: Input, now: SystemTime, up: Duration) -> Option<SystemTime> {
        let told = match input {
            Input::Now | Input::Typed(_) => {
                self.first_seen = None;
                return if let Input::Typed(moment) = input { Some(moment) } else { None };
            }
            Input::Away(told) => told,
            Input::Unknown => None,
        };
        let seen = now - up.saturating_sub(*self.first_seen.get_or_insert(up));
        Some(told.map_or(seen, |told| told.min(seen)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn of(sessions: &[Session], last_input: Option<SystemTime>) -> Input {
        Input::of(&Ok(sessions.to_vec()), last_input)
    }

    #[test]
    fn the_session_last_used_counts() {
        let away = |since| Session::Away { since };
        let text = |last_input| Session::Text { last_input };
        assert_eq!(of(&[away(Some(at(1))), Session::Graphical], Some(at(2))), Input::Now);
        assert_eq!(of(&[text(Some(at(1))), text(Some(at(3))), away(Some(at(9)))], Some(at(2))), Input::Typed(at(3)));
        assert_eq!(of(&[text(Some(at(1)))], Some(at(2))), Input::Typed(at(2)), "a terminal that logind does not know");
        assert_eq!(of(&[text(None)], None), Input::Now, "logind says it is not idle");
        assert_eq!(of(&[away(Some(at(1))), away(Some(at(2)))], None), Input::Away(Some(at(2))));
        assert_eq!(of(&[away(Some(at(1))), away(None)], None), Input::Away(None));
        assert_eq!(of(&[], Some(at(1))), Input::Away(None), "nobody is logged in");
        assert_eq!(Input::of(&Err(CallError::NoService), Some(at(1))), Input::Typed(at(1)));
        assert_eq!(Input::of(&Err(CallError::NoService), None), Input::Unknown);
    }

    /// Each row: what is read, seconds of up time, and since when the user has been idle.
    #[test]
    fn absence_begins_when_it_is_seen_or_told_whichever_is_earlier() {
        let table = [
            (Input::Unknown, 0, Some(at(0))),
            (Input::Unknown, 50, Some(at(0))),
            (Input::Now, 60, None),
            (Input::Away(None), 70, Some(at(70))),
            (Input::Away(None), 80, Some(at(70))),
            (Input::Away(Some(at(85))), 90, Some(at(70))),
            (Input::Typed(at(95)), 100, Some(at(95))),
            (Input::Away(Some(at(105))), 110, Some(at(105))),
        ];
        let mut absence = Absence::default();
        for (input, up, since) in table {
            assert_eq!(absence.since(input, at(up), Duration::from_secs(up)), since, "{input:?} after {up} s");
        }
    }

    #[test]
    fn a_clock_that_is_set_changes_nothing_of_what_was_seen() {
        let mut absence = Absence::default();
        let minute = Duration::from_secs(60);
        absence.since(Input::Away(None), at(0), minute);
        let after_the_step = at(900_000);
        assert_eq!(absence.since(Input::Away(None), after_the_step, minute * 2), Some(after_the_step - minute));
    }
}
