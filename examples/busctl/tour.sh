#!/bin/sh
# A tour of the broker with nothing but busctl: ask for access, register a task, see it listed, fire it by an event of our
# own, wait for its end, read its history, and take it away again.
#
#   examples/busctl/tour.sh APP ENTRY_POINT
#
# APP is the id of an installed app, ENTRY_POINT one that its manifest declares for the types `general` or `systemEvent`.
# The broker is the one at $BGTASK_ADDRESS, or else that of this session.
set -eu

usage='usage: tour.sh APP ENTRY_POINT, for example: tour.sh org.example.Sample Tasks.SampleBackgroundTask'
app=${1:?$usage} entry_point=${2:?$usage}
event=org.example.busctl-tour.$$
address=${BGTASK_ADDRESS:-${XDG_RUNTIME_DIR:?is not set: log in, or set BGTASK_ADDRESS}/bgtask/broker}

# Each call is a connection of its own. busctl reads: object, interface, method, signature, arguments; what it answers is
# the signature and the values. A dictionary is its length and then, for each entry, key, signature, value.
broker() {
    busctl --address="unix:path=${address#unix:path=}" \
        call org.bgtask.Broker1 /org/bgtask/Broker1 org.bgtask.Broker1 "$@"
}

echo "== Access: 4 and 5 mean that $app may run in the background"
broker RequestAccess ss "$app" ''

echo "== Register a task that the event $event fires"
task=$(broker Register 'sss(sa{sv})asa{sv}' "$app" 'busctl tour' "$entry_point" \
    CustomSystemEventTrigger 2 id s "$event" recurrence s Always \
    0 \
    0 | cut -d '"' -f 2)
echo "$task"
trap 'broker Unregister sb "$task" true' EXIT

echo "== It is among the tasks of $app"
broker ListTasks s "$app" | tr ' ' '\n' | grep -F "$task"

echo "== Why it does not run"
broker Why s "$task" | grep -o '"sentence" s "[^"]*"'

echo "== Raise the event: one task hears it"
broker Raise s "$event"

echo "== What happened, until it is over"
tries=600
until broker History 'a{sv}' 1 task s "$task" | grep -q '"event" s "completed"'; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { echo "it does not end; ask: bgtask why 'busctl tour'" >&2; exit 1; }
    sleep 0.1
done
broker History 'a{sv}' 1 task s "$task" | grep -o '"event" s "[^"]*"' | cut -d '"' -f 4

echo "== Unregister"
