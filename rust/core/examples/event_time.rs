//! Times an event called from Rust, on one thread, as one line of JSON with microseconds: `append`,
//! `top_k(10)` of unseen items, and both in one call. Events are of the model's first kind, if any,
//! and an hour apart if it uses times.
//!
//!     cargo run --release --example event_time -- model.safetensors

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use recgrela::{Event, Filter, Model, Session, TopK};

const K: usize = 10;
/// A history has 100 events before it is timed, and 200 after.
const HISTORY: usize = 100;
const HISTORIES: usize = 30;
const GAP: i64 = 3600;
const FILTER: Filter<'_> = Filter::unseen();

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("expected the path of a model file")?;
    let model = Arc::new(Model::open(path)?);
    let kind = (!model.config().kinds.is_empty()).then(|| model.kind(&model.config().kinds[0]));
    let kind = kind.transpose()?;

    let (mut random, mut time) = (1_u32, model.config().gaps.then_some(0));
    let items = model.num_items() as u32;
    let mut event = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        time = time.map(|time| time + GAP);
        Event::from(((random >> 8) % items, kind, time))
    };
    let mut times: [Vec<f64>; 3] = Default::default();
    let [append, top_k, step] = &mut times;
    for _ in 0..HISTORIES {
        let (mut session, mut best) = (Session::new(Arc::clone(&model)), TopK::new());
        for _ in 0..HISTORY {
            session.append(event())?;
        }
        for _ in 0..HISTORY / 2 {
            let (one, two) = (event(), event());
            append.push(timed(|| session.append(one))?);
            top_k.push(timed(|| session.top_k_into(K, &FILTER, &mut best))?);
            step.push(timed(|| session.step(two, K, &FILTER, &mut best))?);
            black_box(best.items());
        }
    }
    let [append, top_k, step] = times.map(median);
    println!(r#"{{"append": {append}, "top_k": {top_k}, "step": {step}}}"#);
    Ok(())
}

/// Microseconds of a call.
fn timed(call: impl FnOnce() -> recgrela::Result<()>) -> recgrela::Result<f64> {
    let start = Instant::now();
    call()?;
    Ok(start.elapsed().as_secs_f64() * 1e6)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
