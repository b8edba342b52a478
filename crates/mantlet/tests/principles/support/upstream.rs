//! An upstream that does as it is told: an Open Inference server of one model, written for these tests with nothing of
//! the product's, that can also be as wrong as a server can be.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rustls::{ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// How it answers questions to its model.
#[derive(Clone)]
pub enum Manner {
    /// As it should.
    Well,
    /// With another document than it should.
    Document(fn(&mut Value)),
    /// With a text in the place of the document.
    Text(fn(&str) -> String),
    /// With these bytes, and then the end of the connection.
    Bytes(&'static [u8]),
    /// With nothing, ever.
    Never,
    /// With a byte now and then, after these.
    Drop(&'static [u8]),
    /// With the end of the connection.
    Reset,
    /// With more bytes than anybody takes.
    Endless,
}

/// A request that it got.
#[derive(Clone, Debug)]
pub struct Got {
    /// Request line and headers.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Got {
    /// Whether it was a question to the model.
    pub fn is_question(&self) -> bool {
        self.head.starts_with("POST")
    }
}

struct Inner {
    manner: Mutex<Manner>,
    metadata: Mutex<Value>,
    extensions: Mutex<Value>,
    got: Mutex<Vec<Got>>,
    open: Mutex<Vec<TcpStream>>,
    ended: AtomicBool,
    tls: Option<Arc<rustls::ServerConfig>>,
}

/// The server. Its model takes `x`, two numbers a row, and says `p`: one less the first, and the first.
pub struct Upstream {
    inner: Arc<Inner>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Upstream {
    /// Begins to serve, in plain HTTP.
    pub fn start() -> Self {
        Self::at("127.0.0.1:0", None)
    }

    /// Begins to serve over TLS.
    pub fn tls(config: rustls::ServerConfig) -> Self {
        Self::at("127.0.0.1:0", Some(Arc::new(config)))
    }

    /// Begins to serve at an address.
    pub fn at(address: &str, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            manner: Mutex::new(Manner::Well),
            metadata: Mutex::new(json!({
                "name": "coin", "platform": "test",
                "inputs": [{ "name": "x", "datatype": "FP32", "shape": [-1, 2] }],
                "outputs": [{ "name": "p", "datatype": "FP32", "shape": [-1, 2] }],
            })),
            extensions: Mutex::new(json!([])),
            got: Mutex::default(),
            open: Mutex::default(),
            ended: AtomicBool::new(false),
            tls,
        });
        let serving = Arc::clone(&inner);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.ended.load(Ordering::SeqCst) {
                    return;
                }
                serving.open.lock().unwrap().push(stream.try_clone().unwrap());
                let inner = Arc::clone(&serving);
                thread::spawn(move || inner.attend(stream));
            }
        });
        Self { inner, address }
    }

    /// How it answers from now on.
    pub fn answer(&self, manner: Manner) {
        *self.inner.manner.lock().unwrap() = manner;
    }

    /// What it says its model is.
    pub fn declare(&self, metadata: Value) {
        *self.inner.metadata.lock().unwrap() = metadata;
    }

    /// What it says it can.
    pub fn announce(&self, extensions: Value) {
        *self.inner.extensions.lock().unwrap() = extensions;
    }

    /// Everything that it was sent.
    pub fn got(&self) -> Vec<Got> {
        self.inner.got.lock().unwrap().clone()
    }

    /// The questions among that.
    pub fn questions(&self) -> Vec<Got> {
        self.got().into_iter().filter(Got::is_question).collect()
    }

    /// A `[[upstream]]` with this name and further keys.
    pub fn section(&self, name: &str, keys: &str) -> String {
        let scheme = if self.inner.tls.is_some() { "https" } else { "http" };
        format!(
            "[[upstream]]\nname = \"{name}\"\nurl = \"{scheme}://{}\"\nprobe_interval_ms = 50\n{keys}\n",
            self.address
        )
    }

    /// Ends at once, with every connection.
    pub fn kill(self) {}
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.inner.ended.store(true, Ordering::SeqCst);
        // The one that wakes the listener, so that it goes away too.
        let _ = TcpStream::connect(self.address);
        for stream in self.inner.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Inner {
    fn attend(&self, stream: TcpStream) {
        match &self.tls {
            None => self.serve(stream),
            Some(config) => {
                let Ok(connection) = ServerConnection::new(Arc::clone(config)) else { return };
                self.serve(StreamOwned::new(connection, stream));
            }
        }
    }

    fn serve(&self, mut stream: impl Read + Write) {
        let mut buffer = Vec::new();
        while let Some(got) = request(&mut stream, &mut buffer) {
            self.got.lock().unwrap().push(got.clone());
            let path = got.head.split_whitespace().nth(1).unwrap_or_default().to_owned();
            let done = match path.as_str() {
                "/v2" => {
                    let extensions = self.extensions.lock().unwrap().clone();
                    reply(&mut stream, &json!({ "name": "test", "extensions": extensions }).to_string())
                }
                "/v2/models/coin" => reply(&mut stream, &self.metadata.lock().unwrap().to_string()),
                "/v2/models/coin/ready" => reply(&mut stream, "{}"),
                "/v2/models/coin/infer" => self.infer(&mut stream, &got.body),
                path if path.starts_with("/v2/models/unready") => {
                    let down = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
                    stream.write_all(down).is_ok()
                }
                _ => stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").is_ok(),
            };
            if !done {
                return;
            }
        }
    }

    /// Answers a question; false ends the connection.
    fn infer(&self, stream: &mut (impl Read + Write), body: &[u8]) -> bool {
        let manner = self.manner.lock().unwrap().clone();
        match manner {
            Manner::Well => reply(stream, &answer(body).to_string()),
            Manner::Document(change) => {
                let mut answer = answer(body);
                change(&mut answer);
                reply(stream, &answer.to_string())
            }
            Manner::Text(change) => reply(stream, &change(&answer(body).to_string())),
            Manner::Bytes(bytes) => {
                let _ = stream.write_all(bytes);
                false
            }
            Manner::Reset => false,
            Manner::Never => self.wait(stream, b"", b""),
            Manner::Drop(bytes) => self.wait(stream, bytes, b"x"),
            Manner::Endless => {
                let _ =
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"id\":\"");
                while stream.write_all(&[b'a'; 1 << 16]).is_ok() {}
                false
            }
        }
    }

    /// Says something, and then a little every so often until nobody listens any more.
    fn wait(&self, stream: &mut impl Write, first: &[u8], again: &[u8]) -> bool {
        let _ = stream.write_all(first);
        while !self.ended.load(Ordering::SeqCst) && stream.write_all(again).is_ok() && stream.flush().is_ok()
        {
            thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

/// The answer to a question in JSON, or with its elements behind a header, as it should be.
fn answer(body: &[u8]) -> Value {
    let end = (1..=body.len()).rev().find(|end| serde_json::from_slice::<Value>(&body[..*end]).is_ok());
    let (header, tail) = body.split_at(end.expect("a question is JSON"));
    let question: Value = serde_json::from_slice(header).unwrap();
    let input = &question["inputs"][0];
    let numbers: Vec<f64> = match input["data"].as_array() {
        Some(data) => data.iter().map(|number| number.as_f64().unwrap()).collect(),
        None => tail.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()).into()).collect(),
    };
    let p: Vec<f64> = numbers.chunks(2).flat_map(|row| [1.0 - row[0], row[0]]).collect();
    json!({
        "model_name": "coin", "model_version": "1", "id": question["id"],
        "outputs": [{ "name": "p", "datatype": "FP32", "shape": [p.len() / 2, 2], "data": p }],
    })
}

fn reply(stream: &mut impl Write, body: &str) -> bool {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nserver: secret-software\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).and_then(|()| stream.flush()).is_ok()
}

/// The next request of a connection.
fn request(stream: &mut impl Read, buffer: &mut Vec<u8>) -> Option<Got> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
                })
                .unwrap_or(0_usize);
            if buffer.len() >= end + 4 + length {
                let body = buffer[end + 4..end + 4 + length].to_vec();
                buffer.drain(..end + 4 + length);
                return Some(Got { head, body });
            }
        }
        let mut chunk = [0; 1 << 14];
        let read = stream.read(&mut chunk).ok().filter(|read| *read > 0)?;
        buffer.extend_from_slice(&chunk[..read]);
    }
}
