//! What a mapped model costs a process: the time to load it and resident memory, as one line of
//! JSON.
//!
//!     cargo run --release --example footprint -- model.safetensors
//!
//! Linux only: resident memory is VmRSS of `/proc/self/status`.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use recgrela::{Filter, Model, Session};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("expected the path of a model file")?;
    let start = resident_bytes()?;
    let clock = Instant::now();
    // SAFETY: the file must not change while this example runs.
    #[allow(unsafe_code)]
    let model = Arc::new(unsafe { Model::open_mmap(path)? });
    let load_ms = clock.elapsed().as_secs_f64() * 1e3;
    let loaded = resident_bytes()?;

    let mut session = Session::new(Arc::clone(&model));
    session.append(0)?;
    let best = session.top_k(10, &Filter::unseen())?;
    let scanned = resident_bytes()?;
    println!(
        r#"{{"items": {}, "load_ms": {load_ms:.3}, "resident_bytes": {{"start": {start}, "loaded": {loaded}, "scanned": {scanned}}}, "best": {}}}"#,
        model.num_items(),
        best.len(),
    );
    Ok(())
}

fn resident_bytes() -> Result<usize, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kilobytes.ok_or("no VmRSS in /proc/self/status")?.parse::<usize>()? * 1024)
}
