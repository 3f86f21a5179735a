# A user who was made after the package was installed: the first command of the first session works, and what is registered is
# there after a log-out and, in the next case, after a start of the machine.
useradd --create-home --shell /bin/bash fresh
user=fresh
. /opt/cases/lib.sh

in_session bgtask add touch --on time-zone-change -- sh -c 'date >>"$HOME/touched"'
log_in
register kept Tasks.Quick TimeZoneChange
log_out

log_in
eventually broker_is active # nobody has to ask for it
as_user bgtask list | grep kept
as_user bgtask list | grep touch
log_out
