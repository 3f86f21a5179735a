//! Programs that only take their time.

use std::collections::BTreeMap;

use bgtask_core::{HostExit, HostId, Input, InstanceId, Usage};

/// What runs at the moment.
#[derive(Default)]
pub(crate) struct Hosts {
    /// What a host runs: a component's host may run several side by side.
    running: BTreeMap<(HostId, InstanceId), Work>,
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) began: i64,
    /// When it ends by itself.
    pub(crate) ends: i64,
    pub(crate) fails: bool,
    /// Its process is its own, and its end is the end of that.
    pub(crate) is_command: bool,
}

impl Hosts {
    pub(crate) fn run(&mut self, host: HostId, instance: InstanceId, work: Work) {
        self.running.insert((host, instance), work);
    }

    /// The run ends by itself, if it was to end now.
    pub(crate) fn finish(&mut self, host: HostId, instance: InstanceId, now: i64) -> Option<Input> {
        let work = *self.running.get(&(host, instance))?;
        if work.ends != now {
            return None;
        }
        self.running.remove(&(host, instance));
        let result = if work.fails { Err("it failed, as the scenario says".to_owned()) } else { Ok(()) };
        Some(match work.is_command {
            true => exited(host, HostExit::Code(i32::from(work.fails))),
            false => Input::HostFinished { host, instance, result, usage: None },
        })
    }

    /// Told to stop, it does at once.
    pub(crate) fn cancel(&mut self, host: HostId, instance: InstanceId) -> Option<Input> {
        let work = self.running.remove(&(host, instance))?;
        Some(match work.is_command {
            true => exited(host, HostExit::Code(0)),
            false => Input::HostFinished { host, instance, result: Ok(()), usage: None },
        })
    }

    /// It ends, with everything in it.
    pub(crate) fn end(&mut self, host: HostId, exit: HostExit) -> Input {
        self.running.retain(|(its, _), _| *its != host);
        exited(host, exit)
    }

    /// A busy program is never silent.
    pub(crate) fn sample(&self, host: HostId, now: i64) -> Input {
        let of_host = self.running.range((host, FIRST)..).take_while(|((its, _), _)| *its == host);
        let busy = of_host.map(|(_, work)| now.saturating_sub(work.began)).max().unwrap_or(0);
        let usage = Usage { io: u64::try_from(busy).unwrap_or(0), ..Usage::default() };
        Input::HostUsage { host, usage }
    }

    /// The machine slept for so long, and with it all that ran. Answers when each ends now.
    pub(crate) fn slept(&mut self, long: i64) -> Vec<(i64, HostId, InstanceId)> {
        let later = |((host, instance), work): (&(HostId, InstanceId), &mut Work)| {
            work.ends = work.ends.saturating_add(long);
            (work.ends, *host, *instance)
        };
        self.running.iter_mut().map(later).collect()
    }
}

const FIRST: InstanceId = InstanceId::from_random(0);

const fn exited(host: HostId, exit: HostExit) -> Input {
    Input::HostExited { host, exit, output_tail: String::new(), usage: None }
}
