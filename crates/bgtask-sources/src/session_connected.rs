//! Whether somebody is connected to a session of this user.
//!
//! logind knows: a session is connected while it is in front on its seat, and a remote one while it lasts. Another user's
//! session in its place (a fast user switch) disconnects it; of several sessions on several seats one in front is enough.
//!
//! To log off is not to disconnect (CND-3): when the last session ends, the level stays what it was, and the log-in after
//! that is told as an edge all the same, a `false` and a `true`. Before the first session it does not hold.

use crate::bus::{Bus, CallError};
use crate::grace::{Grace, ask_again};
use crate::pace::Pace;
use crate::presence::terminals::Terminals;
use crate::presence::{PRESENCE_SETTLE, logind};
use crate::report::{Status, Teller, Unheard};
use crate::world::World;

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
        let edges = match &sessions {
            Ok(sessions) => history.by_sessions(sessions),
            Err(_) => {
                terminals.last_input();
                vec![history.by_terminals(!terminals.none())]
            }
        };
        if let Err(unheard) = tell(&mut teller, status(&sessions, &terminals), edges).await {
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

async fn tell(teller: &mut Teller, status: Status, edges: Vec<bool>) -> Result<(), Unheard> {
    teller.status(status).await?;
    for connected in edges {
        teller.level(connected).await?;
    }
    Ok(())
}

/// What was before.
#[derive(Default, Debug)]
struct History {
    connected: bool,
    /// Whether the last session was seen to end.
    logged_off: bool,
    /// Whether a terminal was seen since logind was last heard, whose word counts for more.
    terminal_seen: bool,
}

impl History {
    /// The levels that follow from logind's sessions, each connected or not.
    fn by_sessions(&mut self, sessions: &[bool]) -> Vec<bool> {
        self.terminal_seen = false;
        if sessions.is_empty() {
            self.logged_off = true;
            return vec![self.connected];
        }
        let connected = sessions.contains(&true);
        let logs_in = std::mem::take(&mut self.logged_off) && self.connected && connected;
        self.connected = connected;
        if logs_in { vec![false, true] } else { vec![connected] }
    }

    /// The level where only terminals are seen.
    fn by_terminals(&mut self, any: bool) -> bool {
        self.terminal_seen |= any;
        self.connected || self.terminal_seen
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
        let table: [(&str, &[bool], &[bool]); 8] = [
            ("nobody yet", &[], &[false]),
            ("first log-in", &[true], &[true]),
            ("switched away", &[false], &[false]),
            ("a second seat", &[false, true], &[true]),
            ("logged off", &[], &[true]),
            ("logged in again", &[true], &[false, true]),
            ("in the background", &[false], &[false]),
            ("logged off there", &[], &[false]),
        ];
        let mut history = History::default();
        for (what, sessions, levels) in table {
            assert_eq!(history.by_sessions(sessions), levels, "{what}");
        }
    }

    #[test]
    fn terminals_count_until_logind_knows_better() {
        let mut history = History::default();
        assert!(!history.by_terminals(false));
        assert!(history.by_terminals(true));
        assert!(history.by_terminals(false), "to log off is not to disconnect");
        assert_eq!(history.by_sessions(&[]), [false], "logind appears and knows of nobody");
        assert_eq!(history.by_sessions(&[true]), [true]);
        assert!(history.by_terminals(false), "logind is gone");
        assert_eq!(history.by_sessions(&[true]), [true], "and back");
    }
}
