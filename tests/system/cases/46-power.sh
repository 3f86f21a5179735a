# External power and the battery by the real upowerd on a laptop of umockdev's: the plug is drawn and put back, the battery runs down.
. /opt/cases/lib.sh
. /opt/world/power.sh

witness plugged ac-power
witness half-full battery-above:50
eventually value_is external-power true # no battery: external power always
eventually value_is battery-above:50 true

laptop
eventually source_is external-power UPower
eventually source_is battery-above:50 UPower
as_user bgtask add heavy --on event:org.example.heavy --when ac-power,battery-above:50 -- true
witness unplugged not:ac-power

supplies plug 0
supplies battery 70 Discharging
eventually ran_times unplugged 1
as_user bgtask raise org.example.heavy
eventually phase_is heavy latched
as_user bgtask why heavy | grep -q 'ac-power'
supplies battery 40 Discharging
eventually value_is battery-above:50 false

supplies plug 1
supplies battery 45 Charging
eventually ran_times plugged 1
value_is battery-above:50 false
ran_times heavy 0
supplies battery 50 Charging
eventually ran_times half-full 1
eventually ran_times heavy 1

# Around the mark: the level ends one percent lower, and only then can it begin again.
supplies plug 0
supplies battery 49.5 Discharging
eventually ran_times unplugged 2
supplies plug 1
supplies battery 51 Charging
eventually ran_times plugged 2
fired_times half-full 1
fired_times unplugged 2
forget plugged unplugged half-full heavy
no_laptop
