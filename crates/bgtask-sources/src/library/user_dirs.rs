//! `user-dirs.dirs`: where the user has which folder, as xdg-user-dirs writes it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::attribute::read_up_to;
use crate::library::Library;
use crate::path::{End, walk};
use crate::world::World;

/// Bytes of the file that are read. It has less than one kilobyte.
pub const MAX_USER_DIRS_BYTES: usize = 64 * 1024;

/// The folders that the file names.
#[derive(Debug)]
pub(super) struct UserDirs {
    home: PathBuf,
    /// The value of each variable, without its quotes.
    values: HashMap<String, String>,
}

impl UserDirs {
    /// Where the file is, whether it exists or not.
    pub(super) fn path(world: &World) -> PathBuf {
        let named = world.is_machine().then(|| std::env::var_os("XDG_CONFIG_HOME")).flatten().map(PathBuf::from);
        let config = named.filter(|config| config.is_absolute()).unwrap_or_else(|| home(world).join(".config"));
        config.join("user-dirs.dirs")
    }

    /// Reads it. What it does not name is where it usually is.
    pub(super) fn read(world: &World) -> Self {
        let content = match walk(world, &Self::path(world)).end {
            End::Found(file) => read_up_to(MAX_USER_DIRS_BYTES as u64, &file).unwrap_or_default(),
            End::Absent | End::Blocked(_) => String::new(),
        };
        Self { home: home(world), values: content.lines().filter_map(read_line).collect() }
    }

    /// The folder of a library; `None` where the user wants none, which is written as the home folder itself.
    pub(super) fn folder(&self, library: Library) -> Option<PathBuf> {
        let folder = match self.values.get(variable(library)) {
            None => self.home.join(usual(library)),
            Some(value) => match value.strip_prefix("$HOME") {
                Some(below) => self.home.join(below.trim_start_matches('/')),
                None => PathBuf::from(value),
            },
        };
        // Compared by its parts, so that a slash at the end makes no difference.
        (folder != self.home).then_some(folder)
    }
}

/// As seen from inside the root.
fn home(world: &World) -> PathBuf {
    let home = world.home();
    Path::new("/").join(home.strip_prefix(world.sysroot()).unwrap_or(&home))
}

/// A line such as `XDG_MUSIC_DIR="$HOME/My \"music\""`. Others, and paths that are not absolute, count as not written.
fn read_line(line: &str) -> Option<(String, String)> {
    let (name, value) = line.trim().split_once('=')?;
    let quoted = value.trim_start().strip_prefix('"')?;
    let mut value = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => break,
            '\\' => value.push(chars.next()?),
            other => value.push(other),
        }
    }
    let is_path = value.starts_with('/') || value == "$HOME" || value.starts_with("$HOME/");
    is_path.then(|| (name.trim_end().to_owned(), value))
}

/// The name under which the file has it.
pub(super) const fn variable(library: Library) -> &'static str {
    match library {
        Library::Desktop => "XDG_DESKTOP_DIR",
        Library::Documents => "XDG_DOCUMENTS_DIR",
        Library::Downloads => "XDG_DOWNLOAD_DIR",
        Library::Music => "XDG_MUSIC_DIR",
        Library::Pictures => "XDG_PICTURES_DIR",
        Library::Videos => "XDG_VIDEOS_DIR",
    }
}

/// The folder in the home folder that xdg-user-dirs makes in English.
pub(super) const fn usual(library: Library) -> &'static str {
    match library {
        Library::Desktop => "Desktop",
        Library::Documents => "Documents",
        Library::Downloads => "Downloads",
        Library::Music => "Music",
        Library::Pictures => "Pictures",
        Library::Videos => "Videos",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folders(content: Option<&str>) -> Vec<Option<String>> {
        let root = tempfile::tempdir().unwrap();
        let world = World::new(root.path());
        assert_eq!(UserDirs::path(&world), Path::new("/home/.config/user-dirs.dirs"));
        if let Some(content) = content {
            fs::create_dir_all(world.path("home/.config")).unwrap();
            fs::write(world.path("home/.config/user-dirs.dirs"), content).unwrap();
        }
        let dirs = UserDirs::read(&world);
        Library::ALL.map(|library| Some(dirs.folder(library)?.to_str()?.to_owned())).into()
    }

    fn documents(line: &str) -> Option<String> {
        folders(Some(line))[1].clone()
    }

    #[test]
    fn the_file_of_a_german_desktop() {
        let content = "# This file is written by xdg-user-dirs-update\n\
            XDG_DESKTOP_DIR=\"$HOME/Schreibtisch\"\n\
            XDG_DOWNLOAD_DIR=\"$HOME/Downloads\"\n\
            XDG_TEMPLATES_DIR=\"$HOME/Vorlagen\"\n\
            XDG_PUBLICSHARE_DIR=\"$HOME/Öffentlich\"\n\
            XDG_DOCUMENTS_DIR=\"$HOME/Dokumente\"\n\
            XDG_MUSIC_DIR=\"/mnt/music\"\n\
            XDG_PICTURES_DIR=\"$HOME/Bilder/\"\n\
            XDG_VIDEOS_DIR=\"$HOME/\"\n";
        let expected =
            ["/home/Schreibtisch", "/home/Dokumente", "/home/Downloads", "/mnt/music", "/home/Bilder/"].map(Some);
        let told = folders(Some(content));
        assert!(told.iter().map(Option::as_deref).eq(expected.into_iter().chain([None])), "{told:?}");
    }

    #[test]
    fn without_a_file_they_are_where_they_usually_are() {
        let usual = ["Desktop", "Documents", "Downloads", "Music", "Pictures", "Videos"];
        assert!(folders(None).into_iter().eq(usual.map(|name| Some(format!("/home/{name}")))));
    }

    #[test]
    fn lines_are_read_as_a_shell_would_and_nonsense_is_passed_over() {
        let table = [
            (r#"  XDG_DOCUMENTS_DIR = "/a b"  "#, Some("/a b")),
            (r#"XDG_DOCUMENTS_DIR="/a\"b\\c\$d""#, Some(r#"/a"b\c$d"#)),
            (r#"XDG_DOCUMENTS_DIR="$HOME""#, None),
            (r#"XDG_DOCUMENTS_DIR="$HOMEless/x""#, Some("/home/Documents")),
            (r#"XDG_DOCUMENTS_DIR="relative""#, Some("/home/Documents")),
            (r#"XDG_DOCUMENTS_DIR="/open"#, Some("/home/Documents")),
            (r#"XDG_DOCUMENTS_DIR="/open\"#, Some("/home/Documents")),
            ("XDG_DOCUMENTS_DIR=/bare", Some("/home/Documents")),
            ("XDG_DOCUMENTS_DIR", Some("/home/Documents")),
            (r#"#XDG_DOCUMENTS_DIR="/comment""#, Some("/home/Documents")),
            ("XDG_DOCUMENTS_DIR=\"/first\"\nXDG_DOCUMENTS_DIR=\"/last\"", Some("/last")),
        ];
        for (line, expected) in table {
            assert_eq!(documents(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn the_file_is_bounded() {
        let line = "XDG_DOCUMENTS_DIR=\"/far\"";
        let padding = |bytes: usize| format!("{}\n{line}", "#".repeat(bytes - line.len() - 1));
        assert_eq!(documents(&padding(MAX_USER_DIRS_BYTES)).as_deref(), Some("/far"));
        assert_eq!(documents(&padding(MAX_USER_DIRS_BYTES + 1)).as_deref(), Some("/home/Documents"));
    }
}
