//! A session as bytes, and back. The layout is in `docs/format.md`.

use sha2::{Digest, Sha256};

use crate::{Error, Fingerprint, Result, Session};

const MAGIC: &[u8; 8] = b"RGRLSESS";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 64;
const CHECKSUM_BYTES: usize = 32;

impl Session {
    /// The whole session as bytes, to be stored and given to [`Session::restore`].
    ///
    /// Only a model with absurd weights makes a state overflow to infinity; the snapshot of such a
    /// session is not restored.
    pub fn snapshot(&self) -> Vec<u8> {
        let numbers = self.state.len() + self.seen.len();
        let mut blob = Vec::with_capacity(HEADER_BYTES + 4 * numbers + CHECKSUM_BYTES);
        blob.extend_from_slice(MAGIC);
        blob.extend_from_slice(&VERSION.to_le_bytes());
        blob.extend_from_slice(&(self.state.len() as u32).to_le_bytes());
        blob.extend_from_slice(&self.events.to_le_bytes());
        blob.extend_from_slice(&(self.seen.len() as u64).to_le_bytes());
        blob.extend_from_slice(self.model.fingerprint().as_bytes());
        blob.extend(self.state.iter().flat_map(|number| number.to_le_bytes()));
        blob.extend(self.seen.iter().flat_map(|item| item.to_le_bytes()));
        let checksum = Sha256::digest(&blob);
        blob.extend_from_slice(&checksum);
        blob
    }

    /// Takes over the history of a snapshot, exactly: what follows has the same bits as if the
    /// session had never been stored. A snapshot that is damaged or of another model is refused,
    /// and the session is left as it was.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<()> {
        let parts = Parts::parse(snapshot, self)?;
        for (number, bytes) in self.state.iter_mut().zip(parts.state) {
            *number = f32::from_le_bytes(*bytes);
        }
        self.seen.clear();
        self.seen.extend(parts.seen.iter().map(|&bytes| u32::from_le_bytes(bytes)));
        self.events = parts.events;
        Ok(())
    }
}

/// A snapshot that passed every check.
struct Parts<'a> {
    events: u64,
    state: &'a [[u8; 4]],
    seen: &'a [[u8; 4]],
}

impl<'a> Parts<'a> {
    fn parse(blob: &'a [u8], session: &Session) -> Result<Self> {
        let mut rest = blob;
        if take(&mut rest)? != *MAGIC {
            return Err(Error::SnapshotMagic);
        }
        let found = u32::from_le_bytes(take(&mut rest)?);
        if found != VERSION {
            return Err(Error::SnapshotVersion { found, expected: VERSION });
        }
        let numbers = u32::from_le_bytes(take(&mut rest)?);
        let events = u64::from_le_bytes(take(&mut rest)?);
        let seen = u64::from_le_bytes(take(&mut rest)?);
        let found = Fingerprint::from_bytes(take(&mut rest)?);
        let expected = session.model.fingerprint();
        if found != expected {
            return Err(Error::SnapshotModel { found, expected });
        }
        check_sizes(blob, numbers, seen, session)?;

        let (body, checksum) = blob.split_at(blob.len() - CHECKSUM_BYTES);
        if Sha256::digest(body)[..] != *checksum {
            return Err(Error::SnapshotChecksum);
        }
        let (words, _) = body[HEADER_BYTES..].as_chunks();
        let (state, seen) = words.split_at(session.state.len());
        let parts = Self { events, state, seen };
        parts.check_values(session.model.num_items())?;
        Ok(parts)
    }

    /// Checks what a matching checksum does not promise.
    fn check_values(&self, num_items: usize) -> Result<()> {
        let refuse = |found, expected| Err(Error::SnapshotValue { found, expected });
        let number = |bytes: &[u8; 4]| f32::from_le_bytes(*bytes);
        if let Some(at) = self.state.iter().position(|bytes| !number(bytes).is_finite()) {
            let found = format!("{} at number {at} of the state", number(&self.state[at]));
            return refuse(found, "a finite number");
        }
        let item = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes);
        if let Some(last) = self.seen.last().map(item).filter(|&last| last as usize >= num_items) {
            return refuse(format!("seen item {last}"), "an item index of the model");
        }
        if let Some(pair) = self.seen.windows(2).find(|pair| item(&pair[0]) >= item(&pair[1])) {
            let found = format!("seen item {} after {}", item(&pair[1]), item(&pair[0]));
            return refuse(found, "ascending item indices");
        }
        if self.events == 0 && self.state.iter().any(|bytes| number(bytes) != 0.0) {
            return refuse("a state without events".to_owned(), "zeros");
        }
        let distinct = self.seen.len() as u64;
        if distinct > self.events || (distinct == 0) != (self.events == 0) {
            let found = format!("{distinct} distinct items in {} events", self.events);
            return refuse(found, "at least one, and no more than events");
        }
        Ok(())
    }
}

/// Checks the counts against the model, and the snapshot's length against the counts.
fn check_sizes(blob: &[u8], numbers: u32, seen: u64, session: &Session) -> Result<()> {
    let refuse = |what, found, expected| Err(Error::SnapshotSize { what, found, expected });
    if numbers as usize != session.state.len() {
        return refuse("state numbers", numbers.into(), session.state.len().to_string());
    }
    let num_items = session.model.num_items();
    if seen > num_items as u64 {
        return refuse("seen items", seen, format!("at most {num_items}"));
    }
    // Below 2^40: both counts are below 2^32.
    let expected = (HEADER_BYTES + CHECKSUM_BYTES) as u64 + 4 * (u64::from(numbers) + seen);
    if blob.len() as u64 != expected {
        return refuse("bytes", blob.len() as u64, expected.to_string());
    }
    Ok(())
}

/// The next N bytes.
fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N]> {
    let Some((first, after)) = rest.split_first_chunk() else {
        let expected = format!("at least {N} more");
        return Err(Error::SnapshotSize { what: "bytes left", found: rest.len() as u64, expected });
    };
    *rest = after;
    Ok(*first)
}
