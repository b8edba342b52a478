//! A signed URL gives one package to whoever brings it, until it ends, and only for as long as whoever had it signed may
//! have it themselves.

use std::path::Path;

use serde_json::{Value, json};
use sha2_of::sha256;

use crate::support::{Client, Home, Person, Reply, Server, until};

const MODEL: &str = "breast-cancer";

/// A digest by another implementation than the product's.
mod sha2_of {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    pub fn sha256(bytes: &[u8]) -> String {
        let mut child =
            Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()[..64].to_owned()
    }
}

/// What `model url` printed, and the part of the URL that the server sees.
struct Url {
    said: Value,
    path: String,
}

impl Url {
    fn of(said: Value) -> Self {
        let url = said["url"].as_str().unwrap();
        let at = url.find("/artifacts/").unwrap();
        Self { path: url[at..].to_owned(), said }
    }

    fn signature(&self) -> &str {
        &self.path[self.path.find("sig=").unwrap() + 4..]
    }
}

/// A home with a running server, and a person who may export.
struct Scene {
    home: Home,
    server: Server,
    ada: Person,
}

impl Scene {
    fn new() -> Self {
        Self::configured("")
    }

    fn configured(more: &str) -> Self {
        let home = Home::demo();
        home.configure(&format!("[limits]\nfailures_per_minute = 1000000\n{more}"));
        let ada = home.bound("ada", "admin");
        let server = Server::start(&home);
        Self { home, server, ada }
    }

    fn sign(&self, options: &[&str]) -> Url {
        let named = format!("{MODEL}@live");
        let output = self
            .server
            .command_as(&self.ada, &[&["model", "url", &named, "--json"], options].concat())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Url::of(serde_json::from_slice(&output.stdout).unwrap())
    }

    fn stranger(&self) -> Client {
        self.server.client()
    }

    fn gone(&self, path: &str) -> Reply {
        let reply = self.stranger().get(path);
        assert_eq!(reply.status, 404, "{}", reply.text());
        assert_eq!(reply.header("www-authenticate"), None);
        reply.assert_discreet();
        reply
    }
}

#[test]
fn whoever_brings_a_url_gets_the_package_and_nothing_else() {
    let scene = Scene::new();
    let url = scene.sign(&["--for", "15m"]);
    let reply = scene.stranger().get(&url.path);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.body.len() as u64, url.said["bytes"].as_u64().unwrap());
    assert_eq!(sha256(&reply.body), url.said["sha256"].as_str().unwrap());
    assert_eq!(reply.header("accept-ranges"), Some("bytes"));
    assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("mantlet-model-digest"), url.said["digest"].as_str());
    assert!(reply.header("content-digest").is_some_and(|digest| digest.starts_with("sha-256=:")));
    // It is what export gives.
    let exported = scene.server.client_as(&scene.ada).post(&format!("/v2/models/{MODEL}/export"), &json!({}));
    assert_eq!(exported.body, reply.body);
    // Its index and its files, under the same signature.
    let (place, query) = url.path.split_once('?').unwrap();
    let index = scene.stranger().get(&format!("{place}/files?{query}"));
    assert_eq!(index.status, 200, "{}", index.text());
    let index = index.json();
    let files = index["files"].as_array().unwrap();
    assert!(files.iter().any(|file| file["name"] == "model.onnx"), "{files:?}");
    for file in files {
        let name = file["name"].as_str().unwrap();
        let one = scene.stranger().get(&format!("{place}/files/{name}?{query}"));
        assert_eq!(
            (one.status, sha256(&one.body).as_str()),
            (200, file["sha256"].as_str().unwrap()),
            "{name}"
        );
    }
    scene.gone(&format!("{place}/files/nothing?{query}"));
    // Nothing else opens, by the URL's arguments or as somebody who has a URL.
    for path in ["/admin/v1/users", "/v2/models/breast-cancer", "/admin/v1/models"] {
        assert_eq!(scene.stranger().get(&format!("{path}?{query}")).status, 401, "{path}");
    }
    let entry = scene.home.entry_of(&reply);
    for (member, expect) in [
        ("event", "url.redeem"),
        ("principal", "user:ada"),
        ("authn", "signed_url"),
        ("subject", "k1"),
        ("action", "redeem_url"),
        ("decision", "allow"),
    ] {
        assert_eq!(entry[member], expect, "{entry}");
    }
    assert_eq!(entry["model_digest"], url.said["digest"]);
    assert_eq!(entry["resource"], format!("SignedUrl:{}", url.said["id"].as_str().unwrap()));
    let signed = scene.home.log().into_iter().find(|entry| entry["event"] == "url.sign").unwrap();
    assert_eq!((&signed["subject"], &signed["principal"]), (&url.said["id"], &json!("user:ada")));
}

#[test]
fn parts_are_given_and_what_is_behind_the_end_is_not() {
    let scene = Scene::new();
    let url = scene.sign(&[]);
    let whole = scene.stranger().get(&url.path);
    let (tag, length) = (whole.header("etag").unwrap().to_owned(), whole.body.len());
    let part = |range: &str, if_range: &str| {
        let client = scene.stranger().header("range", range);
        let client = if if_range.is_empty() { client } else { client.header("if-range", if_range) };
        client.get(&url.path)
    };
    for (range, expect) in [
        ("bytes=0-99".to_owned(), 0..100),
        (format!("bytes={}-", length - 7), length - 7..length),
        ("bytes=-10".to_owned(), length - 10..length),
        ("bytes=100-99999999999".to_owned(), 100..length),
    ] {
        let reply = part(&range, "");
        assert_eq!((reply.status, &reply.body), (206, &whole.body.slice(expect.clone())), "{range}");
        let said = format!("bytes {}-{}/{length}", expect.start, expect.end - 1);
        assert_eq!(reply.header("content-range"), Some(said.as_str()));
        assert_eq!(scene.home.entry_of(&reply)["status"], 206);
    }
    // Every part there is at a seam: from the middle of one file to the middle of the next.
    let index = scene.stranger().get(&url.path.replacen('?', "/files?", 1)).json();
    let sizes: Vec<usize> = index["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["bytes"].as_u64().unwrap() as usize)
        .collect();
    let mut at = length - sizes.iter().sum::<usize>();
    for size in [0].into_iter().chain(sizes) {
        at += size;
        let (start, end) = (at.saturating_sub(5), (at + 5).min(length));
        let reply = part(&format!("bytes={start}-{}", end - 1), "");
        assert_eq!((reply.status, &reply.body), (206, &whole.body.slice(start..end)), "{start}..{end}");
    }
    assert_eq!(part("bytes=0-9", &tag).status, 206);
    for (range, if_range) in [("bytes=0-9", "\"other\""), ("bytes=0-1,5-6", ""), ("lines=0-1", "")] {
        let reply = part(range, if_range);
        assert_eq!((reply.status, reply.body.len()), (200, length), "{range} {if_range}");
    }
    let behind = part(&format!("bytes={length}-"), "");
    assert_eq!((behind.status, behind.body.len()), (416, 0));
    assert_eq!(behind.header("content-range"), Some(format!("bytes */{length}").as_str()));
    assert_eq!(scene.home.entry_of(&behind)["status"], 416);
}

#[test]
fn nothing_about_a_url_can_be_changed() {
    let scene = Scene::new();
    let url = scene.sign(&["--for", "1m"]);
    let path = &url.path;
    let flip = |at: usize| {
        let digit = if path.as_bytes()[at] == b'0' { "1" } else { "0" };
        format!("{}{digit}{}", &path[..at], &path[at + 1..])
    };
    let sig = path.find("sig=").unwrap() + 4;
    let expires: u64 = path[path.find("expires=").unwrap() + 8..].split('&').next().unwrap().parse().unwrap();
    let mut forged = vec![
        flip(sig),
        flip(sig + 63),
        flip(path.find("&id=").unwrap() + 4),
        path.replace(&format!("expires={expires}"), &format!("expires={}", expires + 1)),
        path.replace("&kid=k1", "&kid=k2"),
        path.replace("&by=ada", "&by=olivia"),
        path.replace("&by=ada", "&by=nobody"),
        path.replace("&sig=", "&use=once&sig="),
        path.replace("&sig=", "&net=127.0.0.0%2F8&sig="),
        path.replace("/breast-cancer/1/", "/breast-cancer/2/"),
        path.replace("/breast-cancer/", "/nothing/"),
        path.split_once("&sig=").unwrap().0.to_owned(),
        path.split_once('?').unwrap().0.to_owned(),
        path.replace('?', "/files/model.onnx?").replace("&sig=", "&scope=file&sig="),
    ];
    forged.push(flip(path.find(MODEL).unwrap() + MODEL.len() + 3));
    let shapes: std::collections::BTreeSet<String> =
        forged.iter().map(|path| scene.gone(path).shape()).collect();
    assert_eq!(shapes.len(), 1, "{shapes:?}");
    // One method, one file.
    assert_eq!(scene.stranger().send("HEAD", path, "").status, 404);
    assert_eq!(scene.stranger().send("POST", path, "").status, 405);
    let head = scene.sign(&["--method", "HEAD"]);
    let said = scene.stranger().send("HEAD", &head.path, "");
    assert_eq!((said.status, said.body.len()), (200, 0));
    assert_eq!(said.header("content-length").unwrap(), head.said["bytes"].to_string());
    scene.gone(&head.path);
    let file = scene.sign(&["--file", "model.onnx"]);
    let one = scene.stranger().get(&file.path);
    assert_eq!((one.status, sha256(&one.body).as_str()), (200, file.said["sha256"].as_str().unwrap()));
    scene.gone(&file.path.replace("/files/model.onnx", ""));
    scene.gone(&file.path.replace("/files/model.onnx", "/files/profile.json"));
    scene.gone(&file.path.replace("&scope=file", ""));
    // A key beside a URL leaves open who asks.
    let both = scene.server.client_as(&scene.ada).get(path);
    assert_eq!(both.status, 404, "{}", both.text());
    assert_eq!(scene.stranger().get(path).status, 200);
}

#[test]
fn a_url_for_one_use_is_used_once_also_by_many_at_once_and_over_a_restart() {
    let scene = Scene::new();
    let url = scene.sign(&["--once"]);
    let client = scene.stranger();
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(|| client.get(&url.path).status)).collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 404).count(), 7, "{answers:?}");
    let unused = scene.sign(&["--once"]);
    // What gave nothing used up nothing.
    let behind = scene.stranger().header("range", "bytes=99999999-").get(&unused.path);
    assert_eq!(behind.status, 416);
    let Scene { home, server, ada: _ } = scene;
    server.kill();
    let server = Server::start(&home);
    assert_eq!(server.client().get(&url.path).status, 404);
    let used = server.client().get(&unused.path);
    assert_eq!(used.status, 200, "{}", used.text());
    let phases: Vec<Value> =
        home.entries_in_time(used.request_id(), 2).iter().map(|entry| entry["phase"].clone()).collect();
    assert_eq!(phases, ["intent", "outcome"]);
    server.kill();
    let server = Server::start(&home);
    assert_eq!(server.client().get(&unused.path).status, 404, "what was used is forgotten by a crash");
}

#[test]
fn a_url_ends_and_how_long_it_lives_is_bounded() {
    let scene = Scene::configured("url_minutes_max = 5\n");
    let short = scene.sign(&["--for", "1s"]);
    let ended = until("a URL to end", || {
        let reply = scene.stranger().get(&short.path);
        (reply.status == 404).then_some(reply)
    });
    // It was ours, so the log knows which it was, and whose.
    let entry = scene.home.entry_of(&ended);
    assert_eq!((&entry["principal"], &entry["decision"]), (&json!("user:ada"), &json!("deny")));
    let client = scene.server.client_as(&scene.ada);
    let path = format!("/v2/models/{MODEL}/export/url");
    for seconds in [0_u32, 301, u32::MAX] {
        let refused = client.post(&path, &json!({ "seconds": seconds }));
        assert_eq!(refused.status, 400, "{}", refused.text());
    }
    // Less than a quarter of an hour is all that there is here, also unless said otherwise.
    let signed = client.post(&path, &json!({}));
    assert_eq!(signed.status, 200, "{}", signed.text());
    let refused = client.post(&path, &json!({ "file": "nothing" }));
    assert_eq!(refused.status, 400, "{}", refused.text());
}

#[test]
fn a_network_is_the_clients_as_trusted_proxies_say_and_nobody_elses() {
    let scene = Scene::configured(
        "[server]\ntrusted_proxies = [\"127.0.0.1/32\"]\nallow = [\"127.0.0.0/8\", \"198.51.100.0/24\"]\n",
    );
    let near = scene.sign(&["--network", "127.0.0.0/8"]);
    let far = scene.sign(&["--network", "198.51.100.7"]);
    let from =
        |address: &str, url: &Url| scene.stranger().header("x-forwarded-for", address).get(&url.path).status;
    assert_eq!(from("127.0.0.9", &near), 200);
    assert_eq!(from("198.51.100.7", &near), 404);
    assert_eq!(from("198.51.100.7", &far), 200);
    assert_eq!(from("198.51.100.8", &far), 404);
}

#[test]
fn who_loses_the_right_takes_every_url_along() {
    let scene = Scene::new();
    let url = scene.sign(&[]);
    assert_eq!(scene.stranger().get(&url.path).status, 200);
    scene.home.json(&["role", "revoke", "ada", "admin"]);
    scene.gone(&url.path);
    scene.home.json(&["role", "assign", "ada", "admin"]);
    assert_eq!(scene.stranger().get(&url.path).status, 200);
    scene.home.json(&["user", "disable", "ada"]);
    scene.gone(&url.path);
    scene.home.json(&["user", "enable", "ada"]);
    assert_eq!(scene.stranger().get(&url.path).status, 200);
}

#[test]
fn a_revoked_key_takes_its_urls_along_and_another_signs() {
    let scene = Scene::new();
    let keys = |arguments: &[&str]| scene.home.json(&[&["model", "url-keys"], arguments].concat());
    let first = scene.sign(&[]);
    assert_eq!(keys(&["list"])[0]["state"], "signs");
    assert_eq!(keys(&["rotate"])["kid"], "k2");
    let second = scene.sign(&[]);
    assert_eq!((&first.said["kid"], &second.said["kid"]), (&json!("k1"), &json!("k2")));
    assert_eq!(
        scene.stranger().get(&first.path).status,
        200,
        "a key that was followed counts until its URLs end"
    );
    assert_eq!(keys(&["revoke", "k1"])["state"], "revoked");
    scene.gone(&first.path);
    assert_eq!(scene.stranger().get(&second.path).status, 200);
    assert_eq!(keys(&["revoke", "k2"])["state"], "revoked");
    scene.gone(&second.path);
    let third = scene.sign(&[]);
    assert_eq!(third.said["kid"], "k3");
    assert_eq!(scene.stranger().get(&third.path).status, 200);
    let output = scene.home.run(&["model", "url-keys", "revoke", "k9"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    // Whoever may export may not do away with keys.
    let refused = scene.server.client_as(&scene.ada).send("DELETE", "/admin/v1/url-keys/k3", "");
    assert!([403, 404].contains(&refused.status), "{}", refused.text());
}

#[test]
fn who_may_not_export_signs_nothing() {
    let scene = Scene::new();
    let path = format!("/v2/models/{MODEL}/export/url");
    let analyst = scene.home.bound("ann", "analyst");
    assert_eq!(scene.server.client_as(&analyst).post(&path, &json!({})).status, 403);
    let application = scene.home.busy_key("app");
    assert_eq!(scene.server.client_with(&application.key).post(&path, &json!({})).status, 404);
    assert_eq!(scene.stranger().post(&path, &json!({})).status, 401);
}

/// Bytes anywhere in a file.
fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[test]
fn a_signature_is_kept_nowhere() {
    let home = Home::demo();
    let ada = home.bound("ada", "admin");
    let server = Server::with(&home, &[], &[("MANTLET_LOG", "trace")]);
    let signed =
        server.command_as(&ada, &["model", "url", "breast-cancer", "--once", "--json"]).output().unwrap();
    let url = Url::of(serde_json::from_slice(&signed.stdout).unwrap());
    let mangled = url.path.replacen("&id=", "&id=0", 1);
    let (first, again) = (server.client().get(&url.path), server.client().get(&url.path));
    let wrong = server.client().get(&mangled);
    let ranged = server.client().header("range", "bytes=0-1").get(&url.path);
    let elsewhere = server.client().get(&url.path.replace("/artifacts/", "/v2/"));
    assert_eq!(
        [first.status, again.status, wrong.status, ranged.status, elsewhere.status],
        [200, 404, 404, 404, 404]
    );
    let operator = server.client_as(&home.founder(home.said("operator")));
    let metrics = operator.get("/metrics").text();
    let stderr = server.said();
    assert!(stderr.contains("/artifacts/v1/{model}/{version}/{package}"), "the log is silent");
    server.stop();
    let export = home.run(&["audit", "export"]).stdout;
    let mut places: Vec<(String, Vec<u8>)> =
        home.bytes().into_iter().map(|(path, bytes)| (Path::display(&path).to_string(), bytes)).collect();
    let replies = [&again, &wrong, &ranged, &elsewhere].map(|reply| reply.text()).concat();
    let headers = format!("{:?}{:?}", first.headers, again.headers);
    for (name, text) in [("stderr", stderr), ("metrics", metrics), ("replies", replies), ("headers", headers)]
    {
        places.push((name.to_owned(), text.into_bytes()));
    }
    places.push(("export".to_owned(), export));
    // Its id is in the log: the search looks in the right places.
    let id = url.said["id"].as_str().unwrap();
    assert!(places.iter().any(|(name, bytes)| name == "export" && contains(bytes, id)));
    for part in [url.signature(), &url.signature()[..24], &url.signature()[40..]] {
        let kept: Vec<&String> =
            places.iter().filter(|(_, bytes)| contains(bytes, part)).map(|(name, _)| name).collect();
        assert!(kept.is_empty(), "{kept:?}");
    }
}

/// What a bucket gives away nobody here can take back, so the log says all of what was asked for and not less.
#[test]
fn leave_for_a_buckets_own_url_is_given_and_written_down_for_what_it_is() {
    let scene = Scene::new();
    let path = format!("/v2/models/{MODEL}/export/elsewhere");
    let client = scene.server.client_as(&scene.ada);
    let given = client.post(&path, &json!({ "at": "gs", "method": "HEAD", "seconds": 604_800 }));
    assert_eq!(given.status, 200, "{}", given.text());
    let signed = scene.sign(&[]);
    for member in ["sha256", "bytes", "digest", "version"] {
        assert_eq!(given.json()[member], signed.said[member], "{member}");
    }
    assert!(given.json()["path"].is_null(), "no URL of ours comes of it");
    let entry = scene.home.entry_of(&given);
    assert_eq!((&entry["event"], &entry["subject"]), (&json!("url.sign"), &json!("gs:HEAD:604800s")));
    for refused in [
        json!({ "at": "s3", "seconds": 0 }),
        json!({ "at": "s3", "seconds": 604_801 }),
        json!({ "at": "ftp", "seconds": 1 }),
        json!({ "seconds": 1 }),
    ] {
        assert_eq!(client.post(&path, &refused).status, 400, "{refused}");
    }
    let key = scene.home.key("shop", &["--model", MODEL]).key;
    let asked = json!({ "at": "s3", "seconds": 1 });
    assert_eq!(scene.server.client_with(&key).post(&path, &asked).status, 404);
}
