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
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{
    Peer, Server,
    body::{Body, Stream},
    tls,
};

/// Requests under way on one HTTP/2 connection. A browser opens 6 connections instead; more streams than that many
/// connections' worth would let one client take what is meant for all.
const STREAMS_MAX: u32 = 64;

/// Streams that a client has opened and reset before they were looked at (CVE-2023-44487, rapid reset).
const RESET_STREAMS_MAX: usize = 20;

/// An HTTP/2 connection is asked to end after this, because it has no idle time that a client could not fill with
/// pings. Clients reconnect by themselves.
const HTTP2_AGE_MAX: Duration = Duration::from_secs(600);

/// Connections to the control socket; its own number, so that a flood from the network cannot keep the owner out.
const CONTROL_CONNECTIONS_MAX: usize = 32;

/// Connections of probes: a kubelet opens one at a time.
const PROBE_CONNECTIONS_MAX: usize = 16;

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
    places: Arc<Semaphore>,
    stop: watch::Receiver<()>,
}

impl Hall {
    fn new(server: &Arc<Server>, places: usize, stop: &watch::Receiver<()>) -> Self {
        Self { server: Arc::clone(server), places: Arc::new(Semaphore::new(places)), stop: stop.clone() }
    }
}

/// Serves until `shutdown`, then lets requests under way end for [`limits::DRAIN_TIMEOUT`].
pub async fn serve(server: Arc<Server>, listeners: Listeners, shutdown: impl Future<Output = ()>) {
    let (stop, stopping) = watch::channel(());
    // Both kinds of client connection draw on one number, the one that memory is planned for.
    let clients = Hall::new(&server, limits::CONNECTIONS_MAX, &stopping);
    let mut accepting = JoinSet::new();
    for (listener, config) in listeners.tls {
        accepting.spawn(accept_tls(listener, config, clients.clone()));
    }
    if let Some(listener) = listeners.dangerous_plaintext {
        accepting.spawn(accept_plaintext(listener, clients.clone()));
    }
    if let Some((listener, owner)) = listeners.control {
        accepting.spawn(accept_control(
            listener,
            owner,
            Hall::new(&server, CONTROL_CONNECTIONS_MAX, &stopping),
        ));
    }
    if let Some(listener) = listeners.probe {
        accepting.spawn(accept_probe(listener, Hall::new(&server, PROBE_CONNECTIONS_MAX, &stopping)));
    }
    drop((clients, stopping));
    shutdown.await;
    accepting.shutdown().await;
    stop.send_replace(());
    // Every connection holds a receiver until it ends.
    if tokio::time::timeout(limits::DRAIN_TIMEOUT, stop.closed()).await.is_err() {
        tracing::warn!("requests were still under way when the time to end them was over");
    }
}

/// The next connection that there is a place for.
async fn accept(listener: &TcpListener, hall: &Hall) -> Option<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(&hall.places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) if hall.server.addresses.load().hears(peer) => {
            // Answers are written whole; waiting to fill a segment would only delay them.
            stream.set_nodelay(true).ok()?;
            Some((stream, peer.ip().to_canonical(), place))
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
    loop {
        let Some((stream, ip, place)) = accept(&listener, &hall).await else { continue };
        let (acceptor, hall) = (acceptor.clone(), hall.clone());
        tokio::spawn(async move {
            let _place = place;
            let handshake = tokio::time::timeout(limits::HANDSHAKE_TIMEOUT, acceptor.accept(stream));
            let Ok(Ok(stream)) = handshake.await else { return };
            let session = stream.get_ref().1;
            let certificate = tls::user_certificate(session.peer_certificates());
            let is_http2 = session.alpn_protocol() == Some(b"h2");
            let peer = Peer { ip, channel: Channel::Tls(certificate) };
            if is_http2 { http2(stream, peer, hall).await } else { http1(stream, peer, hall).await }
        });
    }
}

async fn accept_plaintext(listener: TcpListener, hall: Hall) {
    loop {
        let Some((stream, ip, place)) = accept(&listener, &hall).await else { continue };
        // Whatever the allowlist says, and whatever address this socket was bound to.
        if !ip.is_loopback() {
            continue;
        }
        let hall = hall.clone();
        tokio::spawn(async move {
            let _place = place;
            http1(stream, Peer { ip, channel: Channel::PlaintextLoopback }, hall).await;
        });
    }
}

async fn accept_control(listener: UnixListener, owner: u32, hall: Hall) {
    loop {
        let Ok(place) = Arc::clone(&hall.places).acquire_owned().await else { return };
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
            let _place = place;
            http1(stream, Peer::local_owner(), hall).await;
        });
    }
}

async fn accept_probe(listener: TcpListener, hall: Hall) {
    loop {
        let Ok(place) = Arc::clone(&hall.places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let hall = hall.clone();
        tokio::spawn(async move {
            let _place = place;
            let server = hall.server;
            let service = service_fn(move |request: Request<Incoming>| {
                std::future::ready(Ok::<_, Infallible>(server.probe(request.method(), request.uri().path())))
            });
            drive(http1_builder().serve_connection(TokioIo::new(stream), service), hall.stop, None).await;
        });
    }
}

async fn http1<S>(stream: S, peer: Peer, hall: Hall)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Hall { server, stop, .. } = hall;
    let peer = Arc::new(peer);
    let service = service_fn(move |request: Request<Incoming>| {
        let (server, peer) = (Arc::clone(&server), Arc::clone(&peer));
        async move { Ok::<_, Infallible>(server.dispatch(request.map(Body::Wire), &peer).await) }
    });
    drive(http1_builder().serve_connection(TokioIo::new(stream), service), stop, None).await;
}

async fn http2<S>(stream: S, peer: Peer, hall: Hall)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Hall { server, stop, .. } = hall;
    let peer = Arc::new(peer);
    let service = service_fn(move |request: Request<Incoming>| {
        let (server, peer) = (Arc::clone(&server), Arc::clone(&peer));
        async move {
            Ok::<_, Infallible>(
                server.dispatch(request.map(|incoming| Body::Stream(Stream::new(incoming))), &peer).await,
            )
        }
    });
    drive(http2_builder().serve_connection(TokioIo::new(stream), service), stop, Some(HTTP2_AGE_MAX)).await;
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEADER_TIMEOUT)
        .max_headers(limits::HEADERS_MAX)
        .max_header_size(limits::HEADERS_BYTES_MAX);
    builder
}

fn http2_builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    let header_bytes = u32::try_from(limits::HEADERS_BYTES_MAX).unwrap_or(u32::MAX);
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(limits::HEADER_TIMEOUT)
        .keep_alive_timeout(limits::HEADER_TIMEOUT)
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
        .max_local_error_reset_streams(RESET_STREAMS_MAX)
        .max_header_list_size(header_bytes);
    builder
}

/// Runs a connection to its end; asked to stop, or too old, it ends after the requests under way.
async fn drive<C: GracefulConnection>(
    connection: C,
    mut stop: watch::Receiver<()>,
    age_max: Option<Duration>,
) {
    let mut connection = pin!(connection);
    let aged = async {
        match age_max {
            Some(age_max) => tokio::time::sleep(age_max).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        // How a connection ended says nothing that its requests have not said.
        _ = connection.as_mut() => return,
        _ = stop.changed() => {}
        () = aged => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
