# Thresholds of sensors by the real iio-sensor-proxy: it gets dark, it gets bright, somebody comes near.
. /opt/cases/lib.sh

systemctl mask --quiet --runtime iio-sensor-proxy
mkfifo /run/sensors
systemd-run --quiet --unit=sensors sh -c 'exec umockdev-wrapper /usr/bin/python3 /opt/world/sensors.py <>/run/sensors'
sensor() { echo "$*" >/run/sensors; }
proxy_runs() { busctl get-property net.hadess.SensorProxy /net/hadess/SensorProxy net.hadess.SensorProxy HasAmbientLight | grep -q true; }
eventually proxy_runs

witness dark sensor:light,below=10
witness bright sensor:light,above=500
witness near sensor:proximity
for name in dark bright near; do eventually listens $name; done

sensor light 5
eventually heard dark 1
events dark | grep -q '"sensor": "light", "value": 5'
sensor light 9.5 # darker than ten still
sensor light 800
eventually heard bright 1
sensor near 200
eventually heard near 1
events near | grep -q '"value": true'
sensor light 3
eventually heard dark 2
heard bright 1
forget dark bright near
systemctl stop sensors
rm /run/sensors
systemctl unmask --quiet --runtime iio-sensor-proxy
