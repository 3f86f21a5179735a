# InternetAvailable by the real NetworkManager and its connectivity check: a captive portal is not the internet, and neither is a
# network on which nothing answers. Only the way from "no" to "yes" fires.
. /opt/cases/lib.sh
. /opt/world/network.sh

build_street
witness back-online internet
witness cut-off no-internet
eventually value_is internet true
fired_times back-online 0 # it held when the command was added

street_answers 'log in first'
connectivity_is portal
eventually value_is internet false
eventually fired_times cut-off 1
street_answers 'NetworkManager is online'
eventually ran_times back-online 1
told back-online '"trigger":"internet"'

server_off
connectivity_is limited
eventually value_is internet false
server_on
street_answers 'log in first' # from limited to portal: no change of the level
street_answers 'NetworkManager is online'
eventually ran_times back-online 2

nmcli networking off
eventually value_is internet false
nmcli networking on
eventually ran_times back-online 3

# The last edge has been told, so that one invented before it would be here.
eventually ran_times cut-off 3
fired_times back-online 3
fired_times cut-off 3
forget back-online cut-off
