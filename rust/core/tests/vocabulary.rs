//! Lookup of ids and item indices, in both directions.

mod common;

use common::{ModelFile, Shape, model};
use recgrela::{ItemId, Model};

#[test]
fn every_id_is_found_and_no_other() {
    for text in [false, true] {
        for items in [1, 2, 31, 257] {
            let model = model(&Shape { text, items, ..Shape::TINY });
            let catalog = model.catalog();
            assert_eq!((catalog.len(), catalog.is_text()), (items, text));
            for index in 0..items as u32 {
                let id = catalog.id(index).unwrap();
                let number = 7919 * i64::from(index) % 65537 - 30_000;
                assert_eq!(
                    id.to_string(),
                    if text { format!("é{number}") } else { number.to_string() }
                );
                assert_eq!(catalog.index_of(id), Some(index));
            }
            assert_eq!(catalog.id(items as u32), None);
            for id in [i64::MIN, -30_001, 1, i64::MAX] {
                assert_eq!(catalog.index_of(id), None);
            }
            for id in ["", "é", "é1", "\u{10ffff}", "-30000"] {
                assert_eq!(catalog.index_of(id), None);
            }
        }
    }
}

#[test]
fn an_empty_text_is_an_id() {
    let mut file = ModelFile::random(&Shape { text: true, items: 2, ..Shape::TINY });
    file.put("catalog.ids_utf8", common::U8, &[1], b"a".to_vec());
    file.put_i64("catalog.ids_end", &[1, 1]);
    file.put_i32("catalog.order", &[2], &[1, 0]);
    let model = Model::from_bytes(file.to_bytes()).unwrap();
    assert_eq!(model.catalog().index_of(""), Some(1));
    assert_eq!(model.catalog().id(0), Some(ItemId::Str("a")));
}
