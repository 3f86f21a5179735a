//! What a program may do, and how that is sent.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// The most paths in one list of a plan.
pub const MAX_PLAN_PATHS: usize = 128;

/// The most bytes of a plan as it is sent.
pub const MAX_PLAN_BYTES: usize = 64 * 1024;

/// Changes with the format.
const VERSION: u8 = 1;

/// What a program may do besides computing: with the system's files read-only, an own `/tmp`, and nothing else.
///
/// Paths are absolute; one that does not exist, or has no use, is passed over. A folder stands for all that is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What it may read and execute besides the system: its program, for one.
    pub read: Vec<PathBuf>,
    /// What it may read, execute and write.
    pub write: Vec<PathBuf>,
    /// The sockets it may connect to.
    pub sockets: Vec<PathBuf>,
    /// The folder it will find itself in; it is there, if only as an empty one.
    pub home: PathBuf,
    /// Whether it sees all files and may use them as the user may. The lists mean nothing then, and `/tmp` is everybody's.
    pub all_files: bool,
    /// Whether it has the network, and what it takes to look up names in it.
    pub network: bool,
    /// Whether it sees devices.
    pub devices: bool,
    /// Whether it may connect to abstract sockets of others.
    pub abstract_sockets: bool,
    /// Whether no process may leave the session: for whoever can find them by nothing else.
    pub one_session: bool,
    /// The most processes and threads it may have, where that can be counted for it alone.
    pub processes: Option<u32>,
    /// Whether it must not run if a wall is not there.
    pub required: bool,
}

impl Plan {
    /// A plan that allows nothing but the system.
    #[must_use]
    pub fn new(home: PathBuf) -> Self {
        Self {
            read: Vec::new(),
            write: Vec::new(),
            sockets: Vec::new(),
            home,
            all_files: false,
            network: false,
            devices: false,
            abstract_sockets: false,
            one_session: false,
            processes: None,
            required: false,
        }
    }

    /// As it is sent. Of a list that is longer than [`MAX_PLAN_PATHS`] only the beginning: what is beyond is not allowed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        let flags = [
            self.all_files,
            self.network,
            self.devices,
            self.abstract_sockets,
            self.one_session,
            self.required,
            self.processes.is_some(),
        ];
        bytes.extend(flags.map(u8::from));
        bytes.extend(self.processes.unwrap_or_default().to_le_bytes());
        put_path(&mut bytes, &self.home);
        for list in [&self.read, &self.write, &self.sockets] {
            let fitting = list.iter().take(MAX_PLAN_PATHS);
            bytes.push(u8::try_from(fitting.len()).unwrap_or(u8::MAX));
            fitting.for_each(|path| put_path(&mut bytes, path));
        }
        bytes
    }

    /// `None` for anything that [`encode`](Self::encode) of this version does not write.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let known = bytes.len() <= MAX_PLAN_BYTES && take(&mut rest, 1)? == [VERSION];
        let mut flags = [false; 7];
        for flag in &mut flags {
            *flag = match take(&mut rest, 1)? {
                [0] => false,
                [1] => true,
                _ => return None,
            };
        }
        let [all_files, network, devices, abstract_sockets, one_session, required, bounded] = flags;
        let processes = u32::from_le_bytes(take(&mut rest, 4)?.try_into().ok()?);
        let home = take_path(&mut rest)?;
        let mut lists = [Vec::new(), Vec::new(), Vec::new()];
        for list in &mut lists {
            let count = usize::from(*take(&mut rest, 1)?.first()?);
            *list = (0..count).map(|_| take_path(&mut rest)).collect::<Option<_>>()?;
        }
        let [read, write, sockets] = lists;
        let processes = bounded.then_some(processes);
        let plan = Self {
            read,
            write,
            sockets,
            home,
            all_files,
            network,
            devices,
            abstract_sockets,
            one_session,
            processes,
            required,
        };
        (known && rest.is_empty()).then_some(plan)
    }
}

fn put_path(bytes: &mut Vec<u8>, path: &Path) {
    let text = path.as_os_str().as_bytes();
    let text = &text[..text.len().min(u16::MAX.into())];
    bytes.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(text);
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, tail) = rest.split_at_checked(count)?;
    *rest = tail;
    Some(taken)
}

fn take_path(rest: &mut &[u8]) -> Option<PathBuf> {
    let length = u16::from_le_bytes(take(rest, 2)?.try_into().ok()?);
    let path = PathBuf::from(OsString::from_vec(take(rest, length.into())?.to_vec()));
    (path.is_absolute() && !path.as_os_str().as_bytes().contains(&0)).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let mut plan = Plan::new("/home/ada".into());
        plan.read = vec!["/opt/app".into(), PathBuf::from(OsString::from_vec(b"/\xff".to_vec()))];
        plan.write = vec!["/data".into()];
        plan.network = true;
        plan.processes = Some(7);
        plan
    }

    #[test]
    fn a_plan_arrives_as_it_was_sent() {
        assert_eq!(Plan::decode(&plan().encode()), Some(plan()));
    }

    #[test]
    fn every_cut_and_every_tail_is_refused_and_no_byte_makes_it_panic() {
        let bytes = plan().encode();
        for length in 0..bytes.len() {
            assert_eq!(Plan::decode(&bytes[..length]), None, "cut at {length}");
        }
        assert_eq!(Plan::decode(&[&bytes[..], &[0]].concat()), None);
        for position in 0..bytes.len() {
            for value in [0, 1, 2, 0x7f, 0xff] {
                let mut hostile = bytes.clone();
                hostile[position] = value;
                let _any_answer = Plan::decode(&hostile);
            }
        }
    }

    #[test]
    fn only_absolute_paths_arrive_and_only_as_many_as_are_allowed() {
        let mut relative = plan();
        relative.read = vec!["opt".into()];
        assert_eq!(Plan::decode(&relative.encode()), None);
        let mut many = plan();
        many.read = vec!["/a".into(); MAX_PLAN_PATHS + 1];
        let arrived = Plan::decode(&many.encode()).expect("it is read");
        assert_eq!(arrived.read.len(), MAX_PLAN_PATHS);
        let mut long = plan();
        long.read = vec![format!("/{}", "x".repeat(1_000)).into(); MAX_PLAN_PATHS];
        assert_eq!(Plan::decode(&long.encode()), None, "more than {MAX_PLAN_BYTES} bytes");
    }
}
