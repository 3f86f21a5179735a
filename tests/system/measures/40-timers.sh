# A thousand and ten thousand timers, of apps and of systemd's user manager: see timers.py.
. /opt/cases/lib.sh

log_in
as_user /usr/bin/python3 -u /opt/cases/timers.py
