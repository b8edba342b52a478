//! What encryption at rest costs: a stored package taken out, decrypted and verified, beside the same bytes read from a
//! plain file and hashed. Both end in memory of our own, in the same run: `cargo bench -p mantlet-models --bench at_rest`.

#![expect(clippy::unwrap_used, reason = "a bench without its files has nothing to say")]

use std::{fs, hint::black_box, io::Read};

use divan::{Bencher, counter::BytesCount};
use mantlet_models::{
    package::{MODEL_FILE, Package, SETTINGS_FILE},
    registry::{PackageDigest, Registry, RegistryKey},
};

/// Large enough that caches hold nothing of it from one round to the next.
const BYTES: usize = 256 << 20;

/// Data that no compression on the way could shorten.
fn content() -> Vec<u8> {
    let mut state = 1_u64;
    let words = (0..BYTES / 8).flat_map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state ^ (state >> 29)).to_le_bytes()
    });
    words.collect()
}

struct Bench {
    dir: tempfile::TempDir,
    registry: Registry,
    digest: PackageDigest,
}

fn bench() -> &'static Bench {
    static BENCH: std::sync::LazyLock<Bench> = std::sync::LazyLock::new(|| {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::new(dir.path().join("registry"), RegistryKey::new([7; 32].into())).unwrap();
        let model = content();
        fs::write(dir.path().join("plain"), &model).unwrap();
        let files = [(MODEL_FILE, model), (SETTINGS_FILE, b"name = \"large\"".to_vec())];
        let files = files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
        let digest = registry.add(&Package::from_files(files, "large".into()).unwrap()).unwrap();
        Bench { dir, registry, digest }
    });
    &BENCH
}

#[divan::bench(sample_count = 12, sample_size = 1)]
fn hash_only(bencher: Bencher<'_, '_>) {
    let path = bench().dir.path().join("plain");
    bencher.counter(BytesCount::new(BYTES)).bench_local(|| {
        // Piece by piece as well, so that each is hashed while it is in the cache.
        let mut content = vec![0; BYTES];
        let mut file = fs::File::open(&path).unwrap();
        let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        for chunk in content.chunks_mut(1 << 16) {
            file.read_exact(chunk).unwrap();
            hash.update(chunk);
        }
        black_box((hash.finish(), content))
    });
}

#[divan::bench(sample_count = 12, sample_size = 1)]
fn decrypt_and_verify(bencher: Bencher<'_, '_>) {
    let Bench { registry, digest, .. } = bench();
    bencher.counter(BytesCount::new(BYTES)).bench_local(|| black_box(registry.open(digest).unwrap()));
}

fn main() {
    divan::main();
}
