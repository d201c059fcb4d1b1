//! Namespaces of the real kernel.

use std::net::{TcpListener, TcpStream};

use super::*;

#[test]
fn work_runs_inside_and_the_caller_stays_outside() {
    let before = Namespace::current().unwrap();
    let namespace = Namespace::create().unwrap();
    assert_ne!(namespace, before);
    let seen = namespace.run(Namespace::current).unwrap().unwrap();
    assert_eq!(seen.identity(), namespace.identity());
    assert_eq!(Namespace::current().unwrap(), before);
}

#[test]
fn lo_is_up_in_a_new_namespace() {
    let namespace = Namespace::create().unwrap();
    let connected = namespace.run(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        TcpStream::connect(listener.local_addr()?)
    });
    connected.unwrap().unwrap();
}

#[test]
fn a_socket_stays_in_the_namespace_it_was_made_in() {
    let namespace = Namespace::create().unwrap();
    let listener = namespace.run(|| TcpListener::bind("127.0.0.1:7001")).unwrap().unwrap();
    let other = Namespace::create().unwrap();
    let refused = other.run(|| TcpStream::connect("127.0.0.1:7001")).unwrap();
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    namespace.run(|| TcpStream::connect(listener.local_addr().unwrap())).unwrap().unwrap();
}

#[test]
fn a_child_lives_in_the_namespace_and_is_found_by_its_pid() {
    let namespace = Namespace::create().unwrap();
    let mut child = namespace.spawn(Command::new("sleep").arg("60")).unwrap();
    let found = Namespace::of_pid(child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(found.unwrap(), namespace);
}

#[test]
fn another_process_can_open_the_namespace_by_its_path() {
    let namespace = Namespace::create().unwrap();
    assert_eq!(Namespace::open(namespace.path()).unwrap(), namespace);
    let seen = Command::new("stat").arg("-Lc%i").arg(namespace.path()).output().unwrap();
    let inode = String::from_utf8(seen.stdout).unwrap();
    assert_eq!(inode.trim(), namespace.identity().inode.to_string());
}

#[test]
fn a_thread_of_the_test_can_enter_for_good() {
    let namespace = Namespace::create().unwrap();
    let entering = namespace.try_clone().unwrap();
    let seen = thread::spawn(move || {
        entering.enter_on_this_thread().unwrap();
        Namespace::current().unwrap()
    });
    assert_eq!(seen.join().unwrap(), namespace);
}

#[test]
fn a_thread_started_inside_stays_inside() {
    let namespace = Namespace::create().unwrap();
    let thread = namespace.thread("inside", || Namespace::current().unwrap()).unwrap();
    assert_eq!(thread.join().unwrap(), namespace);
}

#[test]
fn a_path_to_something_else_is_refused_by_name() {
    let error = Namespace::open("/proc/self/ns/mnt").unwrap_err();
    assert_eq!(error.to_string(), "/proc/self/ns/mnt is not a network namespace");
    assert!(matches!(Namespace::open("/dev/null"), Err(NamespaceError::NotOne(_))));
    assert!(matches!(Namespace::open("/no/such"), Err(NamespaceError::Open { .. })));
}

#[test]
fn a_command_that_does_not_exist_is_named_in_the_error() {
    let namespace = Namespace::create().unwrap();
    let error = namespace.spawn(&mut Command::new("no-such-program")).unwrap_err();
    assert_eq!(error.to_string(), "cannot run no-such-program");
}

#[test]
fn a_panic_inside_reaches_the_caller() {
    let namespace = Namespace::create().unwrap();
    let caught = std::panic::catch_unwind(|| namespace.run(|| panic!("inside")));
    assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"inside"));
}
