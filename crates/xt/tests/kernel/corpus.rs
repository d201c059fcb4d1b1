//! Rules that use every option of every extension that has a type, as iptables-restore takes them.

use xt::Family;

/// For the table filter, both families.
const FILTER: &str = "\
-A INPUT
-A INPUT -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT ! -i lo -j ACCEPT
-A INPUT -i eth+ -j DROP
-A INPUT ! -i eth+ -j DROP
-A OUTPUT -o abcdefghijklmno -j RETURN
-A INPUT -p tcp -j ACCEPT
-A INPUT ! -p udp -j ACCEPT
-A INPUT -p sctp -j ACCEPT
-A INPUT -p udplite -j ACCEPT
-A INPUT -p esp -j ACCEPT
-A INPUT -p 200 -j ACCEPT
-A INPUT -p 253 -m comment --comment experiment
-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT
-A INPUT -p tcp -m tcp ! --dport 80 -j ACCEPT
-A INPUT -p tcp -m tcp --sport 1024:65535 --dport 0:1023 -j ACCEPT
-A INPUT -p tcp -m tcp --sport 1 ! --dport 2:3 -j ACCEPT
-A INPUT -p tcp -m tcp ! --sport 1:2 -j ACCEPT
-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT
-A INPUT -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT
-A INPUT -p tcp -m tcp --tcp-flags ALL NONE -j DROP
-A INPUT -p tcp -m tcp --tcp-flags ALL FIN,PSH,URG -j DROP
-A INPUT -p tcp -m tcp --dport 22 --tcp-flags SYN,RST SYN -j DROP
-A INPUT -p tcp -m tcp --tcp-option 8 -j DROP
-A INPUT -p tcp -m tcp ! --tcp-option 8 --dport 5 -j DROP
-A INPUT -p tcp --syn -j DROP
-A INPUT -p tcp -m tcp -j ACCEPT
-A INPUT -p udp -m udp --dport 53 -j ACCEPT
-A INPUT -p udp -m udp --sport 53 ! --dport 1:1023 -j ACCEPT
-A INPUT -p udp -m udp ! --sport 500:600 -j ACCEPT
-A INPUT -p udp -m udp -j ACCEPT
-A INPUT -p sctp -m sctp --dport 36412 -j ACCEPT
-A INPUT -p sctp -m sctp ! --sport 1:5 --dport 3868 -j ACCEPT
-A INPUT -p sctp -m sctp --chunk-types any DATA,INIT -j ACCEPT
-A INPUT -p sctp -m sctp ! --chunk-types all DATA:IbE,ABORT:T,SHUTDOWN_COMPLETE:t -j ACCEPT
-A INPUT -p sctp -m sctp --chunk-types only ALL -j ACCEPT
-A INPUT -p sctp -m sctp --chunk-types any NONE -j ACCEPT
-A INPUT -p sctp -m sctp --dport 5 --chunk-types any ASCONF,ASCONF_ACK,FORWARD_TSN -j ACCEPT
-A INPUT -p tcp -m multiport --dports 80,443,30000:32767 -j ACCEPT
-A INPUT -p udp -m multiport ! --sports 1,2:3,4 -j ACCEPT
-A INPUT -p tcp -m multiport --ports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15 -j ACCEPT
-A INPUT -m comment --comment plain -j ACCEPT
-A INPUT -m comment --comment \"two words\" -j ACCEPT
-A INPUT -m comment --comment \"quote \\\" backslash \\\\ tick ' slash / end\" -j ACCEPT
-A INPUT -m comment --comment \"-j DROP\" -j ACCEPT
-A INPUT -m comment --comment \"cali:wUHhoiAYhphO9Mso\" -m comment --comment \"kube-system/kube-dns:dns-tcp\" -j ACCEPT
-A INPUT -m comment --comment \"größer\" -j ACCEPT
-A INPUT -m addrtype --src-type LOCAL -j ACCEPT
-A INPUT -m addrtype ! --src-type LOCAL,UNICAST --dst-type MULTICAST,ANYCAST -j ACCEPT
-A INPUT -m addrtype ! --dst-type UNSPEC -j ACCEPT
-A INPUT -m addrtype --dst-type LOCAL --limit-iface-in -j ACCEPT
-A OUTPUT -m addrtype --src-type LOCAL --limit-iface-out -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -m conntrack ! --ctstate INVALID,NEW,RELATED,ESTABLISHED,UNTRACKED,SNAT,DNAT -j ACCEPT
-A INPUT -m conntrack --ctproto 6 -j ACCEPT
-A INPUT -m conntrack ! --ctproto 17 --ctorigsrcport 5 --ctorigdstport 6:7 ! --ctreplsrcport 8 ! --ctrepldstport 9:10 -j ACCEPT
-A INPUT -m conntrack --ctstatus ASSURED,CONFIRMED -j ACCEPT
-A INPUT -m conntrack ! --ctstatus EXPECTED,SEEN_REPLY -j ACCEPT
-A INPUT -m conntrack --ctstatus NONE -j ACCEPT
-A INPUT -m conntrack --ctexpire 10 -j ACCEPT
-A INPUT -m conntrack ! --ctexpire 10:20 -j ACCEPT
-A INPUT -m conntrack --ctdir ORIGINAL -j ACCEPT
-A INPUT -m conntrack --ctstate NEW --ctdir REPLY -j ACCEPT
-A INPUT -m state --state NEW -j ACCEPT
-A INPUT -m state ! --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -m mark --mark 0x1 -j ACCEPT
-A INPUT -m mark --mark 0x4000/0x4000 -j ACCEPT
-A INPUT -m mark ! --mark 0x10000/0x10000 -j ACCEPT
-A INPUT -m mark --mark 0x0/0xff -j ACCEPT
-A INPUT -m connmark --mark 0x1 -j ACCEPT
-A INPUT -m connmark ! --mark 0x80/0xff -j ACCEPT
-A INPUT -m statistic --mode random --probability 0.50000000000 -j ACCEPT
-A INPUT -m statistic --mode random ! --probability 0.33333333349 -j ACCEPT
-A INPUT -m statistic --mode nth --every 3 --packet 0 -j ACCEPT
-A INPUT -m statistic --mode nth ! --every 10 --packet 5 -j ACCEPT
-A INPUT -m physdev --physdev-in eth0 -j ACCEPT
-A FORWARD -m physdev ! --physdev-in veth+ --physdev-out eth1 --physdev-is-bridged -j ACCEPT
-A FORWARD -m physdev --physdev-is-in -j ACCEPT
-A FORWARD -m physdev ! --physdev-is-in ! --physdev-is-out ! --physdev-is-bridged -j ACCEPT
-A FORWARD -m physdev --physdev-is-out -j ACCEPT
-A INPUT -m limit --limit 10/sec -j ACCEPT
-A INPUT -m limit --limit 3/min --limit-burst 100 -j ACCEPT
-A INPUT -m limit --limit 7/hour -j ACCEPT
-A INPUT -m limit --limit 1/day --limit-burst 1 -j ACCEPT
-A INPUT -m limit --limit 1000/sec -j ACCEPT
-A INPUT -m limit --limit 33/min -j ACCEPT
-A INPUT -m recent --set --name KUBE-SEP-ABC --rsource -j ACCEPT
-A INPUT -m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-ABC --rsource -j ACCEPT
-A INPUT -m recent ! --update --seconds 60 --hitcount 4 --rttl --name DEFAULT --rdest -j DROP
-A INPUT -m recent --remove --name x-y_z -j DROP
-A INPUT -j USER
-A INPUT -g USER
-A INPUT -j LOG
-A INPUT -j LOG --log-prefix \"two words: \" --log-level 7 --log-tcp-sequence --log-tcp-options --log-ip-options --log-uid --log-macdecode
-A INPUT -j LOG --log-prefix x --log-level info
-A INPUT -j NFLOG
-A INPUT -j NFLOG --nflog-group 100 --nflog-prefix \"DROP by policy default/x\" --nflog-threshold 5
-A INPUT -j NFLOG --nflog-size 64 --nflog-group 2
-A INPUT -m limit --limit 10/min --limit-burst 10 -m mark ! --mark 0x10000/0x10000 -j NFLOG --nflog-group 100
-A INPUT -j REJECT
-A INPUT -p tcp -j REJECT --reject-with tcp-reset
-A USER -j RETURN
-A USER -g ANOTHER
-A ANOTHER -m comment --comment \"nothing but this\"
-A ANOTHER -m mark --mark 0x2 -m connmark --mark 0x3 -m statistic --mode random --probability 0.1 -m comment --comment all -j DROP
";

const FILTER_V4: &str = "\
-A INPUT -s 10.0.0.0/8 -d 192.168.1.1/32 -j ACCEPT
-A INPUT ! -s 10.0.0.0/255.0.255.0 ! -d 172.16.0.0/12 -j ACCEPT
-A INPUT -s 10.1.0.0/16 ! -i lo -p tcp -j ACCEPT
-A INPUT -s 1.2.3.0/24 -j ACCEPT
-A INPUT ! -s 1.2.3.4/31 -j ACCEPT
-A INPUT -f -j ACCEPT
-A INPUT -p udp ! -f -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A INPUT -p icmp -m icmp --icmp-type 3/4 -j ACCEPT
-A INPUT -p icmp -m icmp ! --icmp-type 0 -j ACCEPT
-A INPUT -p icmp -m icmp --icmp-type any -j ACCEPT
-A INPUT -p icmp -m icmp --icmp-type host-unreachable -j ACCEPT
-A INPUT -m conntrack --ctorigsrc 10.0.0.0/8 ! --ctorigdst 1.2.3.4 --ctreplsrc 5.6.7.8/31 ! --ctrepldst 9.0.0.0/255.0.0.255 -j ACCEPT
-A INPUT -j REJECT --reject-with icmp-net-unreachable
-A INPUT -j REJECT --reject-with icmp-host-unreachable
-A INPUT -j REJECT --reject-with icmp-proto-unreachable
-A INPUT -j REJECT --reject-with icmp-net-prohibited
-A INPUT -j REJECT --reject-with icmp-host-prohibited
-A INPUT -j REJECT --reject-with icmp-admin-prohibited
-A INPUT -m set --match-set nets src -j ACCEPT
-A INPUT -m set ! --match-set nets dst -j ACCEPT
-A INPUT -m set --match-set pairs src,dst -j ACCEPT
-A INPUT -m set --match-set nets src --return-nomatch ! --update-counters -j ACCEPT
-A INPUT -m set --match-set counted dst ! --update-subcounters --packets-gt 10 ! --bytes-eq 20 -j ACCEPT
-A INPUT -m set --match-set counted dst --packets-lt 10 --bytes-eq 0 -j ACCEPT
";

const FILTER_V6: &str = "\
-A INPUT -s fd00::/8 -d 2001:db8::1/128 -j ACCEPT
-A INPUT ! -s fd00:10::/64 ! -d fe80::/10 -j ACCEPT
-A INPUT -s ::1/128 -j ACCEPT
-A INPUT -s 64:ff9b::102:304/128 -j ACCEPT
-A INPUT -s fd00::1/ffff:ffff::ffff -j ACCEPT
-A INPUT -p ipv6-icmp -j ACCEPT
-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 128 -j ACCEPT
-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 1/4 -j ACCEPT
-A INPUT -p ipv6-icmp -m icmp6 ! --icmpv6-type 135 -j ACCEPT
-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type neighbour-advertisement -j ACCEPT
-A INPUT -m conntrack --ctorigsrc fd00::/8 ! --ctorigdst fd00::1 --ctreplsrc fd00::2/127 -j ACCEPT
-A INPUT -j REJECT --reject-with icmp6-no-route
-A INPUT -j REJECT --reject-with icmp6-adm-prohibited
-A INPUT -j REJECT --reject-with icmp6-addr-unreachable
-A INPUT -j REJECT --reject-with icmp6-policy-fail
-A INPUT -j REJECT --reject-with icmp6-reject-route
-A INPUT -m set --match-set nets6 src -j ACCEPT
";

const MANGLE: &str = "\
-A PREROUTING -j MARK --set-xmark 0x1/0xffffffff
-A PREROUTING -j MARK --set-mark 0x4000/0x4000
-A PREROUTING -j MARK --or-mark 0x8000
-A PREROUTING -j MARK --and-mark 0xff
-A PREROUTING -j MARK --xor-mark 0xf
-A PREROUTING -j CONNMARK --set-xmark 0x1/0xff
-A PREROUTING -j CONNMARK --save-mark
-A PREROUTING -j CONNMARK --restore-mark --nfmask 0xf0 --ctmask 0xf
-A PREROUTING -j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff --left-shift-mark 4
-A PREROUTING -j CONNMARK --restore-mark --right-shift-mark 2
-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1360
-A POSTROUTING -p udp -m udp --dport 68 -j CHECKSUM --checksum-fill
-A FORWARD -j CHAIN-OF-MANGLE
-A CHAIN-OF-MANGLE -j RETURN
";

const MANGLE_V4: &str = "\
-A PREROUTING -p tcp -j TPROXY --on-port 8080 --on-ip 127.0.0.1 --tproxy-mark 0x1/0x1
-A PREROUTING -p udp -m udp --dport 53 -j TPROXY --on-port 53
";

const MANGLE_V6: &str = "\
-A PREROUTING -p tcp -j TPROXY --on-port 8080 --on-ip ::1 --tproxy-mark 0x1/0xff
";

const RAW: &str = "\
-A PREROUTING -j CT --notrack
-A PREROUTING -j NOTRACK
-A PREROUTING -j CT --zone 5
-A PREROUTING -j CT --zone-orig 6
-A OUTPUT -j CT --zone-reply mark
-A OUTPUT -j CT --ctevents new,related,destroy,reply,assured,protoinfo,helper,mark,natseqinfo,secmark
-A OUTPUT -j CT --expevents new --zone 7
";

const NAT: &str = "\
-A POSTROUTING -j MASQUERADE
-A POSTROUTING -j MASQUERADE --random-fully
-A POSTROUTING -p tcp -j MASQUERADE --to-ports 1024-2048 --random
-A PREROUTING -p tcp -j REDIRECT --to-ports 8080
-A PREROUTING -p udp -j REDIRECT --to-ports 80-90 --random
-A PREROUTING -j REDIRECT
-A PREROUTING -j KUBE-SERVICES
-A KUBE-SERVICES -m mark --mark 0x4000/0x4000 -j RETURN
";

const NAT_V4: &str = "\
-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1:8080
-A PREROUTING -j DNAT --to-destination 10.0.0.1
-A PREROUTING -j DNAT --to-destination 10.0.0.1-10.0.0.5 --persistent
-A PREROUTING -p tcp -j DNAT --to-destination 10.0.0.1-10.0.0.5:80-90 --random --persistent
-A PREROUTING -p tcp -j DNAT --to-destination :81
-A PREROUTING -p tcp -m tcp --dport 5000:5100 -j DNAT --to-destination 10.0.0.1:6000-6100/5000
-A POSTROUTING -s 10.0.0.0/8 -j SNAT --to-source 1.2.3.4
-A POSTROUTING -p udp -j SNAT --to-source 1.2.3.4-1.2.3.9:1000-2000 --random-fully
";

const NAT_V6: &str = "\
-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination [fd00::1]:8080
-A PREROUTING -j DNAT --to-destination fd00::1
-A PREROUTING -p tcp -j DNAT --to-destination [fd00::1-fd00::5]:80-90 --random
-A PREROUTING -p tcp -j DNAT --to-destination :81
-A PREROUTING -p tcp -m tcp --dport 5000:5100 -j DNAT --to-destination [fd00::1]:6000-6100/5000
-A POSTROUTING -j SNAT --to-source fd00::4-fd00::5
-A POSTROUTING -p udp -j SNAT --to-source [fd00::4]:1000-2000
";

/// IP sets the corpus names.
pub(crate) const SETS: &str = "\
create nets hash:net
create other hash:ip
create pairs hash:ip,port
create counted hash:ip counters
create nets6 hash:net family inet6
";

/// Everything, as one text for iptables-restore.
pub(crate) fn text(family: Family) -> String {
    let (filter, mangle, nat) = match family {
        Family::V4 => (FILTER_V4, MANGLE_V4, NAT_V4),
        Family::V6 => (FILTER_V6, MANGLE_V6, NAT_V6),
    };
    format!(
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:USER - [0:0]\n\
         :ANOTHER - [0:0]\n:empty - [0:0]\n{FILTER}{filter}COMMIT\n\
         *mangle\n:PREROUTING ACCEPT [0:0]\n:CHAIN-OF-MANGLE - [0:0]\n{MANGLE}{mangle}COMMIT\n\
         *raw\n:PREROUTING ACCEPT [0:0]\n{RAW}COMMIT\n\
         *nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n{NAT}{nat}COMMIT\n"
    )
}
