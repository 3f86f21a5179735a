//! The terminal: taken, drawn on, and given back whatever happens.

use std::io::{self, Stdout, stdout};
use std::time::Duration;

use bgtask_text::Clock;
use bgtask_wire::BrokerProxy;
use crossterm::event::{DisableMouseCapture, EnableMouseCapture, Event, EventStream};
use crossterm::execute;
use futures_util::StreamExt as _;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::link::{Reconnect, serve};
use crate::message::{Effect, Message};
use crate::model::{Model, View};
use crate::update::update;
use crate::view::{Look, draw};

/// How many questions to the broker may wait, and how much news from it.
const MAX_WAITING: usize = 256;

/// How the screen is to be.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What is seen first.
    pub view: View,
    /// Whether the mouse selects views and scrolls. The terminal's own selection then needs its modifier key.
    pub mouse: bool,
    /// Whether there are colours.
    pub look: Look,
}

/// Shows the screen until the user leaves it, or SIGTERM, SIGHUP or SIGINT comes. Must be called in a tokio runtime with I/O and
/// time, whose standard output is a terminal.
///
/// `first` is the connection to begin with, `reconnect` opens another when it is lost.
///
/// # Errors
///
/// The terminal cannot be used.
pub async fn run(first: BrokerProxy<'static>, reconnect: Reconnect, options: Options) -> io::Result<()> {
    let (asks, asked) = mpsc::channel(MAX_WAITING);
    let (told, mut news) = mpsc::channel(MAX_WAITING);
    let link = tokio::spawn(serve(first, reconnect, asked, told));
    let clock = Clock::system();
    let mut model = Model::new(options.view, clock.still());
    let mut ended = Ended::listen()?;
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut taken = Taken::take(options.mouse)?;
    let mut keys = EventStream::new();
    let result = loop {
        taken.terminal.draw(|frame| draw(frame, &model, options.look))?;
        let mut messages = Vec::new();
        tokio::select! {
            key = keys.next() => match key {
                Some(Ok(event)) => messages.extend(message(&event)),
                Some(Err(error)) => break Err(error),
                // Nobody is there any more.
                None => break Ok(()),
            },
            Some(said) = news.recv() => {
                messages.push(Message::News(said));
                // All that is there is taken at once: it is drawn once.
                while let Some(said) = news.try_recv().ok().filter(|_| messages.len() < MAX_WAITING) {
                    messages.push(Message::News(said));
                }
            }
            _ = second.tick() => messages.push(Message::Tick),
            () = ended.comes() => break Ok(()),
        }
        model.clock = clock.still();
        let effects: Vec<Effect> = messages.into_iter().flat_map(|message| update(&mut model, message)).collect();
        if effects.contains(&Effect::Quit) {
            break Ok(());
        }
        for effect in effects {
            if let Effect::Ask(ask) = effect {
                // While no broker answers, what waits for one is asked again when it is back.
                let _full = asks.try_send(ask);
            }
        }
    };
    drop(taken);
    link.abort();
    result
}

fn message(event: &Event) -> Option<Message> {
    match event {
        Event::Key(key) => Some(Message::Key(*key)),
        Event::Mouse(mouse) => Some(Message::Mouse(*mouse)),
        // It is drawn again anyway.
        _ => None,
    }
}

/// The signals that end a program.
struct Ended {
    signals: [tokio::signal::unix::Signal; 3],
}

impl Ended {
    fn listen() -> io::Result<Self> {
        let [term, hangup, interrupt] = [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()];
        Ok(Self { signals: [signal(term)?, signal(hangup)?, signal(interrupt)?] })
    }

    async fn comes(&mut self) {
        let [term, hangup, interrupt] = &mut self.signals;
        tokio::select! { _ = term.recv() => {}, _ = hangup.recv() => {}, _ = interrupt.recv() => {} }
    }
}

/// A terminal in our hands; given back when dropped, and before a panic is told.
struct Taken {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    mouse: bool,
}

impl Taken {
    fn take(mouse: bool) -> io::Result<Self> {
        let terminal = ratatui::try_init()?;
        let taken = Self { terminal, mouse };
        if mouse {
            execute!(stdout(), EnableMouseCapture)?;
        }
        Ok(taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.mouse {
            // The terminal may be gone.
            let _gone = execute!(stdout(), DisableMouseCapture);
        }
        ratatui::restore();
    }
}
