//! The file by which Flatpak says which app a sandbox is of: `/.flatpak-info` in the root of each of its processes, where they
//! can read but not change it. Its format is that of GLib's key files.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat, open};

/// As much of the file as is read; a real one has less than a tenth of it.
const MAX_INFO_BYTES: u64 = 64 * 1024;

/// The app id of the sandbox whose root this is: empty if it is a sandbox of no app, `None` if it is no sandbox.
pub(super) fn app_of(root: &Path) -> Option<String> {
    // A process that is in no sandbox can give itself any root: what waits there may be a pipe, or a link to one.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = open(root.join(".flatpak-info"), flags, Mode::empty()).ok()?;
    let is_file = fstat(&file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
    let mut bytes = Vec::new();
    let read = is_file.then(|| File::from(file).take(MAX_INFO_BYTES).read_to_end(&mut bytes))?;
    read.ok()?;
    Some(app_named(&String::from_utf8_lossy(&bytes)).unwrap_or_default())
}

/// `name` of `[Application]`, in a file that describes a running `[Instance]`. A runtime started by itself has neither.
fn app_named(info: &str) -> Option<String> {
    let has_instance = info.lines().any(|line| line.trim_end() == "[Instance]");
    let section = info.lines().skip_while(|line| line.trim_end() != "[Application]").skip(1);
    let mut values = section.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once('='));
    let name = values.find(|(key, _)| key.trim() == "name").map(|(_, value)| value.trim().to_owned());
    name.filter(|_| has_instance)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As flatpak 1.14 writes it.
    const INFO: &str = "[Application]\nname=org.example.Photos\nruntime=runtime/org.gnome.Platform/x86_64/44\n\n\
        [Instance]\ninstance-id=2903451210\ninstance-path=/home/u/.var/app/org.example.Photos\n\
        app-path=/var/lib/flatpak/app/org.example.Photos/x86_64/stable/1f/files\nbranch=stable\narch=x86_64\n\
        flatpak-version=1.14.4\nsession-bus-proxy=true\n\n[Context]\nshared=network;ipc;\n";

    #[test]
    fn the_app_is_named_in_the_section_of_the_application() {
        assert_eq!(app_named(INFO).as_deref(), Some("org.example.Photos"));
        assert_eq!(app_named(&INFO.replace("name=", "name = ")).as_deref(), Some("org.example.Photos"));
        let runtime = INFO.replace("[Application]", "[Runtime]");
        assert_eq!(app_named(&runtime), None, "a runtime is no app");
        assert_eq!(app_named("[Instance]\nname=org.example.Photos\n"), None);
        assert_eq!(app_named("[Application]\nname=org.example.Photos\n"), None, "nothing runs");
        assert_eq!(app_named(""), None);
    }

    #[test]
    fn what_is_no_readable_file_is_no_sandbox_and_does_not_hold_the_broker_up() {
        let root = tempfile::tempdir().expect("a folder");
        let info = root.path().join(".flatpak-info");
        assert_eq!(app_of(root.path()), None);
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &info, FileType::Fifo, mode, 0).expect("a pipe");
        assert_eq!(app_of(root.path()), None, "nobody will ever write to it");
        std::fs::remove_file(&info).expect("it is there");
        std::os::unix::fs::symlink("/etc/passwd", &info).expect("a link");
        assert_eq!(app_of(root.path()), None);
        std::fs::remove_file(&info).expect("it is there");
        std::fs::write(&info, "x".repeat(1 << 20)).expect("a file");
        assert_eq!(app_of(root.path()).as_deref(), Some(""), "a sandbox of no app");
        std::fs::write(&info, INFO).expect("a file");
        assert_eq!(app_of(root.path()).as_deref(), Some("org.example.Photos"));
    }
}
