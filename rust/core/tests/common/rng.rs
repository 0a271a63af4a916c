//! A small random number generator (SplitMix64), so that failures are reproducible.

use recgrela::{Event, Kind};

use super::Shape;

pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// In [-1, 1).
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// Events with kinds if the shape has kinds, and with times if it has gaps: gaps of every size,
    /// and some late events.
    pub fn events(&mut self, count: usize, shape: &Shape) -> Vec<Event> {
        let items = self.items(count, shape.items);
        let mut events: Vec<_> = items.into_iter().map(Event::from).collect();
        if shape.kinds > 0 {
            events.iter_mut().for_each(|event| event.kind = Some(self.kind(shape)));
        }
        if shape.gaps {
            let mut now = 1_700_000_000;
            for event in &mut events {
                let gap = (self.next() >> (32 + self.below(32))) as i64;
                now += if self.below(8) == 0 { -gap } else { gap };
                event.time = Some(now);
            }
        }
        events
    }

    fn kind(&mut self, shape: &Shape) -> Kind {
        Kind::new(self.below(shape.kinds) as u8)
    }

    pub fn items(&mut self, count: usize, num_items: usize) -> Vec<u32> {
        (0..count).map(|_| self.below(num_items) as u32).collect()
    }
}
