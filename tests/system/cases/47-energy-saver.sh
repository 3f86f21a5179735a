# The energy saver by the real power-profiles-daemon, and polkit, which does not let just anybody choose the profile: while it is on,
# work in the background waits (POL-11).
. /opt/cases/lib.sh

systemctl start power-profiles-daemon
powerprofilesctl set balanced
as_user bgtask add errand --on event:org.example.errand -- true
witness saved not:energy-saver
eventually value_is energy-saver false
! as_user powerprofilesctl set power-saver
powerprofilesctl set power-saver
eventually value_is energy-saver true
as_user bgtask raise org.example.errand
eventually history_has errand 'saves energy'
ran_times errand 0

powerprofilesctl set balanced
eventually ran_times errand 1
eventually ran_times saved 1
forget errand saved
