# UserPresent and UserAway by a desktop on the seat: the screen is locked and unlocked by loginctl, and the desktop says that nobody
# types. What says the same again fires nothing.
. /opt/cases/lib.sh
. /opt/world/seat.sh

witness at-desk user-present
witness left-desk user-away
eventually value_is user-presence false
sit_down tester desk
desk=$(session_of desk)
eventually ran_times at-desk 1
told at-desk '"trigger":"user-present"'

loginctl lock-session "$desk"
eventually ran_times left-desk 1
loginctl lock-session "$desk"
loginctl unlock-session "$desk"
eventually ran_times at-desk 2

hint tester "$desk" SetIdleHint true
eventually ran_times left-desk 2
hint tester "$desk" SetLockedHint true # away already
hint tester "$desk" SetIdleHint false  # typing at the lock screen is not being there
hint tester "$desk" SetLockedHint false
eventually ran_times at-desk 3

systemctl stop desk
eventually ran_times left-desk 3
fired_times at-desk 3
fired_times left-desk 3
forget at-desk left-desk
