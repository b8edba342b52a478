//! Listeners: connections are bounded in number, time and size before anybody is asked anything.
//!
//! Three kinds of connection carry requests: TLS, the control socket of the home's owner, and plain HTTP on loopback,
//! which is a `[danger]`. A fourth carries probes and nothing else.

use std::{convert::Infallible, net::IpAddr, pin::pin, sync::Arc, time::Duration};

use http::Request;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use mantlet_gate::identity::Channel;
use mantlet_types::limits;
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{
    Peer, Server,
    body::{Arriving, Body},
    bounds::Bounds,
    patience::{Patient, Unread, Untaken},
    places::{Place, Places, Shares},
};
use crate::home::user_certificate;

/// Requests under way on one HTTP/2 connection. A browser opens 6 connections instead; more streams than that many
/// connections' worth would let one client take what is meant for all.
const STREAMS_MAX: u32 = 64;

/// Streams that a client has opened and reset before they were looked at (CVE-2023-44487, rapid reset).
const RESET_STREAMS_MAX: usize = 20;

/// What an HTTP/2 connection may send before anybody reads it, over all its streams. The largest body still passes in
/// seven seconds at a round trip of 200 ms; all connections of an address together hold 128 MiB.
const WINDOW_BYTES: u32 = 256 << 10;

/// A connection is asked to end after this: whoever has one anew has been looked at anew, and no client can keep one
/// for good by pings or by reading slowly. Clients reconnect by themselves.
const AGE_MAX: Duration = Duration::from_secs(600);

/// A connection that was asked to end, for the requests under way: their bodies, their work and their answers.
const ENDING_MAX: Duration = Duration::from_secs(120);

/// An answer that finds no room on its way is given up after this. Slow clients take a little at any time.
const STALL_MAX: Duration = Duration::from_secs(20);

/// Connections to the control socket; its own number, so that a flood from the network cannot keep the owner out.
const CONTROL_CONNECTIONS_MAX: usize = 32;

/// Connections of probes, and of one address: a kubelet and each load balancer open one at a time.
const PROBE_CONNECTIONS_MAX: usize = 64;
const PROBE_SHARE_MAX: usize = 8;

/// A probe asks one question as soon as it is connected.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Handshakes of one address under way: each costs a signature, which is dearer than most of what follows.
const HANDSHAKES_EACH_MAX: usize = 128;

/// After a failure to accept (out of file descriptors, say), for connections to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The sockets that a server listens on.
#[derive(Default)]
pub struct Listeners {
    /// TLS.
    pub tls: Vec<(TcpListener, Arc<ServerConfig>)>,
    /// Plain HTTP for this machine alone.
    pub dangerous_plaintext: Option<TcpListener>,
    /// The control socket, with the uid of the home's owner.
    pub control: Option<(UnixListener, u32)>,
    /// Health for load balancers and kubelets, from any address.
    pub probe: Option<TcpListener>,
}

/// What every connection of a listener shares.
#[derive(Clone)]
struct Hall {
    server: Arc<Server>,
    places: Places,
    stop: watch::Receiver<()>,
}

impl Hall {
    fn new(server: &Arc<Server>, places: Places, stop: &watch::Receiver<()>) -> Self {
        Self { server: Arc::clone(server), places, stop: stop.clone() }
    }
}

/// Serves until `shutdown`, then lets requests under way end for the time that the server's bounds give them.
pub async fn serve(server: Arc<Server>, listeners: Listeners, shutdown: impl Future<Output = ()>) {
    let (stop, stopping) = watch::channel(());
    let Bounds { connections_max, drain_timeout, .. } = *server.bounds();
    // Both kinds of client connection draw on one number, the one that memory is planned for.
    let clients = Hall::new(&server, Places::new(connections_max), &stopping);
    let mut accepting = JoinSet::new();
    for (listener, config) in listeners.tls {
        accepting.spawn(accept_tls(listener, config, clients.clone()));
    }
    if let Some(listener) = listeners.dangerous_plaintext {
        accepting.spawn(accept_plaintext(listener, clients.clone()));
    }
    if let Some((listener, owner)) = listeners.control {
        let places = Places::shared(CONTROL_CONNECTIONS_MAX, CONTROL_CONNECTIONS_MAX);
        accepting.spawn(accept_control(listener, owner, Hall::new(&server, places, &stopping)));
    }
    if let Some(listener) = listeners.probe {
        let places = Places::shared(PROBE_CONNECTIONS_MAX, PROBE_SHARE_MAX);
        accepting.spawn(accept_probe(listener, Hall::new(&server, places, &stopping)));
    }
    drop((clients, stopping));
    shutdown.await;
    accepting.shutdown().await;
    stop.send_replace(());
    // Every connection holds a receiver until it ends.
    if tokio::time::timeout(drain_timeout, stop.closed()).await.is_err() {
        tracing::warn!("requests were still under way when the time to end them was over");
    }
}

/// The next connection, if there is a place for its address.
async fn accept(
    listener: &TcpListener,
    hall: &Hall,
    hears: impl Fn(&Server, std::net::SocketAddr) -> bool,
) -> Option<(TcpStream, IpAddr, Place)> {
    let vacancy = hall.places.vacancy().await?;
    match listener.accept().await {
        Ok((stream, peer)) if hears(&hall.server, peer) => {
            let ip = peer.ip().to_canonical();
            let place = hall.places.seat(vacancy, ip, hall.server.addresses.load().is_proxy(ip))?;
            // Answers are written whole; waiting to fill a segment would only delay them.
            stream.set_nodelay(true).ok()?;
            Some((stream, ip, place))
        }
        Ok(_) => None,
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn accept_tls(listener: TcpListener, config: Arc<ServerConfig>, hall: Hall) {
    let acceptor = TlsAcceptor::from(config);
    let handshakes = Shares::new(HANDSHAKES_EACH_MAX);
    loop {
        let next = accept(&listener, &hall, |server, peer| server.addresses.load().hears(peer));
        let Some((stream, ip, place)) = next.await else { continue };
        let is_proxy = hall.server.addresses.load().is_proxy(ip);
        let Some(shaking) = handshakes.take(ip, is_proxy) else { continue };
        let (acceptor, hall) = (acceptor.clone(), hall.clone());
        tokio::spawn(async move {
            let _place = place;
            let timeout = hall.server.bounds().handshake_timeout;
            let handshake = tokio::time::timeout(timeout, acceptor.accept(stream));
            let Ok(Ok(stream)) = handshake.await else { return };
            drop(shaking);
            let session = stream.get_ref().1;
            let chain = session.peer_certificates().unwrap_or_default();
            let workload = hall.server.trust().shown(chain).map(Arc::new);
            let certificate =
                chain.first().filter(|_| workload.is_none()).and_then(|leaf| user_certificate(leaf));
            let is_http2 = session.alpn_protocol() == Some(b"h2");
            let peer = Peer { ip, channel: Channel::Tls(certificate), workload };
            if is_http2 { http2(stream, peer, hall).await } else { http1(stream, peer, hall).await }
        });
    }
}

async fn accept_plaintext(listener: TcpListener, hall: Hall) {
    loop {
        // Whatever the allowlist says, and whatever address this socket was bound to.
        let local = |server: &Server, peer: std::net::SocketAddr| {
            peer.ip().to_canonical().is_loopback() && server.addresses.load().hears(peer)
        };
        let Some((stream, ip, place)) = accept(&listener, &hall, local).await else { continue };
        let hall = hall.clone();
        tokio::spawn(async move {
            let _place = place;
            let peer = Peer { ip, channel: Channel::PlaintextLoopback, workload: None };
            let begun =
                tokio::time::timeout(hall.server.bounds().header_timeout, begins_http2(&stream)).await;
            match begun {
                Ok(Ok(true)) => http2(stream, peer, hall).await,
                Ok(Ok(false)) => http1(stream, peer, hall).await,
                Ok(Err(_)) | Err(_) => {} // nothing came, or it ended
            }
        });
    }
}

/// Whether a client without TLS begins as HTTP/2 does when it is known beforehand (RFC 9113, section 3.3), as gRPC's
/// libraries do. They send the whole beginning at once; what comes in drops is taken for HTTP/1.
async fn begins_http2(stream: &TcpStream) -> std::io::Result<bool> {
    const BEGINNING: &[u8] = b"PRI * HTTP/2.0";
    let mut begun = [0; BEGINNING.len()];
    let length = stream.peek(&mut begun).await?;
    Ok(begun.get(..length) == Some(BEGINNING))
}

async fn accept_control(listener: UnixListener, owner: u32, hall: Hall) {
    loop {
        let Some(vacancy) = hall.places.vacancy().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // The socket's mode keeps others out; the kernel's word on who connected is what counts.
        if !stream.peer_cred().is_ok_and(|peer| peer.uid() == owner) {
            continue;
        }
        let hall = hall.clone();
        tokio::spawn(async move {
            let _place = vacancy;
            http1(stream, Peer::local_owner(), hall).await;
        });
    }
}

async fn accept_probe(listener: TcpListener, hall: Hall) {
    loop {
        let Some((stream, _, place)) = accept(&listener, &hall, |_, _| true).await else { continue };
        let hall = hall.clone();
        tokio::spawn(async move {
            let _place = place;
            let server = hall.server;
            let service = service_fn(move |request: Request<Incoming>| {
                std::future::ready(Ok::<_, Infallible>(server.probe(request.method(), request.uri().path())))
            });
            let mut builder = http1_builder(PROBE_TIMEOUT);
            builder.keep_alive(false);
            let stream = TokioIo::new(Patient::new(stream, PROBE_TIMEOUT));
            let life = Life { age_max: PROBE_TIMEOUT, ending_max: PROBE_TIMEOUT };
            drive(builder.serve_connection(stream, service), hall.stop, life, std::future::pending()).await;
        });
    }
}

async fn http1<S>(stream: S, peer: Peer, hall: Hall)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Hall { server, stop, .. } = hall;
    let (peer, bounds) = (Arc::new(peer), *server.bounds());
    let unread = Unread::default();
    let told = unread.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (server, peer) = (Arc::clone(&server), Arc::clone(&peer));
        let request = request.map(|incoming| Body::Wire(Arriving::http1(incoming, &bounds, told.clone())));
        async move { Ok::<_, Infallible>(server.dispatch(request, &peer).await) }
    });
    let stream = TokioIo::new(Patient::new(stream, STALL_MAX).lingering(unread));
    let connection = http1_builder(bounds.header_timeout).serve_connection(stream, service);
    drive(connection, stop, Life::default(), std::future::pending()).await;
}

async fn http2<S>(stream: S, peer: Peer, hall: Hall)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Hall { server, stop, .. } = hall;
    let (peer, bounds) = (Arc::new(peer), *server.bounds());
    let untaken = Untaken::default();
    let watching = untaken.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (server, peer, untaken) = (Arc::clone(&server), Arc::clone(&peer), watching.clone());
        let request = request.map(|incoming| Body::Wire(Arriving::http2(incoming, &bounds)));
        // Boxed: hyper makes a task of every stream, and moves what it is given several times on the way.
        Box::pin(async move {
            let reply = server.dispatch(request, &peer).await;
            Ok::<_, Infallible>(reply.map(|body| untaken.watch(body)))
        })
    });
    let stream = TokioIo::new(Patient::new(stream, STALL_MAX));
    let connection = http2_builder(bounds.header_timeout).serve_connection(stream, service);
    drive(connection, stop, Life::default(), untaken.for_longer_than(STALL_MAX)).await;
}

fn http1_builder(header_timeout: Duration) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_headers(limits::HEADERS_MAX)
        .max_header_size(limits::HEADERS_BYTES_MAX);
    builder
}

fn http2_builder(header_timeout: Duration) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    let header_bytes = u32::try_from(limits::HEADERS_BYTES_MAX).unwrap_or(u32::MAX);
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(header_timeout)
        .keep_alive_timeout(header_timeout)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
        .max_local_error_reset_streams(RESET_STREAMS_MAX)
        .max_header_list_size(header_bytes);
    builder
}

/// How long a connection lives.
#[derive(Clone, Copy)]
struct Life {
    /// Until it is asked to end.
    age_max: Duration,
    /// From then on, until it is ended.
    ending_max: Duration,
}

impl Default for Life {
    fn default() -> Self {
        Self { age_max: AGE_MAX, ending_max: ENDING_MAX }
    }
}

/// Runs a connection to its end. Asked to stop, or too old, it ends after the requests under way, or without them if
/// they take too long; given up, at once.
async fn drive<C: GracefulConnection>(
    connection: C,
    mut stop: watch::Receiver<()>,
    life: Life,
    given_up: impl Future<Output = ()>,
) {
    let (mut connection, mut given_up) = (pin!(connection), pin!(given_up));
    tokio::select! {
        biased;
        // How a connection ended says nothing that its requests have not said.
        _ = connection.as_mut() => return,
        () = given_up.as_mut() => return,
        _ = stop.changed() => {}
        () = tokio::time::sleep(life.age_max) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        _ = connection => {}
        () = given_up => {}
        () = tokio::time::sleep(life.ending_max) => {}
    }
}

#[cfg(test)]
mod tests;
