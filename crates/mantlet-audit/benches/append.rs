//! What an entry costs: processor time per durable entry, throughput and waiting time, by number of waiting tasks.
//!
//! `cargo bench -p mantlet-audit [DIR]`: measures on the file system of DIR (default: the working directory).
//! Processor time is of the whole process, writer and publisher included, less that of the same tasks without a log.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench prints figures and ends at the first fault"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use mantlet_audit::{Durability, Log, Options, SigningKey};
use mantlet_types::{
    Action, Code, Entry, RequestId, Timestamp,
    entry::{Authn, Decision, Event, Token},
};

const RUN: Duration = Duration::from_secs(3);

/// Processor time of this process, user and system, in microseconds; the kernel counts in hundredths of a second.
fn processor_us() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>()
        * 10_000
}

/// An entry as a prediction makes it.
fn entry() -> Entry {
    let mut entry = Entry::new(Event::Inference, "node-1".parse().unwrap());
    (entry.action, entry.authn) = (Some(Action::Predict), Some(Authn::ApiKey));
    (entry.batch, entry.confidence_bp, entry.status) = (Some(1), Some(9_812), Some(200));
    (entry.decision, entry.latency_us, entry.policy_gen) = (Some(Decision::Allow), Some(17), Some(3));
    entry.client_ip = Some("203.0.113.7".parse().unwrap());
    entry.key_id = Some("abcdefABCDEF".parse().unwrap());
    entry.model = Some("breast-cancer".parse().unwrap());
    entry.model_digest = Some(mantlet_types::Sha256([7; 32]));
    entry.output_class = Some(Token::of("benign"));
    entry.policy_ids = vec![Token::of("P13_consumer")];
    entry.principal = Some("consumer:fraud-app".parse().unwrap());
    entry.project = Some("default".parse().unwrap());
    entry.request_id = Some(RequestId::new(Timestamp::from_micros(1_700_000_000_000_000), [5; 10]));
    entry.resource = Some(Token::of("Model:breast-cancer"));
    entry
}

/// Tasks that each append and wait, again and again. Prints a line of the table.
fn measure(dir: &Path, durability: Durability, tasks: usize) {
    let _ = fs::remove_dir_all(dir);
    let key = SigningKey::from_seed("bench", &[1; 32]).unwrap();
    let mut options = Options::new(dir, "node-1".parse().unwrap(), key);
    options.durability = durability;
    let log = Arc::new(Log::open(options).unwrap().0);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let (started, before, waited) = (Instant::now(), processor_us(), Arc::new(AtomicU64::new(0)));
    let template = entry();
    let entries: u64 = runtime.block_on(async {
        let handles: Vec<_> = (0..tasks)
            .map(|_| {
                let (log, template, waited) = (Arc::clone(&log), template.clone(), Arc::clone(&waited));
                tokio::spawn(async move {
                    let mut entries = 0;
                    while started.elapsed() < RUN {
                        let asked = Instant::now();
                        log.append(template.clone()).await.unwrap();
                        waited.fetch_add(asked.elapsed().as_micros() as u64, Relaxed);
                        entries += 1;
                    }
                    entries
                })
            })
            .collect();
        let mut all = 0;
        for handle in handles {
            all += handle.await.unwrap();
        }
        all
    });
    let (processor, elapsed) = (processor_us() - before, started.elapsed());
    log.close();
    println!(
        "{:<6} {tasks:>4} tasks  {:>8.0} entries/s  {:>6.2} CPU µs/entry  {:>8.1} µs mean wait",
        format!("{durability:?}"),
        entries as f64 / elapsed.as_secs_f64(),
        processor as f64 / entries as f64,
        waited.load(Relaxed) as f64 / entries as f64,
    );
}

/// The cost of one call in a loop, in nanoseconds.
fn per_call(name: &str, mut call: impl FnMut()) {
    let calls = 200_000;
    let started = Instant::now();
    (0..calls).for_each(|_| call());
    println!("{name:<28} {:>7.0} ns", started.elapsed().as_nanos() as f64 / f64::from(calls));
}

fn main() {
    let dir = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let dir = PathBuf::from(dir.unwrap_or_else(|| ".".to_owned())).join("mantlet-audit-bench");
    for durability in [Durability::Group, Durability::Os, Durability::Every] {
        for tasks in [1, 16, 64, 256] {
            measure(&dir, durability, tasks);
        }
    }
    let key = SigningKey::from_seed("bench", &[1; 32]).unwrap();
    let log = Log::open(Options::new(dir.join("calls"), "node-1".parse().unwrap(), key)).unwrap().0;
    let ip = "203.0.113.7".parse().unwrap();
    per_call("flood: one failure", || {
        log.flood().failure(Event::AuthFail, Code::Unauthenticated, ip, Timestamp::from_micros(1));
    });
    let receipt = mantlet_audit::Receipt { index: 7 };
    per_call("receipt", || drop(log.receipt(receipt)));
    let template = entry();
    per_call("entry, cloned", || drop(std::hint::black_box(template.clone())));
    let mut text = Vec::new();
    per_call("entry, serialized", || {
        text.clear();
        serde_json::to_writer(&mut text, &template).unwrap();
    });
    println!("entry: {} bytes in memory, {} as JSON", size_of::<Entry>(), text.len());
    log.close();
    let _ = fs::remove_dir_all(dir);
}
