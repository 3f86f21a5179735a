# A person who logs in by ssh is there: a remote session on a terminal, by the real sshd and PAM. His going is noticed too.
. /opt/cases/lib.sh
. /opt/world/door.sh

witness came user-present
witness went user-away
eventually value_is user-presence false
open_door
visit
eventually ran_times came 1
leave
eventually ran_times went 1
fired_times came 1
fired_times went 1
forget came went
