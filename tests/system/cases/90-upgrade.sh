# apt brings a newer package while a command runs: the broker is the new one without a log-out, the command was told to stop,
# its record says so, and what was registered is there.
. /opt/cases/lib.sh

task=$(register upgraded Tasks.Quick TimeZoneChange)
as_user bgtask add long --every 1h -- sleep 1000
as_user bgtask run long
eventually phase_is long running
before=$(as_user systemctl --user show --property=MainPID bgtask)
apt-get install -qy --no-install-recommends /opt/packages/bgtask-next.deb
dpkg-query -W bgtask | grep next
as_user bgtask list | grep upgraded
as_user bgtask list | grep long
eventually broker_is active
[ "$(as_user systemctl --user show --property=MainPID bgtask)" != "$before" ]
history_has long 'LoggingOff'

# What the machine's owner has switched off stays off.
systemctl --global disable bgtask.service bgtask.socket
apt-get install -qy --no-install-recommends --allow-downgrades /opt/packages/bgtask.deb
[ "$(systemctl --global is-enabled bgtask.service)" = disabled ]
as_user bgtask unregister "$task"
as_user bgtask remove long
