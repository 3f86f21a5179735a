//! The namespaces of `Package.appxmanifest`, compared by URI and never by prefix (§13.1).
//!
//! Most families have numbered later versions: `…/uap/windows10/4` belongs to [`UAP`].

/// Windows 10: `Package`, `Extension`, `BackgroundTasks` and most `Task` elements.
pub const FOUNDATION: &str = "http://schemas.microsoft.com/appx/manifest/foundation/windows10";
/// Windows 8.0.
pub const APPX_2010: &str = "http://schemas.microsoft.com/appx/2010/manifest";
/// Windows 8.1 additions, usually `m2`.
pub const APPX_2013: &str = "http://schemas.microsoft.com/appx/2013/manifest";
/// Windows Phone 8.1 additions, usually `m3`.
pub const APPX_2014: &str = "http://schemas.microsoft.com/appx/2014/manifest";
/// `PhoneIdentity`, usually `mp`.
pub const PHONE: &str = "http://schemas.microsoft.com/appx/2014/phone/manifest";
/// Universal Windows Platform additions: `uap`, `uap2`, `uap3` and so on.
pub const UAP: &str = "http://schemas.microsoft.com/appx/manifest/uap/windows10";
/// Devices without a screen: `iot`, `iot2`.
pub const IOT: &str = "http://schemas.microsoft.com/appx/manifest/iot/windows10";
/// Phones.
pub const MOBILE: &str = "http://schemas.microsoft.com/appx/manifest/mobile/windows10";
/// Desktop programs: `desktop`, `desktop2` and so on.
pub const DESKTOP: &str = "http://schemas.microsoft.com/appx/manifest/desktop/windows10";
/// COM servers: `com`, `com2` and so on.
pub const COM: &str = "http://schemas.microsoft.com/appx/manifest/com/windows10";
/// Restricted capabilities.
pub const RESTRICTED_CAPABILITIES: &str =
    "http://schemas.microsoft.com/appx/manifest/foundation/windows10/restrictedcapabilities";

/// The namespaces a `Package` element may have.
pub(super) const PACKAGE: [&str; 2] = [FOUNDATION, APPX_2010];

/// The families whose `Extension`, `BackgroundTasks` and `Task` elements and whose attributes are read.
const EXTENSIONS: [&str; 8] = [FOUNDATION, APPX_2010, APPX_2013, APPX_2014, UAP, IOT, MOBILE, DESKTOP];

/// Whether `uri` is `family` or a numbered later version of it.
pub(crate) fn in_family(uri: &str, family: &str) -> bool {
    let Some(rest) = uri.strip_prefix(family) else { return false };
    let numbered = |version: &str| !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    rest.is_empty() || rest.strip_prefix('/').is_some_and(numbered)
}

/// Whether elements and attributes of this namespace can describe a background task.
pub(super) fn describes_tasks(uri: &str) -> bool {
    EXTENSIONS.iter().any(|family| in_family(uri, family))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_numbered_versions_only() {
        assert!(in_family(UAP, UAP));
        assert!(in_family("http://schemas.microsoft.com/appx/manifest/uap/windows10/18", UAP));
        for foreign in ["", "/", "/4/", "/x", "4", "/../evil"] {
            assert_eq!(in_family(&format!("{UAP}{foreign}"), UAP), foreign.is_empty(), "{foreign}");
        }
        assert!(!in_family(RESTRICTED_CAPABILITIES, FOUNDATION));
    }
}
