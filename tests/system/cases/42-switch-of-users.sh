# Two people share the seat: who is not in front is away. A second session of the same person counts for itself.
. /opt/cases/lib.sh
. /opt/world/seat.sh

witness in-front user-present
witness behind user-away
eventually value_is user-presence false
sit_down tester desk
eventually ran_times in-front 1

sit_down guest guest-desk
eventually ran_times behind 1
loginctl activate "$(session_of desk)"
eventually ran_times in-front 2
loginctl activate "$(session_of guest-desk)"
eventually ran_times behind 2

# A second session of his own brings him back, and its end sends him away.
sit_down tester second-desk
eventually ran_times in-front 3
loginctl activate "$(session_of guest-desk)"
eventually ran_times behind 3
systemctl stop guest-desk
loginctl activate "$(session_of desk)"
eventually ran_times in-front 4

# Locked there, but in front of the other.
loginctl lock-session "$(session_of second-desk)"
systemctl stop second-desk
loginctl lock-session "$(session_of desk)"
eventually ran_times behind 4
systemctl stop desk
fired_times in-front 4
fired_times behind 4
loginctl terminate-user guest || true
forget in-front behind
