# UserPresent: held while nobody is logged in, run when a session of the user begins, by the real logind.
. /opt/cases/lib.sh

task=$(register present Tasks.Quick TimeZoneChange UserPresent)
eventually source_is user-presence logind
eventually source_knows time-zone
timedatectl set-timezone America/New_York
eventually phase_is present latched
ran_times "$task" 0

session --unit=login1 sleep 1000
eventually loginctl user-status tester
loginctl list-sessions --no-legend
loginctl show-session "$(loginctl list-sessions --no-legend | awk '$3 == "tester" { print $1; exit }')"
as_user bgtask sources
eventually ran_times "$task" 1
systemctl stop login1
eventually value_is user-presence false
timedatectl set-timezone America/Chicago
eventually phase_is present latched
as_user bgtask unregister "$task"
