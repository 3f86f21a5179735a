# A connection that an app has handed over outlives the broker: systemd restarts it, it is killed, apt brings another one. What arrives meanwhile is
# told by the next broker, on the same connection (D7).
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

# The peer says each line that it reads, and prints what comes back for it.
cat >/tmp/peer.py <<'PEER'
import socket, sys
door = socket.create_server(("127.0.0.1", 7777))
print("listening", flush=True)
connection, _ = door.accept()
answers = connection.makefile()
for line in sys.stdin:
    connection.sendall(line.encode())
    print(answers.readline() or "closed", end="", flush=True)
PEER
coproc PEER { exec /usr/bin/python3 /tmp/peer.py; }
hears() { read -r -t 60 -u "${PEER[0]}" heard && [ "$heard" = "$1" ]; }
says() { echo "$1" >&"${PEER[1]}"; }
hears listening

broker_has_app() { broker ListApps | grep -q "$app"; }
eventually broker_has_app
broker RequestAccess ss "$app" "" >/dev/null
task=$(broker Register 'sss(sa{sv})asa{sv}' "$app" chat Tasks.Sockets SocketActivityTrigger 0 0 0 | cut -d'"' -f2)
exec 5<>/dev/tcp/127.0.0.1/7777
as_user /usr/bin/python3 /opt/world/hand_over.py "$app" "$task" chat 5 echo
exec 5>&-
stands() { as_user bgtask sockets --json | tr -d '\n ' | grep -q "\"id\":\"chat\".*\"state\":\"$1\""; }
says "the first broker" && hears "the first broker"
eventually stands watched

main_process() { as_user systemctl --user show -P MainPID bgtask; }
first=$(main_process)
as_user systemctl --user restart bgtask
says "restarted" && hears "restarted"
eventually stands watched

second=$(main_process)
as_user systemctl --user kill --signal=KILL bgtask
says "killed"
hears "killed"
eventually stands watched

third=$(main_process)
apt-get install -qy --no-install-recommends /opt/packages/bgtask-next.deb
says "upgraded" && hears "upgraded"
eventually stands watched
fourth=$(main_process)
[ "$(printf '%s\n' "$first" "$second" "$third" "$fourth" | sort -u | wc -l)" = 4 ]
apt-get install -qy --no-install-recommends --allow-downgrades /opt/packages/bgtask.deb
says "and back" && hears "and back"
as_user bgtask history "$task" --json | grep -q '"event": *"fired"'
as_user bgtask doctor | grep -q 'its service manager keeps them' || as_user bgtask doctor | grep 'sockets of apps'

kill "$PEER_PID"
as_user bgtask unregister "$task"
rm /usr/share/bgtask/apps/$app.toml
