//! The Kubernetes API as a source, and as the place where things are published.
//!
//! Owns: one thread with one small runtime, on which the watches, the patches and the Events take
//! turns. The loop hands over and never waits for it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use kube::{Announcer, ApiError, ConnectError, Door, EmptyList, Options, Publisher, Report};

use crate::config::{Config, EmptyFolder};
use crate::source::{Freshness, SourceMessage};

/// How long a command waits for the lists.
const ONCE: Duration = Duration::from_secs(30);

/// What the loop hands over to the API.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    /// Annotations.
    pub(crate) publisher: Publisher,
    /// Events.
    pub(crate) announcer: Announcer,
}

/// What the API's thread tells.
#[derive(Debug)]
pub(crate) enum Told {
    /// Objects, and how fresh they are.
    Source(SourceMessage),
    /// How publishing goes.
    Published(Report),
}

fn options(config: &Config, adopted: bool) -> Options {
    let defaults = Options::of(&config.node);
    Options {
        empty: match config.empty {
            EmptyFolder::IsUnavailable => EmptyList::IsDoubted,
            EmptyFolder::MeansNoObjects => EmptyList::IsBelieved,
        },
        adopted,
        stale_after: config.stale_after.unwrap_or(defaults.stale_after),
        ..defaults
    }
}

/// Starts the thread. `adopted`: whether the kernel holds something of ours.
pub(crate) fn start(
    config: &Config,
    adopted: bool,
    tell: impl Fn(Told) -> bool + Clone + Send + 'static,
) -> Result<Api, ConnectError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ConnectError::Runtime)?;
    let door = Arc::new(Door::new(config.access()));
    // A configuration that can never work is an error at the start; a server that is away is not.
    runtime.block_on(door.check())?;
    let report = {
        let tell = tell.clone();
        move |report| {
            tell(Told::Published(report));
        }
    };
    let (publisher, publishing) = Publisher::new(Arc::clone(&door), report);
    let (announcer, announcing) = Announcer::new(Arc::clone(&door), &config.node);
    let source = kube::Source::new(door, options(config, adopted));
    let work = move || {
        let listen = |message| {
            if tell(Told::Source(convert(message))) {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        runtime.block_on(async { tokio::join!(source.run(listen), publishing, announcing) });
    };
    std::thread::Builder::new().name("kube".into()).spawn(work).map_err(ConnectError::Runtime)?;
    Ok(Api { publisher, announcer })
}

/// What the API says now, for a command that looks once.
pub(crate) fn once(config: &Config, adopted: bool) -> Result<SourceMessage, ApiError> {
    let door = Arc::new(Door::new(config.access()));
    kube::list_once(door, options(config, adopted), ONCE).map(convert)
}

fn convert(message: kube::Message) -> SourceMessage {
    let kube::Message { events, problems, hold, unknown, fresh, listed: _, received } = message;
    SourceMessage {
        events,
        problems,
        hold,
        unread: None,
        unknown,
        freshness: Freshness::Kinds(fresh),
        received,
    }
}
