//! Who is connected to our port: how many, and for how long.
//!
//! The port may be open to strangers, and a connection is an open file, of which each promised node
//! port needs one. Invariants: a connection on which no request comes, or which lives for too long, is
//! ended; of one address at most [`OF_ONE`] are open and of all at most [`ALL`], and a new one ends
//! the oldest: whoever holds many open keeps nobody out.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Connections of one address.
const OF_ONE: usize = 8;
/// Connections of all.
const ALL: usize = 64;
/// How long a request may take to come, the next one on the same connection too.
const REQUEST: Duration = Duration::from_secs(10);
/// How long a connection may last.
const LIFE: Duration = Duration::from_mins(1);
/// How long to wait when there is no file for a connection.
const PAUSE: Duration = Duration::from_millis(200);

/// Serves whoever comes, for ever.
pub(super) async fn serve(listener: TcpListener, router: Router) -> io::Result<Infallible> {
    let mut open = Open::default();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_of_one(&error) => continue,
            Err(error) => {
                tracing::debug!(%error, "nobody can be let in");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let peer = peer.ip().to_canonical();
        open.make_room(peer);
        let task = tokio::spawn(tokio::time::timeout(LIFE, talk(stream, router.clone())));
        open.0.push_back((peer, task.abort_handle()));
    }
}

/// Whether an error of accepting is about the one who came, and says nothing of the next.
fn is_of_one(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

async fn talk(stream: TcpStream, router: Router) {
    let mut connection = http1::Builder::new();
    connection.timer(TokioTimer::new()).header_read_timeout(REQUEST);
    let service = TowerToHyperService::new(router);
    if let Err(error) = connection.serve_connection(TokioIo::new(stream), service).await {
        tracing::trace!(%error, "a connection ended");
    }
}

/// Connections by age, the oldest first.
#[derive(Debug, Default)]
struct Open(VecDeque<(IpAddr, AbortHandle)>);

impl Open {
    /// Ends the oldest connection that is in the way of one more of this address.
    fn make_room(&mut self, peer: IpAddr) {
        self.0.retain(|(_, task)| !task.is_finished());
        let of_peer = self.0.iter().filter(|(of, _)| *of == peer).count();
        let oldest = if of_peer >= OF_ONE {
            self.0.iter().position(|(of, _)| *of == peer)
        } else {
            (self.0.len() >= ALL).then_some(0)
        };
        if let Some((_, task)) = oldest.and_then(|at| self.0.remove(at)) {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_connection_ends_the_oldest_of_its_address_and_else_the_oldest_of_all() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _inside = runtime.enter();
        let mut open = Open::default();
        let mut come = |last: u8| {
            let peer = IpAddr::from([192, 0, 2, last]);
            open.make_room(peer);
            let task = tokio::spawn(std::future::pending::<()>());
            open.0.push_back((peer, task.abort_handle()));
            let of_peer = open.0.iter().filter(|(of, _)| *of == peer).count();
            (of_peer, open.0.len(), open.0[0].0)
        };
        let first = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(come(1), (1, 1, first));
        for _ in 0..100 {
            assert!(come(2).0 <= OF_ONE);
        }
        // Many of one address are in the way of their own only.
        assert_eq!(come(1), (2, OF_ONE + 2, first));
        for last in 3..200 {
            assert!(come(last).1 <= ALL);
        }
        assert_eq!(come(200).1, ALL);
    }
}
