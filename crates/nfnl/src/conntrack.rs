//! Connection tracking: listing, counting, inserting and deleting entries.
//!
//! ```no_run
//! use nfnl::{Socket, conntrack::{Filter, TupleFilter}};
//!
//! let mut socket = Socket::open()?;
//! // everything that once went to 192.0.2.1:8080/tcp
//! let filter = Filter {
//!     orig: TupleFilter::to("192.0.2.1".parse()?, 6, 8080),
//!     ..Filter::default()
//! };
//! for entry in socket.conntrack_matching(&filter)? {
//!     println!("{:?}", entry.orig);
//! }
//! socket.conntrack_delete_matching(&filter)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod entry;
mod filter;
mod requests;
mod tuple;

pub use self::{
    entry::{Entry, Status},
    filter::{Filter, TupleFilter},
    requests::Stats,
    tuple::{L4, Tuple},
};
