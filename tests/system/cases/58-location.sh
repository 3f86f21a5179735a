# A geofence by the real GeoClue, which hears from satellites: the machine comes home and leaves again.
. /opt/cases/lib.sh

mkfifo /run/journey
systemd-run --quiet --unit=satellites sh -c 'exec /usr/bin/python3 /opt/world/satellites.py <>/run/journey'
eventually test -S /run/satellites
printf '\n[org.bgtask.Broker]\nallowed=true\nsystem=true\nusers=\n' >>/etc/geoclue/geoclue.conf
systemctl mask --quiet --runtime geoclue
systemd-run --quiet --unit=whereabouts /usr/libexec/geoclue -t 0 -u /run/satellites
go() { echo "$*" >/run/journey; }

witness home location:latitude=52.52,longitude=13.40,radius=200
eventually listens home
go 52.60 13.40
sleep 3
go 52.5201 13.4001
eventually heard home 1
events home | grep -q '"state": "Entered"'
go 52.60 13.40
eventually heard home 2
events home | tail -1 | grep -q '"state": "Exited"'
forget home
systemctl stop whereabouts satellites
rm /run/journey
systemctl unmask --quiet --runtime geoclue
