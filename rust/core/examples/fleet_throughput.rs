//! Times a fleet against the same number of sessions: appending and ranking for random users on one
//! thread. `cargo run --release --example fleet_throughput [users] [instruction set]`
//!
//! The two are interleaved, and the median of the rounds is printed. On Linux, times are CPU times
//! of the thread, so that other programs disturb less.

#[path = "../tests/common/mod.rs"]
mod common;

use std::sync::Arc;
use std::time::Instant;

use common::{F16, F32, I8, ModelFile, Rng, Shape};
use recgrela::{Filter, Fleet, Isa, Model, ModelOptions, Session, TopK};

const ITEMS: usize = 3416;
const ROUNDS: usize = 9;
const EVENTS: usize = 20_000;
const QUERIES: usize = 5_000;
const BATCH: usize = 1_000;

/// The same users and histories in both forms.
struct Bench {
    sessions: Vec<Session>,
    fleet: Fleet,
    rng: Rng,
}

impl Bench {
    fn new(model: &Arc<Model>, users: usize) -> Self {
        let sessions = (0..users).map(|_| Session::new(Arc::clone(model))).collect();
        let fleet = Fleet::new(Arc::clone(model));
        let mut bench = Self { sessions, fleet, rng: Rng::new(1) };
        let everyone: Vec<_> = (0..users as u32).collect();
        let items = bench.rng.items(users, ITEMS);
        bench.append_one_by_one(&everyone, &items);
        bench.fleet.append(&everyone, &items).unwrap();
        bench
    }

    fn append_one_by_one(&mut self, users: &[u32], items: &[u32]) {
        for (&user, &item) in users.iter().zip(items) {
            self.sessions[user as usize].append(item).unwrap();
        }
    }

    /// Seconds per event, one by one and in the fleet.
    fn append(&mut self) -> [f64; 2] {
        let users = self.rng.items(EVENTS, self.sessions.len());
        let items = self.rng.items(EVENTS, ITEMS);
        let one_by_one = seconds(|| self.append_one_by_one(&users, &items));
        let fleet = seconds(|| {
            for (users, items) in users.chunks(BATCH).zip(items.chunks(BATCH)) {
                self.fleet.append(users, items).unwrap();
            }
        });
        for &user in users.iter().step_by(97) {
            let session = self.sessions[user as usize].user_vector().unwrap();
            assert_eq!(self.fleet.user_vector(user).unwrap(), session, "the same bits");
        }
        [one_by_one / EVENTS as f64, fleet / EVENTS as f64]
    }

    /// Seconds per query, one by one and in the fleet.
    fn top_k(&mut self) -> [f64; 2] {
        let users = self.rng.items(QUERIES, self.sessions.len());
        let filter = Filter::unseen();
        let (mut ranking, mut rankings) = (TopK::new(), Vec::new());
        let one_by_one = seconds(|| {
            for &user in &users {
                self.sessions[user as usize].top_k_into(10, &filter, &mut ranking).unwrap();
            }
        });
        let fleet = seconds(|| {
            for users in users.chunks(BATCH) {
                self.fleet.top_k_into(users, 10, &filter, &mut rankings).unwrap();
            }
        });
        [one_by_one / QUERIES as f64, fleet / QUERIES as f64]
    }
}

fn seconds(work: impl FnOnce()) -> f64 {
    let (clock, cpu) = (Instant::now(), on_cpu());
    work();
    match (cpu, on_cpu()) {
        (Some(before), Some(after)) => after - before,
        _ => clock.elapsed().as_secs_f64(),
    }
}

/// CPU time of this thread in seconds.
fn on_cpu() -> Option<f64> {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(schedule.split_whitespace().next()?.parse::<f64>().ok()? * 1e-9)
}

fn report(what: &str, mut rounds: Vec<[f64; 2]>) {
    let median = |mut of: Vec<f64>| {
        of.sort_by(f64::total_cmp);
        of[of.len() / 2]
    };
    let one_by_one = median(rounds.iter().map(|round| round[0]).collect()) * 1e6;
    let fleet = median(rounds.iter().map(|round| round[1]).collect()) * 1e6;
    let ratio = median(rounds.drain(..).map(|[one_by_one, fleet]| one_by_one / fleet).collect());
    println!("{what:34} one by one {one_by_one:7.2} us, fleet {fleet:7.2} us, {ratio:5.2} times");
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let users = arguments.next().map_or(100_000, |users| users.parse().expect("a number of users"));
    let isa = arguments.next().map(|isa| isa.parse::<Isa>().expect("an instruction set"));
    for (matrices, table) in [(F32, F32), (F16, F16), (F16, I8), (I8, I8)] {
        let shape = Shape { layers: 4, items: ITEMS, table, matrices, ..Shape::BASE };
        let bytes = ModelFile::random(&shape).to_bytes();
        let model = Arc::new(ModelOptions::new().isa(isa).from_bytes(bytes).expect("a model"));
        let mut bench = Bench::new(&model, users);
        let name = format!("{}, matrices {matrices}, table {table}", model.isa());
        report(&format!("append, {name}"), (0..ROUNDS).map(|_| bench.append()).collect());
        report(&format!("top_k(10), {name}"), (0..ROUNDS).map(|_| bench.top_k()).collect());
    }
}
