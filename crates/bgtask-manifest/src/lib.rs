//! `bgtask.toml` and `Package.appxmanifest` read into one model, with places for diagnostics.
//!
//! A manifest says which app it is of, which entry points the app's tasks have, and which kinds of trigger may start each
//! (MA-1). The two forms say the same things; `docs/manifest.md` describes both.
//!
//! ```text
//! read(path) ──bytes──▶ parse ──Manifest──▶ declare ──▶ App ──▶ require(entry point, trigger)
//!                         └──▶ diagnostics    └──▶ errors          └──▶ the lines to add
//! ```
//!
//! [`parse`] takes any bytes: it never panics, never opens a file, and takes time in proportion to the length, which is bounded.
//!
//! ```
//! let xml = br#"<Package xmlns="http://schemas.microsoft.com/appx/manifest/foundation/windows10">
//!   <Identity Name="Example.Photos" Publisher="CN=Example" Version="1.0.0.0" />
//!   <Applications>
//!     <Application Id="App" Executable="Photos.exe" EntryPoint="Photos.App">
//!       <Extensions>
//!         <Extension Category="windows.backgroundTasks" EntryPoint="Tasks.Thumbnails">
//!           <BackgroundTasks><Task Type="timr" /></BackgroundTasks>
//!         </Extension>
//!       </Extensions>
//!     </Application>
//!   </Applications>
//! </Package>"#;
//! let parsed = bgtask_manifest::parse("Package.appxmanifest", xml);
//! let manifest = parsed.manifest.as_ref().unwrap();
//! assert_eq!(manifest.background_tasks[0].entry_point.as_deref(), Some("Tasks.Thumbnails"));
//!
//! let found = &parsed.diagnostics[0];
//! assert_eq!(found.code, "MAN-1");
//! assert_eq!(found.help.as_deref(), Some("did you mean \"timer\"?"));
//! assert_eq!(&parsed.text[found.span.clone().unwrap()], "timr");
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod appx;
mod check;
mod declare;
mod diagnostic;
mod json;
mod lines;
mod model;
mod native;
mod places;
mod program;
mod read;
mod suggest;
mod task_type;
mod text;

use std::ops::Range;
use std::path::Path;

pub use appx::{MAX_XML_ATTRIBUTES, MAX_XML_DEPTH, MAX_XML_NAMESPACES, MAX_XML_NODES, namespace};
pub use check::{
    MAX_ALLOWED_CALLERS, MAX_APP_ID_BYTES, MAX_APP_SERVICE_NAME_CHARS, MAX_APP_SERVICES, MAX_ENTRY_POINT_BYTES,
    MAX_EVENT_ID_BYTES, MAX_FOLDERS, MAX_LISTED, MAX_SERVER_NAME_CHARS, MAX_TYPES_PER_TASK, MAX_VALUE_BYTES,
    MAX_VERSION_PARTS, MAX_WALL_SECONDS,
};
pub use declare::{App, AppService as DeclaredAppService, ClassServer, EntryPoint, NotDeclared, declare};
pub use diagnostic::{Diagnostic, MAX_DIAGNOSTICS, Severity};
pub use lines::lines_to_add;
pub use model::{
    APP_SERVICE, AppService, Application, BACKGROUND_TASKS, BackgroundTask, Capability, ComServer, DeclaredType, Form,
    Manifest, Package, Sandbox,
};
pub use read::{MAX_MANIFEST_BYTES, ReadError, read};
pub use task_type::TaskType;

use diagnostic::Findings;
use places::Places;

/// What became of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The model; `None` if the text could not be read at all. It may be there beside errors, and is then incomplete.
    pub manifest: Option<Manifest>,
    /// The form it was taken for.
    pub form: Form,
    /// The decoded text without a byte order mark, which every span refers to. Empty if it could not be decoded.
    pub text: String,
    /// What was found, reading errors first, then rules in document order.
    pub diagnostics: Vec<Diagnostic>,
}

impl Parsed {
    /// Whether an error keeps the manifest from being installed.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|found| found.severity == Severity::Error)
    }

    /// [`declare`] for a manifest that was just read: what an installer asks.
    ///
    /// # Errors
    ///
    /// Every error of the reading with its place, those included that the model no longer shows, such as an unknown key.
    pub fn declare(&self, base: &Path) -> Result<App, Vec<Diagnostic>> {
        match &self.manifest {
            Some(manifest) if !self.has_errors() => declare(manifest, base),
            _ => Err(self.diagnostics.iter().filter(|found| found.severity == Severity::Error).cloned().collect()),
        }
    }
}

/// Reads a manifest of either form and checks it.
///
/// The name decides the form: `.toml`, or `.appxmanifest` and `.xml`. Under any other name a text that starts with `<` is a
/// Windows manifest. Only the name's ending matters; the file is not opened.
///
/// The bytes are UTF-8, or UTF-16 with a byte order mark, and at most [`MAX_MANIFEST_BYTES`] long.
pub fn parse(file_name: &str, bytes: &[u8]) -> Parsed {
    let mut findings = Findings::default();
    let (text, encoding) = match text::decode(bytes) {
        Ok(decoded) => decoded,
        Err(refusal) => {
            findings.push(refusal);
            let form = form(file_name, bytes.iter().find(|byte| byte.is_ascii_graphic()) == Some(&b'<'));
            return Parsed { manifest: None, form, text: String::new(), diagnostics: findings.into_vec() };
        }
    };
    let looks_like_xml = text.trim_start().starts_with('<');
    let form = form(file_name, looks_like_xml);
    let mut places = Places::default();
    let manifest = match form {
        Form::Toml if looks_like_xml => {
            let error = Diagnostic::error("manifest/wrong-form", "the file is named .toml but holds XML");
            findings.push(error.help("name it Package.appxmanifest").at(Some(0..0)));
            None
        }
        Form::Toml => native::read(&text, &mut findings, &mut places),
        Form::Appx => match text::check_declared_encoding(&text, encoding) {
            Ok(()) => appx::read(&text, &mut findings, &mut places),
            Err(refusal) => {
                findings.push(refusal);
                None
            }
        },
    };
    if let Some(manifest) = &manifest {
        check::check(manifest, &places, &mut findings);
    }
    let mut diagnostics = findings.into_vec();
    for found in &mut diagnostics {
        found.span = found.span.take().map(|span| on_boundaries(&text, &span));
    }
    Parsed { manifest, form, text, diagnostics }
}

fn form(file_name: &str, looks_like_xml: bool) -> Form {
    let ending = Path::new(file_name).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        "toml" => Form::Toml,
        "appxmanifest" | "xml" => Form::Appx,
        _ if looks_like_xml => Form::Appx,
        _ => Form::Toml,
    }
}

/// The parsers count in bytes and give up counting exactly on absurd input, such as thousands of blanks around a `=`.
fn on_boundaries(text: &str, span: &Range<usize>) -> Range<usize> {
    let floor = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let start = floor(span.start);
    start..floor(span.end).max(start)
}
