# InternetAvailable by the real NetworkManager and its connectivity check: a captive portal is not the internet, and neither is a
# network on which nothing answers. Only the way from "no" to "yes" fires.
. /opt/cases/lib.sh
. /opt/world/network.sh

build_street
witness online internet
witness offline no-internet
eventually value_is internet true
fired_times online 0 # it held when the command was added

street_answers 'log in first'
connectivity_is portal
eventually value_is internet false
eventually fired_times offline 1
street_answers 'NetworkManager is online'
eventually ran_times online 1
told online '"trigger":"internet"'

server_off
connectivity_is limited
eventually value_is internet false
server_on
street_answers 'log in first' # from limited to portal: no change of the level
street_answers 'NetworkManager is online'
eventually ran_times online 2

nmcli networking off
eventually value_is internet false
nmcli networking on
eventually ran_times online 3

# The last edge has been told, so that one invented before it would be here.
eventually ran_times offline 3
fired_times online 3
fired_times offline 3
forget online offline
