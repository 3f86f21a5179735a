//! The one message a launcher gets, and the one it may answer.
//!
//! Order: version, program, directory, arguments, environment, plan of confinement (empty is none). Numbers are 32-bit little-endian;
//! text is its length and its bytes; a list is its length and its elements.
//! Failure: stage, errno and what else there is to say. A launcher that becomes its program answers nothing: its end of the
//! socket closes on exec.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use bgtask_confine::Plan;

use crate::{HostError, HostSpec, MAX_SPEC_BYTES};

/// Changes with the format: launcher and broker may come from two versions of the package while
/// it is being upgraded.
const VERSION: u32 = 2;

/// The most that a launcher says about a failure.
pub(crate) const FAILURE_BYTES: usize = 512;

pub(crate) fn encode(spec: &HostSpec) -> Result<Vec<u8>, HostError> {
    spec.check()?;
    let mut message = Vec::with_capacity(4096);
    put_number(&mut message, VERSION as usize);
    put_text(&mut message, spec.program.as_os_str());
    put_text(&mut message, spec.dir.as_os_str());
    put_number(&mut message, spec.args.len());
    for arg in &spec.args {
        put_text(&mut message, arg);
    }
    put_number(&mut message, spec.env.len());
    for (name, value) in &spec.env {
        put_text(&mut message, name);
        put_text(&mut message, value);
    }
    put_text(&mut message, OsStr::from_bytes(&spec.confine.as_ref().map(Plan::encode).unwrap_or_default()));
    if message.len() > MAX_SPEC_BYTES {
        return Err(HostError::TooMany {
            what: "bytes of program, arguments and environment",
            count: message.len(),
            max: MAX_SPEC_BYTES,
        });
    }
    Ok(message)
}

/// `None` for anything that [`encode`] of this version does not write.
pub(crate) fn decode(message: &[u8]) -> Option<HostSpec> {
    let mut rest = message;
    if take_number(&mut rest)? != VERSION as usize {
        return None;
    }
    let program = PathBuf::from(take_text(&mut rest)?);
    let dir = PathBuf::from(take_text(&mut rest)?);
    // No capacity is reserved from a claimed length: each element costs the message its bytes.
    let args = (0..take_number(&mut rest)?).map(|_| take_text(&mut rest)).collect::<Option<_>>()?;
    let env = (0..take_number(&mut rest)?)
        .map(|_| Some((take_text(&mut rest)?, take_text(&mut rest)?)))
        .collect::<Option<_>>()?;
    let confine = match take_text(&mut rest)? {
        plan if plan.is_empty() => None,
        plan => Some(Plan::decode(plan.as_bytes())?),
    };
    let spec = HostSpec { program, args, env, dir, confine };
    (rest.is_empty() && spec.check().is_ok()).then_some(spec)
}

/// Where a launcher failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Confine = 1,
    Receive = 2,
    Directory = 3,
    Execute = 4,
    Wall = 5,
}

#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) stage: Stage,
    pub(crate) error: io::Error,
}

impl Failure {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let errno = self.error.raw_os_error().unwrap_or(libc::EINVAL);
        let mut bytes = (self.stage as u32).to_le_bytes().to_vec();
        bytes.extend(errno.to_le_bytes());
        if self.error.raw_os_error().is_none() {
            bytes.extend(self.error.to_string().as_bytes());
        }
        bytes.truncate(FAILURE_BYTES);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (stage, errno) = bytes.split_first_chunk::<4>()?;
        let stage = match u32::from_le_bytes(*stage) {
            1 => Stage::Confine,
            2 => Stage::Receive,
            3 => Stage::Directory,
            4 => Stage::Execute,
            5 => Stage::Wall,
            _ => return None,
        };
        let (errno, words) = errno.split_first_chunk::<4>()?;
        let error = match String::from_utf8_lossy(words) {
            words if words.is_empty() => io::Error::from_raw_os_error(i32::from_le_bytes(*errno)),
            words => io::Error::other(words.into_owned()),
        };
        Some(Self { stage, error })
    }
}

fn put_number(message: &mut Vec<u8>, number: usize) {
    // What does not fit has made the message too long, which is refused as such.
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    message.extend_from_slice(&number.to_le_bytes());
}

fn put_text(message: &mut Vec<u8>, text: &OsStr) {
    put_number(message, text.len());
    message.extend_from_slice(text.as_bytes());
}

fn take_number(rest: &mut &[u8]) -> Option<usize> {
    let (number, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    Some(u32::from_le_bytes(*number) as usize)
}

fn take_text(rest: &mut &[u8]) -> Option<OsString> {
    let length = take_number(rest)?;
    let (text, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(OsString::from_vec(text.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> HostSpec {
        HostSpec {
            program: "/usr/bin/env".into(),
            args: vec!["-i".into(), OsString::from_vec(vec![0xff, b'x']), "".into()],
            env: vec![("A".into(), "".into()), ("B".into(), OsString::from_vec(vec![0xfe]))],
            dir: "/tmp".into(),
            confine: Some(Plan::new("/home/ada".into())),
        }
    }

    #[test]
    fn an_order_arrives_as_it_was_sent() {
        assert_eq!(decode(&encode(&spec()).unwrap()), Some(spec()));
    }

    #[test]
    fn every_cut_and_every_tail_is_refused() {
        let message = encode(&spec()).unwrap();
        for length in 0..message.len() {
            assert_eq!(decode(&message[..length]), None, "cut at {length}");
        }
        let mut longer = message;
        longer.push(0);
        assert_eq!(decode(&longer), None);
    }

    #[test]
    fn no_changed_byte_makes_it_panic_or_hang() {
        let message = encode(&spec()).unwrap();
        for position in 0..message.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut hostile = message.clone();
                hostile[position] = value;
                let _any_answer = decode(&hostile);
            }
        }
        assert_eq!(decode(&[0xff; 64]), None);
    }

    #[test]
    fn another_version_is_refused() {
        let mut message = encode(&spec()).unwrap();
        message[0] = u8::try_from(VERSION + 1).unwrap();
        assert_eq!(decode(&message), None);
    }

    #[test]
    fn the_bound_is_exact() {
        let mut spec = spec();
        let room = MAX_SPEC_BYTES - encode(&spec).unwrap().len();
        spec.args[2] = "x".repeat(room).into();
        assert_eq!(decode(&encode(&spec).unwrap()).as_ref(), Some(&spec));
        spec.args[2].push("x");
        assert_eq!(
            encode(&spec).unwrap_err().to_string(),
            "131073 bytes of program, arguments and environment: the most is 131072"
        );
    }

    #[test]
    fn a_failure_arrives_as_it_was_sent() {
        let sent = Failure { stage: Stage::Execute, error: io::Error::from_raw_os_error(libc::ENOENT) };
        let received = Failure::decode(&sent.encode()).unwrap();
        assert_eq!(received.stage, Stage::Execute);
        assert_eq!(received.error.raw_os_error(), Some(libc::ENOENT));
        let why = Failure { stage: Stage::Wall, error: io::Error::other("no Landlock") };
        let received = Failure::decode(&why.encode()).unwrap();
        assert_eq!((received.stage, received.error.to_string()), (Stage::Wall, "no Landlock".to_owned()));
        assert!(Failure::decode(&[]).is_none());
        assert!(Failure::decode(&[4, 0, 0, 0, 2]).is_none());
        assert!(Failure::decode(&[9, 0, 0, 0, 2, 0, 0, 0]).is_none());
    }
}
