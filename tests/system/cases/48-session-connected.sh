# SessionConnected by sessions of the real logind: a log-in, a fast user switch there and back, and an end of a remote session are
# connections and disconnections.
. /opt/cases/lib.sh
. /opt/world/seat.sh
. /opt/world/door.sh

witness connected session-connected
witness disconnected session-disconnected
eventually value_is session-connected false
sit_down tester desk
eventually ran_times connected 1

sit_down guest guest-desk
eventually ran_times disconnected 1
loginctl activate "$(session_of desk)"
eventually ran_times connected 2
loginctl activate "$(session_of guest-desk)"
eventually ran_times disconnected 2

# From afar, while the guest has the seat.
open_door
visit
eventually ran_times connected 3
loginctl lock-session "$(session_of desk)" # locked is connected still, here and there
leave
eventually ran_times disconnected 3
loginctl activate "$(session_of desk)"
eventually ran_times connected 4

# To log off is not to disconnect, and to log in again is to connect.
systemctl stop guest-desk desk
eventually value_is session-connected logged-off
sit_down tester desk
eventually ran_times connected 5
ran_times disconnected 3

systemctl stop desk
forget connected disconnected
