//! What an app's access, setting and policy say.

use bgtask_wire::AppInfo;

/// What a `BackgroundAccessStatus` means; nothing for one that only a newer broker knows.
pub(super) fn meaning(access: &str) -> Option<&'static str> {
    Some(match access {
        "Unspecified" => "it has not asked for it yet, and nothing of it runs",
        "AlwaysAllowed" => "it runs, in energy saver too",
        "AllowedSubjectToSystemPolicy" => "it runs, but not in energy saver",
        "DeniedBySystemPolicy" => "the policy does not let it run",
        "DeniedByUser" => "the user does not let it run",
        _ => return None,
    })
}

/// What the policy says of an app, and the file that says so.
pub(crate) fn policy(app: &AppInfo) -> Option<String> {
    let policy = app.policy.as_ref()?;
    Some(app.policy_file.as_ref().map_or_else(|| policy.clone(), |file| format!("{policy} ({file})")))
}

/// Why the user's setting of an app is not what decides, if it is not (AC-7).
pub(super) fn overruled(app: &AppInfo, background_enabled: bool) -> Option<String> {
    let setting = app.setting.as_deref()?;
    if access_of(setting) == Some(&app.access) {
        return None;
    }
    Some(match policy(app) {
        Some(policy) if forces(app) => format!("the policy says {policy}"),
        _ if !background_enabled => {
            "all background work is switched off, and `bgtask access on` switches it on".to_owned()
        }
        _ => format!("{} decides", app.decided_by),
    })
}

/// Whether the policy leaves nothing to the user.
pub(super) fn forces(app: &AppInfo) -> bool {
    matches!(app.policy.as_deref(), Some("ForceAllow" | "ForceDeny"))
}

/// What a setting of the user comes to where nothing overrules it.
fn access_of(setting: &str) -> Option<&'static str> {
    match setting {
        "always" => Some("AlwaysAllowed"),
        "managed" => Some("AllowedSubjectToSystemPolicy"),
        "never" => Some("DeniedByUser"),
        _ => None,
    }
}
