# The services that know are killed and come back. The levels are what they were, nothing fires, and what really changes afterwards
# fires once.
. /opt/cases/lib.sh
. /opt/world/network.sh
. /opt/world/seat.sh

killed() { systemctl kill --kill-whom=main --signal=KILL "$1"; }
came_back() { [ "$(systemctl show -P NRestarts "$1")" -gt "${2:-0}" ] && [ "$(systemctl is-active "$1")" = active ]; }

timedatectl set-timezone Asia/Tokyo
sit_down tester survivor
systemctl start power-profiles-daemon
powerprofilesctl set power-saver
as_user bgtask add saver --on energy-saver -- true
witness kept-online internet
witness lost-offline no-internet
witness kept-present user-present
witness lost-away user-away
witness kept-zone time-zone-change
for source in internet user-presence energy-saver; do eventually value_is $source true; done
eventually source_knows time-zone

# timedated was started because it was asked: killed, it is started again by the next who asks.
killed systemd-timedated
for service in NetworkManager systemd-logind power-profiles-daemon; do
  killed $service
  eventually came_back $service
done
for source in internet user-presence energy-saver; do
  eventually source_is $source available
  eventually value_is $source true
done
fired_times kept-online 0
fired_times lost-offline 0
fired_times kept-present 0
fired_times lost-away 0

powerprofilesctl set balanced # lets everything run
timedatectl set-timezone Asia/Kolkata
loginctl lock-session "$(session_of survivor)"
server_off
eventually ran_times lost-offline 1
eventually ran_times lost-away 1
eventually ran_times kept-zone 1
fired_times lost-offline 1
fired_times lost-away 1
server_on
street_answers 'NetworkManager is online'
eventually ran_times kept-online 1
systemctl stop survivor
forget saver kept-online lost-offline kept-present lost-away kept-zone
clear_street
