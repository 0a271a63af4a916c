//! Fleet files. `docs/format.md` describes the layout.
//!
//! Reading and writing are one pass over the users, and need no memory of the arena's size.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::Fleet;
use crate::error::Cause;
use crate::model::Added;
use crate::saving::{self, Readers};
use crate::{Fingerprint, Model, Result};

const MAGIC: &[u8; 8] = b"RGRLFLET";
const VERSION: u32 = 1;
const HEADER_BYTES: u64 = 104;
const USER_BYTES: u64 = 16;
const CHECKSUM_BYTES: u64 = 32;
const BUFFER_BYTES: usize = 1 << 16;

impl Fleet {
    /// Writes every user with events to a file. The file is written beside `path` and then renamed,
    /// so at any time there is the old file or the new one. On Unix, a new file is readable by its
    /// owner only, and a replaced one keeps its mode.
    ///
    /// A state can overflow to infinity only with extreme weights or overlay vectors. A user with
    /// such a state is an error, since the file could not be loaded; [`Fleet::reset`] removes it.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let overflowed = |user: &usize| self.arena.of(*user).iter().any(|x| !x.is_finite());
        if let Some(user) = self.active().find(overflowed) {
            return Err(Cause::FleetOverflow { user: user as u32 }.into());
        }
        saving::replace(path.as_ref(), Readers::Owner, |file| self.write(file))
    }

    /// Loads a fleet written by [`Fleet::save`], with room for `capacity` users, which may differ
    /// from before. All further results have the same bits as if it had never been stored. A
    /// damaged file or one of another model is an error.
    pub fn open(path: impl AsRef<Path>, model: Arc<Model>, capacity: u32) -> Result<Self> {
        let path = path.as_ref();
        let io = Cause::reading(path);
        let file = File::open(path).map_err(&io)?;
        let length = file.metadata().map_err(io)?.len();
        let reader = BufReader::with_capacity(BUFFER_BYTES, file);
        let mut source = Source { reader, path, hash: Sha256::new() };
        let counts = Counts::read(&mut source, length, &model, capacity)?;
        let mut fleet = Self::new(model, capacity)?;
        fleet.read_users(&mut source, &counts)?;
        let computed = source.hash.clone().finalize();
        if source.take::<{ CHECKSUM_BYTES as usize }>()?[..] != computed[..] {
            return Err(Cause::FleetChecksum.into());
        }
        Ok(fleet)
    }

    fn active(&self) -> impl Iterator<Item = usize> {
        (0..self.events.len()).filter(|&user| self.events[user] > 0)
    }

    fn write(&self, file: &File) -> io::Result<()> {
        let mut sink =
            Sink { writer: BufWriter::with_capacity(BUFFER_BYTES, file), hash: Sha256::new() };
        let seen: usize = self.active().map(|user| self.seen[user].len()).sum();
        let numbers = self.model.config().state_len() + self.model.config().hidden_size;
        sink.put(MAGIC)?;
        sink.put(&VERSION.to_le_bytes())?;
        sink.put(&(numbers as u32).to_le_bytes())?;
        sink.put(&(self.active().count() as u64).to_le_bytes())?;
        sink.put(&(seen as u64).to_le_bytes())?;
        sink.put(self.model.fingerprint().as_bytes())?;
        let last = self.active().filter_map(|user| self.seen[user].last()).max();
        let added = self.model.added_up_to(last.copied());
        sink.put(&u64::from(added.count).to_le_bytes())?;
        sink.put(&added.digest)?;
        for user in self.active() {
            sink.put(&(user as u32).to_le_bytes())?;
            sink.put(&(self.seen[user].len() as u32).to_le_bytes())?;
            sink.put(&self.events[user].to_le_bytes())?;
            // The crate supports little-endian targets only.
            sink.put(bytemuck::cast_slice(self.arena.of(user)))?;
            sink.put(bytemuck::cast_slice(&self.seen[user]))?;
        }
        let checksum = sink.hash.finalize();
        sink.writer.write_all(&checksum)?;
        sink.writer.flush()
    }

    fn read_users(&mut self, source: &mut Source<'_>, counts: &Counts) -> Result<()> {
        let num_items = counts.num_items;
        let mut seen_left = counts.seen;
        let mut least = 0;
        for _ in 0..counts.users {
            let user = u32::from_le_bytes(source.take()?);
            let distinct = u32::from_le_bytes(source.take()?);
            let events = u64::from_le_bytes(source.take()?);
            if !(least..self.capacity()).contains(&user) {
                let expected = format!("{least} or more, less than {}", self.capacity());
                return refuse(format!("user {user}"), expected);
            }
            least = user + 1;
            let most = events.min(num_items as u64).min(seen_left);
            if !(1..=most).contains(&u64::from(distinct)) {
                let found = format!("{distinct} distinct items of user {user}");
                return refuse(found, format!("1 to {most}"));
            }
            seen_left -= u64::from(distinct);
            let state = self.arena.of_mut(user as usize);
            source.fill(bytemuck::cast_slice_mut(state))?;
            if let Some(number) = state.iter().find(|number| !number.is_finite()) {
                return refuse(format!("{number} in the state of user {user}"), "finite numbers");
            }
            let capacity = self.capacity();
            let seen = &mut self.seen[user as usize];
            let bytes = size_of::<u32>() as u128 * u128::from(distinct);
            seen.try_reserve_exact(distinct as usize)
                .map_err(|_| Cause::FleetMemory { capacity, bytes })?;
            seen.resize(distinct as usize, 0);
            source.fill(bytemuck::cast_slice_mut(seen))?;
            let ascending = seen.is_sorted_by(|a, b| a < b);
            if !ascending || seen.last().is_some_and(|&last| last as usize >= num_items) {
                let expected = format!("ascending item indices, less than {num_items}");
                return refuse(format!("other items of user {user}"), expected);
            }
            self.events[user as usize] = events;
        }
        match seen_left {
            0 => Ok(()),
            _ => refuse(format!("{} distinct items", counts.seen - seen_left), counts.seen),
        }
    }
}

/// The counts of the header, checked against the model and the file's length.
struct Counts {
    users: u64,
    seen: u64,
    /// The model's items, and the added ones that the users depend on.
    num_items: usize,
}

impl Counts {
    fn read(source: &mut Source<'_>, length: u64, model: &Model, capacity: u32) -> Result<Self> {
        if length < HEADER_BYTES + CHECKSUM_BYTES {
            let expected = format!("at least {}", HEADER_BYTES + CHECKSUM_BYTES);
            return refuse(format!("{length} bytes"), expected);
        }
        if source.take()? != *MAGIC {
            return Err(Cause::FleetMagic.into());
        }
        let version = u32::from_le_bytes(source.take()?);
        if version != VERSION {
            return refuse(format!("version {version}"), VERSION);
        }
        let numbers = u32::from_le_bytes(source.take()?);
        let users = u64::from_le_bytes(source.take()?);
        let seen = u64::from_le_bytes(source.take()?);
        model.check_fingerprint("fleet", Fingerprint::from_bytes(source.take()?))?;
        let added = u64::from_le_bytes(source.take()?);
        let Ok(count) = u32::try_from(added) else {
            return refuse(format!("{added} added items"), format!("at most {}", u32::MAX));
        };
        let added = Added { count, digest: source.take()? };
        if count == 0 && added != Added::default() {
            return refuse("a digest without added items".to_owned(), "zeros");
        }
        model.check_added(&added)?;
        let of_model = model.config().state_len() + model.config().hidden_size;
        if numbers as usize != of_model {
            return refuse(format!("{numbers} numbers in a state"), of_model);
        }
        if users > u64::from(capacity) {
            return refuse(format!("{users} users"), format!("at most the capacity, {capacity}"));
        }
        // 128 bits cannot overflow.
        let expected = u128::from(HEADER_BYTES + CHECKSUM_BYTES)
            + u128::from(users) * u128::from(USER_BYTES + 4 * u64::from(numbers))
            + 4 * u128::from(seen);
        if u128::from(length) != expected {
            return refuse(format!("{length} bytes"), expected);
        }
        Ok(Self { users, seen, num_items: model.num_items() + count as usize })
    }
}

fn refuse<T>(found: impl Into<String>, expected: impl ToString) -> Result<T> {
    Err(Cause::FleetFile { found: found.into(), expected: expected.to_string() }.into())
}

struct Source<'a> {
    reader: BufReader<File>,
    path: &'a Path,
    hash: Sha256,
}

impl Source<'_> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        let read = self.reader.read_exact(bytes);
        read.map_err(Cause::reading(self.path))?;
        self.hash.update(bytes);
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}

struct Sink<'a> {
    writer: BufWriter<&'a File>,
    hash: Sha256,
}

impl Sink<'_> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.writer.write_all(bytes)
    }
}
