//! Certificates of a served API, right and wrong ones.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

/// What certificate a server shows to new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// One that the client's CA has signed for the server's address.
    Good,
    /// For another address.
    OtherName,
    /// Signed by another CA.
    OtherAuthority,
    /// No longer valid.
    Expired,
}

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// The certificates of one server.
#[derive(Debug)]
pub(super) struct Certificates {
    /// The CA's certificate, as PEM.
    pub(super) authority: String,
    keys: [Arc<CertifiedKey>; 4],
    shown: Mutex<Certificate>,
}

impl Certificates {
    pub(super) fn new(address: IpAddr) -> Self {
        let (ours, other) = (issuer("netkeep test CA"), issuer("another CA"));
        let names = [address.to_string(), "localhost".into(), "kubernetes.default.svc".into()];
        let wrong = ["elsewhere.invalid".to_owned()];
        let keys = [
            leaf(&ours, &names, 2500),
            leaf(&ours, &wrong, 2500),
            leaf(&other, &names, 2500),
            leaf(&ours, &names, 2001),
        ];
        Self { authority: ours.pem(), keys, shown: Mutex::new(Certificate::Good) }
    }

    pub(super) fn show(&self, certificate: Certificate) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = certificate;
    }

    /// How a server with these certificates speaks.
    pub(super) fn config(self: &Arc<Self>) -> Arc<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the default versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Resolver(Arc::clone(self))));
        Arc::new(config)
    }
}

#[derive(Debug)]
struct Resolver(Arc<Certificates>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = *self.0.shown.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&self.0.keys[shown as usize]))
    }
}

fn issuer(name: &str) -> Issuer {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params.distinguished_name = named(name);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("a CA's certificate")
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn leaf(issuer: &Issuer, names: &[String], valid_to: i32) -> Arc<CertifiedKey> {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(names).expect("names of a certificate");
    params.distinguished_name = named("kube-apiserver");
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(valid_to, 1, 1);
    let certificate = params.signed_by(&key, issuer).expect("a certificate");
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signer = ring::sign::any_supported_type(&private).expect("a key that can sign");
    let chain: Vec<rustls::pki_types::CertificateDer<'static>> = vec![certificate.der().clone()];
    Arc::new(CertifiedKey::new(chain, signer))
}
