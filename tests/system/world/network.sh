# A street beyond the machine: a network namespace at the other end of a cable, with a web server that answers NetworkManager's
# connectivity check, answers something else as a captive portal does, or is off.
# shellcheck shell=bash

check_of_street=/run/street/check

# Lays the cable `wan0`, switches the web server on, and makes NetworkManager check what it answers.
build_street() {
  mkdir -p /run/street
  cat >/etc/NetworkManager/conf.d/90-street.conf <<'CONF'
[connectivity]
uri=http://192.0.2.1:8080/check
response=NetworkManager is online
interval=300
CONF
  ip netns add street
  ip link add wan0 type veth peer name door0
  ip link set door0 netns street
  ip -n street link set lo up
  ip -n street addr add 192.0.2.1/24 dev door0
  ip -n street link set door0 up
  server_on
  systemctl restart NetworkManager
  eventually nmcli device set wan0 managed yes # it sees a new device a moment later
  nmcli connection add type ethernet ifname wan0 con-name wan0 ipv4.method manual ipv4.addresses 192.0.2.2/24 \
    ipv4.gateway 192.0.2.1 ipv6.method disabled connection.autoconnect yes connection.metered no
  street_answers 'NetworkManager is online'
  eventually nmcli connection up wan0
  eventually connectivity_is full
}

# What the web server says, and NetworkManager hears of it at once instead of at its next check.
street_answers() {
  printf '%s' "$1" >$check_of_street
  nmcli networking connectivity check
}

server_on() {
  eventually systemd-run --quiet --collect --unit=street-server ip netns exec street /usr/bin/python3 -m http.server --directory /run/street 8080
  eventually ip netns exec street /usr/bin/python3 -c 'import socket; socket.create_connection(("192.0.2.1", 8080))'
}

server_off() {
  systemctl stop street-server
  nmcli networking connectivity check
}

connectivity_is() { [ "$(nmcli networking connectivity check)" = "$1" ]; }

# The owner of the connection says whether its bytes cost: yes or no.
meter() {
  nmcli connection modify wan0 connection.metered "$1"
  nmcli device reapply wan0
}

clear_street() {
  nmcli connection delete wan0
  systemctl stop street-server
  ip link delete wan0
  ip netns delete street
  rm /etc/NetworkManager/conf.d/90-street.conf
  systemctl restart NetworkManager
}

# A second cable into the same street, which NetworkManager prefers less.
second_cable() {
  ip link add wan1 type veth peer name door1
  ip link set door1 netns street
  ip -n street addr add 198.51.100.1/24 dev door1
  ip -n street link set door1 up
  eventually nmcli device set wan1 managed yes
  nmcli connection add type ethernet ifname wan1 con-name wan1 ipv4.method manual ipv4.addresses 198.51.100.2/24 \
    ipv4.gateway 198.51.100.1 ipv4.route-metric 900 ipv4.routes '192.0.2.0/24 198.51.100.1' ipv6.method disabled \
    connection.autoconnect no connection.metered no
}

cut_second_cable() {
  nmcli connection delete wan1
  ip link delete wan1
}
