# A connection comes until its answer: a listener that was handed over, beside a socket unit of systemd with Accept=yes: see sockets.py.
. /opt/cases/lib.sh

app=org.example.Chat
cat >/usr/share/bgtask/apps/$app.toml <<'MANIFEST'
[app]
id = "org.example.Chat"
version = "1.0.0"
capabilities = ["internetClient", "pushNotifications"]
[[task]]
entry_point = "Tasks.Sockets"
types = ["systemEvent"]
executable = "/opt/sample/socket_tasks"
MANIFEST
broker_has_app() { broker ListApps | grep -q "$app"; }
broker_answers() { as_user bgtask list; }
eventually broker_has_app
broker RequestAccess ss "$app" "" >/dev/null
task=$(broker Register 'sss(sa{sv})asa{sv}' "$app" chat Tasks.Sockets SocketActivityTrigger 0 0 0 | cut -d'"' -f2)

units=/home/tester/.config/systemd/user
config=/home/tester/.config/bgtask
as_user mkdir -p "$units" "$config"
printf '[Socket]\nListenStream=127.0.0.1:7001\nAccept=yes\nMaxConnections=1000\nTriggerLimitBurst=0\n' >"$units/answer.socket"
printf '[Service]\nExecStart=/bin/cat\nStandardInput=socket\nStandardOutput=socket\n' >"$units/answer@.service"
as_user systemctl --user daemon-reload
as_user systemctl --user start answer.socket
for linger in 0 600; do
  echo "warm_linger_seconds = $linger" >"$config/config.toml"
  as_user systemctl --user restart bgtask
  eventually broker_answers
  TASK=$task LINGER=$linger /usr/bin/python3 -u /opt/cases/sockets.py
done
as_user systemctl --user stop answer.socket
as_user bgtask unregister "$task"
rm "$units/answer.socket" "$units/answer@.service" "$config/config.toml" "/usr/share/bgtask/apps/$app.toml"
