# The machine was started again: at the log-in the broker starts by itself, and the registrations of the case before fire.
user=fresh
. /opt/cases/lib.sh

log_in
eventually broker_is active
eventually source_knows time-zone
timedatectl set-timezone Asia/Tokyo
eventually ran_times kept 1
eventually ran_times touch 1
[ "$(wc -l </home/fresh/touched)" = 1 ]
log_out
