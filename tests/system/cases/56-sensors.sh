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

# What is so at first is no event, and a sensor is asked about once a second: the world swings until it was seen.
noticed() {
  sensor "$2" "$3"
  sleep 1
  sensor "$2" "$4"
  sleep 1
  ! heard "$1" 0
}
eventually noticed dark light 100 5
events dark | grep -q '"sensor": "light", "value": 5'
heard bright 0
eventually noticed bright light 100 800
events bright | grep -q '"value": 800'
eventually noticed near near 10 200
events near | grep -q '"value": true'
forget dark bright near
systemctl stop sensors
rm /run/sensors
systemctl unmask --quiet --runtime iio-sensor-proxy
