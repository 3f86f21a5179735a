# apt brings a newer package while a task runs: the broker is the new one without a log-out, the task was told to stop, its
# record says so, and the registration is there. Somebody who calls meanwhile is answered.
. /opt/cases/lib.sh

task=$(register upgraded Tasks.SampleBackgroundTask TimeZoneChange)
eventually source_is time-zone available
eventually source_knows time-zone
timedatectl set-timezone America/Lima
eventually phase_is upgraded running
as_user bgtask add long --every 1h -- sleep 1000
as_user bgtask run long
eventually phase_is long running
before=$(as_user systemctl --user show --property=MainPID bgtask)
apt-get install -qy --no-install-recommends /opt/packages/bgtask-next.deb
dpkg-query -W bgtask | grep -q next
as_user bgtask list | grep upgraded
eventually broker_is active
[ "$(as_user systemctl --user show --property=MainPID bgtask)" != "$before" ]
history_has "$task" 'LoggingOff'
history_has long 'LoggingOff'
as_user bgtask list | grep long

# What the machine's owner has switched off stays off.
systemctl --global disable bgtask.service bgtask.socket
apt-get install -qy --no-install-recommends --allow-downgrades /opt/packages/bgtask.deb
[ "$(systemctl --global is-enabled bgtask.service)" = disabled ]
as_user bgtask unregister "$task"
as_user bgtask remove long
