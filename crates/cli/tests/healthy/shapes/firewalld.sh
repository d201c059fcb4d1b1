# firewalld on a bus of its own, with zones, services, masquerading, a forwarded port and a rich rule.
mkdir -p /run/dbus
cat >/run/dbus/bus.conf <<'X'
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/>
    <allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
X
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/dbus/system_bus_socket
dbus-daemon --config-file=/run/dbus/bus.conf --nofork --nopidfile &
until_ready 20 test -S /run/dbus/system_bus_socket
sed -i "s/^FirewallBackend=.*/FirewallBackend=$FIREWALL/" /etc/firewalld/firewalld.conf
firewalld --nofork --nopid --log-file /run/firewalld.log &
started() {
    case "$FIREWALL" in
        nftables) nft list chain inet firewalld filter_IN_public ;;
        *) iptables -n -L IN_public ;;
    esac
}
until_ready 60 started && until_ready 30 firewall-cmd --state || { cat /run/firewalld.log; false; }
firewall-cmd --zone=public --add-interface=eth0
firewall-cmd --zone=public --add-service=http --add-service=https
firewall-cmd --zone=public --add-masquerade
firewall-cmd --zone=public \
    --add-forward-port=port=8080:proto=tcp:toaddr=192.0.2.77:toport=80
firewall-cmd --zone=trusted --add-source=10.244.0.0/16
firewall-cmd --zone=public --add-rich-rule='rule family=ipv4 source address=198.51.100.0/24 service name=ldap limit value=10/m accept'
