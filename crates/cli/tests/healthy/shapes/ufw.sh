# ufw as its package and an administrator set it up.
mkdir -p /etc/ufw /var/lib/ufw
cp /usr/share/ufw/*.rules /usr/share/ufw/*.init /usr/share/ufw/ufw.conf /etc/ufw/
ufw --force enable
ufw allow 22/tcp
ufw allow in on eth0 to any port 80 proto tcp
ufw limit 2222/tcp
ufw deny from 198.51.100.0/24
ufw route allow in on eth0 to 10.0.0.0/8
