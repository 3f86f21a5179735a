# A package brings another version of the manifest: ServicingComplete fires once for each, whether the broker runs or not (RE-6).
. /opt/cases/lib.sh

manifest=/usr/share/bgtask/apps/$app.toml
task=$(register serviced Tasks.Quick ServicingComplete)
sed -i 's/^version = .*/version = "1.1.0"/' "$manifest"
eventually ran_times "$task" 1
as_user systemctl --user stop bgtask
sed -i 's/^version = .*/version = "1.2.0"/' "$manifest"
as_user systemctl --user start bgtask
eventually ran_times "$task" 2
as_user bgtask unregister "$task"
