# NetworkStateChange: what the network reaches, what it costs, or which connection carries it becomes another one. Every change that
# stays fires, and one that comes and goes within a quarter of a second does not have to.
. /opt/cases/lib.sh
. /opt/world/network.sh

witness changed network-state-change
state_is() { as_user bgtask sources --json | grep -A9 '"name": *"network-state"' | grep '"value"' | grep -qE "$1"; }
eventually state_is 'full unmetered'
fired_times changed 0

meter yes
eventually state_is 'full metered'
eventually ran_times changed 1
told changed '"trigger":"network-state-change"'
street_answers 'log in first'
eventually state_is 'portal metered'
eventually ran_times changed 2
street_answers 'NetworkManager is online'
meter no
eventually state_is 'full unmetered'
street_answers 'NetworkManager is online' # once more the same
nmcli networking off
eventually state_is none
before=$(firings changed)
nmcli networking on
eventually state_is 'full unmetered'

# A second way out, and the first one is taken away: the internet stays, the connection is another one.
witness stayed internet
second_cable
eventually nmcli connection up wan1
nmcli connection down wan0
eventually state_is "full unmetered $(nmcli -g connection.uuid connection show wan1)"
eventually test "$(firings changed)" -gt "$before"
eventually nmcli connection up wan0
cut_second_cable

# Flapping ends in what is true.
for _ in $(seq 10); do
  meter yes
  meter no
done
meter yes
eventually state_is 'full metered'
[ "$(firings changed)" -le $((before + 30)) ]
fired_times stayed 0
meter no
forget changed stayed
