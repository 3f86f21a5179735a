//! The loop: what happens goes to the core, what it orders is done, and time passes only when nothing else can happen.

use std::collections::VecDeque;
use std::time::Duration;

use bgtask_convert::{core_app, energy_info};
use bgtask_core::{Budgets, ClientId, Config, Consent, Core, Fact, HostId, Input, Notice, Output, SourceStatus};
use tokio::time::{Instant, sleep_until};

use super::TestBroker;
use super::ears::Ears;
use super::process::Word;
use super::services::Services;
use crate::EnergyUsage;

/// How often in a row everything else that can run is let run without a word to the broker before nothing is expected any more.
///
/// Each time, tokio runs everything that is ready, and what that makes ready.
const QUIET_ROUNDS: u32 = 64;

/// More wake-ups than this at one instant are a mistake of the core.
const MAX_WAKES_AT_ONCE: u32 = 1_000;

impl TestBroker {
    /// Lets time pass: tasks, timers, deadlines and everything else happen at their instants and in their order.
    ///
    /// At each instant tasks go first: one that ends just when its time is over has ended in time. Work of tasks on other
    /// threads, such as tokio's file operations, holds the time until it is done.
    ///
    /// # Panics
    ///
    /// Where tokio's clock is not paused: the test needs `#[tokio::test(start_paused = true)]`.
    pub async fn advance(&mut self, time: Duration) {
        let end = Instant::now() + time;
        self.settle().await;
        while Instant::now() < end {
            let until = self.next_wake().map_or(end, |wake| wake.min(end));
            tokio::select! {
                biased;
                Some(word) = self.processes.word() => self.hear(word),
                Some(handed) = self.sockets.handed() => self.take_over(handed),
                () = sleep_until(until) => {}
            }
            self.settle().await;
        }
    }

    /// Lets everything happen that can without time passing: tasks start, report, end, until each of them waits for something.
    ///
    /// # Panics
    ///
    /// As [`advance`](Self::advance).
    pub async fn settle(&mut self) {
        for _ in 0..MAX_WAKES_AT_ONCE {
            self.listen().await;
            if self.next_wake().is_none_or(|wake| wake > Instant::now()) {
                return;
            }
            self.tell(Input::Tick);
        }
        panic!("the broker asks to be woken again and again, which is a mistake in bgtask: please report it");
    }

    async fn listen(&mut self) {
        let mut quiet = 0;
        while quiet < QUIET_ROUNDS {
            // Yields to everything else, and says so where the clock is not paused.
            tokio::time::advance(Duration::ZERO).await;
            quiet += 1;
            while let Some(word) = self.processes.word_now() {
                self.hear(word);
                quiet = 0;
            }
            while let Some(handed) = self.sockets.handed_now() {
                self.take_over(handed);
                quiet = 0;
            }
            if self.look_at_sockets() {
                quiet = 0;
            }
        }
    }

    fn hear(&mut self, word: Word) {
        if let Some(input) = self.processes.hear(word) {
            self.tell(input);
        }
    }

    /// When the broker wants to be woken next.
    fn next_wake(&mut self) -> Option<Instant> {
        match self.core.as_mut()?.poll() {
            Output::Wake(wake) => wake.map(|wake| self.clock.instant(wake.at)),
            order => unreachable!("{order:?} was not performed"),
        }
    }

    /// Something happened. A broker that has crashed does not notice.
    pub(super) fn tell(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = self.clock.now();
            let Some(core) = &mut self.core else { return };
            core.handle(now, input);
            let mut orders = Vec::new();
            loop {
                match core.poll() {
                    Output::Persist(change) => self.store.apply(change),
                    Output::Wake(_) => break,
                    order => orders.push(order),
                }
            }
            orders.into_iter().for_each(|order| inputs.extend(self.perform(order)));
        }
    }

    /// Does what the core orders; what comes of it at once.
    fn perform(&mut self, order: Output) -> Vec<Input> {
        match order {
            Output::Persist(_) | Output::Wake(_) => unreachable!("they were taken out"),
            Output::Reply(request, reply) => drop(self.replies.insert(request, reply)),
            Output::Watch(fact) => return self.watch(fact),
            Output::Unwatch(fact) => self.world.unwatch(fact),
            Output::Launch { host, app, .. } => {
                let data_dir = self.data_dir(app.as_str());
                self.processes.launch(host, &self.entries, data_dir, self.sockets.taker());
            }
            Output::Freeze(host) => self.processes.freeze(host),
            Output::Thaw(host) => self.processes.thaw(host),
            Output::Throttled(host, instance, counts) => self.processes.throttled(host, instance, counts),
            Output::Inhibit(_) | Output::Uninhibit(_) | Output::Rouse(_) | Output::Progressed { .. } => {}
            Output::DropSocket(key) => self.sockets.drop(key),
            Output::WatchSocket(key) => self.sockets.watch(key, true),
            Output::UnwatchSocket(key) => self.sockets.watch(key, false),
            Output::ForgetCaller(instance) => self.services.forget(instance),
            Output::OpenChannel(app) => {
                let uri = format!("test://{app}").into();
                return vec![Input::ChannelOpened { app, uri }];
            }
            Output::CloseChannel(_) | Output::AcknowledgePushes(..) => {}
            Output::AcknowledgeOrders(_) | Output::AnswerOrder(_) => unreachable!("no fleet gives orders"),
            Output::Plan { .. } => unreachable!("no app has what only commands have"),
            Output::Listen { task, .. } => return vec![self.ears.listen(task)],
            Output::Unlisten(task) => self.ears.unlisten(task),
            Output::WatchDevice(task, details) => self.ears.watch_device(task, &details),
            Output::UnwatchDevice(task) => self.ears.unwatch_device(task),
            Output::Adopt { host, client } => self.adopt(host, client),
            Output::Run(host, order) => {
                let socket = order.firing.socket.and_then(|key| self.sockets.lend(key));
                self.processes.run(host, &order, socket);
            }
            Output::Cancel(host, instance, notice) => self.processes.cancel(host, instance, &notice),
            Output::Sample(host) => return vec![self.processes.usage(host)],
            Output::Ask { request, .. } => {
                let nobody = Consent::Unavailable("a test has no user to ask".into());
                return vec![Input::Consent(request, nobody)];
            }
            Output::Retire(host) => self.processes.retire(host),
            Output::Kill(host) => return self.kill(host),
            Output::Deliver(_, Notice::Progress { task, value, .. }) => self.heard.progress.push((task, value)),
            Output::Deliver(client, Notice::Energy(usage)) => {
                let usage = EnergyUsage::read(energy_info(&usage)).expect("the library has every level");
                self.heard.energy.push((client, usage));
            }
            Output::Deliver(_, Notice::Completed(completion)) => self.heard.completions.push(completion),
        }
        Vec::new()
    }

    /// With the process of an app that runs by itself its connection ends; then it is one that only listens again.
    fn kill(&mut self, host: HostId) -> Vec<Input> {
        let Some(app) = self.running.iter().find(|(_, its)| **its == host).map(|(app, _)| app.clone()) else {
            return self.processes.kill(host).into_iter().collect();
        };
        self.running.remove(&app);
        let _its_exit = self.processes.kill(host);
        self.hears_anew(&app);
        let new = ClientId(self.number());
        let gone = self.clients.insert(app.clone(), new).map(Input::Detach);
        gone.into_iter().chain([Input::Attach { client: new, app, activates: false }]).collect()
    }

    fn watch(&mut self, fact: Fact) -> Vec<Input> {
        let status = SourceStatus::Available { how: "the test".into() };
        vec![Input::SourceStatus(fact, status), Input::Report(self.world.watch(fact))]
    }

    /// The broker dies, as by a crash or a power cut, with everything it had in memory. Its processes notice: their tasks are told
    /// to stop with [`SystemPolicy`](crate::BackgroundTaskCancellationReason::SystemPolicy) and have
    /// [`CANCEL_GRACE`](crate::host::CANCEL_GRACE), but nobody hears what they still say (D7). The sockets that it had are closed.
    ///
    /// Until [`restart`](Self::restart) the world goes on and nobody sees it; what asks the broker for something gets an
    /// [`is_no_broker`](crate::Error::is_no_broker) error.
    pub fn crash(&mut self) {
        self.core = None;
        self.ears = Ears::default();
        self.services = Services::default();
        self.sockets.close();
        self.clients.clear();
        self.running.clear();
        self.heard.completions.clear();
        self.orphans.extend(self.processes.orphan());
    }

    /// A broker starts from what was durable, after a [crash](Self::crash), or after an orderly end if there was none. It kills what
    /// a dead one left running; what had been running waits to run again, with the next
    /// [attempt](crate::host::TaskInstance::attempt), up to three times (D7).
    pub fn restart(&mut self) {
        if self.core.is_some() {
            self.crash();
        }
        self.orphans.drain(..).for_each(|orphan| orphan.abort());
        self.lives += 1;
        // What an app may borrow would depend on what the others do.
        let budgets = Budgets { pool_cpu: Duration::ZERO, pool_network: 0, ..Budgets::default() };
        self.core = Some(Core::new(Config { budgets, ..Config::default() }, self.lives));
        self.tell(Input::Policy(self.policy.clone()));
        let installed: Vec<_> = self.apps.iter().map(|(id, app)| core_app(id, app, |_| true)).collect();
        installed.into_iter().for_each(|app| self.tell(Input::AppInstalled(app)));
        let snapshot = self.store.snapshot();
        let lost = self.sockets.missing(snapshot.sockets.iter().map(|socket| socket.key));
        self.tell(Input::Restore(Box::new(snapshot)));
        self.tell(Input::SocketsGone(lost));
        self.apps.keys().cloned().collect::<Vec<_>>().iter().for_each(|app| self.welcome(app));
    }
}
