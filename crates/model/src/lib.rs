//! Values and their words: what every other crate of netkeep talks about.
//!
//! Owns: names and owners, the Kubernetes facts we use (`object`), the keys and values of the
//! kernel state we keep (`element`), claims' rank, changes and plans, findings.
//!
//! Invariants: no I/O, no clock, no randomness; ordered collections only; a value that exists is
//! valid (constructors parse, they do not trust).
//!
//! Deliberately not here: how state is computed (`plan`) and how it reaches the kernel (`drivers`).

#![forbid(unsafe_code)]

pub mod change;
pub mod element;
pub mod finding;
pub mod mark;
pub mod npl;
pub mod object;
pub mod owner;
pub mod port;
pub mod uid;

pub use change::{Change, ChangeOp, Hold, HoldScope, Plan, Reason};
pub use element::{Element, Key, MapName, Value};
pub use finding::{Finding, FindingCode, Severity};
pub use npl::{Mapping, MappingReport, MappingState};
pub use object::{Event, Node, Object, ObjectKind, Pod, Service};
pub use owner::{Owner, OwnerKind, Rank, Uid};
pub use port::{InvalidPort, InvalidProtocol, IpFamily, NodePort, PodPort, PortRange, Protocol};
