//! From a route to a deed of door 2 and back: one small function per route.
//!
//! The door authenticates first. What is wrong with a path, a query or a body is therefore kept until the door has
//! said who asks, and told to nobody else.

use std::{fmt::Display, pin::Pin, str::FromStr, sync::Arc};

use mantlet_gate::{
    administer::{Claims, Deed, Done, Office, Petition, administer},
    directory::Directory,
    identity::{Arrival, Principal},
};
use mantlet_types::{Code, Rejection, entry::Event, entry::Token};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Outcome, Server,
    body::Parcel,
    json,
    range::Conditions,
    reply::{self, Reply},
};

/// Longest body of an administrative request.
const BODY_BYTES_MAX: usize = 64 << 10;

/// A handler's future.
pub type Replying = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A request for door 2.
pub struct Call {
    pub(super) server: Arc<Server>,
    pub(super) arrival: Arrival,
    pub(super) params: Params,
    pub(super) query: Option<Box<str>>,
    pub(super) parcel: Parcel,
    pub(super) conditions: Conditions,
}

/// The parameters of a path.
#[derive(Debug, Default)]
pub struct Params(Vec<(Box<str>, Box<str>)>);

impl From<matchit::Params<'_, '_>> for Params {
    fn from(params: matchit::Params<'_, '_>) -> Self {
        Self(params.iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl Params {
    /// A parameter that the route's path has.
    ///
    /// # Errors
    /// 404 if nothing can have that name.
    pub fn require<T: FromStr>(&self, name: &str) -> Result<T, Rejection> {
        self.optional(name)?.ok_or_else(|| Code::NotFound.into())
    }

    /// A parameter that only some of the handler's routes have.
    ///
    /// # Errors
    /// 404 if nothing can have that name.
    pub fn optional<T: FromStr>(&self, name: &str) -> Result<Option<T>, Rejection> {
        let value = self.0.iter().find(|(key, _)| **key == *name);
        value.map(|(_, value)| value.parse()).transpose().map_err(|_| Code::NotFound.into())
    }
}

/// The arguments in a URL's query, each at most once.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    fn parse(query: Option<&str>, known: &[&str]) -> Result<Self, Rejection> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name).filter(|name| known.contains(&name.as_str()));
            let name =
                name.ok_or_else(|| Rejection::argument(format!("known arguments: {}", known.join(", "))))?;
            if pairs.iter().any(|(taken, _)| *taken == name) {
                return Err(Rejection::argument(format!("`{name}` is given twice")));
            }
            let value =
                decoded(value).ok_or_else(|| Rejection::argument(format!("`{name}` is not readable")))?;
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// An argument, if it is there.
    ///
    /// # Errors
    /// 400 with what the argument should be.
    pub fn optional<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Rejection> {
        let value = self.0.iter().find(|(key, _)| key == name);
        let parsed = value.map(|(_, value)| value.parse()).transpose();
        parsed.map_err(|error: T::Err| Rejection::argument(format!("`{name}`: {error}")))
    }
}

/// Resolves percent-encoding and `+`; `None` for a broken escape or what is then no UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    let digit =
        |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => digit(bytes.next())? << 4 | digit(bytes.next())?,
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(plain).ok()
}

/// A petition whose body becomes a deed once door 2 knows who asks.
struct Reading<B, M> {
    event: Event,
    parcel: Parcel,
    parse: fn(&[u8]) -> Result<B, Rejection>,
    make: M,
}

impl<B, M, D> Petition for Reading<B, M>
where
    B: Send + 'static,
    M: FnOnce(B) -> Result<D, Rejection> + Send + 'static,
    D: Deed,
{
    type Deed = D;

    fn event(&self) -> Event {
        self.event
    }

    async fn read(self) -> Result<D, Rejection> {
        let bytes = self.parcel.read(BODY_BYTES_MAX).await?;
        (self.make)((self.parse)(&bytes)?)
    }
}

impl Call {
    /// A deed made of the path and these arguments of the query; its reply becomes the body.
    pub fn deed<D>(
        self,
        event: Event,
        arguments: &'static [&'static str],
        make: impl FnOnce(&Params, &Query) -> Result<D, Rejection> + Send + 'static,
    ) -> Replying
    where
        D: Deed<Reply: Serialize>,
    {
        Box::pin(async move {
            let made =
                Query::parse(self.query.as_deref(), arguments).and_then(|query| make(&self.params, &query));
            perform(&self.server, self.arrival, event, made, document).await
        })
    }

    /// A deed made of the path and a JSON body; its reply becomes the body.
    pub fn deed_of<B, D>(
        self,
        event: Event,
        make: impl FnOnce(&Params, B) -> Result<D, Rejection> + Send + 'static,
    ) -> Replying
    where
        B: DeserializeOwned + Send + 'static,
        D: Deed<Reply: Serialize>,
    {
        self.with_body(event, strict, make, document)
    }

    /// As [`Call::deed_of`]; a body that is not there stands for the type's default.
    pub fn deed_of_optional<B, D>(
        self,
        event: Event,
        make: impl FnOnce(&Params, B) -> Result<D, Rejection> + Send + 'static,
    ) -> Replying
    where
        B: DeserializeOwned + Default + Send + 'static,
        D: Deed<Reply: Serialize>,
    {
        self.deed_of_optional_shown(event, make, document)
    }

    /// A deed made of the path and a JSON body, whose reply is no JSON document.
    pub fn deed_of_shown<B, D>(
        self,
        event: Event,
        make: impl FnOnce(&Params, B) -> Result<D, Rejection> + Send + 'static,
        show: fn(D::Reply) -> Result<Reply, Rejection>,
    ) -> Replying
    where
        B: DeserializeOwned + Send + 'static,
        D: Deed,
    {
        self.with_body(event, strict, make, show)
    }

    /// As [`Call::deed_of_optional`], whose reply is shown in a way of its own.
    pub fn deed_of_optional_shown<B, D>(
        self,
        event: Event,
        make: impl FnOnce(&Params, B) -> Result<D, Rejection> + Send + 'static,
        show: fn(D::Reply) -> Result<Reply, Rejection>,
    ) -> Replying
    where
        B: DeserializeOwned + Default + Send + 'static,
        D: Deed,
    {
        let parse = |bytes: &[u8]| if bytes.is_empty() { Ok(B::default()) } else { strict(bytes) };
        self.with_body(event, parse, make, show)
    }

    /// What cannot become a deed: the door says who asks, and then this.
    pub fn rejected(self, event: Event, rejection: Rejection) -> Replying {
        Box::pin(async move {
            let made: Result<Unmade, Rejection> = Err(rejection);
            perform(&self.server, self.arrival, event, made, |never| match never {}).await
        })
    }

    /// A deed made of the path alone, whose reply is no JSON document.
    pub fn deed_shown<D: Deed>(
        self,
        event: Event,
        make: impl FnOnce(&Params) -> Result<D, Rejection> + Send + 'static,
        show: fn(D::Reply) -> Result<Reply, Rejection>,
    ) -> Replying {
        Box::pin(async move {
            let made = Query::parse(self.query.as_deref(), &[]).and_then(|_| make(&self.params));
            perform(&self.server, self.arrival, event, made, show).await
        })
    }

    /// A petition that reads the body in its own way.
    pub fn petition<P>(
        self,
        event: Event,
        arguments: &'static [&'static str],
        make: impl FnOnce(&Params, &Query, Parcel) -> Result<P, Rejection> + Send + 'static,
    ) -> Replying
    where
        P: Petition<Deed: Deed<Reply: Serialize>>,
    {
        Box::pin(async move {
            let query = Query::parse(self.query.as_deref(), arguments);
            let made = query.and_then(|query| make(&self.params, &query, self.parcel));
            perform(&self.server, self.arrival, event, made, document).await
        })
    }

    /// A deed made of a message of gRPC, whose reply `show` makes one of.
    pub fn deed_of_message<B, D>(
        self,
        event: Event,
        make: impl FnOnce(B) -> Result<D, Rejection> + Send + 'static,
        show: fn(D::Reply) -> Result<Reply, Rejection>,
    ) -> Replying
    where
        B: prost::Message + Default + 'static,
        D: Deed,
    {
        let Self { server, arrival, parcel, .. } = self;
        let parse = |bytes: &[u8]| B::decode(bytes).map_err(|_| Rejection::invalid("message"));
        let petition = Reading { event, parcel, parse, make };
        Box::pin(async move { perform(&server, arrival, event, Ok(petition), show).await })
    }

    fn with_body<B, D>(
        self,
        event: Event,
        parse: fn(&[u8]) -> Result<B, Rejection>,
        make: impl FnOnce(&Params, B) -> Result<D, Rejection> + Send + 'static,
        show: fn(D::Reply) -> Result<Reply, Rejection>,
    ) -> Replying
    where
        B: Send + 'static,
        D: Deed,
    {
        let Self { server, arrival, params, parcel, .. } = self;
        let petition = Reading { event, parcel, parse, make: move |body| make(&params, body) };
        Box::pin(async move { perform(&server, arrival, event, Ok(petition), show).await })
    }
}

/// Reads a JSON body into a type: no duplicate member anywhere, no unknown one where the type says so.
fn strict<B: DeserializeOwned>(bytes: &[u8]) -> Result<B, Rejection> {
    let wrong = || Rejection::argument("the body is not one JSON object");
    let text = std::str::from_utf8(bytes).map_err(|_| wrong())?;
    json::check(text).map_err(|_| wrong())?;
    serde_json::from_str(text).map_err(|error| Rejection::argument(expectation(&error.to_string())))
}

/// What was expected, without what was sent: serde repeats names and values, which may be secrets in the wrong place.
fn expectation(message: &str) -> String {
    let ours = message.rsplit_once(" at line ").map_or(message, |(ours, _)| ours);
    match ours.rfind("expected ") {
        Some(at) => ours.get(at..).unwrap_or_default().to_owned(),
        None => ours.to_owned(),
    }
}

async fn perform<P: Petition>(
    server: &Server,
    arrival: Arrival,
    event: Event,
    made: Result<P, Rejection>,
    show: fn(<P::Deed as Deed>::Reply) -> Result<Reply, Rejection>,
) -> Outcome {
    let gate = Arc::clone(&server.gate);
    match made {
        Ok(petition) => {
            let (reply, receipt) = administer(gate, arrival, petition).await.into_parts();
            Outcome { reply: reply.and_then(show), receipt }
        }
        Err(rejection) => {
            let (reply, receipt) = administer(gate, arrival, Unmade { event, rejection }).await.into_parts();
            Outcome { reply: reply.map(|never| match never {}), receipt }
        }
    }
}

fn document<T: Serialize>(reply: T) -> Result<Reply, Rejection> {
    serde_json::to_vec(&reply).map(reply::json).map_err(|error| Rejection::unavailable(error.to_string()))
}

/// What never is.
enum Never {}

/// A request that cannot become a deed: door 2 says who asks, then rejects it.
struct Unmade {
    event: Event,
    rejection: Rejection,
}

impl Deed for Unmade {
    type Reply = Never;

    fn event(&self) -> Event {
        self.event
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        Err(self.rejection.clone())
    }

    fn subject(&self) -> Option<Token> {
        None
    }

    async fn act(self, _: &Office<'_>) -> Result<Done<Never>, Rejection> {
        Err(self.rejection)
    }
}
