use crate::book::Page;

/// What a block that cannot run in a test may need: no test can have it, and nobody has to look for a better reason.
pub(crate) const NEEDS: [&str; 6] = [
    "broker-log", // a log that this broker does not write, because it runs without systemd
    "cargo",      // builds something for minutes
    "desktop",    // a graphical session, or its bus
    "root",       // changes the machine
    "systemd",    // a user's service manager
    "terminal",   // somebody who looks and presses keys
];

/// A fenced block of a page.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The line of its fence in the page, from 1.
    pub(crate) line: usize,
    /// What stands behind the fence: `console`, `toml,task`, `sh,needs=root`.
    info: String,
    /// Its lines, each with its end.
    pub(crate) text: String,
}

/// What is shown, and what holds it to be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A session at a shell: it is typed, and the answers are compared.
    Console,
    /// A task file: it is parsed.
    TaskFile,
    /// A manifest: it is parsed without complaints.
    Manifest,
    /// The policy of a machine's owner: a broker takes it.
    Policy,
    /// A broker's `config.toml`: one starts with it.
    Configuration,
    /// Somebody else's TOML, as Cargo's: it is parsed.
    Toml,
    /// A scenario: a rehearsal plays it.
    Scenario,
    /// A crontab: all of it is imported.
    Crontab,
    /// A script: the shell reads it without running it.
    Script,
    /// A documentation test compiles it.
    Rust,
    /// Python compiles it.
    Python,
    /// It is parsed.
    Json,
    /// It is parsed.
    Xml,
    /// It runs on Windows, or systemd reads it: shown beside ours for comparison.
    Foreign,
    /// A diagram, a form or a message: nothing that a machine reads.
    Text,
}

impl Block {
    pub(crate) fn kind(&self) -> Option<Kind> {
        Some(match self.words().next()? {
            "console" => Kind::Console,
            "toml" if self.is("task") => Kind::TaskFile,
            "toml" if self.text.contains("[app]") || self.text.contains("[[class]]") => Kind::Manifest,
            "toml" if self.text.contains("[background]") => Kind::Policy,
            "toml" if self.text.contains("_seconds = ") => Kind::Configuration,
            "toml" => Kind::Toml,
            "scenario" => Kind::Scenario,
            "crontab" => Kind::Crontab,
            "sh" => Kind::Script,
            "rust" | "rs" => Kind::Rust,
            "python" => Kind::Python,
            "json" => Kind::Json,
            "xml" => Kind::Xml,
            "csharp" | "ini" => Kind::Foreign,
            "text" => Kind::Text,
            _ => return None,
        })
    }

    /// Whether a word stands behind its language.
    pub(crate) fn is(&self, word: &str) -> bool {
        self.words().skip(1).any(|it| it == word)
    }

    /// Whether it is a session that a test types.
    pub(crate) fn runs(&self) -> bool {
        self.kind() == Some(Kind::Console) && self.needs().is_none()
    }

    /// The programs that have to be installed for it, as CI has them.
    pub(crate) fn programs(&self) -> impl Iterator<Item = &str> {
        self.words().filter_map(|word| word.strip_prefix("with="))
    }

    /// What is wrong with what it says about itself.
    pub(crate) fn complaint(&self, page: &Page) -> Option<String> {
        let place = format!("{} line {}: ```{}", page.name, self.line, self.info);
        if self.kind().is_none() {
            return Some(format!("{place}: nothing tests such a block"));
        }
        let needs = self.needs()?;
        (!NEEDS.contains(&needs)).then(|| format!("{place}: {needs} is no reason; the reasons are {NEEDS:?}"))
    }

    fn needs(&self) -> Option<&str> {
        self.words().find_map(|word| word.strip_prefix("needs="))
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.info.split(',').map(str::trim)
    }
}

/// The fenced blocks of a page. In a list they are indented, and stand without that.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut open: Option<(usize, Block)> = None;
    for (place, line) in text.lines().enumerate() {
        let bare = line.trim_start();
        match &mut open {
            None => {
                if let Some(info) = bare.strip_prefix("```") {
                    let block = Block { line: place + 1, info: info.trim().to_owned(), text: String::new() };
                    open = Some((line.len() - bare.len(), block));
                }
            }
            Some(_) if bare.trim_end() == "```" => found.extend(open.take().map(|(_, block)| block)),
            Some((indent, block)) => {
                let cut = line.len().min(*indent);
                block.text.push_str(if line[..cut].trim().is_empty() { &line[cut..] } else { line });
                block.text.push('\n');
            }
        }
    }
    assert!(open.is_none(), "a block has no end: {open:?}");
    found
}
