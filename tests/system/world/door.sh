# The machine's door for those who are elsewhere: the real sshd, and a person who comes in.
# shellcheck shell=bash

open_door() {
  mkdir -p /run/sshd
  ip link set lo up
  systemctl is-active --quiet door || systemd-run --quiet --collect --unit=door /usr/sbin/sshd -D -o ListenAddress=127.0.0.1
  [ -e /home/tester/.ssh ] || runuser -u tester -- sh -c \
    'mkdir -m 700 ~/.ssh && ssh-keygen -q -t ed25519 -N "" -f ~/.ssh/id && cp ~/.ssh/id.pub ~/.ssh/authorized_keys'
  eventually ssh-keyscan 127.0.0.1
}

visit() {
  systemd-run --quiet --collect --unit=visit -p User=tester ssh -tt -i /home/tester/.ssh/id -o StrictHostKeyChecking=no 127.0.0.1 \
    sleep 1000
  eventually visitor_is_in
}

visitor_is_in() { loginctl list-sessions --no-legend | awk '{ print $1 }' | xargs -r -n1 loginctl show-session -P Remote | grep -q yes; }

leave() { systemctl stop visit; }
