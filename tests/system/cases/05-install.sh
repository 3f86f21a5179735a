# apt installs the package while a user is logged in: his next command works, without a new log-in and without a bus.
. /opt/cases/lib.sh

eventually as_user systemctl --user is-active default.target
apt-get install -qy --no-install-recommends /opt/packages/bgtask.deb
broker_is inactive # nobody has asked for it yet
[ "$(as_user systemctl --user is-active bgtask.socket)" = active ]
as_user env -u DBUS_SESSION_BUS_ADDRESS bgtask list
eventually broker_is active
[ "$(stat -c %a "/run/user/$uid/bgtask/broker")" = 600 ]

# A page and a completion for every command, as the package has them: what dpkg leaves out here is this machine's choice.
dpkg-deb --fsys-tarfile /opt/packages/bgtask.deb | tar -t >/tmp/files
commands=$(COMPLETE=fish bgtask -- bgtask '' | cut -f1 | grep -v '^-')
[ "$(echo "$commands" | wc -l)" -gt 10 ]
for command in $commands; do
  [ "$command" = help ] || grep -q "/man1/bgtask-$command\.1\.gz$" /tmp/files
done
for file in man1/bgtask.1.gz man8/bgtaskd.8.gz bash-completion/completions/bgtask zsh/vendor-completions/_bgtask \
  fish/vendor_completions.d/bgtask.fish doc/bgtask/copyright doc/bgtask/changelog.Debian.gz doc/bgtask/examples/config.toml; do
  grep -q "/$file$" /tmp/files
done
bgtaskd --help | grep -o -- '--[a-z]*' | sort -u | while read -r option; do
  tar -xOf <(dpkg-deb --fsys-tarfile /opt/packages/bgtask.deb) ./usr/share/man/man8/bgtaskd.8.gz | zcat | tr -d '\\' | grep -q -- "$option"
done
# What bash offers after `bgtask wh` and TAB.
bash -c 'source /usr/share/bash-completion/completions/bgtask
  COMP_WORDS=(bgtask wh) COMP_CWORD=1 COMP_TYPE=9
  _clap_complete_bgtask bgtask wh bgtask
  [ "${COMPREPLY[*]}" = why ]'

as_user systemctl --user stop bgtask
