# The real ModemManager with a modem on a socket. It takes its time to get to know it: some twenty seconds.
# shellcheck shell=bash

manager_of_modems() {
  busctl call org.freedesktop.ModemManager1 /org/freedesktop/ModemManager1 "$@"
}

modem() {
  systemctl start polkit
  mkfifo /run/modem
  systemd-run --quiet --collect --unit=modem sh -c 'exec /usr/bin/python3 /opt/world/modem.py <>/run/modem'
  systemd-run --quiet --collect --unit=telephony -p BusName=org.freedesktop.ModemManager1 -p Type=dbus \
    /usr/sbin/ModemManager --test-enable --test-no-udev --test-no-suspend-resume --no-auto-scan
  manager_of_modems org.freedesktop.ModemManager1.Test SetProfile ssas virt0 generic 1 abstract:modem
  eventually mmcli -m any
  mmcli -m any --enable
  eventually modem_is registered
}

modem_is() { mmcli -m any -K | grep -q "modem.generic.state *: $1"; }

# text_arrives NUMBER TEXT
text_arrives() { echo "sms $*" >/run/modem; }

no_modem() {
  systemctl stop telephony modem
  rm /run/modem
}
