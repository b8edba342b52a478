//! What was verified is what is served, however fast somebody writes in between.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use serde_json::Value;

use crate::support::{
    Home, Server, mantlet,
    rows::{benign, question},
    until,
};

/// Puts these bytes in a file's place, in the two ways there are: under the name, and in the file itself.
fn replace(path: &Path, bytes: &[u8], in_place: bool) {
    if in_place {
        fs::write(path, bytes).unwrap();
    } else {
        let new = path.with_extension("new");
        fs::write(&new, bytes).unwrap();
        fs::rename(&new, path).unwrap();
    }
}

/// Runs something while another thread works without a pause; how often that went round.
fn while_racing<T>(race: impl Fn(usize) + Sync, run: impl FnOnce(&AtomicUsize) -> T) -> T {
    /// Ends the race also where the test fails, so that the failure is seen.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let (over, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                race(rounds.fetch_add(1, Ordering::SeqCst));
            }
        });
        let _over = Over(&over);
        run(&rounds)
    })
}

/// What the model says of a row, without what differs from request to request.
fn answer(server: &Server, key: &str, model: &str) -> (u16, Value) {
    let reply = server.client_with(key).post(&format!("/v1/models/{model}/predict"), &question(&benign()));
    let mut said = reply.json();
    if let Some(object) = said.as_object_mut() {
        object.retain(|member, _| matches!(member.as_str(), "result" | "confidence" | "model"));
    }
    (reply.status, said)
}

#[test]
fn a_writer_never_wins_between_reading_a_package_and_serving_it() {
    let home = Home::demo();
    let (package, author) = (home.package("raced"), home.beside("author.key"));
    let run = |arguments: &[&str]| mantlet().args(arguments).output().unwrap();
    assert!(run(&["model", "keygen", author.to_str().unwrap()]).status.success());
    fs::copy(home.beside("author.key.pub"), home.path.join("keys/trusted/author.pem")).unwrap();
    let dir = package.to_str().unwrap();
    assert!(run(&["model", "sign", dir, "--key", author.to_str().unwrap()]).status.success());
    let server = Server::start(&home);
    let digest = home.json(&["model", "add", dir])["digest"].clone();
    let key = home.key("app", &["--model", "raced"]).key;
    let expected = answer(&server, &key, "raced");
    assert_eq!(expected.0, 200, "{expected:?}");
    // Another threshold, under which nothing would be confident, and weights that nobody signed.
    let (settings, model) = (package.join("mantlet-model.toml"), package.join("model.onnx"));
    let signed = [&settings, &model].map(|path| fs::read(path).unwrap());
    let mut other = signed.clone();
    other[0].extend_from_slice(b"\n# somebody else's\n");
    let middle = other[1].len() / 2;
    other[1][middle..middle + 64].iter_mut().for_each(|byte| *byte ^= 0x55);
    let race = |round: usize| {
        let bytes = if round.is_multiple_of(2) { &other } else { &signed };
        replace(&settings, &bytes[0], round.is_multiple_of(3));
        replace(&model, &bytes[1], round.is_multiple_of(5));
    };
    let (accepted, refused) = while_racing(race, |_| {
        let (mut accepted, mut refused) = (0, 0);
        until("packages that are taken, and packages that are not", || {
            let added = home.command(&["model", "add", dir, "--json"]).output().unwrap();
            if added.status.success() {
                let said: Value = serde_json::from_slice(&added.stdout).unwrap();
                assert_eq!(said["digest"], digest, "what was signed is what was registered");
                accepted += 1;
            } else {
                refused += 1;
            }
            assert_eq!(answer(&server, &key, "raced"), expected);
            (accepted >= 1 && refused >= 1 || accepted + refused >= 20).then_some(())
        });
        (accepted, refused)
    });
    assert!(refused > 0, "nobody raced: {accepted} were taken");
    assert_eq!(answer(&server, &key, "raced"), expected);
}

/// Every file of a directory, with its bytes.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

#[test]
fn a_writer_in_the_registry_never_makes_another_model_answer() {
    let home = Home::demo();
    home.add_model("other");
    let key = home.key("app", &["--model", "breast-cancer", "--model", "other"]).key;
    let ask = |server: &Server| ["breast-cancer", "other"].map(|model| answer(server, &key, model));
    let server = Server::start(&home);
    let expected = ask(&server);
    assert!(expected.iter().all(|(status, _)| *status == 200), "{expected:?}");
    assert!(server.stop().success());
    let blobs = contents(&home.path.join("registry/blobs"));
    let (paths, bytes): (Vec<_>, Vec<_>) = blobs.iter().unzip();
    assert!(paths.len() > 3);
    // Everything in everybody's place, whole and cut, and back again.
    let race = |round: usize| {
        for (index, path) in paths.iter().enumerate() {
            let from = &bytes[(index + round) % bytes.len()];
            let cut = if round % 7 == 3 { from.len() / 2 } else { from.len() };
            replace(path, &from[..cut], round.is_multiple_of(2));
        }
        for (path, bytes) in &blobs {
            replace(path, bytes, false);
        }
    };
    while_racing(race, |rounds| {
        for _ in 0..3 {
            let before = rounds.load(Ordering::SeqCst);
            until("the writer to have gone round", || {
                (rounds.load(Ordering::SeqCst) > before + 1).then_some(())
            });
            let server = Server::start(&home);
            for (said, expected) in ask(&server).iter().zip(&expected) {
                assert!(said == expected || said.0 == 503, "{said:?} is neither {expected:?} nor nothing");
            }
            server.stop();
        }
    });
    for (path, bytes) in &blobs {
        replace(path, bytes, false);
    }
    assert_eq!(ask(&Server::start(&home)), expected);
}
