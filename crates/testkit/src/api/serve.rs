//! The API on a socket.
//!
//! Owns: a thread with a runtime of its own that serves a listener of the caller's (made in whatever
//! network namespace), plainly or by TLS, the kubeconfig that leads there, and the end of all of it:
//! dropping a [`Server`] closes every connection and joins the thread, also after a panic.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::{fs, io};

use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::answer::Broken;
use super::certificates::{Certificate, Certificates};

/// How a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// `http`.
    Plain,
    /// `https`, with a certificate of a CA that is in the kubeconfig.
    Tls,
}

/// What a client shows.
#[derive(Debug, Clone, Copy)]
pub enum Credentials<'a> {
    /// Nothing.
    None,
    /// A bearer token.
    Token(&'a str),
    /// A file with a bearer token, which may be replaced.
    TokenFile(&'a Path),
}

/// An API that is served.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    certificates: Option<Arc<Certificates>>,
    stop: watch::Sender<Phase>,
    thread: Option<JoinHandle<()>>,
}

/// What a server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The number of times that all connections were cut.
    Serving(u64),
    Ending,
}

impl Server {
    pub(super) fn start(router: Router, listener: TcpListener, transport: Transport) -> Self {
        let address = listener.local_addr().expect("the listener's address");
        listener.set_nonblocking(true).expect("a listener for a runtime");
        let certificates = match transport {
            Transport::Plain => None,
            Transport::Tls => Some(Arc::new(Certificates::new(address.ip()))),
        };
        let acceptor =
            certificates.as_ref().map(|certificates| TlsAcceptor::from(certificates.config()));
        let (stop, stopped) = watch::channel(Phase::Serving(0));
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime for the API server");
            runtime.block_on(accept(listener, router, acceptor, stopped));
        };
        let thread = std::thread::Builder::new().name("api-server".into()).spawn(serve);
        let thread = Some(thread.expect("a thread for the API server"));
        Self { address, certificates, stop, thread }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// As a kubeconfig names it.
    pub fn url(&self) -> String {
        let scheme = if self.certificates.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The CA's certificate, as PEM; none for a plain server.
    pub fn authority(&self) -> Option<&str> {
        self.certificates.as_ref().map(|certificates| certificates.authority.as_str())
    }

    /// Shows this certificate to connections from now on; those that are open stay.
    #[track_caller]
    pub fn show(&self, certificate: Certificate) {
        self.certificates.as_ref().expect("a server with TLS").show(certificate);
    }

    /// Breaks every connection; new ones are served.
    pub fn cut_connections(&self) {
        self.stop.send_modify(|phase| {
            if let Phase::Serving(cuts) = phase {
                *cuts += 1;
            }
        });
    }

    /// A kubeconfig that leads here.
    pub fn kubeconfig(&self, credentials: Credentials<'_>) -> Value {
        let mut cluster = json!({ "server": self.url() });
        if let Some(authority) = self.authority() {
            cluster["certificate-authority-data"] = STANDARD.encode(authority).into();
        }
        let user = match credentials {
            Credentials::None => json!({}),
            Credentials::Token(token) => json!({ "token": token }),
            Credentials::TokenFile(path) => json!({ "tokenFile": path }),
        };
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "test", "cluster": cluster }],
            "users": [{ "name": "test", "user": user }],
            "contexts": [{
                "name": "test",
                "context": { "cluster": "test", "user": "test", "namespace": "default" },
            }],
            "current-context": "test",
        })
    }

    /// Writes such a kubeconfig.
    #[track_caller]
    pub fn write_kubeconfig(&self, path: &Path, credentials: Credentials<'_>) {
        // JSON is YAML.
        let text = format!("{:#}\n", self.kubeconfig(credentials));
        fs::write(path, text).expect("a kubeconfig");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(Phase::Ending);
        if let Some(thread) = self.thread.take() {
            // A panic of the server has been printed; the test fails by what it misses.
            drop(thread.join());
        }
    }
}

/// Accepts until the server ends; the end of the runtime ends the connections.
async fn accept(
    listener: TcpListener,
    router: Router,
    acceptor: Option<TlsAcceptor>,
    mut stopped: watch::Receiver<Phase>,
) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener in a runtime");
    let mut cuts = stopped.clone();
    let ending = async { drop(stopped.wait_for(|phase| *phase == Phase::Ending).await) };
    tokio::pin!(ending);
    loop {
        let stream = tokio::select! {
            () = &mut ending => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => continue,
            },
        };
        drop(stream.set_nodelay(true));
        let (router, acceptor) = (router.clone(), acceptor.clone());
        let mut cuts = {
            cuts.borrow_and_update();
            cuts.clone()
        };
        tokio::spawn(async move {
            let serve = async {
                match acceptor {
                    None => connection(stream, router).await,
                    // Who refuses the certificate ends the handshake, as is to be expected.
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            connection(stream, router).await;
                        }
                    }
                }
            };
            tokio::select! {
                () = serve => {}
                _ = cuts.changed() => {}
            }
        });
    }
}

/// Serves one connection to its end. Errors are clients that went away and connections that are
/// broken on demand.
async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, router: Router) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let answer = router.call(request.map(Body::new));
        async move {
            let response = answer.await.unwrap_or_else(|never| match never {});
            match response.extensions().get::<Broken>() {
                Some(_) => Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
                None => Ok(response),
            }
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
    drop(served);
}
