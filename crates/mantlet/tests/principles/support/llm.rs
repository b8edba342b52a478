//! A server of language models that does as it is told: it speaks OpenAI's protocol, written for these tests with nothing
//! of the product's, and can be as wrong as a server can be.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

/// How it answers.
#[derive(Clone)]
pub enum Manner {
    /// As it should: it repeats the last words that it was told.
    Well,
    /// With these bytes, as they are, and then the end of the connection.
    Bytes(Vec<u8>),
    /// With nothing, until the other side goes.
    Never,
    /// With the end of the connection.
    Reset,
    /// With these events, then nothing until the other side goes.
    Stall(Vec<String>),
    /// With an answer that does not end.
    Endless,
    /// With a stream of comments, and never an event.
    Comments,
}

/// A request that it got.
#[derive(Clone, Debug)]
pub struct Got {
    /// Request line and headers.
    pub head: String,
    /// The body.
    pub body: Value,
}

struct Inner {
    manner: Mutex<Manner>,
    got: Mutex<Vec<Got>>,
    ended: AtomicBool,
    /// Connections on which somebody waits or is written to.
    open: AtomicUsize,
}

/// The server.
pub struct Model {
    inner: Arc<Inner>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Model {
    /// Begins to serve.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            manner: Mutex::new(Manner::Well),
            got: Mutex::default(),
            ended: AtomicBool::new(false),
            open: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&inner);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.ended.load(Ordering::SeqCst) {
                    return;
                }
                let inner = Arc::clone(&serving);
                thread::spawn(move || {
                    inner.open.fetch_add(1, Ordering::SeqCst);
                    let _ = inner.attend(&stream);
                    let _ = stream.shutdown(Shutdown::Both);
                    inner.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { inner, address }
    }

    /// How it answers from now on.
    pub fn answer(&self, manner: Manner) {
        *self.inner.manner.lock().unwrap() = manner;
    }

    /// Answers with this status and body.
    pub fn reply(&self, status: u16, headers: &str, body: &str) {
        let length = body.len();
        let text = format!(
            "HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        self.answer(Manner::Bytes(text.into_bytes()));
    }

    /// Everything that it was sent.
    pub fn got(&self) -> Vec<Got> {
        self.inner.got.lock().unwrap().clone()
    }

    /// The last thing that it was sent.
    pub fn last(&self) -> Got {
        self.got().pop().expect("something was sent")
    }

    /// Connections on which somebody waits or is written to.
    pub fn open(&self) -> usize {
        self.inner.open.load(Ordering::SeqCst)
    }

    /// A `[[route]]` to it with this name, for the models `small` and `large`, and with further keys.
    pub fn section(&self, name: &str, keys: &str) -> String {
        let url = self.url();
        format!(
            "[[route]]\nname = \"{name}\"\nupstream = \"{url}\"\nmodels = [\"small\", \"large\"]\n{keys}\n"
        )
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.inner.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

const STREAM: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\nx-secret: s3cr3t\r\n\r\n";

impl Inner {
    fn attend(&self, stream: &TcpStream) -> std::io::Result<()> {
        let Some(got) = read(stream)? else { return Ok(()) };
        self.got.lock().unwrap().push(got.clone());
        let manner = self.manner.lock().unwrap().clone();
        let mut out = stream;
        match manner {
            Manner::Well => out.write_all(&well(&got)),
            Manner::Bytes(bytes) => out.write_all(&bytes),
            Manner::Reset => Ok(()),
            Manner::Never => gone(stream),
            Manner::Stall(events) => {
                out.write_all(STREAM.as_bytes())?;
                for event in events {
                    out.write_all(format!("data: {event}\n\n").as_bytes())?;
                }
                out.flush()?;
                gone(stream)
            }
            Manner::Comments => {
                out.write_all(STREAM.as_bytes())?;
                while !self.ended.load(Ordering::SeqCst) {
                    out.write_all(b":\n")?;
                    out.flush()?;
                    thread::sleep(Duration::from_millis(20));
                }
                Ok(())
            }
            Manner::Endless => {
                out.write_all(STREAM.as_bytes())?;
                let event = format!("data: {}\n\n", text(&"a".repeat(4_000)));
                while !self.ended.load(Ordering::SeqCst) {
                    out.write_all(event.as_bytes())?;
                }
                Ok(())
            }
        }
    }
}

/// Waits until the other side has gone.
fn gone(mut stream: &TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let _ = stream.read(&mut [0; 1])?;
    Ok(())
}

fn read(stream: &TcpStream) -> std::io::Result<Option<Got>> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Got { head, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }))
}

/// The data of an event that has more text of the first choice.
pub fn text(text: &str) -> String {
    json!({ "id": "up-1", "object": "chat.completion.chunk", "model": "secret-model", "system_fingerprint": "fp_s3cr3t",
        "choices": [{ "index": 0, "delta": { "content": text }, "finish_reason": null }] })
    .to_string()
}

/// The data of an event that ends the first choice.
pub fn finish(reason: &str) -> String {
    json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] }).to_string()
}

/// What it says where it answers as it should: the words of the last message.
fn said(body: &Value) -> String {
    let last = body["messages"].as_array().and_then(|messages| messages.last()).cloned().unwrap_or_default();
    match &last["content"] {
        Value::String(text) => format!("you said: {text}"),
        other => format!("you said: {other}"),
    }
}

fn well(got: &Got) -> Vec<u8> {
    let usage = json!({ "prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12,
        "prompt_tokens_details": { "cached_tokens": 3 } });
    if got.head.contains("/embeddings ") {
        let inputs = got.body["input"].as_array().map_or(1, Vec::len);
        let data: Vec<Value> = (0..inputs)
            .rev()
            .map(|index| json!({ "object": "embedding", "index": index, "embedding": [0.5, index] }))
            .collect();
        return document(&json!({ "object": "list", "model": "secret-model", "data": data, "usage": usage }));
    }
    if got.body["stream"] == true {
        let words = said(&got.body);
        let mut data: Vec<String> = words.split_inclusive(' ').map(text).collect();
        data.push(finish("stop"));
        data.push(json!({ "choices": [], "usage": usage }).to_string());
        data.push("[DONE]".to_owned());
        let events: String = data.iter().map(|data| format!("data: {data}\n\n")).collect();
        return format!("{STREAM}{events}").into_bytes();
    }
    let choice = if got.head.contains("/chat/") {
        let message =
            json!({ "role": "assistant", "content": said(&got.body), "reasoning_content": "s3cr3t" });
        json!({ "index": 0, "message": message, "finish_reason": "stop" })
    } else {
        json!({ "index": 0, "text": " and so on", "finish_reason": "length" })
    };
    document(&json!({ "id": "up-1", "object": "chat.completion", "created": 1, "model": "secret-model",
        "system_fingerprint": "fp_s3cr3t", "choices": [choice], "usage": usage }))
}

fn document(body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nopenai-organization: s3cr3t\r\n\
         x-request-id: s3cr3t\r\nconnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}
