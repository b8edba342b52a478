//! `grpc.reflection.v1.ServerReflection`: the services' descriptions, for `grpcurl` and its like. Off unless the operator
//! turns it on, and then for every caller that is known: it says nothing of any model.
//!
//! The one method here that is an exchange: clients ask, read the answer and ask again on the same stream. It goes through
//! door 2 as the reading of a page; what it says is compiled in. It is bounded in messages, bytes and time.

use std::{
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use hyper::body::Frame;
use mantlet_gate::{
    administer::{Claims, Deed, Done, Office},
    directory::Directory,
    identity::Principal,
};
use mantlet_types::{Code, Rejection, entry::Event};
use prost::Message;
use tokio::time::Sleep;

use super::{
    frame::{self, PREFIX, STATUS},
    wire::Fields,
};
use crate::server::{
    body::Body,
    call::{Call, Replying},
    content::Content,
    json::Malformed,
};

/// Made of `proto/*.proto`; `proto/README.md` says how.
static DESCRIPTORS: &[u8] = include_bytes!("../../../proto/descriptors.binpb");

/// A request names a file or a symbol.
const REQUEST_BYTES_MAX: usize = 1 << 10;

/// Requests of one stream: a client asks for a list and for a few files.
const REQUESTS_MAX: usize = 64;

/// From the first request on; a client that wants more opens another stream. Shorter than the time after which an answer
/// that nobody takes ends its connection.
const LIFE: Duration = Duration::from_secs(10);

/// `ServerReflectionRequest`.
#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(string, tag = "1")]
    host: String,
    #[prost(oneof = "Question", tags = "3, 4, 5, 6, 7")]
    question: Option<Question>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Question {
    #[prost(string, tag = "3")]
    FileByName(String),
    #[prost(string, tag = "4")]
    FileContainingSymbol(String),
    /// `ExtensionRequest`, unread: proto3 has no extensions.
    #[prost(bytes = "vec", tag = "5")]
    FileContainingExtension(Vec<u8>),
    #[prost(string, tag = "6")]
    ExtensionNumbers(String),
    #[prost(string, tag = "7")]
    Services(String),
}

/// `ServerReflectionResponse`.
#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(string, tag = "1")]
    valid_host: String,
    #[prost(message, optional, tag = "2")]
    original_request: Option<Request>,
    #[prost(oneof = "Answer", tags = "4, 6, 7")]
    answer: Option<Answer>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Answer {
    #[prost(message, tag = "4")]
    Files(Files),
    #[prost(message, tag = "6")]
    Services(Services),
    #[prost(message, tag = "7")]
    Error(Error),
}

/// `FileDescriptorResponse`.
#[derive(Clone, PartialEq, Message)]
struct Files {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    files: Vec<Bytes>,
}

/// `ListServiceResponse`.
#[derive(Clone, PartialEq, Message)]
struct Services {
    #[prost(message, repeated, tag = "1")]
    services: Vec<Service>,
}

/// `ServiceResponse`.
#[derive(Clone, PartialEq, Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
}

/// `ErrorResponse`.
#[derive(Clone, PartialEq, Message)]
struct Error {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// `ServerReflectionInfo`.
pub(in crate::server) fn answer(mut call: Call) -> Replying {
    let shown = call.server.facilities.reflection;
    let body = std::mem::replace(&mut call.parcel.body, Body::Whole(Bytes::new()));
    call.deed_shown(
        Event::MonitorRead,
        move |_| Ok(Reflect { body, shown }),
        |body| Ok(frame::headed(Content::Talk(Box::new(Talk::new(body))))),
    )
}

/// Reads the services' descriptions.
struct Reflect {
    body: Body,
    /// Whether the operator has them shown.
    shown: bool,
}

impl Deed for Reflect {
    type Reply = Body;

    fn event(&self) -> Event {
        Event::MonitorRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::PerItem) // no item of it is about anything that could be hidden
    }

    async fn act(self, _: &Office<'_>) -> Result<Done<Body>, Rejection> {
        if self.shown { Ok(Done::read(self.body)) } else { Err(Code::MethodNotAllowed.into()) }
    }
}

/// An exchange of questions and answers about the services.
#[derive(Debug)]
pub struct Talk {
    body: Body,
    received: BytesMut,
    answers_left: usize,
    until: Pin<Box<Sleep>>,
    ended: bool,
}

impl Talk {
    fn new(body: Body) -> Self {
        Self {
            body,
            received: BytesMut::new(),
            answers_left: REQUESTS_MAX,
            until: Box::pin(tokio::time::sleep(LIFE)),
            ended: false,
        }
    }

    /// The next answer; trailers at the end; then nothing.
    pub(in crate::server) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        while !self.ended {
            match self.take() {
                Ok(Some(request)) => return Poll::Ready(Some(Frame::data(respond(request)))),
                Ok(None) => {}
                Err(code) => return self.end(Some(code)),
            }
            if self.until.as_mut().poll(cx).is_ready() {
                return self.end(Some(Code::RequestTimeout));
            }
            let piece = match &mut self.body {
                Body::Wire(arriving) => match arriving.poll_piece(cx) {
                    Poll::Ready(piece) => piece,
                    Poll::Pending => return Poll::Pending,
                },
                Body::Whole(bytes) => (!bytes.is_empty()).then(|| Ok(std::mem::take(bytes))),
            };
            match piece {
                // A piece is at most an HTTP/2 frame, and what was there is not yet a whole request.
                Some(Ok(bytes)) => self.received.extend_from_slice(&bytes),
                Some(Err(rejection)) => return self.end(Some(rejection.code)),
                None if self.received.is_empty() => return self.end(None),
                None => return self.end(Some(Code::InvalidInput)),
            }
        }
        Poll::Ready(None)
    }

    /// A request out of what was received, if it is all there.
    fn take(&mut self) -> Result<Option<Request>, Code> {
        let Some(prefix) = self.received.first_chunk::<PREFIX>() else { return Ok(None) };
        let [flag, length @ ..] = *prefix;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > REQUEST_BYTES_MAX {
            return Err(Code::TooLarge);
        }
        if flag != 0 {
            return Err(Code::UnsupportedMedia);
        }
        if self.received.len() < PREFIX + length {
            return Ok(None);
        }
        self.answers_left = self.answers_left.checked_sub(1).ok_or(Code::TooLarge)?;
        self.received.advance(PREFIX);
        let message = self.received.split_to(length);
        Request::decode(message).map(Some).map_err(|_| Code::InvalidInput)
    }

    fn end(&mut self, code: Option<Code>) -> Poll<Option<Frame<Bytes>>> {
        self.ended = true;
        let mut trailers = HeaderMap::with_capacity(2);
        trailers.insert(STATUS, code.map_or(0, Code::grpc).into());
        if let Some(code) = code {
            trailers.insert("grpc-message", HeaderValue::from_static(code.sentence()));
        }
        Poll::Ready(Some(Frame::trailers(trailers)))
    }
}

fn respond(request: Request) -> Bytes {
    let files = |found: Vec<Bytes>| match found.is_empty() {
        false => Answer::Files(Files { files: found }),
        true => Answer::Error(error(Code::NotFound)),
    };
    let answer = match &request.question {
        Some(Question::FileByName(name)) => files(with_dependencies(|file| file.name == *name)),
        Some(Question::FileContainingSymbol(symbol)) => {
            files(with_dependencies(|file| file.symbols.iter().any(|known| known == symbol)))
        }
        Some(Question::Services(_)) => {
            let names = FILES.iter().flat_map(|file| &file.services);
            Answer::Services(Services {
                services: names.map(|name| Service { name: name.clone() }).collect(),
            })
        }
        Some(Question::FileContainingExtension(_) | Question::ExtensionNumbers(_)) => {
            Answer::Error(error(Code::NotFound))
        }
        None => Answer::Error(error(Code::InvalidInput)),
    };
    let response =
        Response { valid_host: request.host.clone(), original_request: Some(request), answer: Some(answer) };
    frame::framed(&response).into()
}

fn error(code: Code) -> Error {
    Error { code: code.grpc(), message: code.sentence().to_owned() }
}

/// A file that describes services.
struct File {
    name: String,
    /// As it was compiled.
    bytes: Bytes,
    dependencies: Vec<String>,
    services: Vec<String>,
    /// Full names of services, methods, messages and enumerations.
    symbols: Vec<String>,
}

/// What is compiled in, taken apart once. It is our own: were it malformed, there would be nothing to show.
static FILES: LazyLock<Vec<File>> = LazyLock::new(|| files(DESCRIPTORS).unwrap_or_default());

/// The file that is meant, and after it those that it builds on.
fn with_dependencies(is_it: impl Fn(&File) -> bool) -> Vec<Bytes> {
    let mut found: Vec<&File> = FILES.iter().filter(|file| is_it(file)).take(1).collect();
    let mut seen = 0;
    while let Some(file) = found.get(seen) {
        let further = |file: &&File| !found.iter().any(|known| known.name == file.name);
        let next: Vec<&File> =
            FILES.iter().filter(|other| file.dependencies.contains(&other.name)).filter(further).collect();
        found.extend(next);
        seen += 1;
    }
    found.into_iter().map(|file| file.bytes.clone()).collect()
}

/// Takes a `FileDescriptorSet` apart.
fn files(set: &'static [u8]) -> Result<Vec<File>, Malformed> {
    let mut files = Vec::new();
    let mut fields = Fields::of(set);
    while let Some((number, value)) = fields.next()? {
        if number == 1 {
            files.push(file(value.bytes()?)?);
        }
    }
    Ok(files)
}

/// A `FileDescriptorProto`.
fn file(descriptor: &'static [u8]) -> Result<File, Malformed> {
    let (mut name, mut package) = ("", "");
    let (mut dependencies, mut services, mut symbols) = (Vec::new(), Vec::new(), Vec::new());
    let mut fields = Fields::of(descriptor);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => name = value.text()?,
            2 => package = value.text()?,
            3 => dependencies.push(value.text()?.to_owned()),
            4 | 5 => named(package, value.bytes()?, 3, &mut symbols)?,
            6 => {
                named(package, value.bytes()?, 2, &mut symbols)?;
                services.push(format!("{package}.{}", own_name(value.bytes()?)?));
            }
            _ => {}
        }
    }
    let bytes = Bytes::from_static(descriptor);
    Ok(File { name: name.to_owned(), bytes, dependencies, services, symbols })
}

/// Adds the full name of what a descriptor describes, and of what is within it under this number.
fn named(scope: &str, descriptor: &[u8], within: u32, symbols: &mut Vec<String>) -> Result<(), Malformed> {
    let name = format!("{scope}.{}", own_name(descriptor)?);
    let mut fields = Fields::of(descriptor);
    while let Some((number, value)) = fields.next()? {
        if number == within
            && let Ok(inner) = value.bytes().and_then(own_name)
        {
            symbols.push(format!("{name}.{inner}"));
        }
    }
    symbols.push(name);
    Ok(())
}

/// Every descriptor has its name first.
fn own_name(descriptor: &[u8]) -> Result<&str, Malformed> {
    match Fields::of(descriptor).next()? {
        Some((1, name)) => name.text(),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::routes::TABLE;

    fn ask(question: Question) -> Answer {
        let request = Request { host: "here".into(), question: Some(question) };
        let frame = respond(request.clone());
        let response = Response::decode(frame.slice(PREFIX..)).unwrap();
        assert_eq!((response.valid_host.as_str(), response.original_request), ("here", Some(request)));
        response.answer.unwrap()
    }

    #[test]
    fn services_are_those_of_the_table() {
        let Answer::Services(Services { services }) = ask(Question::Services(String::new())) else {
            panic!()
        };
        let mut listed: Vec<String> = services.into_iter().map(|service| service.name).collect();
        let of_table = TABLE.iter().filter(|route| route.is_rpc());
        let mut served: Vec<String> =
            of_table.map(|route| route.path.split('/').nth(1).unwrap().to_owned()).collect();
        served.sort();
        served.dedup();
        listed.sort();
        assert_eq!(listed, served);
    }

    #[test]
    fn every_method_of_the_table_is_described_and_no_other() {
        let of_table = TABLE.iter().filter(|route| route.is_rpc());
        let mut served: Vec<String> = of_table.map(|route| route.path[1..].replace('/', ".")).collect();
        let services: Vec<&String> = FILES.iter().flat_map(|file| &file.services).collect();
        let is_method = |symbol: &&String| {
            services.iter().any(|service| {
                symbol.strip_prefix(service.as_str()).is_some_and(|rest| rest.starts_with('.'))
            })
        };
        let mut described: Vec<String> =
            FILES.iter().flat_map(|file| &file.symbols).filter(is_method).cloned().collect();
        served.sort();
        described.sort();
        assert_eq!(described, served);
        for method in served {
            assert!(matches!(ask(Question::FileContainingSymbol(method)), Answer::Files(_)));
        }
    }

    #[test]
    fn files_come_with_what_they_build_on() {
        let symbol = Question::FileContainingSymbol("inference.ModelInferRequest.InferInputTensor".into());
        let Answer::Files(Files { files }) = ask(symbol) else { panic!() };
        assert_eq!(files.len(), 2);
        let Answer::Error(Error { code, .. }) = ask(Question::FileByName("secret.proto".into())) else {
            panic!()
        };
        assert_eq!(code, 5);
        assert!(matches!(ask(Question::ExtensionNumbers("a.B".into())), Answer::Error(_)));
    }

    fn talk(received: Vec<u8>) -> (usize, i32) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut talk = Talk::new(Body::Whole(received.into()));
            let mut answers = 0;
            while let Some(frame) = std::future::poll_fn(|cx| talk.poll_answer(cx)).await {
                match frame.into_trailers() {
                    Ok(trailers) => {
                        return (answers, trailers["grpc-status"].to_str().unwrap().parse().unwrap());
                    }
                    Err(_) => answers += 1,
                }
            }
            panic!("an exchange without an end")
        })
    }

    #[test]
    fn an_exchange_is_bounded() {
        let question = frame::framed(&Request {
            host: String::new(),
            question: Some(Question::Services(String::new())),
        });
        assert_eq!(talk(Vec::new()), (0, 0));
        assert_eq!(talk(question.repeat(3)), (3, 0));
        assert_eq!(talk(question.repeat(REQUESTS_MAX + 1)), (REQUESTS_MAX, Code::TooLarge.grpc()));
        assert_eq!(talk([question.clone(), vec![0, 0, 0]].concat()), (1, Code::InvalidInput.grpc()));
        assert_eq!(talk(vec![0, 0, 0xFF, 0, 0]), (0, Code::TooLarge.grpc()));
        assert_eq!(talk(vec![1, 0, 0, 0, 0]), (0, Code::UnsupportedMedia.grpc()));
        assert_eq!(talk(vec![0, 0, 0, 0, 1, 0xFF]), (0, Code::InvalidInput.grpc()));
    }
}
