# The broker is killed while a task runs: systemd starts it again, the task runs again as its second attempt (D7).
. /opt/cases/lib.sh

task=$(register crash Tasks.SampleBackgroundTask TimeZoneChange)
eventually source_is time-zone available
eventually source_knows time-zone
timedatectl set-timezone Pacific/Auckland
eventually phase_is crash running
as_user systemctl --user kill --signal=KILL bgtask
eventually history_has "$task" 'interrupted'
eventually ran_times "$task" 1
as_user bgtask history "$task" | grep -q 'attempt 2'
as_user bgtask unregister "$task"
