# A laptop: a plug and a battery that exist in umockdev's /sys only, with the real upowerd on it, and nothing else of the machine.
# shellcheck shell=bash

laptop() {
  systemctl mask --quiet --runtime upower
  mkfifo /run/supplies
  systemd-run --quiet --collect --unit=laptop sh -c 'exec umockdev-wrapper /usr/bin/python3 /opt/world/supplies.py <>/run/supplies'
  eventually charge_is 80
}

# supplies ORDER…: see supplies.py. (A discharging battery below 5 % would switch the machine off.)
supplies() { echo "$*" >/run/supplies; }

charge_is() { upower -i /org/freedesktop/UPower/devices/DisplayDevice | grep -q "percentage: *$1%"; }

no_laptop() {
  systemctl stop laptop
  rm /run/supplies
  systemctl unmask --quiet --runtime upower
}
