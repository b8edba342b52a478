//! What an entry costs: processor time per durable entry and thread, throughput and waiting time, by number of
//! waiting tasks.
//!
//! `cargo bench -p mantlet-audit [DIR]`: measures on the file system of DIR (default: the working directory).
//! The callers' share includes making the entry, which a request does anyway.

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

/// Processor time so far of the threads whose name begins so, in nanoseconds.
fn processor_ns(name: &str) -> u64 {
    let tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let named =
        tasks.filter(|task| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.starts_with(name)));
    let spent = |task: PathBuf| -> u64 {
        let line = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
        line.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
    };
    named.map(spent).sum()
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
    let (started, waited) = (Instant::now(), Arc::new(AtomicU64::new(0)));
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
    let elapsed = started.elapsed();
    let each = |name| processor_ns(name) as f64 / 1e3 / entries as f64;
    println!(
        "{:<6} {tasks:>4} tasks {:>8.0} entries/s, CPU µs per entry: callers {:>6.2} writer {:>6.2} publisher {:>6.2}, \
         mean wait {:>8.1} µs",
        format!("{durability:?}"),
        entries as f64 / elapsed.as_secs_f64(),
        each("tokio"),
        each("audit-write"),
        each("audit-publish"),
        waited.load(Relaxed) as f64 / entries as f64,
    );
    log.close();
}

/// The processor time of one call in a loop, in nanoseconds.
fn per_call(name: &str, mut call: impl FnMut()) {
    let (calls, before) = (200_000, processor_ns("append"));
    (0..calls).for_each(|_| call());
    println!("{name:<28} {:>7.0} ns", (processor_ns("append") - before) as f64 / f64::from(calls));
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
    per_call("entry, serialized by serde", || {
        text.clear();
        serde_json::to_writer(&mut text, &template).unwrap();
    });
    println!("entry: {} bytes in memory, {} as JSON", size_of::<Entry>(), text.len());
    log.close();
    let _ = fs::remove_dir_all(dir);
}
