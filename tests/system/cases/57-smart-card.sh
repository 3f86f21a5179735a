# A card is put into a reader of the real pcscd, and drawn.
. /opt/cases/lib.sh

ip link set lo up
systemctl start pcscd.socket pcscd.service
witness put smart-card
witness both smart-card:on=both
for name in put both; do eventually listens $name; done

for turn in 1 2; do
  systemd-run --quiet --collect --unit=card /usr/bin/python3 /opt/world/card.py
  eventually heard put $turn
  eventually heard both $((2 * turn - 1))
  systemctl stop card
  eventually heard both $((2 * turn))
done
events put | grep '"atr": "3b80800101"' | grep '"change": "added"' | grep -q '"reader": "Virtual PCD 00 00"'
events both | tail -1 | grep -q '"change": "removed"'
heard put 2
forget put both
systemctl stop pcscd.socket pcscd.service
