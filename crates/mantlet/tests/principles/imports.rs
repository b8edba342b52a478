//! Models from elsewhere come in by their digest, as files, and nothing of them is executed.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    path::Path,
    process::{Command, Output},
    thread,
};

use serde_json::{Value, json};

use crate::support::{Home, Server, mantlet};

/// A server of files: `/redirect/HOST…` sends elsewhere, `/file` gives the bytes, everything else is not there.
fn serving(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let reply = if let Some(to) = path.strip_prefix("/redirect/") {
                format!("HTTP/1.1 302 Found\r\nlocation: http://{to}\r\ncontent-length: 0\r\n\r\n")
                    .into_bytes()
            } else if path.starts_with("/file") {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", bytes.len());
                [head.into_bytes(), bytes.clone()].concat()
            } else {
                b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec()
            };
            let _ = stream.write_all(&reply);
        }
    });
    address
}

/// Imports, without a home.
fn import(dir: &Path, arguments: &[&str]) -> Output {
    mantlet().args(["model", "import", "--json"]).args(arguments).current_dir(dir).output().unwrap()
}

fn imported(dir: &Path, arguments: &[&str]) -> Value {
    let output = import(dir, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Fails with this status, says this, and has written nothing.
fn refused(dir: &Path, arguments: &[&str], status: i32, word: &str) {
    let before = fs::read_dir(dir).unwrap().count();
    let output = import(dir, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
    assert!(said.contains(word), "{arguments:?}: {said}");
    assert_eq!(fs::read_dir(dir).unwrap().count(), before, "{arguments:?} has written something");
}

fn sha256(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..64].to_owned()
}

/// A model as SageMaker keeps it, and its digest.
fn tarball(home: &Home) -> (Vec<u8>, String) {
    let package = home.package("loans");
    let path = home.beside("model.tar.gz");
    let made = Command::new("tar").arg("-C").arg(&package).arg("-czf").arg(&path).arg(".").status().unwrap();
    assert!(made.success());
    (fs::read(&path).unwrap(), sha256(&path))
}

#[test]
fn what_comes_from_elsewhere_comes_by_its_digest() {
    let home = Home::demo();
    let (bytes, digest) = tarball(&home);
    let host = serving(bytes);
    let url = format!("http://{host}/file/model.tar.gz?token=Canary-hK2vQ9xW7z");
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    refused(dir, &[&url], 2, "by its digest");
    refused(dir, &[&url, "--sha256", &"0".repeat(64)], 1, &digest);
    refused(dir, &[&url, "--sha256", "abc"], 2, "64");
    refused(dir, &[&format!("http://{host}/nothing"), "--sha256", &digest], 2, "404");
    refused(dir, &["http://example.com/model.tar.gz", "--sha256", &digest], 2, "https");
    let said = imported(dir, &[&url, "--sha256", &digest]);
    assert_eq!(
        (&said["out"], &said["sha256"], &said["package"]),
        (&json!("model"), &json!(digest), &json!(true))
    );
    let files = ["mantlet-model.toml", "model.onnx", "profile.json"];
    assert_eq!(said["files"], json!(files));
    for file in files {
        assert_eq!(
            fs::read(dir.join("model").join(file)).unwrap(),
            fs::read(home.beside("loans").join(file)).unwrap()
        );
    }
    refused(dir, &[&url, "--sha256", &digest], 2, "there already");
    // It can be added like any package.
    home.json(&["model", "add", dir.join("model").to_str().unwrap()]);
    // A URL may be a secret: a failure names its host.
    let output = import(dir, &[&url, "--sha256", &"0".repeat(64), "--out", "other"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("Canary"));
}

#[test]
fn nobody_is_sent_elsewhere_unless_it_was_named() {
    let home = Home::demo();
    let (bytes, digest) = tarball(&home);
    let (host, other) = (serving(bytes.clone()), serving(bytes));
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let url = format!("http://{host}/redirect/{other}/file");
    refused(dir, &[&url, "--sha256", &digest, "--out", "x"], 2, "--redirect");
    refused(dir, &[&url, "--sha256", &digest, "--out", "x", "--redirect", "example.com"], 2, "was not named");
    imported(dir, &[&url, "--sha256", &digest, "--out", "x", "--redirect", &other]);
    // Plain HTTP leaves this machine for nobody, also by a redirect.
    let away = format!("http://{host}/redirect/169.254.169.254/latest");
    refused(
        dir,
        &[&away, "--sha256", &digest, "--out", "y", "--redirect", "169.254.169.254"],
        2,
        "not a URL",
    );
    let round = format!("http://{host}/redirect/{host}/redirect/{host}/redirect/{host}/redirect/{host}/file");
    refused(dir, &[&round, "--sha256", &digest, "--out", "y"], 2, "places on the way");
}

#[test]
fn a_package_comes_in_by_a_signed_url() {
    let home = Home::demo();
    let ada = home.bound("ada", "admin");
    let server = Server::start(&home);
    let signed = server.command_as(&ada, &["model", "url", "breast-cancer@live", "--json"]).output().unwrap();
    let signed: Value = serde_json::from_slice(&signed.stdout).unwrap();
    let text = |member: &str| signed[member].as_str().unwrap().to_owned();
    let dir = tempfile::tempdir().unwrap();
    let ca = server.ca.to_str().unwrap();
    let (url, digest) = (text("url"), text("sha256"));
    refused(dir.path(), &[&url, "--sha256", &digest, "--out", "m"], 2, "TLS");
    let said = imported(dir.path(), &[&url, "--sha256", &digest, "--ca", ca, "--out", "m"]);
    assert_eq!(said["package"], true);
    let key = home.path.join("keys/trusted/owner.pem");
    let verified = mantlet()
        .args(["model", "verify"])
        .arg(dir.path().join("m"))
        .arg("--public-key")
        .arg(key)
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

#[test]
fn archives_and_directories_that_lead_elsewhere_leave_nothing() {
    let root = tempfile::tempdir().unwrap();
    // A directory within one of the test's own, so that what leads out of it would be seen there.
    let dir = &root.path().join("within");
    fs::create_dir(dir).unwrap();
    let make = |script: &str| {
        let made = Command::new("python3").args(["-c", script]).current_dir(dir).status().unwrap();
        assert!(made.success());
    };
    make(
        "import io, tarfile\n\
         def member(name, **more):\n\
         \x20   info = tarfile.TarInfo(name)\n\
         \x20   for key, value in more.items(): setattr(info, key, value)\n\
         \x20   return info\n\
         for file, info in {\n\
         \x20   'up.tar': member('../up'), 'absolute.tar': member('/tmp/absolute'),\n\
         \x20   'link.tar': member('x', type=tarfile.SYMTYPE, linkname='/etc/passwd'),\n\
         \x20   'hard.tar': member('x', type=tarfile.LNKTYPE, linkname='/etc/passwd'),\n\
         \x20   'pipe.tar': member('x', type=tarfile.FIFOTYPE),\n\
         }.items():\n\
         \x20   with tarfile.open(file, 'w') as archive: archive.addfile(info, io.BytesIO(b''))\n\
         import zipfile\n\
         with zipfile.ZipFile('up.zip', 'w') as archive: archive.writestr('../up', 'x')\n",
    );
    for file in ["up.tar", "absolute.tar", "link.tar", "hard.tar", "pipe.tar", "up.zip"] {
        refused(dir, &[file, "--out", "out"], 1, "archive");
    }
    assert!(!root.path().join("up").exists() && !Path::new("/tmp/absolute").exists());
    fs::create_dir(dir.join("tree")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", dir.join("tree/model.onnx")).unwrap();
    refused(dir, &["tree", "--out", "out"], 2, "model.onnx");
}

#[test]
fn what_is_unsafe_to_open_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let script = "import pickle, os, tarfile\n\
        class Evil:\n\
        \x20   def __reduce__(self): return os.system, ('touch /tmp/imported-and-run',)\n\
        pickle.dump(Evil(), open('model.pkl', 'wb'))\n\
        with tarfile.open('model.tar.gz', 'w:gz') as archive: archive.add('model.pkl')\n";
    assert!(Command::new("python3").args(["-c", script]).current_dir(dir).status().unwrap().success());
    for file in ["model.pkl", "model.tar.gz"] {
        refused(dir, &[file, "--out", "out"], 1, "not safe to open");
    }
    assert!(!Path::new("/tmp/imported-and-run").exists());
    // Nor what nobody understands.
    fs::write(dir.join("odd.bin"), (1..200).collect::<Vec<u8>>().repeat(3)).unwrap();
    refused(dir, &["odd.bin", "--out", "out"], 1, "not all of it is understood");
}
