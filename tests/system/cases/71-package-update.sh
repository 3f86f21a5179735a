# dpkg brings a new version of a package that owns the manifest of an app: ServicingComplete fires once, for that app and no other
# (RE-6). The same version again is no update.
. /opt/cases/lib.sh

# package VERSION: a package of another app, with its manifest where packages put it.
package() {
  local tree=/tmp/package-$1
  mkdir -p "$tree/DEBIAN" "$tree/usr/share/bgtask/apps"
  printf 'Package: example-app\nVersion: %s\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: an app\n' "$1" \
    >"$tree/DEBIAN/control"
  sed "s/^id = .*/id = \"org.example.Packaged\"/; s/^version = .*/version = \"$1\"/" "/usr/share/bgtask/apps/$app.toml" \
    >"$tree/usr/share/bgtask/apps/org.example.Packaged.toml"
  dpkg-deb --build "$tree" "/tmp/example-app-$1.deb"
}

package 1.0.0
package 1.1.0
dpkg -i /tmp/example-app-1.0.0.deb
other=$(register unserviced Tasks.Quick ServicingComplete)
app=org.example.Packaged
broker_has_app() { broker ListApps | grep -q "$app"; }
eventually broker_has_app
task=$(register packaged Tasks.Quick ServicingComplete)

dpkg -i /tmp/example-app-1.1.0.deb
eventually ran_times "$task" 1
dpkg -i /tmp/example-app-1.1.0.deb
as_user systemctl --user stop bgtask
dpkg -i /tmp/example-app-1.0.0.deb # while no broker runs; a version that is lower is another one too
as_user systemctl --user start bgtask
eventually ran_times "$task" 2
fired_times "$task" 2
fired_times "$other" 0
as_user bgtask unregister "$other"
dpkg -r example-app
broker_lost_app() { ! broker_has_app; }
eventually broker_lost_app
