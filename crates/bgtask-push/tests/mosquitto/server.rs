//! A real Mosquitto, started by the test on a free port of the loopback and ended with it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A running server.
pub(crate) struct Mosquitto {
    folder: PathBuf,
    pub(crate) port: u16,
    child: Option<Child>,
}

/// How to run it, besides what is usual: anybody may, and what waits outlives an orderly end.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wanted<'a> {
    /// User names and their passwords; nobody else may.
    pub(crate) users: &'a [(&'a str, &'a str)],
    /// What each of them may is in the file `rules` of the server's folder.
    pub(crate) rules: bool,
    /// Everything is on the disk as soon as it has happened; otherwise only at an orderly end.
    pub(crate) saves: bool,
    /// By TLS with `server.crt` and `server.key` of this folder.
    pub(crate) certificates: Option<&'a Path>,
}

impl Mosquitto {
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_as(folder, Wanted::default())
    }

    pub(crate) fn start_as(folder: &Path, wanted: Wanted<'_>) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut config = format!(
            "listener {port} 127.0.0.1\npersistence true\npersistence_location {}/\nmax_queued_messages 0\n\
             max_queued_bytes 0\nmax_inflight_messages 1000\nallow_anonymous {}\n",
            folder.display(),
            wanted.users.is_empty()
        );
        let passwords = folder.join("passwords");
        for (name, password) in wanted.users {
            std::fs::File::options().create(true).append(true).open(&passwords).unwrap();
            let made = Command::new("mosquitto_passwd").arg("-b").arg(&passwords).args([name, password]).status();
            assert!(made.expect("mosquitto_passwd can be run").success());
        }
        if !wanted.users.is_empty() {
            config += &format!("password_file {}\n", passwords.display());
        }
        if wanted.rules {
            config += &format!("acl_file {}\n", folder.join("rules").display());
        }
        if wanted.saves {
            config += "autosave_on_changes true\nautosave_interval 1\n";
        }
        if let Some(certificates) = wanted.certificates {
            let certificates = certificates.display();
            config += &format!("certfile {certificates}/server.crt\nkeyfile {certificates}/server.key\n");
        }
        // Started by root, it would become somebody who may not write there.
        if rustix::process::geteuid().is_root() {
            config += "user root\n";
        }
        std::fs::write(folder.join("mosquitto.conf"), config).unwrap();
        let mut server = Self { folder: folder.to_owned(), port, child: None };
        server.run();
        server
    }

    /// Where it is.
    pub(crate) fn address(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Ends it in order, and what it holds is kept.
    pub(crate) fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        child.wait().unwrap();
    }

    /// As if it had lost its power: what it has not saved is gone.
    pub(crate) fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Whether that is among what it has saved.
    pub(crate) fn has_saved(&self, text: &str) -> bool {
        let saved = std::fs::read(self.folder.join("mosquitto.db")).unwrap_or_default();
        saved.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// Starts it again.
    pub(crate) fn run(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.join("log")).unwrap();
        let program =
            ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"].into_iter().find(|path| Path::new(path).exists());
        let child = Command::new(program.unwrap_or("mosquitto"))
            .arg("-c")
            .arg(self.folder.join("mosquitto.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("Mosquitto can be run: the Debian package is mosquitto");
        self.child = Some(child);
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = || std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(60), "Mosquitto listens: {}", log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ended = child.kill();
            let _reaped = child.wait();
        }
    }
}
