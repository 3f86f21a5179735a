# TimeZoneChange: timedated sets another zone; a zone with the same offset now is no change (SYS-3, windows-behaviour 16.1).
. /opt/cases/lib.sh

timedatectl set-timezone Etc/UTC
task=$(register zone Tasks.Quick TimeZoneChange)
eventually source_is time-zone available
eventually source_knows time-zone
timedatectl set-timezone Asia/Tokyo
eventually ran_times "$task" 1
history_has "$task" succeeded

timedatectl set-timezone Asia/Seoul # the same offset
timedatectl set-timezone Asia/Kolkata
eventually ran_times "$task" 2
[ "$(as_user bgtask history "$task" --json | grep -o '"event": *"fired"' | wc -l)" = 2 ]

# Fields in the journal.
eventually journal_has zone BGTASK_APP="$app" BGTASK_EVENT=completed
as_user bgtask unregister "$task"
