# apt purges the package: brokers stop, nothing of it is left but what belongs to the users, and it says where that is.
. /opt/cases/lib.sh

register mine Tasks.Quick TimeZoneChange
dpkg -L bgtask | while read -r file; do [ -d "$file" ] || echo "$file"; done >/tmp/files
echo '[background]' >/etc/bgtask/policy.d/50-site.toml
apt-get purge -qy bgtask | tee /tmp/said
grep -F '~/.local/state/bgtask' /tmp/said
while read -r file; do [ ! -e "$file" ]; done </tmp/files
[ ! -e /usr/bin/bgtaskd ]
[ -s /etc/bgtask/policy.d/50-site.toml ]
rm -r /etc/bgtask
[ -z "$(find /etc/systemd/user /var/lib/systemd -name '*bgtask*')" ]
[ -z "$(pgrep bgtaskd)" ]
[ ! -e "/run/user/$uid/bgtask/broker" ]
[ -s /home/tester/.local/state/bgtask/broker.db ]

# And back: what was registered is there.
apt-get install -qy --no-install-recommends /opt/packages/bgtask.deb
as_user bgtask list | grep mine
