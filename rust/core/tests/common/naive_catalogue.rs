//! The expected catalogue under an overlay, as plain lists by item index.

use recgrela::{ItemId, Model};

/// The items of a model under an overlay.
#[derive(Clone, Debug)]
pub struct NaiveCatalogue {
    pub is_text: bool,
    pub ids: Vec<String>,
    /// `None` means as in the model's file.
    pub vectors: Vec<Option<Vec<f32>>>,
    pub retired: Vec<bool>,
}

/// Parses an id.
pub fn id_of(text: &str, is_text: bool) -> ItemId<'_> {
    if is_text { ItemId::Str(text) } else { ItemId::Int(text.parse().unwrap()) }
}

/// The definition of an overlay item's score.
pub fn dot(vector: &[f32], hidden: &[f32]) -> f32 {
    vector.iter().zip(hidden).fold(0.0, |sum, (e, h)| sum + e * h)
}

impl NaiveCatalogue {
    /// A model's own items.
    pub fn new(model: &Model) -> Self {
        let items = model.num_items();
        let id = |item| model.catalog().id(item).unwrap().to_string();
        Self {
            is_text: model.catalog().is_text(),
            ids: (0..items as u32).map(id).collect(),
            vectors: vec![None; items],
            retired: vec![false; items],
        }
    }

    /// Sets the vectors of distinct ids and returns their items.
    pub fn add(&mut self, ids: &[String], vectors: &[Vec<f32>]) -> Vec<u32> {
        let items = ids.iter().zip(vectors).map(|(id, vector)| {
            let item = self.ids.iter().position(|known| known == id).unwrap_or_else(|| {
                self.ids.push(id.clone());
                self.vectors.push(None);
                self.retired.push(false);
                self.ids.len() - 1
            });
            self.vectors[item] = Some(vector.clone());
            self.retired[item] = false;
            item as u32
        });
        items.collect()
    }

    /// Retires or reinstates existing items.
    pub fn set_retired(&mut self, items: &[u32], retired: bool) {
        items.iter().for_each(|&item| self.retired[item as usize] = retired);
    }

    /// The items that are not retired.
    pub fn current(&self) -> Vec<u32> {
        (0..self.ids.len() as u32).filter(|&item| !self.retired[item as usize]).collect()
    }

    /// The retired items.
    pub fn retired(&self) -> Vec<u32> {
        (0..self.ids.len() as u32).filter(|&item| self.retired[item as usize]).collect()
    }

    /// The score of each item. Items without a vector here have their `base` score of the model's
    /// file.
    pub fn scores(&self, base: &[f32], hidden: &[f32]) -> Vec<f32> {
        let score = |(item, vector): (usize, &Option<Vec<f32>>)| match vector {
            Some(vector) => dot(vector, hidden),
            None => base[item],
        };
        self.vectors.iter().enumerate().map(score).collect()
    }

    /// Asserts that a model's catalogue equals this.
    pub fn check(&self, model: &Model) {
        let catalog = model.catalog();
        assert_eq!((catalog.len(), catalog.is_text()), (self.ids.len(), self.is_text));
        for (item, text) in self.ids.iter().enumerate() {
            let id = id_of(text, self.is_text);
            assert_eq!(catalog.id(item as u32), Some(id));
            assert_eq!(catalog.index_of(id), Some(item as u32));
            assert_eq!(catalog.is_retired(item as u32), self.retired[item]);
        }
        assert_eq!(catalog.id(catalog.len() as u32), None);
    }
}
