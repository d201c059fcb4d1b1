//! On a socket: TLS, kubeconfigs, and the end of a server.

use std::net::TcpListener;

use k8s_openapi::api::core::v1::Pod;
use kube_rs::api::{Api as Objects, ListParams, WatchParams};
use kube_rs::config::{Config, KubeConfigOptions, Kubeconfig};
use kube_rs::{Client, Error};
use netkeep_testkit::Pod as PodManifest;
use netkeep_testkit::api::{Api, Certificate, Credentials, Server, Transport};
use serde_json::Value;

use super::support::{Told, ours};

pub(crate) fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// A client by a kubeconfig, which does not try again by itself.
pub(crate) async fn client_of(kubeconfig: &Value) -> Client {
    let file: Kubeconfig = serde_json::from_value(kubeconfig.clone()).unwrap();
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(file, &options).await.unwrap();
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

pub(crate) async fn pods_of(server: &Server) -> Objects<Pod> {
    Objects::all(client_of(&server.kubeconfig(Credentials::None)).await)
}

#[test]
fn it_is_served_plainly_and_by_tls() {
    ours(async |api, _| {
        api.put(PodManifest::new("default/web"));
        for transport in [Transport::Plain, Transport::Tls] {
            let server = api.serve(listener(), transport);
            let pods = pods_of(&server).await;
            assert_eq!(pods.list(&ListParams::default()).await.unwrap().items.len(), 1);
            let version = api.version().to_string();
            let mut watch = Told::begin(&pods, &WatchParams::default(), &version).await;
            api.put(PodManifest::new("default/web"));
            assert_eq!(watch.next().await, "MODIFIED web");
        }
    });
}

#[test]
fn a_kubeconfig_file_leads_to_it() {
    ours(async |api, _| {
        api.admit("t", "agent");
        let server = api.serve(listener(), Transport::Tls);
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("kubeconfig");
        server.write_kubeconfig(&file, Credentials::Token("t"));
        let read = Kubeconfig::read_from(&file).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(read, &options).await.unwrap();
        let pods: Objects<Pod> = Objects::all(Client::try_from(config).unwrap());
        pods.list(&ListParams::default()).await.unwrap();
        let request = api.requests().pop().unwrap();
        assert_eq!((&*request.verb, &*request.resource), ("list", "pods"));
        assert_eq!((&*request.path, request.status), ("/api/v1/pods", Some(200)));
    });
}

#[test]
fn wrong_certificates_are_refused_by_clients_and_the_right_one_is_taken_again() {
    ours(async |api, _| {
        let server = api.serve(listener(), Transport::Tls);
        for (wrong, word) in [
            (Certificate::OtherName, "NotValidForName"),
            (Certificate::OtherAuthority, "UnknownIssuer"),
            (Certificate::Expired, "expired"),
        ] {
            server.show(wrong);
            let error = pods_of(&server).await.list(&ListParams::default()).await.unwrap_err();
            let text = format!("{error:?} {error:#}").to_lowercase();
            assert!(text.contains(&word.to_lowercase()), "{wrong:?}: {text}");
        }
        server.show(Certificate::Good);
        pods_of(&server).await.list(&ListParams::default()).await.unwrap();
        assert_eq!(api.requests().len(), 1);
    });
}

#[test]
fn cutting_the_connections_ends_watches_and_new_ones_are_served() {
    ours(async |api, _| {
        let server = api.serve(listener(), Transport::Plain);
        let pods = pods_of(&server).await;
        let version = api.version().to_string();
        let mut watch = Told::begin(&pods, &WatchParams::default(), &version).await;
        watch.bookmark().await;
        server.cut_connections();
        while let Some(Ok(text)) = watch.any().await {
            assert_eq!(text, "BOOKMARK");
        }
        pods.list(&ListParams::default()).await.unwrap();
    });
}

#[test]
fn a_server_that_is_dropped_is_gone_and_its_objects_are_not() {
    ours(async |api, _| {
        api.put(PodManifest::new("default/web"));
        let server = api.serve(listener(), Transport::Plain);
        let (address, pods) = (server.address(), pods_of(&server).await);
        let version = api.version().to_string();
        let mut watch = Told::begin(&pods, &WatchParams::default(), &version).await;
        drop(server);
        while let Some(Ok(_)) = watch.any().await {}
        let refused = pods.list(&ListParams::default()).await.unwrap_err();
        assert!(!matches!(refused, Error::Api(_)), "{refused:?}");
        let again = api.serve(TcpListener::bind(address).unwrap(), Transport::Plain);
        assert_eq!(pods.list(&ListParams::default()).await.unwrap().items.len(), 1);
        drop(again);
    });
}

#[test]
fn a_server_ends_with_a_test_that_fails() {
    let api = Api::new();
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _server = api.serve(listener, Transport::Plain);
        panic!("a test that fails");
    }));
    failed.unwrap_err();
    std::net::TcpStream::connect(address).unwrap_err();
}
