# Desktops on the seat. Each is a real session of logind with a desktop in it that tells logind what desktops tell: that the
# screen is locked when somebody asks for it, and that nothing was typed for a while.
# shellcheck shell=bash

# sit_down PERSON UNIT: a new session of the person on the seat, in front.
sit_down() {
  local person=$1 unit=$2
  id -u "$person" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$person"
  systemd-run --quiet --collect --unit="$unit" -p PAMName=login -p User="$person" -p Environment=XDG_SESSION_CLASS=user \
    -p Environment=XDG_SEAT=seat0 -p Environment=XDG_SESSION_TYPE=x11 bash /opt/world/desktop.sh
  eventually desktop_listens "$unit"
}

desktop_listens() { grep -q 'is owned by' "/tmp/desktop-$(session_of "$1")"; }

# session_of UNIT: its id.
session_of() {
  local pid
  pid=$(systemctl show -P MainPID "$1")
  loginctl list-sessions --no-legend | awk '{ print $1 }' | while read -r id; do
    if [ "$(loginctl show-session "$id" -P Leader)" = "$pid" ]; then echo "$id"; fi
  done
}

# hint PERSON ID HINT yes|no: what the desktop of a session tells logind: SetIdleHint, SetLockedHint.
hint() {
  local object
  object=$(busctl call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager GetSession s "$2" | cut -d'"' -f2)
  runuser -u "$1" -- busctl call org.freedesktop.login1 "$object" org.freedesktop.login1.Session "$3" b "$4"
}
