//! Files, memory of others, signals and abstract sockets: Landlock.

use std::io;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
    RulesetCreated, RulesetCreatedAttr as _, RulesetStatus, Scope, make_bitflags,
};

/// The newest rights that are asked for; the kernel gets those it knows.
const NEWEST: ABI = ABI::V9;

/// What may be done with a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Read,
    Write,
    /// Something like `/dev/null`: read and written, never made or removed.
    Device,
    /// Connected to.
    Connect,
}

/// Rules that grow until they are enforced.
#[derive(Debug)]
pub(crate) struct Rules {
    /// `None` where the kernel has no Landlock.
    ruleset: Option<RulesetCreated>,
}

/// Whether the kernel walls off files.
pub(crate) fn walls_files() -> bool {
    let required = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    required.handle_access(AccessFs::from_all(ABI::V1)).and_then(Ruleset::create).is_ok()
}

/// Whether the kernel walls off signals and abstract sockets.
pub(crate) fn walls_signals() -> bool {
    let required = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    required.scope(Scope::from_all(ABI::V6)).and_then(Ruleset::create).is_ok()
}

/// Whether the kernel walls off sockets that have a path.
pub(crate) fn walls_sockets() -> bool {
    let required = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    required.handle_access(AccessFs::ResolveUnix).and_then(Ruleset::create).is_ok()
}

impl Rules {
    /// No rule yet: all files are forbidden, and signals to others.
    pub(crate) fn new() -> io::Result<Self> {
        let created = Ruleset::default()
            .handle_access(AccessFs::from_all(NEWEST))
            .and_then(|ruleset| ruleset.scope(Scope::Signal))
            .and_then(Ruleset::create)
            .map_err(io::Error::other)?;
        Ok(Self { ruleset: walls_files().then_some(created) })
    }

    /// Allows a path that is there.
    pub(crate) fn allow(&mut self, path: &Path, what: Use) -> io::Result<()> {
        // What is not there needs no rule.
        let Ok(file) = PathFd::new(path) else { return Ok(()) };
        let Some(ruleset) = self.ruleset.take() else { return Ok(()) };
        let grown = ruleset.add_rule(PathBeneath::new(file, what.rights())).map_err(io::Error::other)?;
        self.ruleset = Some(grown);
        Ok(())
    }

    /// From here on. `Ok(false)` where the kernel has nothing to enforce them with.
    pub(crate) fn enforce(self) -> io::Result<bool> {
        let Some(ruleset) = self.ruleset else { return Ok(false) };
        let status = ruleset.restrict_self().map_err(io::Error::other)?;
        Ok(status.ruleset != RulesetStatus::NotEnforced)
    }
}

/// From here on no abstract socket of others can be connected to, where the kernel knows how.
pub(crate) fn leave_abstract_sockets() -> io::Result<()> {
    let scope = Ruleset::default().scope(Scope::AbstractUnixSocket).and_then(Ruleset::create);
    scope.and_then(RulesetCreated::restrict_self).map(drop).map_err(io::Error::other)
}

impl Use {
    fn rights(self) -> BitFlags<AccessFs> {
        let made = make_bitflags!(AccessFs::{MakeChar | MakeBlock});
        match self {
            Self::Read => AccessFs::from_read(NEWEST),
            Self::Write => AccessFs::from_all(NEWEST) & !made,
            Self::Device => make_bitflags!(AccessFs::{ReadFile | WriteFile | ReadDir | IoctlDev | Truncate}),
            Self::Connect => make_bitflags!(AccessFs::{ResolveUnix | ReadFile | WriteFile}),
        }
    }
}
