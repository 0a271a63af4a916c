//! The ids of added items.

use sha2::{Digest, Sha256};

use crate::ItemId;
use crate::model::vocabulary::{Ids, Vocabulary};

/// Ids in the order in which they were added, in the layout of a model file.
#[derive(Clone, Debug)]
pub(super) struct AddedIds {
    ids: Owned,
    /// The items by ascending id.
    order: Vec<[u8; 4]>,
    /// For each item, a digest of its id and all earlier ones.
    digests: Vec<[u8; 32]>,
}

#[derive(Clone, Debug)]
enum Owned {
    Int(Vec<[u8; 8]>),
    Str { text: Vec<u8>, end: Vec<[u8; 8]> },
}

impl AddedIds {
    pub(super) fn new(text: bool) -> Self {
        let ids = match text {
            true => Owned::Str { text: Vec::new(), end: Vec::new() },
            false => Owned::Int(Vec::new()),
        };
        Self { ids, order: Vec::new(), digests: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn vocabulary(&self) -> Vocabulary<'_> {
        Vocabulary::new(self.ids.view(), &self.order)
    }

    /// Identifies the first `count` ids. The digest of none is zeros; that of n is the SHA-256 of
    /// the digest of n - 1 and the bytes of the last id. `None` if there are fewer.
    pub(super) fn digest(&self, count: usize) -> Option<[u8; 32]> {
        match count.checked_sub(1) {
            None => Some([0; 32]),
            Some(last) => self.digests.get(last).copied(),
        }
    }

    /// Adds new ids, which must be distinct and of the right kind.
    pub(super) fn extend(&mut self, new: &[ItemId<'_>]) {
        for &id in new {
            let mut hash = Sha256::new();
            hash.update(self.digests.last().unwrap_or(&[0; 32]));
            match (&mut self.ids, id) {
                (Owned::Int(ids), ItemId::Int(id)) => {
                    hash.update(id.to_le_bytes());
                    ids.push(id.to_le_bytes());
                }
                (Owned::Str { text, end }, ItemId::Str(id)) => {
                    hash.update(id);
                    text.extend_from_slice(id.as_bytes());
                    end.push((text.len() as u64).to_le_bytes());
                }
                _ => continue, // unreachable: the caller checked the kind
            }
            self.digests.push(hash.finalize().into());
            self.order.push((self.order.len() as u32).to_le_bytes());
        }
        let ids = Vocabulary::new(self.ids.view(), &[]);
        self.order.sort_unstable_by(|&a, &b| ids.compare_items(a, b));
    }

    /// The tensors: name, dtype, length and bytes.
    pub(super) fn tensors(&self) -> Vec<(&'static str, &'static str, usize, Vec<u8>)> {
        match &self.ids {
            Owned::Int(ids) => vec![("overlay.ids", "I64", ids.len(), ids.as_flattened().to_vec())],
            Owned::Str { text, end } => vec![
                ("overlay.ids_end", "I64", end.len(), end.as_flattened().to_vec()),
                ("overlay.ids_utf8", "U8", text.len(), text.clone()),
            ],
        }
    }
}

impl Owned {
    fn view(&self) -> Ids<'_> {
        match self {
            Self::Int(ids) => Ids::Int(ids),
            Self::Str { text, end } => Ids::Str { text, end },
        }
    }
}
