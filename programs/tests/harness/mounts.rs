use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{Home, has_program};

/// File systems of a test's own, which nobody else sees and which vanish with this value.
pub(crate) struct Mounts {
    holder: Child,
}

impl Mounts {
    /// Runs `script` in a mount namespace that stays; `None` with a reason where that is not allowed.
    pub(crate) fn make(script: &str) -> Result<Self, String> {
        if !has_program("unshare") || !has_program("nsenter") {
            return Err("unshare and nsenter (util-linux) are not installed".into());
        }
        let script = format!("{script} && echo ready && exec cat");
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--mount", "--propagation", "private", "sh", "-ec", &script]);
        let mut holder =
            unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
        let mut line = String::new();
        let read = BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line);
        let mounts = Self { holder };
        match read {
            Ok(_) if line == "ready\n" => Ok(mounts),
            _ => Err("no file system can be mounted in a namespace of one's own".into()),
        }
    }

    /// A broker that sees them.
    pub(crate) fn broker(&self, home: &Home) -> Command {
        let plain = home.command();
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(self.holder.id().to_string()).args([
            "--user",
            "--mount",
            "--preserve-credentials",
            "--",
        ]);
        command.arg(plain.get_program()).args(plain.get_args());
        home.isolate(&mut command);
        command
    }

    /// Where a path of theirs is seen from outside.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(path.strip_prefix("/").unwrap_or(path))
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        let _ended = self.holder.kill();
        let _reaped = self.holder.wait();
    }
}
