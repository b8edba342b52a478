//! The harness: a home in a temporary directory, the real binary on it, and a client that speaks TLS and HTTP.

pub mod client;
pub mod llm;
pub mod people;
pub mod rows;
pub mod rpc;
pub mod upstream;
pub mod workloads;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

pub use client::{Client, Reply};
pub use people::Person;
use serde_json::Value;

/// How long anything may take before a test gives up. Generous: machines that test are busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The binary under test.
pub fn mantlet() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mantlet"));
    // A developer's own settings must not leak into a test.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MANTLET_")) {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// A home of its own for one test.
pub struct Home {
    _dir: tempfile::TempDir,
    /// The home directory.
    pub path: PathBuf,
    /// What `init --json` printed.
    pub made: Value,
}

impl Home {
    /// A one-person home with the demo model.
    pub fn demo() -> Self {
        Self::init(&["--demo", "--operator", "olivia"])
    }

    /// A home made with these options.
    pub fn init(options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("home");
        let output = mantlet()
            .arg("init")
            .arg(&path)
            .arg("--json")
            .args(options)
            .env("XDG_CONFIG_HOME", dir.path().join("config"))
            .output()
            .unwrap();
        assert!(output.status.success(), "init failed: {}", String::from_utf8_lossy(&output.stderr));
        let made = serde_json::from_slice(&output.stdout).expect("init prints one JSON document");
        Self { _dir: dir, path, made }
    }

    /// A member of what `init` printed.
    pub fn said(&self, member: &str) -> &str {
        self.made[member].as_str().unwrap_or_else(|| panic!("init said no `{member}`: {}", self.made))
    }

    /// Runs a command on this home.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A command on this home, to be run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = mantlet();
        command.args(arguments).arg("--home").arg(&self.path);
        command
    }

    /// Runs a command with `--json` that must succeed; its document.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).arg("--json").output().unwrap();
        assert!(
            output.status.success(),
            "{arguments:?} failed: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }

    /// The whole audit log, in order.
    pub fn log(&self) -> Vec<Value> {
        let output = self.run(&["audit", "export"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).expect("an entry is JSON")).collect()
    }

    /// The entries of one request.
    pub fn entries_of(&self, request_id: &str) -> Vec<Value> {
        self.log().into_iter().filter(|entry| entry["request_id"] == request_id).collect()
    }

    /// The entries of one request, once there are so many: rejections are written down a moment after they are told.
    pub fn entries_in_time(&self, request_id: &str, count: usize) -> Vec<Value> {
        until("entries of a request", || {
            Some(self.entries_of(request_id)).filter(|found| found.len() >= count)
        })
    }

    /// The entry of a request that leaves one.
    pub fn entry_of(&self, reply: &Reply) -> Value {
        let mut found = self.entries_in_time(reply.request_id(), 1);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    /// How many events of nobody known the log tells of, by code. Exact, but up to a second late.
    pub fn strangers(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for entry in self.log().iter().filter(|entry| entry["event"] == "auth.fail") {
            let code = entry["error_code"].as_str().unwrap_or_default().to_owned();
            *counts.entry(code).or_default() += entry["count"].as_u64().unwrap_or(1);
        }
        counts
    }

    /// What `audit verify` says.
    pub fn verdict(&self) -> Value {
        self.json(&["audit", "verify"])
    }

    /// A place beside the home.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.path.with_file_name(name)
    }

    /// Copies the bundled model's package under another name.
    pub fn package(&self, name: &str) -> PathBuf {
        let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/breast-cancer");
        let dir = self.beside(name);
        fs::create_dir(&dir).unwrap();
        for file in ["model.onnx", "profile.json"] {
            fs::copy(bundled.join(file), dir.join(file)).unwrap();
        }
        let settings = fs::read_to_string(bundled.join("mantlet-model.toml")).unwrap();
        fs::write(dir.join("mantlet-model.toml"), settings.replace("breast-cancer", name)).unwrap();
        dir
    }

    /// Registers the bundled model once more, under another name.
    pub fn add_model(&self, name: &str) {
        self.json(&["model", "add", self.package(name).to_str().unwrap()]);
    }

    /// Changes the configuration file.
    pub fn configure(&self, text: &str) {
        let file = self.path.join("mantlet.toml");
        let old = fs::read_to_string(&file).unwrap();
        fs::write(file, format!("{old}\n{text}\n")).unwrap();
    }

    /// Every byte of every file below the home, for canaries.
    pub fn bytes(&self) -> Vec<(PathBuf, Vec<u8>)> {
        fn walk(dir: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in fs::read_dir(dir).unwrap().flatten() {
                let path = entry.path();
                match entry.file_type().unwrap() {
                    kind if kind.is_dir() => walk(&path, found),
                    kind if kind.is_file() => found.push((path.clone(), fs::read(&path).unwrap_or_default())),
                    _ => {}
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.path, &mut found);
        found
    }
}

/// A running server.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where probes are answered, if anywhere.
    pub probe: Option<SocketAddr>,
    /// Where its standard error goes.
    pub stderr: PathBuf,
    /// Whom to trust.
    pub ca: PathBuf,
}

impl Server {
    /// Serves a home on a free port, over TLS.
    pub fn start(home: &Home) -> Self {
        Self::with(home, &[], &[])
    }

    /// Serves with further arguments and environment.
    pub fn with(home: &Home, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::try_with(home, arguments, environment)
            .unwrap_or_else(|error| panic!("serve did not start: {error}"))
    }

    /// Serves, or tells what the server said when it ended instead.
    pub fn try_with(home: &Home, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Self, String> {
        let stderr = home.path.with_file_name("serve.stderr");
        let log = fs::OpenOptions::new().create(true).append(true).open(&stderr).unwrap();
        let mut child = home
            .command(&["serve", "--listen", "127.0.0.1:0", "--json"])
            .args(arguments)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_default();
        let address = |member: &str| said[member].as_str().and_then(|text| text.parse().ok());
        let Some(listen) = address("listen") else {
            // Who says nothing is about to end with a status of its own; who says something else goes on running.
            if !line.is_empty() {
                child.kill().unwrap();
            }
            let status = child.wait().unwrap();
            return Err(format!("{status}: {line}{}", fs::read_to_string(&stderr).unwrap_or_default()));
        };
        let probe = address("probe");
        Ok(Self { child, address: listen, probe, stderr, ca: home.path.join("ca.pem") })
    }

    /// A client without any credential.
    pub fn client(&self) -> Client {
        Client::new(self.address, &self.ca)
    }

    /// A client with a key.
    pub fn client_with(&self, key: &str) -> Client {
        self.client().bearer(key)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Ends it in good order and waits.
    pub fn stop(mut self) -> std::process::ExitStatus {
        self.signal("TERM");
        wait(&mut self.child)
    }

    /// Ends it as a power cut would end the process.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for it to end by being killed, and says whether it was.
    pub fn has_died(mut self) -> bool {
        std::os::unix::process::ExitStatusExt::signal(&wait(&mut self.child)) == Some(9)
    }

    /// What it wrote to standard error so far.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait(child: &mut Child) -> std::process::ExitStatus {
    until("the server to end", || child.try_wait().unwrap())
}

/// Asks again and again until there is an answer; the only kind of waiting that tests do.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
