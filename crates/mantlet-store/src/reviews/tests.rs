use std::{fs, path::PathBuf};

use mantlet_gate::reviews::{Input, Said, Status};
use mantlet_types::{Sha256, Timestamp, Version, limits::REVIEWS_BYTES_MAX};
use serde_json::json;

use super::*;

const CANARY: &str = "canary-7c1f";

/// A queue in a directory of its own.
struct Bench {
    dir: tempfile::TempDir,
    store: ReviewStore,
}

fn key(byte: u8) -> ReviewKey {
    ReviewKey::new(&Zeroizing::new([byte; 32])).unwrap()
}

impl Bench {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = ReviewStore::open(&dir.path().join("reviews.db"), key(1)).await.unwrap();
        Self { dir, store }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("reviews.db")
    }

    /// The same after the process ended without a word.
    async fn again(self) -> Self {
        let Self { dir, store } = self;
        std::mem::forget(store); // a process that is killed closes nothing
        let path = dir.path().join("reviews.db");
        let store = ReviewStore::open(&path, key(1)).await.unwrap();
        Self { dir, store }
    }

    /// Every byte of every file.
    fn bytes(&self) -> Vec<u8> {
        fs::read_dir(self.dir.path())
            .unwrap()
            .flat_map(|entry| fs::read(entry.unwrap().path()).unwrap())
            .collect()
    }

    async fn hold(&self, rows: impl IntoIterator<Item = (Item, Zeroizing<Vec<u8>>)>) -> usize {
        self.store.take(rows.into_iter().collect(), 100).await.unwrap()
    }

    async fn opened(&self, item: &Item) -> Option<Opened> {
        self.store.opened(item.id).await.unwrap()
    }

    async fn execute(&self, sql: &'static str) {
        self.store.file.execute_for_test(sql).await;
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

fn row(number: u8, consumer: &str) -> (Item, Zeroizing<Vec<u8>>) {
    let at = Timestamp::from_micros(1_767_225_600_000_000 + i64::from(number));
    let item = Item {
        id: ReviewId::new(RequestId::new(at, [number; 10])),
        project: "home".parse().unwrap(),
        model: Some("loans".parse().unwrap()),
        version: Some(Version::FIRST),
        digest: Some(Sha256([7; 32])),
        route: None,
        request_id: RequestId::new(at, [number ^ 0xAA; 10]),
        row: number.into(),
        requester: format!("consumer:{consumer}").parse().unwrap(),
        held: at,
        ends: at.plus_seconds(7 * 86_400),
        status: Status::Pending,
        assigned_to: None,
        decided_by: None,
        decided: None,
    };
    let contents = Contents {
        input: Input::Features(vec![("purpose".to_owned(), json!(CANARY))]),
        guess: Some(Said::Label(CANARY.to_owned())),
        confidence: Some(0.5),
        answer: None,
    };
    (item, Zeroizing::new(serde_json::to_vec(&contents).unwrap()))
}

fn decision() -> Box<Decision> {
    let reason = Some(CANARY.to_owned());
    Box::new(Decision { result: Said::Label("yes".to_owned()), upheld: false, reason })
}

fn decided(item: &Item) -> Item {
    item.clone().decided("rita".parse().unwrap(), item.held).unwrap()
}

#[tokio::test]
async fn what_is_held_survives_the_end_of_the_process() {
    let bench = Bench::new().await;
    let (held, changed) = (row(1, "a").0, row(2, "a").0);
    assert_eq!(bench.hold([row(1, "a"), row(2, "a")]).await, 2);
    bench.store.changed(vec![Step::Decide(decided(&changed), decision())]).await.unwrap();
    let bench = bench.again().await;
    let all = bench.store.list(&|_| true, 10);
    assert_eq!(all, [held.clone(), decided(&changed)]);
    let opened = bench.opened(&held).await.unwrap();
    assert!(opened.contents == serde_json::from_slice(&row(1, "a").1).unwrap() && opened.decision.is_none());
    assert!(bench.opened(&changed).await.unwrap().decision.unwrap() == *decision());
    assert_eq!(bench.store.of_request(changed.request_id), [decided(&changed)]);
    assert_eq!(bench.store.find(held.id), Some(held));
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(bench.path()).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn another_key_opens_what_was_held_and_the_former_one_nothing() {
    let bench = Bench::new().await;
    let (held, changed, erased) = (row(1, "a").0, row(2, "a").0, row(3, "a").0);
    bench.hold([row(1, "a"), row(2, "a"), row(3, "a")]).await;
    bench.store.changed(vec![Step::Decide(decided(&changed), decision())]).await.unwrap();
    bench.store.changed(vec![Step::End(erased.clone().ended(Status::Erased))]).await.unwrap();
    let Bench { dir, store } = bench;
    let wrapped = store.file.read(&held.id.to_string()).await.unwrap().unwrap().wrapped;
    let bench = Bench { store: store.rekey(key(2)).await.unwrap(), dir };
    let opened = bench.opened(&held).await.unwrap();
    assert!(opened.contents == serde_json::from_slice(&row(1, "a").1).unwrap());
    assert!(bench.opened(&changed).await.unwrap().decision.unwrap() == *decision());
    assert!(bench.opened(&erased).await.is_none());
    assert!(!contains(&bench.bytes(), &wrapped), "a key wrapped by the former one is still there");
    bench.store.close().await;
    let again = ReviewStore::open(&bench.path(), key(1)).await;
    assert!(matches!(again.map(drop), Err(StoreError::AlteredItem { .. })));
    let again = ReviewStore::open(&bench.path(), key(2)).await.unwrap();
    assert_eq!(again.list(&|_| true, 10).len(), 3);
}

#[tokio::test]
async fn nothing_lies_open_and_nothing_stays_behind() {
    let bench = Bench::new().await;
    let (item, other) = (row(1, "a").0, row(2, "a").0);
    bench.hold([row(1, "a"), row(2, "a")]).await;
    bench
        .store
        .changed(vec![Step::Put(item.clone().assigned("rita".parse().unwrap(), false).unwrap())])
        .await
        .unwrap();
    bench.store.changed(vec![Step::Decide(decided(&item), decision())]).await.unwrap();
    assert!(!contains(&bench.bytes(), CANARY.as_bytes()));
    let kept = bench.store.file.read(&item.id.to_string()).await.unwrap().unwrap();
    let traces = [&kept.wrapped[12..44], &kept.contents[..32], &kept.decision[..32]];
    assert!(traces.iter().all(|trace| contains(&bench.bytes(), trace)), "the test looks in the wrong place");
    bench.store.changed(vec![Step::End(item.clone().ended(Status::Erased))]).await.unwrap();
    assert!(bench.opened(&item).await.is_none());
    let bytes = bench.bytes();
    assert!(traces.iter().all(|trace| !contains(&bytes, trace)), "the key or what it sealed is still there");
    // Nothing else is gone, and what is gone stays gone.
    assert!(bench.opened(&other).await.is_some());
    bench.store.changed(vec![Step::Decide(decided(&item), decision())]).await.unwrap();
    assert!(bench.opened(&item).await.is_none());
    let bench = bench.again().await;
    assert!(bench.opened(&item).await.is_none() && bench.opened(&other).await.is_some());
    bench.store.changed(vec![Step::Forget(item.id)]).await.unwrap();
    assert_eq!(bench.store.list(&|_| true, 10), [other]);
    assert!(!contains(&bench.bytes(), item.id.to_string().as_bytes()));
}

#[tokio::test]
async fn what_was_forgotten_while_somebody_read_the_file_is_overwritten_afterwards() {
    let bench = Bench::new().await;
    let item = row(1, "a").0;
    bench.hold([row(1, "a")]).await;
    let kept = bench.store.file.read(&item.id.to_string()).await.unwrap().unwrap();
    let trace = &kept.contents[..32];
    // A reader, as a backup is one: it sees the file as it was, so the log has to stay.
    let reader = ItemFile::open(&bench.path()).await.unwrap();
    reader.execute_for_test("BEGIN; SELECT count(*) FROM items").await;
    bench.store.changed(vec![Step::End(item.clone().ended(Status::Erased))]).await.unwrap();
    assert_eq!(bench.store.find(item.id).unwrap().status, Status::Erased, "what was done is what is told");
    assert!(bench.opened(&item).await.is_none());
    assert!(contains(&bench.bytes(), trace), "nothing was in the way of overwriting it");
    assert!(bench.store.tidy().await.is_err());
    reader.execute_for_test("COMMIT").await;
    bench.store.tidy().await.unwrap();
    assert!(!contains(&bench.bytes(), trace));
}

#[tokio::test]
async fn room_is_counted_by_principal_and_given_back() {
    let bench = Bench::new().await;
    let rows: Vec<_> = (0..5).map(|number| row(number, "a")).collect();
    let items: Vec<Item> = rows.iter().map(|(item, _)| item.clone()).collect();
    assert_eq!(bench.store.take(rows, 3).await.unwrap(), 3);
    let room = |bench: &Bench, who: &str| bench.store.room(&format!("consumer:{who}").parse().unwrap(), 3);
    assert_eq!((room(&bench, "a"), room(&bench, "b")), (0, 3));
    assert_eq!(bench.store.take(vec![row(9, "a")], 3).await.unwrap(), 0);
    let bench = bench.again().await;
    assert_eq!(room(&bench, "a"), 0, "a restart gives no room");
    bench.store.changed(vec![Step::Decide(decided(&items[0]), decision())]).await.unwrap();
    bench.store.changed(vec![Step::End(items[1].clone().ended(Status::Erased))]).await.unwrap();
    assert_eq!(room(&bench, "a"), 2);
    // A name that is there already is another's.
    assert!(bench.store.take(vec![row(2, "b")], 3).await.is_err());
    assert_eq!(room(&bench, "b"), 3);
}

#[test]
fn what_is_kept_is_bounded_in_all() {
    let mut index = Index::default();
    let large = |number| (row(number, "a").0, Zeroizing::new(vec![0; 8]));
    index.put(row(1, "a").0, Some(REVIEWS_BYTES_MAX - 16));
    assert_eq!(index.fitting(&[large(2), large(3), large(4)], 100), 2);
    index.follow(Step::End(row(1, "a").0.ended(Status::Expired)));
    assert_eq!(index.fitting(&[large(2), large(3), large(4)], 100), 3);
}

#[tokio::test]
async fn rows_that_were_altered_are_not_believed() {
    for sql in [
        "UPDATE items SET body = replace(body, 'pending', 'decided')",
        "UPDATE items SET body = replace(body, 'consumer:a', 'consumer:b')",
        "UPDATE items SET wrapped = (SELECT wrapped FROM items ORDER BY id DESC LIMIT 1)",
        "UPDATE items SET id = replace(id, '1', '2')",
    ] {
        let bench = Bench::new().await;
        bench.hold([row(1, "a"), row(2, "a")]).await;
        bench.execute(sql).await;
        let Bench { dir, store } = bench;
        store.close().await;
        let again = ReviewStore::open(&dir.path().join("reviews.db"), key(1)).await;
        assert!(matches!(again.err(), Some(StoreError::AlteredItem { .. })), "{sql}");
    }
    // What is inside is looked at when it is opened.
    let bench = Bench::new().await;
    bench.hold([row(1, "a"), row(2, "a")]).await;
    bench.execute("UPDATE items SET contents = (SELECT contents FROM items ORDER BY id DESC LIMIT 1)").await;
    assert!(bench.store.opened(row(1, "a").0.id).await.is_err());
    assert!(bench.opened(&row(2, "a").0).await.is_some());
}

#[tokio::test]
async fn another_key_and_another_file_are_refused() {
    let Bench { dir, store } = Bench::new().await;
    store.take(vec![row(1, "a")], 10).await.unwrap();
    store.close().await;
    let path = dir.path().join("reviews.db");
    let wrong = ReviewStore::open(&path, key(2)).await.err();
    assert!(matches!(wrong, Some(StoreError::AlteredItem { .. })), "{wrong:?}");
    for foreign in [&b"not a database"[..], b""] {
        fs::write(&path, foreign).unwrap();
        let refused = ReviewStore::open(&path, key(1)).await.err();
        assert!(matches!(refused, Some(StoreError::Foreign { .. })), "{refused:?}");
        assert_eq!(fs::read(&path).unwrap(), foreign, "it was touched");
    }
}

#[test]
fn lots_are_spread_evenly_and_differ_by_key() {
    let draw = |key: &ReviewKey, number: u32| key.draw(&number.to_be_bytes());
    let (one, other) = (key(1), key(2));
    let below = (0..10_000).filter(|number| draw(&one, *number) < 0.1).count();
    // Four standard deviations around a thousand.
    assert!((880..=1_120).contains(&below), "{below}");
    assert!((0..10_000).all(|number| (0.0..1.0).contains(&draw(&one, number))));
    assert_eq!(draw(&one, 7), draw(&key(1), 7));
    assert_ne!(draw(&one, 7), draw(&other, 7));
}
