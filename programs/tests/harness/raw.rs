use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use bgtask_wire::{BROKER_INTERFACE, BROKER_PATH};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zbus::export::serde::Serialize;
use zbus::{Message, Type};

use super::PATIENCE;

/// A peer that speaks bytes, not D-Bus.
pub(crate) struct Raw(pub(crate) UnixStream);

impl Raw {
    /// Connected, and silent.
    pub(crate) fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    /// Connected and introduced, as the D-Bus specification has it.
    pub(crate) fn introduced(socket: &Path) -> Self {
        let mut peer = Self::connect(socket);
        peer.0.write_all(greeting().as_bytes()).unwrap();
        let answer = peer.line();
        assert!(answer.starts_with("OK "), "{answer}");
        peer.0.write_all(b"BEGIN\r\n").unwrap();
        peer
    }

    /// As [`introduced`](Self::introduced), without waiting for anything that the other side says.
    pub(crate) fn hurried(socket: &Path) -> Self {
        let mut peer = Self::connect(socket);
        peer.0.write_all((greeting() + "BEGIN\r\n").as_bytes()).unwrap();
        peer
    }

    /// Calls a method that takes one text, and does not wait for the answer.
    pub(crate) fn call(&mut self, member: &str, argument: &str) {
        self.call_with(member, &argument);
    }

    /// The same with any arguments.
    pub(crate) fn call_with(&mut self, member: &str, arguments: &(impl Serialize + Type)) {
        let call = Message::method_call(BROKER_PATH, member).interface(BROKER_INTERFACE).build(arguments).unwrap();
        self.0.write_all(call.data()).unwrap();
    }

    fn line(&mut self) -> String {
        let (mut line, mut byte) = (Vec::new(), [0]);
        while !line.ends_with(b"\r\n") {
            assert_eq!(self.0.read(&mut byte).unwrap(), 1, "closed after {line:?}");
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }

    /// Waits until the other side has hung up, without reading.
    pub(crate) fn is_cut_off(&self) -> bool {
        let patience = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
        let mut fds = [PollFd::new(&self.0, PollFlags::empty())];
        poll(&mut fds, Some(&patience)).unwrap() == 1 && fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
    }
}

fn greeting() -> String {
    let uid = rustix::process::getuid().as_raw().to_string();
    let uid: String = uid.bytes().map(|digit| format!("{digit:02x}")).collect();
    format!("\0AUTH EXTERNAL {uid}\r\n")
}
