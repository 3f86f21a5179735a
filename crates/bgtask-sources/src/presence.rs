//! Whether the user is at the machine.
//!
//! Where logind runs, its sessions say so. It hears of a *graphical* session's idleness from the desktop and passes it
//! on as a signal. A *text* session it only judges when asked, by when its terminal was last typed in, and never
//! signals; so for those, and where there is no logind, this source watches the terminals itself: it sleeps until the
//! moment the user would count as away, and only while they are away it asks the kernel for the next key.

pub(crate) mod logind;
pub(crate) mod terminals;

use std::time::{Duration, SystemTime};

use crate::bus::{Bus, CallError};
use crate::grace::{Grace, ask_again};
use crate::inotify::{BLIND_REREAD, WATCH_HELP};
use crate::pace::Pace;
use crate::presence::logind::Session;
use crate::presence::terminals::Terminals;
use crate::report::{Status, Teller, Unheard};
use crate::wall_timer;
use crate::world::World;

/// How long after the last key in a terminal the user still counts as present.
pub const PRESENCE_IDLE: Duration = Duration::from_secs(5 * 60);

/// The shortest time between two readings, whatever the sessions do. The first news is read at once.
pub(crate) const PRESENCE_SETTLE: Duration = Duration::from_millis(100);

/// Watches until nobody listens.
pub(crate) async fn run(world: &World, mut teller: Teller) -> Unheard {
    let mut bus = Bus::open(world, logind::RULES);
    let mut grace = Grace::default();
    let mut terminals = Terminals::new(world);
    let mut pace = Pace::new(PRESENCE_SETTLE);
    loop {
        let link = bus.link().await;
        let (sessions, again) = grace.judge(logind::sessions(&link, world.uid()).await);
        let verdict = Verdict::of(&sessions, terminals.last_input(), SystemTime::now());
        if terminals.watch(verdict.awaits_key) {
            // A key struck before the watch stood made no event: judge once more.
            continue;
        }
        let status = status(&sessions, &terminals);
        if let Err(unheard) = tell(&mut teller, status, verdict.present).await {
            return unheard;
        }
        tokio::select! {
            () = bus.edge() => {}
            () = terminals.changed() => {}
            () = wall_timer::until(verdict.until) => {}
            () = ask_again(again) => {}
        }
        pace.wait().await;
    }
}

async fn tell(teller: &mut Teller, status: Status, present: bool) -> Result<(), Unheard> {
    teller.status(status).await?;
    teller.level(present).await
}

/// What follows from one reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Verdict {
    present: bool,
    /// When the user counts as away, if no key is struck until then.
    until: Option<SystemTime>,
    /// Whether a key in a terminal would bring the user back.
    awaits_key: bool,
}

impl Verdict {
    const PRESENT: Self = Self { present: true, until: None, awaits_key: false };
    const AWAY: Self = Self { present: false, until: None, awaits_key: false };

    fn of(sessions: &Result<Vec<Session>, CallError>, last_input: Option<SystemTime>, now: SystemTime) -> Self {
        let Ok(sessions) = sessions else {
            return Self::by_input(last_input, now);
        };
        if sessions.contains(&Session::Graphical) {
            return Self::PRESENT;
        }
        let inputs = sessions.iter().filter_map(|session| match session {
            Session::Text { last_input } => Some(*last_input),
            Session::Graphical | Session::Away { .. } => None,
        });
        match inputs.max() {
            None => Self::AWAY,
            Some(of_session) => match of_session.max(last_input) {
                // No terminal is known at all: then logind's word, that the session is not idle, stands.
                None => Self::PRESENT,
                known => Self::by_input(known, now),
            },
        }
    }

    fn by_input(last_input: Option<SystemTime>, now: SystemTime) -> Self {
        let until = last_input.map(|input| input + PRESENCE_IDLE).filter(|until| *until > now);
        Self { present: until.is_some(), until, awaits_key: until.is_none() }
    }
}

pub(crate) fn status(sessions: &Result<Vec<Session>, CallError>, terminals: &Terminals) -> Status {
    let blind = terminals.problem().map(|problem| {
        let why = format!("the kernel refused to watch the terminals: {problem}");
        (format!("terminals, read every {} s", BLIND_REREAD.as_secs()), why)
    });
    let Err(error) = sessions else {
        let how = "logind".to_owned();
        return match blind {
            None => Status::Available { how },
            Some((blind, why)) => {
                Status::Degraded { how: format!("{how} and {blind}"), why, help: WATCH_HELP.to_owned() }
            }
        };
    };
    let mut why = format!("logind cannot be asked: {error}; only typing in a terminal is seen");
    let mut help = "install and start systemd-logind or elogind".to_owned();
    let mut how = "terminal activity".to_owned();
    if terminals.none() {
        why.push_str(", and there is no terminal of this user");
    }
    if let Some((blind, problem)) = blind {
        (how, why) = (blind, format!("{why}; {problem}"));
        help = format!("{help}, or {WATCH_HELP}");
    }
    Status::Degraded { how, why, help }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000_000);

    fn at(seconds_ago: u64) -> Option<SystemTime> {
        Some(SystemTime::UNIX_EPOCH + NOW - Duration::from_secs(seconds_ago))
    }

    fn judge(sessions: &Result<Vec<Session>, CallError>, last_input: Option<SystemTime>) -> Verdict {
        Verdict::of(sessions, last_input, SystemTime::UNIX_EPOCH + NOW)
    }

    #[test]
    fn a_graphical_session_needs_no_timer() {
        let sessions = vec![Session::Text { last_input: at(10_000) }, Session::Graphical];
        assert_eq!(judge(&Ok(sessions), None), Verdict::PRESENT);
        let away = vec![Session::Away { since: at(0) }];
        assert_eq!(judge(&Ok(away), at(0)), Verdict::AWAY, "nor does one that nobody sits at");
    }

    #[test]
    fn no_session_is_away_whatever_the_terminals_say() {
        assert_eq!(judge(&Ok(vec![]), at(0)), Verdict::AWAY);
    }

    #[test]
    fn a_text_session_lasts_five_minutes_from_its_last_key() {
        let idle = PRESENCE_IDLE.as_secs();
        let text = |last_input| Ok(vec![Session::Text { last_input }]);
        assert!(judge(&text(at(idle - 1)), None).present);
        assert_eq!(judge(&text(at(idle)), None), Verdict { awaits_key: true, ..Verdict::AWAY });
        assert!(judge(&text(at(idle)), at(1)).present, "an ssh terminal that logind does not know");
        assert_eq!(judge(&text(None), None), Verdict::PRESENT);
    }

    #[test]
    fn without_logind_only_keys_count() {
        let gone = || Err(CallError::NoService);
        assert_eq!(judge(&gone(), None), Verdict { awaits_key: true, ..Verdict::AWAY });
        let present = judge(&gone(), at(60));
        assert_eq!(present.until, at(0).map(|now| now + PRESENCE_IDLE - Duration::from_secs(60)));
        assert!(present.present && !present.awaits_key);
    }
}
