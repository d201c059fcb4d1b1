//! The way of a watch's bytes to events, without a connection: for whoever feeds it what no server
//! would send.

use kube_rs::client::Body;
use model::{Event, ObjectKind};

use crate::known::Known;
use crate::lines::Lines;
use crate::wire::{Bookmark, Line, Status};

/// The events that these lines of a watch of this kind come to, in pieces of so many bytes. Lines
/// that cannot be read are passed over.
pub fn events_of(kind: ObjectKind, bytes: &[u8], piece: usize) -> Vec<Event> {
    let mut lines = Lines::new(Body::empty());
    let mut known = Known::new(kind);
    let mut events = Vec::new();
    for bytes in bytes.chunks(piece.max(1)) {
        let Ok(whole) = lines.take(bytes) else { return events };
        for (text, encoding) in whole {
            let Ok(Line { r#type, object }) = serde_json::from_str(&text) else { continue };
            match &*r#type {
                "DELETED" => events.extend(known.deleted(object.get())),
                "BOOKMARK" => {
                    let bookmark = serde_json::from_str::<Bookmark>(object.get());
                    if bookmark.is_ok_and(|bookmark| bookmark.ends_list()) {
                        events.extend(known.end_list());
                        known.begin_list();
                    }
                }
                "ERROR" => drop(serde_json::from_str::<Status>(object.get())),
                _ => events.extend(known.applied(object.get(), encoding)),
            }
        }
    }
    events
}
