# A unit of systemd reaches a state: `unit:backup.service=failed`, of the system's manager or the user's. One that ends well has not
# failed.
. /opt/cases/lib.sh

witness broken unit:backup.service=failed
witness mine unit:chore.service=failed,manager=user
for name in broken mine; do eventually listens $name; done

systemd-run --quiet --wait --unit=backup true
systemd-run --quiet --wait --unit=backup false || true
eventually heard broken 1
events broken | grep '"unit": "backup.service"' | grep '"state": "failed"' | grep '"manager": "system"' | grep -q '"result": "exit-code"'
systemctl reset-failed backup
systemd-run --quiet --wait --unit=backup sh -c 'kill -SEGV $$$$' || true
eventually heard broken 2
events broken | tail -1 | grep -qE '"result": "(signal|core-dump)"'

as_user systemd-run --user --quiet --wait --unit=chore false || true
eventually heard mine 1
events mine | grep -q '"manager": "user"'
heard broken 2
systemctl reset-failed backup
as_user systemctl --user reset-failed chore
forget broken mine
