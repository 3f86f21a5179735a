# The machine was started again: at the log-in the broker starts by itself, and the registration of the case before fires.
user=fresh
. /opt/cases/lib.sh

log_in
eventually broker_is active
task=$(as_user bgtask list --json | grep -o '"id": *"[^"]*"' | cut -d'"' -f4)
eventually source_knows time-zone
timedatectl set-timezone Asia/Tokyo
eventually ran_times "$task" 1
log_out
