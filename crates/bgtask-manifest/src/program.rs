//! From the text of an `executable` to the files it may mean.

use std::path::{Path, PathBuf};

use crate::diagnostic::quoted;
use crate::model::Form;

/// The token that stands for the name of the built program; Visual Studio writes it into every template.
const TARGET_NAME: &str = "$targetnametoken$";

/// Where installed manifests live below a prefix; the programs of that prefix are in its `bin`.
const INSTALLED: &str = "share/bgtask/apps";

/// Why a written executable cannot be used as it stands.
pub(crate) enum Refused {
    /// It names nothing that could be run.
    Never(String),
    /// It holds a token only a Windows build replaces.
    Token { message: String, help: String },
}

/// What is wrong with a written executable, if anything.
pub(crate) fn refused(form: Form, written: &str) -> Option<Refused> {
    if written.is_empty() {
        return Some(Refused::Never("the executable is empty".to_owned()));
    }
    if written.contains('\0') {
        return Some(Refused::Never("the executable contains a NUL character".to_owned()));
    }
    if form == Form::Toml {
        return None;
    }
    let path = written.replace('\\', "/");
    let drive = path.as_bytes().get(1) == Some(&b':');
    if drive || path.starts_with('/') || path.split('/').any(|part| part == "..") {
        let message =
            format!("the executable {} leads out of the package; write it relative to the manifest", quoted(written));
        return Some(Refused::Never(message));
    }
    token(written)
}

fn token(written: &str) -> Option<Refused> {
    if !written.contains('$') {
        return None;
    }
    let message = format!("the executable {} holds a token that only a Windows build replaces", quoted(written));
    let help = if written.replace(TARGET_NAME, "").contains('$') {
        "write the real name of the program; as it is, the tasks that need it cannot run"
    } else {
        "here it stands for the package name; name the program so, or write its real name"
    };
    Some(Refused::Token { message, help: help.to_owned() })
}

/// The files a written executable may mean, in the order to try them; none if it names no program.
///
/// `base` is the folder of the manifest.
pub(crate) fn candidates(form: Form, written: &str, app_id: &str, base: &Path) -> Vec<PathBuf> {
    let names = match (form, refused(form, written)) {
        (_, Some(Refused::Never(_))) => return Vec::new(),
        (Form::Toml, _) => vec![written.to_owned()],
        (Form::Appx, _) => linux_names(&written.replace(TARGET_NAME, app_id)),
    };
    let Some(written) = names.first() else { return Vec::new() };
    let in_folder = |folder: PathBuf| names.iter().map(move |name| folder.join(name));
    folders(base, written).into_iter().flat_map(in_folder).collect()
}

/// A Windows path as Linux builds may have named the file: as written, then without `.exe`.
///
/// None for a name that still holds a token.
fn linux_names(written: &str) -> Vec<String> {
    if written.contains('$') {
        return Vec::new();
    }
    let path = written.replace('\\', "/");
    let bare = path.len().checked_sub(".exe".len()).filter(|at| *at > 0 && path.is_char_boundary(*at));
    let short = bare.filter(|at| path[*at..].eq_ignore_ascii_case(".exe")).map(|at| path[..at].to_owned());
    std::iter::once(path).chain(short).collect()
}

/// Where a relative path is looked for. A bare name of an installed manifest may also be a command of the same prefix.
fn folders(base: &Path, name: &str) -> Vec<PathBuf> {
    let mut folders = vec![base.to_owned()];
    if !name.contains('/') && base.ends_with(INSTALLED) {
        let prefix = base.ancestors().nth(Path::new(INSTALLED).components().count());
        folders.extend(prefix.map(|prefix| prefix.join("bin")));
    }
    folders
}

/// The arguments in a string: blanks separate, double quotes keep blanks together, `\"` is a quote.
///
/// An unclosed quote reaches to the end. Other backslashes are kept, so Windows paths survive.
pub(crate) fn split_arguments(written: &str) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut current: Option<String> = None;
    let mut quoted = false;
    let mut characters = written.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&'"') => {
                characters.next();
                current.get_or_insert_default().push('"');
            }
            '"' => {
                quoted = !quoted;
                current.get_or_insert_default();
            }
            blank if blank.is_whitespace() && !quoted => arguments.extend(current.take()),
            other => current.get_or_insert_default().push(other),
        }
    }
    arguments.extend(current);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(form: Form, written: &str, base: &str) -> Vec<String> {
        let files = candidates(form, written, "org.example.App", Path::new(base));
        files.into_iter().map(|file| file.display().to_string()).collect()
    }

    #[test]
    fn a_bare_name_is_beside_the_manifest_or_in_the_bin_of_its_prefix() {
        let user = "/home/u/.local/share/bgtask/apps";
        assert_eq!(files(Form::Toml, "photos", user), [format!("{user}/photos"), "/home/u/.local/bin/photos".into()]);
        assert_eq!(files(Form::Toml, "photos", "/srv/app"), ["/srv/app/photos"]);
    }

    #[test]
    fn a_path_is_relative_to_the_manifest_unless_absolute() {
        let base = "/usr/share/bgtask/apps";
        assert_eq!(files(Form::Toml, "../../../libexec/p", base), ["/usr/share/bgtask/apps/../../../libexec/p"]);
        assert_eq!(files(Form::Toml, "/opt/photos/tasks", base), ["/opt/photos/tasks"]);
        assert_eq!(files(Form::Toml, "Win32\\p.exe", "/b"), ["/b/Win32\\p.exe"], "no Windows rules in the native form");
    }

    #[test]
    fn a_windows_path_is_tried_as_written_and_without_exe() {
        assert_eq!(files(Form::Appx, r"Win32\Push.exe", "/b"), ["/b/Win32/Push.exe", "/b/Win32/Push"]);
        assert_eq!(files(Form::Appx, "Push.EXE", "/b"), ["/b/Push.EXE", "/b/Push"]);
        assert_eq!(files(Form::Appx, ".exe", "/b"), ["/b/.exe"]);
        let installed = files(Form::Appx, "Push.exe", "/usr/share/bgtask/apps");
        assert_eq!(installed[2..], ["/usr/bin/Push.exe", "/usr/bin/Push"]);
    }

    #[test]
    fn the_target_name_stands_for_the_package_name_and_other_tokens_for_nothing() {
        let found = files(Form::Appx, "$targetnametoken$.exe", "/b");
        assert_eq!(found, ["/b/org.example.App.exe", "/b/org.example.App"]);
        assert!(files(Form::Appx, "$(AssemblyName).exe", "/b").is_empty());
    }

    #[test]
    fn a_package_path_cannot_leave_the_package() {
        for outside in [r"..\x.exe", "a/../../x", "/bin/sh", r"C:\x.exe", r"\x.exe", ""] {
            assert!(files(Form::Appx, outside, "/b").is_empty(), "{outside}");
            assert!(matches!(refused(Form::Appx, outside), Some(Refused::Never(_))), "{outside}");
        }
    }

    #[test]
    fn arguments_split_at_blanks_outside_quotes() {
        assert_eq!(split_arguments(" -Register  For "), ["-Register", "For"]);
        assert_eq!(split_arguments(r#"--name "a b" "" c:\d \"e"#), ["--name", "a b", "", r"c:\d", "\"e"]);
        assert_eq!(split_arguments(r#"a"b c"#), ["ab c"]);
        assert!(split_arguments("").is_empty());
    }
}
