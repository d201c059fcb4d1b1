//! Reserved ports on the real kernel.

use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};

use super::*;
use crate::Namespace;

fn port(number: i64) -> NodePort {
    NodePort::try_from(number).unwrap()
}

/// Runs on a thread of its own in a fresh namespace.
fn inside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    Namespace::create().unwrap().run(work).unwrap()
}

fn loopback(family: IpFamily) -> IpAddr {
    match family {
        IpFamily::V4 => Ipv4Addr::LOCALHOST.into(),
        IpFamily::V6 => Ipv6Addr::LOCALHOST.into(),
    }
}

fn wildcard(family: IpFamily) -> IpAddr {
    match family {
        IpFamily::V4 => Ipv4Addr::UNSPECIFIED.into(),
        IpFamily::V6 => Ipv6Addr::UNSPECIFIED.into(),
    }
}

#[derive(Debug, Clone, Copy)]
enum Sharing {
    Plain,
    ReuseAddress,
    ReusePort,
}

/// What bind(2) says to somebody else's socket.
fn attempt(protocol: Protocol, address: SocketAddr, sharing: Sharing, dual: bool) -> Option<Errno> {
    let (domain, kind) = (
        if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 },
        if protocol == Protocol::Tcp { SocketType::STREAM } else { SocketType::DGRAM },
    );
    let socket = socket_with(domain, kind, SocketFlags::CLOEXEC, None).unwrap();
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, !dual).unwrap();
    }
    match sharing {
        Sharing::Plain => {}
        Sharing::ReuseAddress => sockopt::set_socket_reuseaddr(&socket, true).unwrap(),
        Sharing::ReusePort => sockopt::set_socket_reuseport(&socket, true).unwrap(),
    }
    bind(&socket, &address).err()
}

#[test]
fn nobody_else_can_bind_a_reserved_port_and_drop_frees_it() {
    inside(|| {
        for family in IpFamily::ALL {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                let reservation = Reservation::bind(family, protocol, port(61_000)).unwrap();
                assert!(matches!(reservation.backing(), Backing::Socket(_)));
                for sharing in [Sharing::Plain, Sharing::ReuseAddress, Sharing::ReusePort] {
                    for ip in [wildcard(family), loopback(family)] {
                        let outcome = attempt(protocol, (ip, 61_000).into(), sharing, false);
                        assert_eq!(outcome, Some(Errno::ADDRINUSE), "{protocol} {ip} {sharing:?}");
                    }
                    let both: SocketAddr = (Ipv6Addr::UNSPECIFIED, 61_000).into();
                    let outcome = attempt(protocol, both, sharing, true);
                    assert_eq!(outcome, Some(Errno::ADDRINUSE), "{protocol} dual {sharing:?}");
                }
                drop(reservation);
                let free: SocketAddr = (wildcard(family), 61_000).into();
                assert_eq!(attempt(protocol, free, Sharing::Plain, false), None);
            }
        }
    });
}

#[test]
fn the_two_families_of_a_port_are_two_reservations() {
    inside(|| {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let v4 = Reservation::bind(IpFamily::V4, protocol, port(61_001)).unwrap();
            let v6 = Reservation::bind(IpFamily::V6, protocol, port(61_001)).unwrap();
            assert_eq!((v4.port(), v4.family()), (v6.port(), IpFamily::V4));
        }
    });
}

#[test]
fn a_tcp_connection_to_a_reserved_port_is_reset() {
    inside(|| {
        for family in IpFamily::ALL {
            let _held = Reservation::bind(family, Protocol::Tcp, port(61_002)).unwrap();
            let error = TcpStream::connect((loopback(family), 61_002)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{family}");
        }
    });
}

#[test]
fn a_datagram_to_a_reserved_port_is_answered_port_unreachable() {
    inside(|| {
        for family in IpFamily::ALL {
            let _held = Reservation::bind(family, Protocol::Udp, port(61_003)).unwrap();
            let client = UdpSocket::bind((wildcard(family), 0)).unwrap();
            client.connect((loopback(family), 61_003)).unwrap();
            client.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
            client.send(b"anybody?").unwrap();
            let error = client.recv(&mut [0; 16]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{family}");
        }
    });
}

#[test]
fn the_holder_of_a_taken_port_is_named() {
    inside(|| {
        let _tcp = TcpListener::bind("127.0.0.1:61004").unwrap();
        let _udp = UdpSocket::bind("[::]:61004").unwrap();
        for (protocol, on) in [(Protocol::Tcp, "127.0.0.1"), (Protocol::Udp, "::")] {
            let error = Reservation::bind(IpFamily::V4, protocol, port(61_004)).unwrap_err();
            assert!(matches!(error, ReserveError::Taken { .. }));
            let found = holder(IpFamily::V4, protocol, port(61_004)).unwrap();
            assert_eq!(found.address, on.parse::<IpAddr>().unwrap());
            assert_eq!(found.process.unwrap().pid, std::process::id());
        }
        assert_eq!(holder(IpFamily::V4, Protocol::Tcp, port(61_005)), None);
    });
}

#[test]
fn a_port_of_a_socket_tied_to_an_interface_counts_as_taken() {
    inside(|| {
        let socket =
            socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
                .unwrap();
        make_unmatchable(&socket).unwrap();
        bind(&socket, &SocketAddr::from((Ipv4Addr::UNSPECIFIED, 61_006))).unwrap();
        let error = Reservation::bind(IpFamily::V4, Protocol::Udp, port(61_006)).unwrap_err();
        assert!(matches!(error, ReserveError::Taken { .. }), "{error}");
    });
}

#[test]
fn sctp_is_reserved_by_a_socket_or_by_the_books_if_the_kernel_has_none() {
    inside(|| {
        let kernel = socket_with(
            AddressFamily::INET,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            Some(ipproto::SCTP),
        );
        let held = Reservation::bind(IpFamily::V4, Protocol::Sctp, port(61_007)).unwrap();
        assert_eq!(matches!(held.backing(), Backing::Socket(_)), kernel.is_ok());
    });
}

#[test]
fn each_refusal_of_the_kernel_has_its_error() {
    let refusal = |errno| refused(errno, IpFamily::V4, Protocol::Tcp, port(80));
    assert!(matches!(refusal(Errno::MFILE), ReserveError::FileLimit(_)));
    assert!(matches!(refusal(Errno::NFILE), ReserveError::FileLimit(_)));
    assert!(matches!(refusal(Errno::ACCESS), ReserveError::Denied { .. }));
    assert!(matches!(refusal(Errno::NOBUFS), ReserveError::Other { .. }));
    assert_eq!(
        refusal(Errno::ADDRINUSE).to_string(),
        "tcp port 80 (IPv4) is taken by another socket"
    );
    assert!(is_absent(Errno::PROTONOSUPPORT, IpFamily::V4, Protocol::Sctp));
    assert!(!is_absent(Errno::PROTONOSUPPORT, IpFamily::V4, Protocol::Udp));
    assert!(is_absent(Errno::AFNOSUPPORT, IpFamily::V6, Protocol::Tcp));
}
