//! The agreement check finds a fault in any operation of an instruction set.

use std::cell::Cell;
use std::ops::{Add, Div, Mul, Sub};

use crate::isa::{choose, first_difference};
use crate::kernels::samples::{Runner, compute_samples};
use crate::simd::{
    Backend, CodeGroup, Four, GroupRow, IntegerQuery, Kernel, LANES, Simd, Vector, WeightRow,
};

/// The faulty operation. Not a type parameter, which would compile every kernel once per fault.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    Add,
    Sub,
    Mul,
    Div,
    Flush,
    Sum,
    Mask,
    Select,
    Replace,
    Exponent,
    Swap,
    F16,
    I8,
    Dots,
    Codes,
    Halves,
    Tile,
}

thread_local! {
    /// The number of vectors loaded, and the last loaded vector that was multiplied by a splat.
    static LOADED: Cell<u32> = const { Cell::new(0) };
    static MULTIPLIED: Cell<u32> = const { Cell::new(0) };
}

#[derive(Clone, Copy)]
struct Faulty(Fault);

#[derive(Clone, Copy)]
struct Lanes {
    lanes: [f32; LANES],
    fault: Fault,
    origin: Origin,
}

#[derive(Clone, Copy)]
enum Origin {
    Splat,
    Load(u32),
    Computed,
}

impl Faulty {
    fn lanes(self, lanes: [f32; LANES]) -> Lanes {
        Lanes { lanes, fault: self.0, origin: Origin::Computed }
    }

    fn loaded(self, lanes: [f32; LANES]) -> Lanes {
        LOADED.set(LOADED.get() + 1);
        Lanes { origin: Origin::Load(LOADED.get()), ..self.lanes(lanes) }
    }
}

impl Runner for Faulty {
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }
}

impl Simd for Faulty {
    type Vector = Lanes;
    type Row = Four<Lanes>;

    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    fn splat(self, x: f32) -> Lanes {
        Lanes { origin: Origin::Splat, ..self.lanes([x; LANES]) }
    }

    fn load(self, x: &[f32; LANES]) -> Lanes {
        self.loaded(*x)
    }

    /// Faulty: flushes subnormals to zero.
    fn load_f16(self, bits: &[u16; LANES]) -> Lanes {
        let subnormal = |bits: u16| bits & 0x7c00 == 0;
        let flushed = |bits: u16| if self.0 == Fault::F16 && subnormal(bits) { 0 } else { bits };
        self.loaded(bits.map(|bits| half::f16::from_bits(flushed(bits)).to_f32()))
    }

    /// Faulty: treats integers as unsigned.
    fn load_i8(self, x: &[i8; LANES]) -> Lanes {
        let unsigned = |x: i8| f32::from(x.cast_unsigned());
        self.lanes(x.map(|x| if self.0 == Fault::I8 { unsigned(x) } else { f32::from(x) }))
    }

    /// Faulty: saturates the sum of two products.
    fn integer_dots(self, block: &[GroupRow], query: IntegerQuery<'_>) -> Four<Lanes> {
        let pair = |a: [i8; 2], b: [i8; 2]| {
            let [c, d] = [0, 1].map(|i| i32::from(a[i]) * i32::from(b[i]));
            if self.0 == Fault::Dots { (c + d).min(16_256) } else { c + d }
        };
        let item = |item: usize| {
            let groups = block.iter().map(|row| row[item]).zip(query.codes);
            let sums = groups
                .map(|([a, b, c, d], &[e, f, g, h])| pair([a, b], [e, f]) + pair([c, d], [g, h]));
            sums.sum::<i32>() as f32
        };
        Four(std::array::from_fn(|v| self.lanes(std::array::from_fn(|l| item(v * LANES + l)))))
    }

    /// Faulty: sums in f32.
    fn code_dots<const R: usize, const U: usize>(
        self,
        rows: [WeightRow<'_>; R],
        codes: [&[CodeGroup]; U],
    ) -> [[Four<Lanes>; R]; U] {
        let product = |weights: [i8; 4], codes: &CodeGroup| {
            let products = weights.into_iter().zip(codes);
            products.map(|(weight, &code)| i32::from(weight) * i32::from(code)).sum::<i32>()
        };
        let output = |row: WeightRow<'_>, codes: &[CodeGroup], output: usize| {
            let groups = row.groups.iter().zip(codes);
            let products = groups.map(|(row, codes)| product(row[output], codes));
            match self.0 {
                Fault::Codes => products.map(|product| product as f32).sum(),
                _ => products.sum::<i32>() as f32,
            }
        };
        let vector = |row: WeightRow<'_>, codes: &[CodeGroup], v: usize| {
            self.lanes(std::array::from_fn(|l| output(row, codes, v * LANES + l)))
        };
        codes.map(|codes| rows.map(|row| Four(std::array::from_fn(|v| vector(row, codes, v)))))
    }
}

macro_rules! operations {
    ($($operation:ident, $method:ident;)*) => {$(
        impl $operation for Lanes {
            type Output = Self;

            /// Faulty: changes the last bit of one lane, or flushes subnormal results.
            fn $method(mut self, other: Self) -> Self {
                for (a, b) in self.lanes.iter_mut().zip(other.lanes) {
                    *a = f32::$method(*a, b);
                    if self.fault == Fault::Flush && a.is_subnormal() {
                        *a = 0.0;
                    }
                }
                if self.fault == Fault::$operation || self.is_wrong_in_a_tile(other) {
                    self.lanes[5] = self.lanes[5].next_up();
                }
                Self { origin: Origin::Computed, ..self }
            }
        }
    )*};
}

operations! {
    Add, add;
    Sub, sub;
    Mul, mul;
    Div, div;
}

impl Lanes {
    /// Faulty: a vector loaded for several users is right for the first one only.
    fn is_wrong_in_a_tile(self, by: Self) -> bool {
        match (self.origin, by.origin) {
            (Origin::Load(vector), Origin::Splat) => {
                let again = vector <= MULTIPLIED.replace(vector);
                self.fault == Fault::Tile && again
            }
            _ => false,
        }
    }
}

impl Vector for Lanes {
    fn store(self, to: &mut [f32; LANES]) {
        *to = self.lanes;
    }

    /// Faulty: reverses the lanes.
    fn greater_mask(self, than: Self) -> u32 {
        let greater = |l: usize| self.lanes[l] > than.lanes[l];
        let mask: u32 = (0..LANES).fold(0, |mask, l| mask | u32::from(greater(l)) << l);
        if self.fault == Fault::Mask { mask.reverse_bits() >> 24 } else { mask }
    }

    /// Faulty: compares by greater or equal.
    fn select_greater(mut self, than: Self, yes: Self, no: Self) -> Self {
        let or_equal = self.fault == Fault::Select;
        self.lanes = std::array::from_fn(|l| {
            let (a, b) = (self.lanes[l], than.lanes[l]);
            if a > b || or_equal && a == b { yes.lanes[l] } else { no.lanes[l] }
        });
        self
    }

    /// Faulty: takes the lanes in reverse.
    fn replace(mut self, lanes: u8, with: Self) -> Self {
        let lanes = if self.fault == Fault::Replace { lanes.reverse_bits() } else { lanes };
        for l in (0..LANES).filter(|l| lanes >> l & 1 != 0) {
            self.lanes[l] = with.lanes[l];
        }
        self
    }

    /// Faulty: shifts by one place too few.
    fn low_bits_to_exponent(mut self) -> Self {
        let places = if self.fault == Fault::Exponent { 22 } else { 23 };
        self.lanes = self.lanes.map(|x| f32::from_bits(x.to_bits() << places));
        self
    }

    /// Faulty: saturates.
    fn store_low_halves(self, to: &mut [i16; LANES]) {
        let whole = |x: f32| x.to_bits().cast_signed();
        let saturated = |x: f32| whole(x).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        let faulty = self.fault == Fault::Halves;
        *to = self.lanes.map(|x| if faulty { saturated(x) } else { whole(x) as i16 });
    }

    /// Faulty: leaves the last pair unswapped.
    fn swap_pairs(mut self) -> Self {
        let pairs = if self.fault == Fault::Swap { 3 } else { 4 };
        self.lanes.as_chunks_mut::<2>().0[..pairs].iter_mut().for_each(|pair| pair.reverse());
        self
    }

    /// Faulty: adds in another order.
    fn sum(self) -> f32 {
        let [a, b, c, d, e, f, g, h] = self.lanes;
        if self.fault == Fault::Sum {
            return ((a + b) + (c + d)) + ((e + f) + (g + h));
        }
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }
}

#[test]
fn every_fault_is_found() {
    let expected = compute_samples(Backend::SCALAR);
    for (fault, kernel) in [
        (Fault::None, None),
        (Fault::Add, Some("elementwise sum and product")),
        (Fault::Mul, Some("elementwise sum and product")),
        (Fault::Sub, Some("activation")),
        (Fault::Div, Some("activation")),
        (Fault::Flush, Some("activation")),
        (Fault::Select, Some("activation")),
        (Fault::Exponent, Some("activation")),
        (Fault::Sum, Some("norm")),
        (Fault::Swap, Some("rotary")),
        (Fault::F16, Some("linear f16")),
        (Fault::Codes, Some("linear int8")),
        (Fault::Halves, Some("linear int8")),
        (Fault::Mask, Some("block scores f32")),
        (Fault::Replace, Some("block scores f32")),
        (Fault::I8, Some("item scores int8")),
        (Fault::Dots, Some("block scores int8")),
        (Fault::Tile, Some("linear f32")),
    ] {
        let found = compute_samples(Faulty(fault));
        assert_eq!(first_difference(&found, &expected), kernel, "{fault:?}");
    }
}

#[test]
fn every_instruction_set_of_this_cpu_agrees() {
    for backend in Backend::available() {
        assert_eq!(choose(Some(backend.isa()), compute_samples).unwrap().isa(), backend.isa());
    }
}
