//! Whether somebody is connected to a session of this user.
//!
//! logind knows: a session is connected while it is in front on its seat, and a remote one while it lasts. Another user's
//! session in its place (a fast user switch) disconnects it; of several sessions on several seats one in front is enough.
//!
//! To log off is not to disconnect (CND-3): when the last session ends that is told as a word of its own, and the level is told
//! again at the next log-in, which is an edge whatever it was before. Before the first session it does not hold.

use crate::bus::{Bus, CallError};
use crate::grace::{Grace, ask_again};
use crate::pace::Pace;
use crate::presence::terminals::Terminals;
use crate::presence::{PRESENCE_SETTLE, logind};
use crate::report::{Status, Teller, Unheard};
use crate::world::World;

/// The word for the end of the last session.
pub const LOGGED_OFF: &str = "logged-off";

/// Watches until nobody listens.
pub(crate) async fn run(world: &World, mut teller: Teller) -> Unheard {
    let mut bus = Bus::open(world, logind::RULES);
    let mut grace = Grace::default();
    let mut terminals = Terminals::new(world);
    let mut history = History::default();
    let mut pace = Pace::new(PRESENCE_SETTLE);
    loop {
        let link = bus.link().await;
        let (sessions, again) = grace.judge(logind::connections(&link, world.uid()).await);
        // Terminals tell of sessions only where logind does not.
        terminals.watch_comings(sessions.is_err());
        let word = match &sessions {
            Ok(sessions) => history.by_sessions(sessions),
            Err(_) => {
                terminals.last_input();
                history.by_terminals(!terminals.none())
            }
        };
        if let Err(unheard) = tell(&mut teller, status(&sessions, &terminals), word).await {
            return unheard;
        }
        tokio::select! {
            () = bus.edge() => {}
            () = terminals.changed() => {}
            () = ask_again(again) => {}
        }
        pace.wait().await;
    }
}

async fn tell(teller: &mut Teller, status: Status, word: Word) -> Result<(), Unheard> {
    teller.status(status).await?;
    match word {
        Word::Connected => teller.level(true).await,
        Word::Disconnected => teller.level(false).await,
        Word::LoggedOff => teller.state(LOGGED_OFF).await,
    }
}

/// What the sessions of a user are together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Word {
    /// Somebody is connected to one of them.
    Connected,
    /// There are some, and nobody is; or there has been none yet.
    Disconnected,
    /// The last one has ended.
    LoggedOff,
}

impl Word {
    const fn of(connected: bool) -> Self {
        if connected { Self::Connected } else { Self::Disconnected }
    }
}

/// What was before.
#[derive(Default, Debug)]
struct History {
    connected: bool,
    /// Whether logind has told of any session.
    session_seen: bool,
    /// Whether the last session was seen to end.
    logged_off: bool,
    /// Whether a terminal was seen since logind was last heard, whose word counts for more.
    terminal_seen: bool,
}

impl History {
    /// What follows from logind's sessions, each connected or not.
    fn by_sessions(&mut self, sessions: &[bool]) -> Word {
        self.terminal_seen = false;
        self.session_seen |= !sessions.is_empty();
        self.logged_off = self.session_seen && sessions.is_empty();
        if self.logged_off {
            return Word::LoggedOff;
        }
        self.connected = sessions.contains(&true);
        Word::of(self.connected)
    }

    /// The same where only terminals are seen.
    fn by_terminals(&mut self, any: bool) -> Word {
        self.terminal_seen |= any;
        self.logged_off &= !self.terminal_seen;
        if self.logged_off { Word::LoggedOff } else { Word::of(self.connected || self.terminal_seen) }
    }
}

fn status(sessions: &Result<Vec<bool>, CallError>, terminals: &Terminals) -> Status {
    let Err(error) = sessions else {
        return Status::Available { how: "logind".to_owned() };
    };
    let mut why = format!("logind cannot be asked: {error}; a switch to another user is not seen");
    if let Some(problem) = terminals.problem() {
        why = format!("{why}; the kernel refused to watch the terminals: {problem}");
    }
    let help = "install and start systemd-logind or elogind".to_owned();
    Status::Degraded { how: "terminals of this user".to_owned(), why, help }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CND-3.
    #[test]
    fn to_log_off_is_not_to_disconnect_and_to_log_in_is_to_connect() {
        use Word::{Connected, Disconnected, LoggedOff};
        let table: [(&str, &[bool], Word); 9] = [
            ("nobody yet", &[], Disconnected),
            ("first log-in", &[true], Connected),
            ("switched away", &[false], Disconnected),
            ("a second seat", &[false, true], Connected),
            ("logged off", &[], LoggedOff),
            ("logged in again", &[true], Connected),
            ("in the background", &[false], Disconnected),
            ("logged off there", &[], LoggedOff),
            ("logged in in the background", &[false], Disconnected),
        ];
        let mut history = History::default();
        for (what, sessions, word) in table {
            assert_eq!(history.by_sessions(sessions), word, "{what}");
        }
    }

    #[test]
    fn terminals_count_until_logind_knows_better() {
        use Word::{Connected, Disconnected, LoggedOff};
        let mut history = History::default();
        assert_eq!(history.by_terminals(false), Disconnected);
        assert_eq!(history.by_terminals(true), Connected);
        assert_eq!(history.by_terminals(false), Connected, "to log off is not to disconnect");
        assert_eq!(history.by_sessions(&[]), Disconnected, "logind appears and knows of nobody");
        assert_eq!(history.by_sessions(&[true]), Connected);
        assert_eq!(history.by_terminals(false), Connected, "logind is gone");
        assert_eq!(history.by_sessions(&[true]), Connected, "and back");
        assert_eq!(history.by_sessions(&[]), LoggedOff);
        assert_eq!(history.by_terminals(false), LoggedOff, "and gone again: nobody has logged in");
        assert_eq!(history.by_terminals(true), Connected);
        assert_eq!(history.by_terminals(false), Connected);
    }
}
