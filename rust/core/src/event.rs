//! An event of a history: an item, the kind of event, and its time.

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
/// The same holds for times ([`Config::gaps`](crate::Config::gaps)).
///
/// ```
/// # use recgrela::{Event, Kind};
/// let (seen, bought) = (Event::from(7), Event::from((7, Kind::new(1))));
/// assert_eq!((seen.item, seen.kind, seen.time), (7, None, None));
/// assert_eq!((bought.item, bought.kind), (7, Some(Kind::new(1))));
/// assert_eq!(bought.with_time(1_700_000_000).time, Some(1_700_000_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Event {
    /// The item's index.
    pub item: u32,
    /// The kind of event, if the model has kinds.
    pub kind: Option<Kind>,
    /// The time in whole seconds (milliseconds cannot be recognised), if the model uses times. Any
    /// origin will do: only differences between the events of a user count.
    pub time: Option<i64>,
}

impl Event {
    /// The same event, with a time in whole seconds.
    #[must_use]
    pub const fn with_time(self, seconds: i64) -> Self {
        Self { time: Some(seconds), ..self }
    }
}

/// An event without a kind and without a time.
impl From<u32> for Event {
    fn from(item: u32) -> Self {
        Self { item, kind: None, time: None }
    }
}

impl From<(u32, Kind)> for Event {
    fn from((item, kind): (u32, Kind)) -> Self {
        Self { item, kind: Some(kind), time: None }
    }
}

impl From<(u32, Option<Kind>)> for Event {
    fn from((item, kind): (u32, Option<Kind>)) -> Self {
        Self { item, kind, time: None }
    }
}

impl From<(u32, Option<Kind>, Option<i64>)> for Event {
    fn from((item, kind, time): (u32, Option<Kind>, Option<i64>)) -> Self {
        Self { item, kind, time }
    }
}

/// The versions of snapshots and of fleet files, by [`stored_version`].
pub(crate) const STORED_VERSIONS: [u32; 4] = [2, 3, 4, 5];

/// The version of a stored history, by what its events have:
///
/// | | no kinds | kinds |
/// | --- | --- | --- |
/// | no times | 2 | 3 |
/// | times | 4 | 5 |
pub(crate) fn stored_version(kinds: bool, times: bool) -> u32 {
    STORED_VERSIONS[usize::from(kinds) + 2 * usize::from(times)]
}

/// The time between an event and the one before, as a row of `gaps.weight`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Gap(u8);

impl Gap {
    /// The number of rows.
    pub(crate) const COUNT: usize = 32;

    /// The longest gap, 2^29 seconds or more: 17 years.
    const LONGEST: u32 = 30;

    /// The gap before a first event.
    const FIRST: Self = Self(31);

    /// The bit length of the seconds since the event before, at most 30. Late events, which are
    /// earlier than the one before, have 0.
    pub(crate) fn between(before: Option<i64>, time: i64) -> Self {
        let Some(before) = before else { return Self::FIRST };
        let seconds = time.saturating_sub(before).max(0);
        Self((i64::BITS - seconds.leading_zeros()).min(Self::LONGEST) as u8)
    }

    pub(crate) fn row(self) -> usize {
        self.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::Gap;

    #[test]
    fn a_gap_is_the_bit_length_of_its_seconds() {
        let gaps = [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (3600, 12), (86_400, 17)];
        for (seconds, row) in gaps {
            assert_eq!(Gap::between(Some(-7), seconds - 7).row(), row, "{seconds}");
        }
        let years = 365 * 86_400;
        assert_eq!(Gap::between(Some(0), 17 * years).row(), 29);
        assert_eq!(Gap::between(Some(0), 18 * years).row(), 30);
        assert_eq!(Gap::between(Some(i64::MIN), i64::MAX).row(), 30);
        assert_eq!(Gap::between(Some(5), 4).row(), 0, "a late event");
        assert_eq!(Gap::between(Some(i64::MAX), i64::MIN).row(), 0);
        assert_eq!(Gap::between(None, 5).row(), 31, "a first event");
    }
}
