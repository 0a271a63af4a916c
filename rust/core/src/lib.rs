//! Sequential recommendations on the device.
//!
//! A trained RecGRELA model is one safetensors file. A [`Model`] is that file, loaded and checked.
//! A [`Session`] is one user's history on a model. Appending an event costs the same after ten
//! events and after ten million: the history is a recurrent state of fixed size.
//!
//! ```
//! use std::sync::Arc;
//! use recgrela::{Filter, Model, Session};
//!
//! # fn main() -> recgrela::Result<()> {
//! let model = Arc::new(Model::open("tests/data/tiny.safetensors")?);
//! let catalog = model.catalog();
//!
//! let mut session = Session::new(Arc::clone(&model));
//! for id in ["movie-07", "movie-19"] {
//!     let item = catalog.index_of(id).expect("the model knows this movie");
//!     session.append(item)?;
//! }
//! for best in session.top_k(10, &Filter::unseen())? {
//!     println!("{} {}", catalog.id(best.item).expect("every item has an id"), best.score);
//! }
//!
//! let stored = session.snapshot();
//! let mut later = Session::new(Arc::clone(&model));
//! later.restore(&stored)?;
//! assert_eq!(later.score(&[3, 4])?, session.score(&[3, 4])?); // the same bits
//! # Ok(())
//! # }
//! ```
//!
//! Every score has the same 32 bits on every instruction set: only exactly rounded operations are
//! used, in a fixed order. This relies on subnormal numbers, which threads support by default. In a
//! thread that flushes them to zero, for example after `torch.set_flush_denormal(True)`, the bits
//! may differ, on all instruction sets alike. The crate starts no threads, unless a [`TopK`] or
//! a [`Fleet`] asks for them with the feature `threads`.

#[cfg(target_endian = "big")]
compile_error!("recgrela reads its little-endian file in place and needs a little-endian target");

#[cfg(all(any(target_arch = "x86", target_arch = "x86_64"), not(target_feature = "sse2")))]
compile_error!("recgrela needs SSE2 on x86: the x87 registers round differently");

mod aligned;
mod catalog;
mod config;
mod error;
mod event;
mod fingerprint;
mod fleet;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
mod isa;
mod kernels;
mod loading;
mod model;
mod network;
mod saving;
mod session;
mod simd;
mod snapshot;
#[cfg(feature = "threads")]
mod threads;
mod verify;

pub use catalog::{Filter, Groups, Quota, Scored, TopK};
pub use config::{Config, Positions};
pub use error::{Error, ErrorKind, Result};
pub use event::{Event, Kind};
pub use fingerprint::Fingerprint;
pub use fleet::{Fleet, FleetFilter, OwnedUserId, UserId};
pub use isa::IsaComparison;
pub use model::{Catalog, ItemId, Model, ModelOptions, Overlay, TableDtype};
pub use session::{Reason, Session};
pub use simd::Isa;
pub use snapshot::{Precision, Snapshot};
pub use verify::Verification;
