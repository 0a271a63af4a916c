//! The item ids of a catalogue, looked up in place in the file.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;

use crate::Result;
use crate::loading::{Dtype, TensorFile};

/// An item's id, as the training data spelled it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ItemId<'a> {
    /// An integer.
    Int(i64),
    /// A text.
    Str(&'a str),
}

impl ItemId<'_> {
    /// [`Ord::cmp`] as one function: inlined into a sort, it would be compiled many times.
    #[inline(never)]
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }
}

impl fmt::Display for ItemId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(id) => id.fmt(f),
            Self::Str(id) => id.fmt(f),
        }
    }
}

impl From<i64> for ItemId<'_> {
    fn from(id: i64) -> Self {
        Self::Int(id)
    }
}

impl<'a> From<&'a str> for ItemId<'a> {
    fn from(id: &'a str) -> Self {
        Self::Str(id)
    }
}

/// Looks up ids by index and, by binary search, indices by id.
#[derive(Clone, Copy)]
pub(crate) struct Vocabulary<'a> {
    ids: Ids<'a>,
    order: &'a [[u8; 4]],
}

/// Ids by item index, as little-endian bytes.
#[derive(Clone, Copy)]
pub(crate) enum Ids<'a> {
    Int(&'a [[u8; 8]]),
    /// Concatenated texts, and the end of each.
    Str {
        text: &'a [u8],
        end: &'a [[u8; 8]],
    },
}

impl<'a> Vocabulary<'a> {
    /// `order` lists the items by ascending id.
    pub(crate) fn new(ids: Ids<'a>, order: &'a [[u8; 4]]) -> Self {
        Self { ids, order }
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn is_text(&self) -> bool {
        matches!(self.ids, Ids::Str { .. })
    }

    pub(crate) fn id(&self, index: u32) -> Option<ItemId<'a>> {
        let position = usize::try_from(index).ok()?;
        match self.ids {
            Ids::Int(ids) => ids.get(position).map(|&id| ItemId::Int(i64::from_le_bytes(id))),
            // Checked at load. Skipping this second check would take unsafe code.
            Ids::Str { text, end } => {
                std::str::from_utf8(text_of(text, end, position)?).ok().map(ItemId::Str)
            }
        }
    }

    pub(crate) fn index_of(&self, wanted: ItemId<'_>) -> Option<u32> {
        let position = self.order.binary_search_by(|&index| self.compare(index, wanted)).ok()?;
        let index = u32::from_le_bytes(self.order[position]);
        (self.id(index) == Some(wanted)).then_some(index)
    }

    /// Compares the ids of two items. Not inlined, like [`ItemId::compare`].
    #[inline(never)]
    pub(crate) fn compare_items(&self, a: [u8; 4], b: [u8; 4]) -> Ordering {
        let [a, b] = [a, b].map(|item| self.id(u32::from_le_bytes(item)));
        a.cmp(&b)
    }

    fn compare(&self, index: [u8; 4], wanted: ItemId<'_>) -> Ordering {
        let index = u32::from_le_bytes(index) as usize;
        match (self.ids, wanted) {
            (Ids::Int(ids), ItemId::Int(wanted)) => {
                ids.get(index).map(|&id| i64::from_le_bytes(id)).cmp(&Some(wanted))
            }
            (Ids::Str { text, end }, ItemId::Str(wanted)) => {
                text_of(text, end, index).cmp(&Some(wanted.as_bytes()))
            }
            // Ids of the other kind match no item.
            (Ids::Int(_), ItemId::Str(_)) | (Ids::Str { .. }, ItemId::Int(_)) => Ordering::Less,
        }
    }
}

impl fmt::Debug for Vocabulary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_text() { "text" } else { "int" };
        write!(f, "Vocabulary({} {kind} ids)", self.len())
    }
}

fn text_of<'a>(text: &'a [u8], end: &[[u8; 8]], index: usize) -> Option<&'a [u8]> {
    let end_of = |index: usize| usize::try_from(i64::from_le_bytes(*end.get(index)?)).ok();
    let start = if index == 0 { 0 } else { end_of(index - 1)? };
    text.get(start..end_of(index)?)
}

/// The byte ranges of a vocabulary in the file.
#[derive(Clone, Debug)]
pub(crate) struct VocabularyLayout {
    ids: IdsLayout,
    order: Range<usize>,
}

/// The byte ranges of ids in a file.
#[derive(Clone, Debug)]
pub(crate) enum IdsLayout {
    Int(Range<usize>),
    Str { text: Range<usize>, end: Range<usize> },
}

impl VocabularyLayout {
    /// Takes the vocabulary's tensors and checks that the ids are distinct and sorted.
    pub(crate) fn take(tensors: &mut TensorFile<'_>, count: usize, file: &[u8]) -> Result<Self> {
        let text = !tensors.has("catalog.ids") && tensors.has("catalog.ids_utf8");
        let ids = IdsLayout::take(tensors, "catalog", text, count)?;
        let order = tensors.take("catalog.order", Dtype::I32, &[count])?;
        let items = order.item_indices(count)?;
        let layout = Self { ids, order: order.range.clone() };

        // Strictly ascending: no id repeats, so no item does, and the order is a permutation.
        let vocabulary = layout.view(file);
        let ids = items.iter().map(|&item| vocabulary.id(item));
        if let Some(before) = ids.clone().zip(ids.skip(1)).position(|(a, b)| a >= b) {
            let index = before + 1;
            let expected = "an item whose id is greater than the previous one's";
            return Err(order.invalid(index, items[index], expected));
        }
        Ok(layout)
    }

    pub(crate) fn view<'a>(&self, file: &'a [u8]) -> Vocabulary<'a> {
        Vocabulary::new(self.ids.view(file), file[self.order.clone()].as_chunks().0)
    }
}

impl IdsLayout {
    /// Takes the tensors of `count` ids, whose names start with `owner`.
    pub(crate) fn take(
        tensors: &mut TensorFile<'_>,
        owner: &str,
        text: bool,
        count: usize,
    ) -> Result<Self> {
        if text {
            return take_text(tensors, owner, count);
        }
        Ok(Self::Int(tensors.take(&format!("{owner}.ids"), Dtype::I64, &[count])?.range))
    }

    pub(crate) fn view<'a>(&self, file: &'a [u8]) -> Ids<'a> {
        match self {
            Self::Int(range) => Ids::Int(file[range.clone()].as_chunks().0),
            Self::Str { text, end } => {
                Ids::Str { text: &file[text.clone()], end: file[end.clone()].as_chunks().0 }
            }
        }
    }
}

/// Takes text ids. Checks that each is UTF-8, and that together they fill the text.
fn take_text(tensors: &mut TensorFile<'_>, owner: &str, count: usize) -> Result<IdsLayout> {
    let text = tensors.take_any_shape(&format!("{owner}.ids_utf8"), Dtype::U8)?;
    if text.shape.len() != 1 {
        return Err(text.wrong_shape("[bytes]".to_owned()));
    }
    let end = tensors.take(&format!("{owner}.ids_end"), Dtype::I64, &[count])?;
    let all = std::str::from_utf8(text.bytes())
        .map_err(|error| text.invalid(error.valid_up_to(), "an invalid byte", "UTF-8"))?;
    let mut last = 0;
    for (index, &bytes) in end.elements().iter().enumerate() {
        let value = i64::from_le_bytes(bytes);
        let valid = |&end: &usize| end >= last && all.is_char_boundary(end);
        last = usize::try_from(value).ok().filter(valid).ok_or_else(|| {
            end.invalid(index, value, "the end of a character, not before the previous id's end")
        })?;
    }
    if last != all.len() {
        return Err(text.wrong_shape(format!("[{last}], the last of `{}`", end.name)));
    }
    Ok(IdsLayout::Str { text: text.range, end: end.range })
}
