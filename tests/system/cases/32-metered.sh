# FreeNetworkAvailable: what NetworkManager says of the connection that carries the traffic decides, at once when it says something else.
. /opt/cases/lib.sh
. /opt/world/network.sh

witness free unmetered
witness reached internet
eventually value_is free-network true

meter yes
eventually value_is free-network false
value_is internet true # what costs is the internet all the same
as_user bgtask add update --on event:org.example.update --when unmetered -- true
as_user bgtask raise org.example.update
eventually phase_is update latched
as_user bgtask why update | grep -q unmetered
fired_times free 0

meter no
eventually ran_times free 1
eventually ran_times update 1

# A free network that does not reach the internet is none.
server_off
eventually value_is free-network false
server_on
street_answers 'NetworkManager is online'
eventually ran_times free 2
fired_times free 2
fired_times update 1
forget free reached update
