//! Everything, once: for commands that look and end.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::door::{ConnectError, Door};
use crate::request::ApiError;
use crate::source::{Message, Options, Source};

/// Lists every kind once. What could not be listed within `patience` is said in the message's hold
/// and problems, which are those of a source that is not in sync.
pub fn list_once(
    door: Arc<Door>,
    options: Options,
    patience: Duration,
) -> Result<Message, ApiError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ConnectError::Runtime)?;
    runtime.block_on(async {
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
                let listed = last.borrow().as_ref().is_some_and(|message| message.listed);
                if ended || listed { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        };
        let _ = tokio::time::timeout(patience, first).await;
        last.into_inner().ok_or(ApiError::Silent(patience))
    })
}
