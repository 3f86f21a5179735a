use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The environment variable that points clients at a broker.
pub const ADDRESS_VARIABLE: &str = "BGTASK_ADDRESS";

/// Where a broker listens: the path of its socket, written as a D-Bus address.
///
/// ```
/// use bgtask_wire::Address;
/// let address: Address = "unix:path=/run/user/1000/bgtask/broker".parse()?;
/// assert_eq!(address.path().to_str(), Some("/run/user/1000/bgtask/broker"));
/// # Ok::<(), bgtask_wire::InvalidAddress>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(PathBuf);

/// A text that is no broker address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no broker address: it looks like unix:path=/run/user/1000/bgtask/broker, or is that path alone")]
pub struct InvalidAddress(String);

impl Address {
    /// The address of a socket at this path.
    pub fn of_path(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The broker a client talks to: `$BGTASK_ADDRESS`, or else `$XDG_RUNTIME_DIR/bgtask/broker`.
    ///
    /// # Errors
    ///
    /// `$BGTASK_ADDRESS` is set and no address. Without `$XDG_RUNTIME_DIR` the folder is `/run/user/<uid>`.
    pub fn from_environment(uid: u32) -> Result<Self, InvalidAddress> {
        if let Some(text) = std::env::var_os(ADDRESS_VARIABLE) {
            let shown = text.to_string_lossy().into_owned();
            return text.to_str().ok_or(InvalidAddress(shown))?.parse();
        }
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty());
        let runtime = runtime.map_or_else(|| PathBuf::from(format!("/run/user/{uid}")), PathBuf::from);
        Ok(Self(runtime.join("bgtask").join("broker")))
    }

    /// The path of the socket.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let path = text.strip_prefix("unix:path=").unwrap_or(text);
        let plain = path.starts_with('/') && !path.contains([',', ';', '%', '\0']);
        if plain { Ok(Self(path.into())) } else { Err(InvalidAddress(text.to_owned())) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix:path={}", self.0.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_dbus_address_or_a_path() {
        for text in ["unix:path=/a/b", "/a/b"] {
            assert_eq!(text.parse::<Address>().map(|it| it.to_string()), Ok("unix:path=/a/b".into()));
        }
        for text in
            ["", "a/b", "tcp:host=x", "unix:abstract=x", "unix:path=a", "/a;unix:path=/b", "/a,guid=1", "/a%20b"]
        {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }
}
