//! Everything, once: for commands that look and end.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::door::{Access, ConnectError, Door};
use crate::publish::{self, Patch, PodPatch};
use crate::request::ApiError;
use crate::source::{Message, Options, Source};

/// Patches, one after the other, for a command that ends.
#[derive(Debug)]
pub struct Once {
    door: Door,
    runtime: tokio::runtime::Runtime,
}

impl Once {
    /// Asks nobody yet.
    pub fn new(access: Access) -> Result<Self, ApiError> {
        Ok(Self { door: Door::new(access), runtime: runtime()? })
    }

    /// Publishes one annotation. A Pod that is gone needs none.
    pub fn publish(&self, patch: &PodPatch) -> Result<(), ApiError> {
        if patch.patch == Patch::Forget {
            return Ok(());
        }
        match self.runtime.block_on(publish::send(&self.door, patch)) {
            Err(error) if publish::is_gone(&error) => Ok(()),
            answer => answer,
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, ApiError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(ConnectError::Runtime)?)
}

/// Lists every kind once. What could not be listed within `patience` is said in the message's hold
/// and problems, which are those of a source that is not in sync.
pub fn list_once(
    door: Arc<Door>,
    options: Options,
    patience: Duration,
) -> Result<Message, ApiError> {
    runtime()?.block_on(async {
        // Said at once, not after the patience: nothing that could come would help.
        door.client().await?;
        let last: RefCell<Option<Message>> = RefCell::new(None);
        let listen = |message: Message| {
            let done = message.listed;
            *last.borrow_mut() = Some(message);
            if done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let first = async {
            let mut run = std::pin::pin!(Source::new(door, options).run(listen));
            // The watches would go on waiting for what nobody wants to hear any more.
            std::future::poll_fn(|context| {
                let ended = run.as_mut().poll(context).is_ready();
                let complete = last.borrow().as_ref().is_some_and(|message| message.listed);
                if ended || complete { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        };
        let _ = tokio::time::timeout(patience, first).await;
        last.into_inner().ok_or(ApiError::Silent(patience))
    })
}
