//! A parsed and checked snapshot.

use std::fmt;

use sha2::{Digest, Sha256};

use super::header::{CHECKSUM_BYTES, Header};
use super::state::{self, Numbers, Precision, refuse};
use crate::error::Cause;
use crate::{Config, Fingerprint, Kind, Model, Result};

/// A snapshot, parsed and checked without its model.
///
/// It holds the fingerprint of its model and the history. Item indices refer to that model.
pub struct Snapshot<'a> {
    bytes: &'a [u8],
    header: Header,
    state: Numbers<'a>,
    hidden: &'a [[u8; 4]],
    seen: &'a [[u8; 4]],
    log: &'a [[u8; 4]],
    times: &'a [[u8; 8]],
    kinds: &'a [u8],
}

impl<'a> Snapshot<'a> {
    /// Parses a snapshot. Checks the sizes first, then the checksum, then the values.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self> {
        let header = Header::parse(bytes)?;
        let (body, checksum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
        if Sha256::digest(body)[..] != *checksum {
            return Err(Cause::SnapshotChecksum.into());
        }
        // All counts are in range: the sizes add up to the snapshot's length.
        let (state, words) = body[header.bytes()..].split_at(header.state_bytes() as usize);
        let (words, kinds) = words.split_at(words.len() - header.kinds_bytes() as usize);
        let (words, times) = words.split_at(words.len() - header.times_bytes() as usize);
        let (words, times) = (words.as_chunks().0, times.as_chunks().0);
        let (hidden, words) = words.split_at(header.hidden_size as usize);
        let (seen, log) = words.split_at(header.seen as usize);
        let state = state::read(header.precision, state, hidden.len());
        let snapshot = Self { bytes, header, state, hidden, seen, log, times, kinds };
        snapshot.check_numbers()?;
        snapshot.check_seen()?;
        snapshot.check_log()?;
        snapshot.check_times()?;
        Ok(snapshot)
    }

    /// The fingerprint of the session's model.
    pub fn fingerprint(&self) -> Fingerprint {
        self.header.fingerprint
    }

    /// How the state is stored.
    pub fn precision(&self) -> Precision {
        self.header.precision
    }

    /// The number of events of the session.
    pub fn events(&self) -> u64 {
        self.header.events
    }

    /// The distinct items of the session, ascending.
    pub fn seen(&self) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        self.seen.iter().map(|&bytes| u32::from_le_bytes(bytes))
    }

    /// The items of the events in the session's log, oldest first; see
    /// [`Session::log`](crate::Session::log).
    pub fn log(&self) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        self.log.iter().map(|&bytes| u32::from_le_bytes(bytes))
    }

    /// The kinds of the events in the session's log, oldest first; none if the model has no kinds.
    pub fn log_kinds(&self) -> impl ExactSizeIterator<Item = Kind> + use<'a> {
        self.kinds.iter().map(|&kind| Kind::new(kind))
    }

    /// The times of the events in the session's log in seconds, oldest first; none if the model
    /// does not use times.
    pub fn log_times(&self) -> impl ExactSizeIterator<Item = i64> + use<'a> {
        self.times.iter().map(|&bytes| i64::from_le_bytes(bytes))
    }

    /// The time of the last event; 0 if there is none.
    pub(crate) fn last_time(&self) -> i64 {
        self.header.last_time.unwrap_or_default()
    }

    /// The capacity of the session's log; 0 if it kept none.
    pub fn log_capacity(&self) -> usize {
        usize::try_from(self.header.log_capacity).unwrap_or(usize::MAX)
    }

    pub(crate) fn numbers(&self) -> impl Iterator<Item = f32> {
        let state = (0..self.state.len()).map(|index| self.state.get(index));
        state.chain(self.hidden.iter().map(|&bytes| f32::from_le_bytes(bytes)))
    }

    /// Checks that a session on the model can restore the snapshot.
    pub(crate) fn check_model(&self, model: &Model) -> Result<()> {
        model.check_fingerprint("snapshot", self.fingerprint())?;
        let config = model.config();
        let sizes = [
            ("state numbers", self.state.len(), config.state_len()),
            ("numbers in the hidden vector", self.hidden.len(), config.hidden_size),
        ];
        for (what, found, expected) in sizes {
            if found != expected {
                return refuse(format!("{found} {what}"), expected);
            }
        }
        self.check_version(config)?;
        let added = &self.header.added;
        model.check_added(added)?;
        let num_items = config.num_items + added.count as usize;
        match self.seen().last().filter(|&last| last as usize >= num_items) {
            None => Ok(()),
            Some(last) => refuse(format!("seen item {last}"), "an item index of the model"),
        }
    }

    /// Checks that the events have kinds if the model has, and that they are its own, and that they
    /// have times if the model uses them.
    fn check_version(&self, config: &Config) -> Result<()> {
        let num_kinds = config.kinds.len();
        let rules = [
            ("kinds of events", self.header.kinds, num_kinds > 0),
            ("times of events", self.header.last_time.is_some(), config.gaps),
        ];
        for (what, found, expected) in rules {
            let name = |there| if there { "with" } else { "without" };
            if found != expected {
                let expected = format!("one {} them, as the model is", name(expected));
                return refuse(format!("a version {} {what}", name(found)), expected);
            }
        }
        match self.kinds.iter().find(|&&kind| usize::from(kind) >= num_kinds) {
            None => Ok(()),
            Some(kind) => refuse(format!("kind {kind} in the log"), "a kind of the model"),
        }
    }

    fn check_numbers(&self) -> Result<()> {
        if let Some((index, number)) = self.numbers().enumerate().find(|(_, x)| !x.is_finite()) {
            return refuse(format!("{number} at index {index} of the state"), "a finite number");
        }
        if self.events() == 0 && self.numbers().any(|number| number != 0.0) {
            return refuse("a state without events".to_owned(), "zeros");
        }
        Ok(())
    }

    fn check_seen(&self) -> Result<()> {
        if let Some((before, item)) = self.seen().zip(self.seen().skip(1)).find(|(a, b)| a >= b) {
            return refuse(format!("seen item {item} after {before}"), "ascending item indices");
        }
        let distinct = self.seen.len() as u64;
        if distinct > self.events() || (distinct == 0) != (self.events() == 0) {
            let found = format!("{distinct} distinct items in {} events", self.events());
            return refuse(found, "at least one, and no more than events");
        }
        Ok(())
    }

    /// Checks that the last time is that of the log's last event, and 0 without events.
    fn check_times(&self) -> Result<()> {
        let found = self.last_time();
        let without = (self.events() == 0).then_some(0);
        match without.or(self.log_times().last()).filter(|&expected| found != expected) {
            None => Ok(()),
            Some(expected) => refuse(format!("a last event at {found}"), expected),
        }
    }

    fn check_log(&self) -> Result<()> {
        let mut distinct: Vec<_> = self.log().collect();
        let events = distinct.len() as u64;
        if events > self.events() {
            let found = format!("a log of {events} events out of {}", self.events());
            return refuse(found, "no more than there are");
        }
        distinct.sort_unstable();
        distinct.dedup();
        let seen: Vec<_> = self.seen().collect();
        if let Some(item) = distinct.iter().find(|item| seen.binary_search(item).is_err()) {
            return refuse(format!("item {item} in the log"), "a seen item");
        }
        if events == self.events() && distinct.len() < seen.len() {
            let found = format!("{} distinct items in a log of all events", distinct.len());
            return refuse(found, "as many as were seen");
        }
        Ok(())
    }
}

/// The bytes it was parsed from.
impl AsRef<[u8]> for Snapshot<'_> {
    fn as_ref(&self) -> &[u8] {
        self.bytes
    }
}

impl fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (events, distinct, logged) = (self.events(), self.seen.len(), self.log.len());
        write!(f, "Snapshot({events} events, {distinct} distinct, {logged} in the log)")
    }
}
