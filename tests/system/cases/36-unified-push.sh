# A message that waits starts the broker: nothing of it runs, a distributor of UnifiedPush has a message for it, and the bus has systemd start it by
# the service file of the package. The message is answered, and the command for it runs.
. /opt/cases/lib.sh

config="/home/$user/.config/bgtask/config.toml"
as_user mkdir -p "$(dirname "$config")"
echo '[push.unified_push]' | as_user tee "$config" >/dev/null
as_user systemctl --user restart bgtask
coproc DISTRIBUTOR { exec runuser -u "$user" -- env DBUS_SESSION_BUS_ADDRESS="unix:path=/run/user/$uid/bus" /usr/bin/python3 /opt/world/distributor.py; }
hears() { while read -r -t 60 -u "${DISTRIBUTOR[0]}" heard; do [ "$heard" = "$1" ] && return 0; [ "$heard" != "given up" ] || return 1; done; return 1; }
hears there
as_user bgtask push open | grep -q '^https://push.example.org/'
witness mail push
eventually listens mail

process() { as_user systemctl --user show -P MainPID bgtask; }
first=$(process)
as_user systemctl --user stop bgtask
broker_is inactive
echo "good morning" >&"${DISTRIBUTOR[1]}"
hears taken
broker_is active
second=$(process)
[ "$second" != 0 ] && [ "$second" != "$first" ]
eventually told mail '"content": ?"good morning"'
eventually ran_times mail 1

# While it runs, and after it was killed: systemd starts it again, whoever comes first.
echo "good day" >&"${DISTRIBUTOR[1]}"
hears taken
eventually told mail '"content": ?"good day"'
eventually ran_times mail 2
as_user systemctl --user kill --signal=KILL bgtask
echo "good evening" >&"${DISTRIBUTOR[1]}"
hears taken
eventually told mail '"content": ?"good evening"'
eventually ran_times mail 3

forget mail
as_user bgtask push close org.bgtask.Commands
as_user rm "$config"
as_user systemctl --user restart bgtask
kill "$DISTRIBUTOR_PID"
