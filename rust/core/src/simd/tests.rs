//! Every operation of every instruction set, compared bit for bit with portable code.

use super::{
    Backend, GROUP, GroupRow, IntegerQuery, Isa, Kernel, LANES, ROW_LANES, ROW_VECTORS, Row, Simd,
    TILE, Vector,
};

/// Signed zeros, NaN, infinities, subnormals and ordinary values, paired with each other.
const NUMBERS: [f32; 16] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::MAX,
    f32::MIN_POSITIVE,
    1e-45,
    -3e-40,
    0.1,
    -7.25,
    8_388_735.0,
    8_388_608.0,
    3.4e10,
];

struct Operations {
    a: [f32; LANES],
    b: [f32; LANES],
}

impl Kernel for Operations {
    type Output = Vec<u32>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Vec<u32> {
        let (a, b) = (simd.load(&self.a), simd.load(&self.b));
        let vectors = [
            a + b,
            a - b,
            a * b,
            a / b,
            simd.splat(self.a[3]),
            a.select_greater(b, a, b),
            a.larger(b),
            a.replace(0b0110_1001, b),
            a.low_bits_to_exponent(),
            a.swap_pairs(),
        ];
        let mut bits = vec![a.greater_mask(b), canonical(a.sum())];
        for vector in vectors {
            let mut lanes = [0.0; LANES];
            vector.store(&mut lanes);
            bits.extend(lanes.map(canonical));
        }
        bits
    }
}

/// The bits of x, with one pattern for every NaN, whose bits are unspecified.
fn canonical(x: f32) -> u32 {
    if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }
}

#[test]
fn operations_give_the_same_bits() {
    for shift in 0..NUMBERS.len() {
        for start in [0, 5, 8] {
            let numbers = |offset: usize| std::array::from_fn(|l| NUMBERS[(l + offset) % 16]);
            let run = |backend: Backend| {
                backend.run(Operations { a: numbers(start), b: numbers(start + shift) })
            };
            let mut results = Backend::available().map(run);
            let first = results.next().unwrap();
            assert!(results.all(|result| result == first), "start {start}, shift {shift}");
        }
    }
}

struct RowOperations {
    a: [[f32; LANES]; ROW_VECTORS],
    b: [[f32; LANES]; ROW_VECTORS],
}

impl Kernel for RowOperations {
    type Output = Vec<u32>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Vec<u32> {
        let (a, b) = (S::Row::load(simd, &self.a), S::Row::load(simd, &self.b));
        let mut bits = vec![a.greater_mask(b)];
        let replaced = a.replace(0x9b3c_51e6, b);
        for row in [a + b, a * b, a.larger(b), S::Row::splat(simd, self.a[1][2]), replaced] {
            let mut lanes = [[0.0; LANES]; ROW_VECTORS];
            row.store(&mut lanes);
            bits.extend(lanes.as_flattened().iter().map(|&x| canonical(x)));
        }
        bits
    }
}

#[test]
fn row_operations_give_the_same_bits() {
    for shift in 0..NUMBERS.len() {
        let numbers = |offset: usize| {
            std::array::from_fn(|v| std::array::from_fn(|l| NUMBERS[(7 * v + l + offset) % 16]))
        };
        let mut results = Backend::available()
            .map(|backend| backend.run(RowOperations { a: numbers(0), b: numbers(shift) }));
        let first = results.next().unwrap();
        assert!(results.all(|result| result == first), "shift {shift}");
    }
}

struct IntegerDots<'a> {
    block: &'a [GroupRow],
    queries: [&'a [[i8; GROUP]]; TILE],
}

impl Kernel for IntegerDots<'_> {
    type Output = [[f32; ROW_LANES]; TILE];

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> [[f32; ROW_LANES]; TILE] {
        let rows = simd.integer_dots_each(self.block, self.queries.map(IntegerQuery::new));
        rows.map(|row| {
            let mut lanes = [[0.0; LANES]; ROW_VECTORS];
            row.store(&mut lanes);
            std::array::from_fn(|item| lanes.as_flattened()[item])
        })
    }
}

/// Extremes, where a sum in too few bits wraps or saturates, and values between.
#[test]
fn integer_dots_are_exact() {
    for groups in [2, 16, 34, 1024] {
        for (items, pairs) in [
            ([-128; 5], [[127, -127], [1, 127], [-64, -64]]),
            ([127; 5], [[127, -127], [127, 1], [64, 64]]),
            ([127; 5], [[-64, -64], [-127, -1], [-127, 127]]),
            ([-128, 127, -1, 0, 53], [[-127, -1], [-127, 127], [1, 0]]),
        ] {
            let item = |i: usize, g: usize, f: usize| items[(i * 3 + g * 7 + f) % 5];
            let block: Vec<GroupRow> = (0..groups)
                .map(|g| std::array::from_fn(|i| std::array::from_fn(|f| item(i, g, f))))
                .collect();
            let queries = [5, 7, 1, 2].map(|step| -> Vec<[i8; GROUP]> {
                let code = |g: usize, f: usize| pairs[(g * step + f / 2) % 3][f % 2];
                (0..groups).map(|g| std::array::from_fn(|f| code(g, f))).collect()
            });
            let expected = queries.each_ref().map(|query| -> [f32; ROW_LANES] {
                std::array::from_fn(|i| {
                    let products = block.iter().zip(query).flat_map(|(row, query)| {
                        row[i].iter().zip(query).map(|(&a, &b)| i64::from(a) * i64::from(b))
                    });
                    products.sum::<i64>() as f32
                })
            });
            let queries = queries.each_ref().map(|query| &query[..]);
            for backend in Backend::available() {
                assert_eq!(backend.run(IntegerDots { block: &block, queries }), expected);
            }
        }
    }
}

#[test]
fn low_halves_are_the_nearest_integers() {
    struct Halves([f32; LANES]);
    impl Kernel for Halves {
        type Output = [i16; LANES];

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> [i16; LANES] {
            let mut halves = [0; LANES];
            (simd.load(&self.0) + simd.splat(12_582_912.0)).store_low_halves(&mut halves);
            halves
        }
    }
    for backend in Backend::available() {
        for first in (-32_767..32_767).step_by(LANES) {
            let lanes = std::array::from_fn(|l| (first + l as i32) as f32 + 0.25);
            let expected = std::array::from_fn(|l| (first + l as i32) as i16);
            assert_eq!(backend.run(Halves(lanes)), expected);
        }
    }
}

#[test]
fn every_8_bit_integer_converts_exactly() {
    struct LoadI8([i8; LANES]);
    impl Kernel for LoadI8 {
        type Output = [f32; LANES];

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> [f32; LANES] {
            let mut lanes = [0.0; LANES];
            simd.load_i8(&self.0).store(&mut lanes);
            lanes
        }
    }
    for backend in Backend::available() {
        for first in (i8::MIN..=i8::MAX).step_by(LANES) {
            let integers: [i8; LANES] = std::array::from_fn(|l| first + l as i8);
            assert_eq!(backend.run(LoadI8(integers)), integers.map(f32::from));
        }
    }
}

struct LoadF16([u16; LANES]);

impl Kernel for LoadF16 {
    type Output = [[f32; LANES]; 2];

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> [[f32; LANES]; 2] {
        let (mut lanes, mut row) = ([0.0; LANES], [[0.0; LANES]; ROW_VECTORS]);
        simd.load_f16(&self.0).store(&mut lanes);
        S::Row::load_f16(simd, &[[0; LANES], [0; LANES], [0; LANES], self.0]).store(&mut row);
        [lanes, row[3]]
    }
}

#[test]
fn every_finite_half_precision_number_converts_exactly() {
    const INFINITY: u16 = 0x7c00;
    let positive = (0..INFINITY).step_by(LANES);
    let firsts: Vec<_> = positive.clone().chain(positive.map(|first| first | 0x8000)).collect();
    for backend in Backend::available() {
        for &first in &firsts {
            let halves: [u16; LANES] = std::array::from_fn(|l| first + l as u16);
            for found in backend.run(LoadF16(halves)) {
                for (half, found) in halves.into_iter().zip(found) {
                    let expected = half::f16::from_bits(half).to_f64() as f32;
                    assert_eq!(found.to_bits(), expected.to_bits(), "{half:#06x}");
                }
            }
        }
    }
}

#[test]
fn low_bits_become_powers_of_two() {
    struct Power(f32);
    impl Kernel for Power {
        type Output = [f32; LANES];

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> [f32; LANES] {
            let mut lanes = [0.0; LANES];
            simd.splat(self.0).low_bits_to_exponent().store(&mut lanes);
            lanes
        }
    }
    for backend in Backend::available() {
        for n in -126..=127 {
            let biased = 8_388_608.0 + 127.0 + n as f32;
            assert_eq!(backend.run(Power(biased)), [2_f32.powi(n); LANES]);
        }
    }
}

#[test]
fn names_are_read_back() {
    for isa in Isa::available() {
        assert_eq!(isa.name().parse::<Isa>().unwrap(), isa);
    }
    assert!("AVX2".parse::<Isa>().unwrap_err().to_string().contains("found `AVX2`"));
    assert_eq!(Isa::available().last(), Some(Isa::Scalar));
}
