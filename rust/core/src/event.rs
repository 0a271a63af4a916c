//! An event of a history: an item, and the kind of event.

/// A kind of event, such as a view or a purchase, by its index in
/// [`Config::kinds`](crate::Config::kinds). [`Model::kind`](crate::Model::kind) finds it by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(u8);

impl Kind {
    /// The kind with an index. Where it is used, an index that the model lacks is an error.
    pub const fn new(index: u8) -> Self {
        Self(index)
    }

    /// The index.
    pub const fn index(self) -> u8 {
        self.0
    }
}

/// An event. A model with kinds needs the kind of every event, a model without kinds refuses one.
///
/// ```
/// # use recgrela::{Event, Kind};
/// let (seen, bought) = (Event::from(7), Event::from((7, Kind::new(1))));
/// assert_eq!((seen.item, seen.kind), (7, None));
/// assert_eq!((bought.item, bought.kind), (7, Some(Kind::new(1))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Event {
    /// The item's index.
    pub item: u32,
    /// The kind of event, if the model has kinds.
    pub kind: Option<Kind>,
}

/// An event without a kind.
impl From<u32> for Event {
    fn from(item: u32) -> Self {
        Self { item, kind: None }
    }
}

impl From<(u32, Kind)> for Event {
    fn from((item, kind): (u32, Kind)) -> Self {
        Self { item, kind: Some(kind) }
    }
}

impl From<(u32, Option<Kind>)> for Event {
    fn from((item, kind): (u32, Option<Kind>)) -> Self {
        Self { item, kind }
    }
}
