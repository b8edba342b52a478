//! Request bodies: bounded, timed, and decompressed within the same bound.
//!
//! A body is read inside a door, after the caller is known and admitted: a stranger's body is never read. What the
//! bytes mean is the protocols' business.

use std::{
    io::Read,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use flate2::bufread::{GzDecoder, ZlibDecoder};
use http::{HeaderMap, HeaderValue, header};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use mantlet_types::{Code, Rejection, limits};

use super::{bounds::Bounds, grpc::frame, patience::Unread};

/// How long a body that nobody reads is taken off the wire.
pub(super) const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// How much of it: twice what a request may have, so that a client hears that it sent too much.
pub(super) const DISCARDED_BYTES_MAX: usize = 2 * limits::BODY_BYTES_MAX;

/// A request body that has not been read.
#[derive(Debug)]
pub enum Body {
    /// On its way over a connection.
    Wire(Arriving),
    /// Already whole, for requests made in process.
    Whole(Bytes),
}

/// A body that arrives while it is read, within the server's bounds.
#[derive(Debug)]
pub struct Arriving {
    incoming: Option<Incoming>,
    timeout: Duration,
    question_bytes_max: usize,
    /// What becomes of a rest that nobody reads: common clients still send it, and lose the rejection if what they send
    /// is answered by a reset.
    rest: Rest,
}

/// What becomes of the rest of a body.
#[derive(Debug)]
enum Rest {
    /// In HTTP/2 it is taken off its stream.
    Discarded,
    /// Over HTTP/1 the connection ends with it, and has to know that there is one.
    Told(Unread),
}

impl Arriving {
    /// A body over HTTP/1, on a connection that is told of a rest.
    #[must_use]
    pub fn http1(incoming: Incoming, bounds: &Bounds, unread: Unread) -> Self {
        Self::new(incoming, bounds, Rest::Told(unread))
    }

    /// A body over a stream of HTTP/2.
    #[must_use]
    pub fn http2(incoming: Incoming, bounds: &Bounds) -> Self {
        Self::new(incoming, bounds, Rest::Discarded)
    }

    /// The next piece of data, for those who answer before all of it is there; `None` at its end.
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Rejection>>> {
        let Some(incoming) = self.incoming.as_mut() else { return Poll::Ready(None) };
        loop {
            match Pin::new(&mut *incoming).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Some(Err(Rejection::invalid("body")))),
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }

    fn new(incoming: Incoming, bounds: &Bounds, rest: Rest) -> Self {
        let Bounds { body_timeout: timeout, body_bytes_max: question_bytes_max, .. } = *bounds;
        Self { incoming: Some(incoming), timeout, question_bytes_max, rest }
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let left = self.incoming.take().filter(|incoming| !incoming.is_end_stream());
        match (left, &self.rest) {
            (Some(_), Rest::Told(unread)) => unread.tell(),
            (Some(incoming), Rest::Discarded) => {
                if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    runtime.spawn(tokio::time::timeout(DISCARD_TIMEOUT, discard(incoming)));
                }
            }
            (None, _) => {}
        }
    }
}

/// Takes a body off the wire and forgets it, as much of it as a request could have had.
async fn discard(mut incoming: Incoming) {
    let mut bytes = 0_usize;
    while let Ok(Some(data)) = piece(&mut incoming).await {
        bytes = bytes.saturating_add(data.len());
        if bytes > DISCARDED_BYTES_MAX {
            return;
        }
    }
}

/// How a body says it is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 1950, which HTTP calls `deflate`.
    Deflate,
}

/// What a body says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// `application/json`, or nothing said, or the form type that curl's `-d` says of everything.
    Json,
    /// `application/octet-stream`: a JSON header with tensors behind it.
    Binary,
    /// A package, as [`super::upload`] writes it.
    Package,
    /// One message of gRPC in its frame.
    Message,
}

/// A body with what its headers say of it.
#[derive(Debug)]
pub struct Parcel {
    /// The body.
    pub body: Body,
    /// Its packing; an error if the header is not understood.
    pub encoding: Result<Encoding, Code>,
    /// Its type; an error if it is none that any route takes.
    pub media: Result<Media, Code>,
}

impl Parcel {
    /// Takes note of the headers. Errors in them are kept until the body is read, inside the door.
    #[must_use]
    pub fn new(headers: &HeaderMap, body: Body) -> Self {
        Self { body, encoding: encoding(headers, &header::CONTENT_ENCODING), media: media(headers) }
    }

    /// The body of a call of gRPC, whose frame says by itself whether it is packed as the headers say.
    #[must_use]
    pub fn message(headers: &HeaderMap, body: Body) -> Self {
        Self { body, encoding: encoding(headers, &frame::ENCODING), media: Ok(Media::Message) }
    }

    /// Reads and unpacks the body of a question to a model.
    ///
    /// # Errors
    /// As [`Parcel::read`], with the bound that the configuration sets.
    pub async fn read_question(self) -> Result<Bytes, Rejection> {
        let bytes_max = self.question_bytes_max();
        self.read(bytes_max).await
    }

    /// The same, where less may be allowed.
    ///
    /// # Errors
    /// As there.
    pub async fn read_question_within(self, bytes_max: usize) -> Result<Bytes, Rejection> {
        let question_bytes_max = self.question_bytes_max();
        self.read(bytes_max.min(question_bytes_max)).await
    }

    const fn question_bytes_max(&self) -> usize {
        match &self.body {
            Body::Wire(arriving) => arriving.question_bytes_max,
            Body::Whole(_) => limits::BODY_BYTES_MAX,
        }
    }

    /// Reads and unpacks the body.
    ///
    /// # Errors
    /// 413 over `bytes_max`, packed or unpacked; 408 if it takes too long; 415 for an encoding or type that is not
    /// taken; 400 if it is cut off or not packed as it says.
    pub async fn read(self, bytes_max: usize) -> Result<Bytes, Rejection> {
        let encoding = self.encoding?;
        let framed = self.media? == Media::Message;
        let bytes_max = if framed { bytes_max.saturating_add(frame::PREFIX) } else { bytes_max };
        // Unpacking takes time in proportion to its bound, on a thread that others wait for.
        if encoding != Encoding::Identity && !framed && bytes_max > limits::BODY_DECOMPRESSED_BYTES_MAX {
            return Err(Code::UnsupportedMedia.into());
        }
        let bytes = match self.body {
            Body::Whole(bytes) if bytes.len() <= bytes_max => bytes,
            Body::Whole(_) => return Err(Code::TooLarge.into()),
            Body::Wire(mut arriving) => match arriving.incoming.as_mut() {
                Some(incoming) => in_time(arriving.timeout, receive(incoming, bytes_max)).await?,
                None => Bytes::new(),
            },
        };
        if framed {
            return frame::open(&bytes, encoding, bytes_max - frame::PREFIX);
        }
        unpack_as(encoding, bytes, bytes_max)
    }

    /// Reads a body piece by piece, for those that are too large to be there twice. Packed ones are not taken.
    ///
    /// # Errors
    /// As [`Parcel::read`], and those of `take`, after the first of which nothing more is read.
    pub async fn read_pieces(
        self,
        bytes_max: usize,
        mut take: impl FnMut(&[u8]) -> Result<(), Rejection> + Send,
    ) -> Result<(), Rejection> {
        self.media?;
        if self.encoding? != Encoding::Identity {
            return Err(Code::UnsupportedMedia.into());
        }
        let mut left = bytes_max;
        let mut within = |bytes: &[u8]| {
            left = left.checked_sub(bytes.len()).ok_or(Code::TooLarge)?;
            take(bytes)
        };
        match self.body {
            Body::Whole(bytes) => within(&bytes),
            Body::Wire(mut arriving) => match arriving.incoming.as_mut() {
                Some(incoming) => {
                    let reading = async {
                        while let Some(bytes) = piece(incoming).await? {
                            within(&bytes)?;
                        }
                        Ok(())
                    };
                    in_time(arriving.timeout, reading).await
                }
                None => Ok(()),
            },
        }
    }
}

async fn in_time<T>(
    timeout: Duration,
    reading: impl Future<Output = Result<T, Rejection>>,
) -> Result<T, Rejection> {
    tokio::time::timeout(timeout, reading).await.map_err(|_| Rejection::new(Code::RequestTimeout))?
}

async fn receive(incoming: &mut Incoming, bytes_max: usize) -> Result<Bytes, Rejection> {
    let bytes_max_u64 = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    if incoming.size_hint().lower() > bytes_max_u64 {
        return Err(Code::TooLarge.into());
    }
    // Most bodies come in one piece, which then needs no copy.
    let Some(first) = piece(incoming).await? else { return Ok(Bytes::new()) };
    if first.len() > bytes_max {
        return Err(Code::TooLarge.into());
    }
    let Some(second) = piece(incoming).await? else { return Ok(first) };
    let mut whole = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(bytes) = next {
        if whole.len().saturating_add(bytes.len()) > bytes_max {
            return Err(Code::TooLarge.into());
        }
        whole.extend_from_slice(&bytes);
        next = piece(incoming).await?;
    }
    Ok(whole.freeze())
}

/// The next piece of data; trailers are passed over.
async fn piece(incoming: &mut Incoming) -> Result<Option<Bytes>, Rejection> {
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|_| Rejection::invalid("body"))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// What is packed in this way.
///
/// # Errors
/// 413 if it is over `bytes_max`; 400 if it is not packed so.
pub(super) fn unpack_as(encoding: Encoding, bytes: Bytes, bytes_max: usize) -> Result<Bytes, Rejection> {
    match encoding {
        Encoding::Identity => Ok(bytes),
        Encoding::Gzip => unpack(GzDecoder::new(bytes.as_ref()), bytes_max, |rest| rest.get_ref().is_empty()),
        Encoding::Deflate => {
            unpack(ZlibDecoder::new(bytes.as_ref()), bytes_max, |rest| rest.get_ref().is_empty())
        }
    }
}

fn unpack<D: Read>(mut decoder: D, bytes_max: usize, done: impl Fn(&D) -> bool) -> Result<Bytes, Rejection> {
    let mut unpacked = Vec::new();
    let bound = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    (&mut decoder).take(bound).read_to_end(&mut unpacked).map_err(|_| Rejection::invalid("body"))?;
    if unpacked.len() > bytes_max {
        return Err(Code::TooLarge.into());
    }
    // Something behind the packed data would be read by some and passed over by others.
    if done(&decoder) { Ok(unpacked.into()) } else { Err(Rejection::invalid("body")) }
}

fn encoding(headers: &HeaderMap, said: &header::HeaderName) -> Result<Encoding, Code> {
    match single(headers, said)? {
        None => Ok(Encoding::Identity),
        Some(value) if value.eq_ignore_ascii_case("identity") => Ok(Encoding::Identity),
        Some(value) if value.eq_ignore_ascii_case("gzip") => Ok(Encoding::Gzip),
        Some(value) if value.eq_ignore_ascii_case("deflate") => Ok(Encoding::Deflate),
        Some(_) => Err(Code::UnsupportedMedia),
    }
}

fn media(headers: &HeaderMap) -> Result<Media, Code> {
    let Some(value) = single(headers, &header::CONTENT_TYPE)? else { return Ok(Media::Json) };
    let essence = value.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json")
        || essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    {
        Ok(Media::Json)
    } else if essence.eq_ignore_ascii_case("application/octet-stream") {
        Ok(Media::Binary)
    } else if essence.eq_ignore_ascii_case(super::upload::CONTENT_TYPE) {
        Ok(Media::Package)
    } else {
        Err(Code::UnsupportedMedia)
    }
}

/// The value of a header that may appear once.
fn single<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Result<Option<&'a str>, Code> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(HeaderValue::to_str).transpose().map_err(|_| Code::UnsupportedMedia)?;
    if values.next().is_some() { Err(Code::UnsupportedMedia) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder, write::ZlibEncoder};

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn read(headers: &[(&'static str, &'static str)], body: Vec<u8>) -> Result<Bytes, Code> {
        let map = headers.iter().map(|(k, v)| (k.parse().unwrap(), HeaderValue::from_static(v))).collect();
        let parcel = Parcel::new(&map, Body::Whole(body.into()));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(parcel.read(1_000)).map_err(|rejection| rejection.code)
    }

    #[test]
    fn packed_bodies_unpack() {
        assert_eq!(read(&[("content-encoding", "gzip")], gzip(b"hello")).unwrap(), "hello");
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(b"hello").unwrap();
        assert_eq!(read(&[("content-encoding", "deflate")], encoder.finish().unwrap()).unwrap(), "hello");
        assert_eq!(read(&[("content-encoding", "identity")], b"hello".to_vec()).unwrap(), "hello");
    }

    #[test]
    fn compression_buys_no_larger_request() {
        assert_eq!(read(&[("content-encoding", "gzip")], gzip(&[0; 1_000])).map(|b| b.len()), Ok(1_000));
        assert_eq!(read(&[("content-encoding", "gzip")], gzip(&[0; 1_001])), Err(Code::TooLarge));
        assert_eq!(read(&[("content-encoding", "gzip")], gzip(&vec![0; 1 << 20])), Err(Code::TooLarge));
        assert_eq!(read(&[], vec![0; 1_001]), Err(Code::TooLarge));
    }

    #[test]
    fn what_is_not_packed_as_it_says_is_rejected() {
        assert_eq!(read(&[("content-encoding", "gzip")], b"hello".to_vec()), Err(Code::InvalidInput));
        let mut cut = gzip(b"hello");
        cut.truncate(cut.len() - 4);
        assert_eq!(read(&[("content-encoding", "gzip")], cut), Err(Code::InvalidInput));
        let mut more = gzip(b"hello");
        more.extend_from_slice(b"tail");
        assert_eq!(read(&[("content-encoding", "gzip")], more), Err(Code::InvalidInput));
        for (name, value) in [
            ("content-encoding", "br"),
            ("content-encoding", "gzip, gzip"),
            ("content-type", "text/xml"),
            ("content-type", "multipart/form-data; boundary=x"),
        ] {
            assert_eq!(read(&[(name, value)], gzip(b"hello")), Err(Code::UnsupportedMedia), "{value}");
        }
    }
}
