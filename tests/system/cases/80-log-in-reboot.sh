# A user who was made after the package was installed: the first command of his first session works, and what he registers is
# there after a log-out and, in the next case, after a start of the machine.
useradd --create-home --shell /bin/bash fresh
user=fresh
. /opt/cases/lib.sh

[ "$(in_session bgtask list --json | tr -d '[:space:]')" = "[]" ]
eventually broker_is active
register kept Tasks.Quick TimeZoneChange
log_out

in_session bgtask list | grep kept
# The broker runs from the log-in on: nobody has to ask for it.
journalctl --no-pager -o cat _UID="$uid" _SYSTEMD_USER_UNIT=bgtask.service
log_out
