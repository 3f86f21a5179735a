# The session ends while a task runs: it is told so, and the next session's history has it (CAN-5).
. /opt/cases/lib.sh

task=$(register log-off Tasks.SampleBackgroundTask TimeZoneChange)
eventually source_is time-zone available
eventually source_knows time-zone
timedatectl set-timezone America/Lima
eventually phase_is log-off running
systemctl stop "user@$uid.service"
systemctl start "user@$uid.service"
eventually broker ListApps
eventually history_has "$task" 'LoggingOff'
as_user bgtask unregister "$task"
