# A task that asked for the network holds up the sleep of the machine while it runs, one that did not waits until the machine is
# awake again (D15). The kernel's door to sleep is a file of the container's own, on which writing does nothing.
. /opt/cases/lib.sh

mount -o remount,rw /sys # a tmpfs of the container's
mkdir -p /sys/power
mount -t tmpfs tmpfs /sys/power
echo mem >/sys/power/state
# logind waits for long enough that a slow machine sees it wait.
mkdir -p /etc/systemd/logind.conf.d
printf '[Login]\nInhibitDelayMaxSec=10min\n' >/etc/systemd/logind.conf.d/patient.conf
systemctl kill --signal=HUP systemd-logind

as_user bgtask add sends --on event:org.example.never --network -- sh -c 'touch ~/sending; while [ -e ~/sending ]; do sleep 0.1; done'
as_user bgtask add patient --every 1s --once --paused -- true
delays() { systemd-inhibit --list --no-legend | grep -qE '^bgtask .* sleep .*Background tasks use the network +delay'; }
delays_not() { ! delays; }
as_user bgtask run sends
eventually delays
as_user bgtask doctor | grep -q 'logind waits up to 10 min'

slept() { journalctl --no-pager -o cat -u systemd-logind | grep -c "Operation 'sleep' finished" || true; }
before=$(slept)
systemctl suspend
eventually value_is standby true
as_user bgtask resume patient
eventually phase_is patient buffered
[ "$(slept)" = "$before" ]
fired_times patient 1
ran_times patient 0

rm "/home/$user/sending"
eventually delays_not
slept_once() { [ "$(slept)" = $((before + 1)) ]; }
eventually slept_once
eventually value_is standby false
eventually ran_times patient 1

# It ends with its broker, however that ends: nothing is left that would hold up the next sleep.
as_user bgtask run sends
eventually delays
as_user systemctl --user kill --kill-who=main --signal=KILL bgtask
eventually delays_not
rm -f "/home/$user/sending"
eventually as_user bgtask list
as_user bgtask remove sends
rm -f "/home/$user/sending" /etc/systemd/logind.conf.d/patient.conf
systemctl kill --signal=HUP systemd-logind
umount /sys/power
