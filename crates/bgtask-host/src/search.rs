//! Where a command's program may be, in the manner of `execvpe`.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// What runs a script that does not say who does.
pub(crate) const SHELL: &str = "/bin/sh";

/// What is searched where there is no `PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// The most of a script's first line that is looked at, which is what the kernel looks at.
const FIRST_LINE_BYTES: u64 = 256;

/// What `PATH` to search for a program, if it is searched for.
pub(crate) fn path_for(program: &OsStr, env: &[(OsString, OsString)]) -> Option<OsString> {
    if program.as_bytes().contains(&b'/') {
        return None;
    }
    let path = env.iter().rev().find(|(name, _)| name == "PATH");
    Some(path.map_or_else(|| DEFAULT_PATH.into(), |(_, path)| path.clone()))
}

/// The paths to try, in order. Relative ones are so to the working directory, as everything is that a command names.
pub(crate) fn candidates(program: &OsStr, path: Option<&OsStr>) -> Vec<PathBuf> {
    let Some(path) = path else {
        return vec![program.into()];
    };
    let dirs = path.as_bytes().split(|&byte| byte == b':');
    dirs.map(|dir| if dir.is_empty() { Path::new(".") } else { Path::new(OsStr::from_bytes(dir)) })
        .map(|dir| dir.join(program))
        .collect()
}

/// Who is to run the script at `path`, if it is one and that does not exist.
pub(crate) fn missing_interpreter(path: &Path) -> Option<String> {
    let mut line = Vec::new();
    BufReader::new(File::open(path).ok()?.take(FIRST_LINE_BYTES)).read_until(b'\n', &mut line).ok()?;
    let line = line.strip_prefix(b"#!")?.trim_ascii();
    let interpreter = line.split(|byte| byte.is_ascii_whitespace()).next()?;
    let interpreter = Path::new(OsStr::from_bytes(interpreter));
    (!interpreter.exists()).then(|| interpreter.to_string_lossy().into_owned())
}

/// As system calls want it. The caller has looked for zeros.
pub(crate) fn c_string(text: &OsStr) -> CString {
    CString::new(text.as_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(program: &str, env: &[(&str, &str)]) -> Option<String> {
        let env: Vec<_> = env.iter().map(|(name, value)| (name.into(), value.into())).collect();
        path_for(program.as_ref(), &env).map(|path| path.into_string().unwrap())
    }

    #[test]
    fn the_last_path_of_the_environment_is_searched() {
        assert_eq!(path_of("restic", &[("PATH", "/a"), ("PATH", "/b")]).as_deref(), Some("/b"));
        assert_eq!(path_of("restic", &[]).as_deref(), Some("/bin:/usr/bin"));
        assert_eq!(path_of("./restic", &[("PATH", "/a")]), None);
    }

    #[test]
    fn an_empty_element_is_the_working_directory() {
        let found = candidates("x".as_ref(), Some("/a::b:".as_ref()));
        assert_eq!(found, ["/a/x", "./x", "b/x", "./x"].map(PathBuf::from));
        assert_eq!(candidates("./x".as_ref(), None), [PathBuf::from("./x")]);
    }

    #[test]
    fn only_a_script_has_a_missing_interpreter() {
        let dir = tempfile::tempdir().unwrap();
        let told = |text: &[u8]| {
            let path = dir.path().join("script");
            std::fs::write(&path, text).unwrap();
            missing_interpreter(&path)
        };
        assert_eq!(told(b"#! /nowhere/perl -w\nx").as_deref(), Some("/nowhere/perl"));
        assert_eq!(told(b"#!/bin/sh\n"), None);
        assert_eq!(told(b"echo"), None);
        assert_eq!(told(b""), None);
        assert_eq!(told(&[b'#'; 1000]), None);
        assert_eq!(missing_interpreter(dir.path()), None);
    }
}
