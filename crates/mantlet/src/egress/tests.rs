//! The way out, against destinations that do not behave.

use std::{convert::Infallible, net::SocketAddr};

use hyper::{Response, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

fn options() -> Options {
    Options {
        roots: Roots::System,
        identity: None,
        networks: Vec::new(),
        plaintext: true,
        connect_timeout: Duration::from_secs(5),
        reply_timeout: Duration::from_secs(5),
        reply_bytes_max: 1000,
        idle_connections: 2,
    }
}

fn outbound(url: &str, options: Options) -> Outbound {
    Outbound::new(Destination::parse(url).unwrap(), options).unwrap()
}

async fn get(outbound: &Outbound, path: &str) -> Result<Reply, EgressError> {
    outbound.send(Method::GET, path, HeaderMap::new(), Bytes::new()).await
}

/// A server that answers every connection with these bytes, and then does nothing until the client goes away.
async fn raw(answer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(&answer).await;
                let _ = stream.read(&mut request).await;
            });
        }
    });
    address
}

/// A server that says the path it was asked for, and counts connections.
async fn echo() -> (SocketAddr, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let service = service_fn(|request: Request<hyper::body::Incoming>| async move {
                let host = request.headers()["host"].to_str().unwrap().to_owned();
                let path = request.uri().path().to_owned();
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(format!("{host} {path}")))))
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (address, connections)
}

#[tokio::test]
async fn requests_go_below_the_path_and_keep_their_connection() {
    let (address, connections) = echo().await;
    let outbound = outbound(&format!("http://{address}/base/"), options());
    for _ in 0..3 {
        let reply = get(&outbound, "/v2/models/m").await.unwrap();
        assert_eq!(reply.body, format!("{address} /base/v2/models/m"));
    }
    assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 1);
    assert!(!get(&outbound, "v2").await.unwrap_err().sent(), "a path without a slash");
}

#[tokio::test]
async fn redirects_are_replies() {
    let (address, connections) = echo().await;
    let there =
        raw(format!("HTTP/1.1 307 T\r\nlocation: http://{address}/\r\ncontent-length: 0\r\n\r\n").into())
            .await;
    let reply = get(&outbound(&format!("http://{there}"), options()), "/").await.unwrap();
    assert_eq!(reply.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn replies_are_bounded_in_size_and_time() {
    let long = [b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n".as_slice(), &[b'x'; 1001]].concat();
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &[b'x'; 1001]].concat();
    let headers = [b"HTTP/1.1 200 OK\r\na: ".as_slice(), &vec![b'x'; 64 << 10]].concat();
    let quick = || Options { reply_timeout: Duration::from_millis(200), ..options() };
    for (answer, expect) in [
        (long, EgressError::TooLarge(1000)),
        (endless, EgressError::TooLarge(1000)),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nx".to_vec(), EgressError::Timeout),
        (Vec::new(), EgressError::Timeout),
    ] {
        let error = get(&outbound(&format!("http://{}", raw(answer).await), quick()), "/").await.unwrap_err();
        assert_eq!(error, expect);
        assert!(error.sent());
    }
    for answer in [headers, b"SSH-2.0-x\r\n".to_vec()] {
        let error = get(&outbound(&format!("http://{}", raw(answer).await), quick()), "/").await.unwrap_err();
        assert!(matches!(error, EgressError::Protocol(_)), "{error:?}");
    }
}

#[tokio::test]
async fn what_was_not_sent_is_known() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = get(&outbound(&format!("http://{free}"), options()), "/").await.unwrap_err();
    assert!(matches!(error, EgressError::Connect(_)) && !error.sent(), "{error:?}");
    let error = get(&outbound("http://name.invalid", options()), "/").await.unwrap_err();
    assert!(matches!(error, EgressError::Resolve(_)) && !error.sent(), "{error:?}");
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_and_the_name_of_this_machine_is_not() {
    let (address, connections) = echo().await;
    let port = address.port();
    // Resolves to loopback wherever host names are looked up in the system's own file.
    let name = std::fs::read_to_string("/etc/hosts").unwrap().lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let own = words.next()?.parse::<std::net::IpAddr>().is_ok_and(|address| address == address_v4());
        words.find(|word| own && !word.eq_ignore_ascii_case("localhost")).map(str::to_owned)
    });
    if let Some(name) = name {
        let error = get(&outbound(&format!("http://{name}:{port}"), options()), "/").await.unwrap_err();
        assert_eq!(error, EgressError::Refused(name.clone()));
        let listed = Options { networks: vec!["127.0.0.0/8".parse().unwrap()], ..options() };
        assert!(get(&outbound(&format!("http://{name}:{port}"), listed), "/").await.is_ok());
    }
    assert!(get(&outbound(&format!("http://localhost:{port}"), options()), "/").await.is_ok());
    assert!(connections.load(std::sync::atomic::Ordering::SeqCst) >= 1);
}

fn address_v4() -> std::net::IpAddr {
    std::net::IpAddr::from([127, 0, 0, 1])
}

#[tokio::test]
async fn nobody_else_vouches_for_a_destination() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let server =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
                let _ = stream.read(&mut request).await;
            });
        }
    });
    let own = || Options { roots: Roots::Pem(cert.pem().into_bytes()), ..options() };
    let localhost = format!("https://localhost:{port}");
    assert!(get(&outbound(&localhost, own()), "/").await.is_ok());
    for (url, options) in [(localhost, options()), (format!("https://127.0.0.1:{port}"), own())] {
        // A machine without any authorities of its own refuses as it is set up.
        let Ok(outbound) = Outbound::new(Destination::parse(&url).unwrap(), options) else { continue };
        let error = get(&outbound, "/").await.unwrap_err();
        assert!(matches!(error, EgressError::Tls(_)) && !error.sent(), "{url}: {error:?}");
    }
}

#[test]
fn destinations_are_one_host_one_port_and_a_path() {
    for (url, host, port, base) in [
        ("https://models.example", "models.example", 443, ""),
        ("https://models.example/", "models.example", 443, ""),
        ("http://models.example/a/b/", "models.example", 80, "/a/b"),
        ("https://[::1]:8443", "::1", 8443, ""),
        ("https://10.0.0.1:8443/x", "10.0.0.1", 8443, "/x"),
        ("https://3scale.example", "3scale.example", 443, ""),
    ] {
        let parsed = Destination::parse(url).unwrap();
        assert_eq!((parsed.host().as_str(), parsed.port(), parsed.base_path()), (host, port, base), "{url}");
    }
    for url in [
        "",
        "models.example",
        "//models.example",
        "ftp://models.example",
        "https://",
        "https:///x",
        "https://user@models.example",
        "https://user:word@models.example",
        "https://models.example?q=1",
        "https://models.example/#f",
        "https://models.example/../x",
        "https://models.example//x",
        "https://models.example/%2e%2e/x",
        "https://models.example:0",
        "https://models.example:99999",
        "https://models.example:",
        "https://2130706433",
        "https://0x7f.1",
        "https://0x7f000001",
        "https://127.1",
        "https://a..b",
        "https://[::1",
        "https://[1.2.3.4]",
    ] {
        assert!(Destination::parse(url).is_err(), "{url}");
    }
}

#[test]
fn plaintext_has_to_be_allowed() {
    let destination = Destination::parse("http://127.0.0.1:1").unwrap();
    assert!(Outbound::new(destination, Options { plaintext: false, ..options() }).is_err());
}
