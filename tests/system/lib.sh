# What the cases share. Each case is a person at a shell of the container.

user=${user:-tester}
uid=$(id -u "$user")
app=org.example.Sample

# Runs a command as the user, with the session's bus and run-time folder.
as_user() {
  runuser -u "$user" -- env XDG_RUNTIME_DIR="/run/user/$uid" DBUS_SESSION_BUS_ADDRESS="unix:path=/run/user/$uid/bus" HOME="/home/$user" "$@"
}

# A session of the user, in which a command runs. A log-in without a terminal has to say that it is a person's.
session() { systemd-run --quiet --collect -p PAMName=login -p User="$user" -p Environment=XDG_SESSION_CLASS=user "$@"; }

# Logs the user in, runs a command in that session, and ends it.
in_session() { session --wait --pipe "$@"; }

log_in() {
  session --unit="session-of-$user" sleep infinity
  eventually as_user systemctl --user is-active default.target
}

# Ends the session, and everything of a user who does not linger.
log_out() {
  systemctl stop "session-of-$user"
  loginctl terminate-user "$user" || true # it may be gone by now
  eventually manager_is inactive
}

manager_is() { [ "$(systemctl is-active "user@$uid.service")" = "$1" ]; }
broker_is() { [ "$(as_user systemctl --user is-active bgtask)" = "$1" ]; }

# Waits until a command succeeds: about a minute at most, looking five times a second.
eventually() {
  for _ in $(seq 300); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.2
  done
  echo "never true: $*"
  return 1
}

broker() { as_user busctl --user call org.bgtask.Broker1 /org/bgtask/Broker1 org.bgtask.Broker1 "$@"; }

# register NAME ENTRY TRIGGER [CONDITION…]; prints the task id.
register() {
  local name=$1 entry=$2 trigger=$3
  shift 3
  broker RequestAccess ss "$app" "" >/dev/null
  broker Register 'sss(sa{sv})asa{sv}' "$app" "$name" "$entry" SystemTrigger 1 type s "$trigger" $# "$@" 0 | cut -d'"' -f2
}

# witness NAME TRIGGER [OPTION…]: a command of the user's that writes down the details of what fired it.
witness() {
  local name=$1 trigger=$2
  shift 2
  as_user bgtask add "$name" --on "$trigger" "$@" -- sh -c 'cat <&"$BGTASK_DETAILS_FD"; echo'
}

# Whether what a witness waits for is listened to, and every event it was told of so far: in each line a JSON object.
listens() { as_user bgtask why "$1" | grep -qE 'Trigger +open'; }
events() {
  as_user bgtask logs "$1" | grep -o '{.*}' | /usr/bin/python3 -c '
import json, sys
for run in sys.stdin:
    for event in json.loads(run)["events"]:
        print(json.dumps(event, sort_keys=True))'
}
heard() { [ "$(events "$1" | wc -l)" = "$2" ]; }

forget() { for name in "$@"; do as_user bgtask remove "$name"; done; }
# Every firing of a task, and what the last run of a witness read in its details.
firings() { as_user bgtask history "$1" --json | grep -c '"event": *"fired"' || true; }
fired_times() { [ "$(firings "$1")" = "$2" ]; }
told() { as_user bgtask logs "$1" | grep -o "{.*}" | tail -1 | grep -qE -- "$2"; }

history_has() { as_user bgtask history "$1" | grep -q "$2"; }
runs() { as_user bgtask history "$1" --json | grep -o '"event": *"completed"' | wc -l; }
ran_times() { [ "$(runs "$1")" = "$2" ]; }
# What a service writes is in the journal a moment after it was written.
journal_has() { journalctl --no-pager -o cat _UID="$uid" "${@:2}" | grep -q "$1"; }
phase_is() { as_user bgtask list --json | tr -d '\n' | grep -q "\"$1\".*\"phase\": *\"$2\""; }
value_is() { as_user bgtask sources --json | tr -d '\n ' | grep -q "\"name\":\"$1\"[^}]*\"value\":\"$2\""; }
source_knows() { as_user bgtask sources --json | tr -d '\n ' | grep -q "\"name\":\"$1\"[^}]*\"value\":\"[^\"]"; }
source_is() { as_user bgtask sources | grep -E "^ *$1" | grep -q "$2"; }
