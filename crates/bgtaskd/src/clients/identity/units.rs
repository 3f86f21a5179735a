//! What the names of a process's cgroups tell: those that Snap, Flatpak and desktops give to the units of their apps.
//!
//! Everybody may read them, also of a process that hides its files; a sandboxed process cannot change its own.
//! `SNAP_INSTANCE_NAME` says the same as a snap's unit, but a process writes its own environment.

/// The app of the outermost sandbox in `/proc/PID/cgroup`: what runs in it cannot get out of it.
pub(super) fn sandbox(cgroups: &str) -> Option<String> {
    units(cgroups).find_map(|unit| if unit.starts_with("app-flatpak-") { desktop_app(unit) } else { snap(unit) })
}

/// The app of the innermost unit that is one of an app by the desktop's convention.
pub(super) fn desktop(cgroups: &str) -> Option<String> {
    units(cgroups).filter_map(desktop_app).last()
}

/// The names on the way to a process's cgroup, in each hierarchy.
fn units(cgroups: &str) -> impl Iterator<Item = &str> {
    cgroups.lines().filter_map(|line| line.splitn(3, ':').nth(2)).flat_map(|path| path.split('/'))
}

/// `snap.INSTANCE.APP-UUID.scope`, before snapd 2.55 `snap.INSTANCE.APP.UUID.scope`, and `snap.INSTANCE.APP.service`.
/// The instance is the snap's name, with `_KEY` where it is installed more than once; a component adds `+NAME`.
fn snap(unit: &str) -> Option<String> {
    let name = unit.strip_suffix(".scope").or_else(|| unit.strip_suffix(".service"))?;
    let (instance, _app) = name.strip_prefix("snap.")?.split_once('.')?;
    let instance = unescape(instance);
    let instance = instance.split('+').next()?;
    (!instance.is_empty()).then(|| instance.to_owned())
}

/// `app[-LAUNCHER]-APPID-RANDOM.scope` or `app[-LAUNCHER]-APPID[@RANDOM].service`, escaped by systemd's rules.
fn desktop_app(unit: &str) -> Option<String> {
    let name = unit.strip_prefix("app-")?;
    let name = match (name.strip_suffix(".scope"), name.strip_suffix(".service")) {
        (Some(scope), _) => scope.rsplit_once('-')?.0,
        (_, Some(service)) => service.split('@').next()?,
        _ => return None,
    };
    name.rsplit('-').next().map(unescape)
}

/// systemd writes what has a meaning in the name of a unit as `\xNN`.
fn unescape(name: &str) -> String {
    let mut pieces = name.split("\\x");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(u8::is_ascii);
        match digits {
            Some(byte) => plain.extend([char::from(byte)].into_iter().chain(piece[2..].chars())),
            None => plain.extend(["\\x", piece]),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_desktop_names_an_app_in_its_unit() {
        for (unit, app) in [
            ("app-gnome-org.example.Photos-1234.scope", Some("org.example.Photos")),
            ("app-org.example.Photos-1234.scope", Some("org.example.Photos")),
            ("app-KDE-org.example.Photos@9f1c.service", Some("org.example.Photos")),
            ("app-org.example.Photos@autostart.service", Some("org.example.Photos")),
            ("app-org.example.Photos.service", Some("org.example.Photos")),
            ("app-gnome-org.example.My\\x2dPhotos-1.scope", Some("org.example.My-Photos")),
            ("app-org.example.Odd\\xzz-1.scope", Some("org.example.Odd\\xzz")),
            ("session-2.scope", None),
            ("app-.scope", None),
            ("app.slice", None),
        ] {
            assert_eq!(desktop_app(unit).as_deref(), app, "{unit}");
        }
    }

    #[test]
    fn snapd_names_a_snap_in_its_unit() {
        let uuid = "0fa63bf6-6f9a-4e4e-8b5c-35a8c3f4b1d2";
        for (unit, app) in [
            (format!("snap.photos.viewer-{uuid}.scope"), Some("photos")),
            (format!("snap.photos.viewer.{uuid}.scope"), Some("photos")),
            (format!("snap.photos_work.viewer-{uuid}.scope"), Some("photos_work")),
            (format!("snap.my\\x2dphotos.viewer-{uuid}.scope"), Some("my-photos")),
            (format!("snap.photos\\x2bplugins.hook.install-{uuid}.scope"), Some("photos")),
            ("snap.photos.sync.service".into(), Some("photos")),
            ("snap.slice".into(), None),
            ("snap.photos".into(), None),
            ("snapd.service".into(), None),
        ] {
            assert_eq!(snap(&unit).as_deref(), app, "{unit}");
        }
    }

    #[test]
    fn a_sandbox_holds_whatever_is_made_inside_it() {
        let user = "0::/user.slice/user-1000.slice/user@1000.service/app.slice";
        let flatpak = format!("{user}/app-flatpak-org.example.P-7.scope/app-flatpak-org.example.Other-1.scope\n");
        assert_eq!(sandbox(&flatpak).as_deref(), Some("org.example.P"));
        let plain = format!("{user}/app-gnome-org.example.P-7.scope/part\n");
        assert_eq!(sandbox(&plain), None, "a launcher's word is no sandbox");
        assert_eq!(desktop(&plain).as_deref(), Some("org.example.P"), "also in a part of its unit");
        let hybrid = "9:name=systemd:/user.slice/snap.photos.viewer-1f.scope\n8:pids:/\n0::/\n";
        assert_eq!(sandbox(hybrid).as_deref(), Some("photos"));
        assert_eq!((sandbox("0::/init.scope\n"), desktop("")), (None, None));
    }
}
