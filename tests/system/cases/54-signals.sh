# Any signal of a bus is a trigger: on the session's, and on the system's, where timedated says what it has done. Others fire nothing.
. /opt/cases/lib.sh

witness bell signal:interface=org.example.Bell,member=Rang,arg0=front
witness clock signal:bus=system,sender=org.freedesktop.timedate1,path=/org/freedesktop/timedate1,member=PropertiesChanged
for name in bell clock; do eventually listens $name; done

ring() { as_user gdbus emit --session --object-path /door --signal "org.example.Bell.$1" "$2" 7; }
ring Rang back
ring Broke front
ring Rang front
eventually heard bell 1
events bell | grep '"arguments": \["front", ' | grep '"path": "/door"' | grep -q '"bus": "session"'

timedatectl set-timezone Asia/Tokyo
eventually heard clock 1
# Somebody else who says the same is not believed.
gdbus emit --system --object-path /org/freedesktop/timedate1 --signal org.freedesktop.DBus.Properties.PropertiesChanged \
  org.freedesktop.timedate1 "{'Timezone': <'Moon/Base'>}" "@as []"
timedatectl set-timezone Asia/Kolkata
eventually heard clock 2
events clock | grep -q 'Asia/Tokyo'
! events clock | grep Moon
heard bell 1
forget bell clock
