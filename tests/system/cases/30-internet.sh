# InternetAvailable: held while NetworkManager has no connection, run when it has one, by the real NetworkManager.
. /opt/cases/lib.sh

systemctl start NetworkManager
eventually nmcli general status
task=$(register online Tasks.Quick TimeZoneChange InternetAvailable)
eventually source_is internet NetworkManager
eventually source_knows time-zone
timedatectl set-timezone Europe/Helsinki
eventually phase_is online latched
as_user bgtask why "$task" | grep -q 'InternetAvailable'

ip link add net0 type veth peer name net1
ip link set net1 up
eventually nmcli device set net0 managed yes # it sees a new device a moment later
nmcli connection add type ethernet ifname net0 con-name net0 ipv4.method manual ipv4.addresses 192.0.2.2/24 ipv4.gateway 192.0.2.1 \
  ipv6.method disabled connection.autoconnect no
eventually nmcli connection up net0
eventually value_is internet true
eventually ran_times "$task" 1

nmcli connection down net0
eventually value_is internet false
timedatectl set-timezone Europe/London
eventually phase_is online latched
ran_times "$task" 1
as_user bgtask unregister "$task"
