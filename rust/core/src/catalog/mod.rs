//! Scoring the catalogue: the table, the filters and the fused top-k scan.

mod batch;
mod blocks;
mod elements;
mod filter;
mod overlay;
mod quota;
mod ranking;
mod scan;
mod scores;
mod table;
mod topk;
mod view;

pub(crate) use batch::Batch;
pub use filter::Filter;
pub(crate) use overlay::Active as ActiveOverlay;
pub use overlay::Overlay;
pub use quota::{Groups, Quota};
pub use ranking::Scored;
pub(crate) use scores::Scores;
pub(crate) use table::Table;
pub use table::TableDtype;
pub(crate) use topk::Query;
pub use topk::TopK;
pub use view::Catalog;
pub(crate) use view::View;
