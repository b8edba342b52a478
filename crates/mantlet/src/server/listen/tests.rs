//! Connections whose clients do nothing for their end.

use bytes::Bytes;
use http::Response;
use http_body_util::{Empty, Full};
use tokio::io::AsyncWriteExt;

use super::*;

const SHORT: Duration = Duration::from_millis(30);

/// Far longer than anything here should take.
const LONG: Duration = Duration::from_secs(20);

async fn ends(connection: impl Future<Output = ()>) {
    assert!(tokio::time::timeout(LONG, connection).await.is_ok(), "the connection does not end");
}

#[tokio::test]
async fn an_old_connection_ends_even_if_its_last_request_does_not() {
    let (ours, mut theirs) = tokio::io::duplex(1 << 10);
    let (_stop, stopping) = watch::channel(());
    theirs.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let service = service_fn(|_: Request<Incoming>| {
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
    });
    let connection = http1_builder(LONG).serve_connection(TokioIo::new(ours), service);
    let life = Life { age_max: SHORT, ending_max: SHORT };
    ends(drive(connection, stopping, life, std::future::pending())).await;
}

#[tokio::test]
async fn pipelined_requests_whose_answers_nobody_reads_end_their_connection() {
    let (ours, mut theirs) = tokio::io::duplex(1 << 10);
    let (_stop, stopping) = watch::channel(());
    let service = service_fn(|_: Request<Incoming>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(&[0; 512])))))
    });
    let asking =
        tokio::spawn(
            async move { while theirs.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.is_ok() {} },
        );
    let stream = TokioIo::new(Patient::new(ours, SHORT));
    let connection = http1_builder(LONG).serve_connection(stream, service);
    let life = Life { age_max: LONG, ending_max: LONG };
    ends(drive(connection, stopping, life, std::future::pending())).await;
    asking.await.unwrap();
}

#[tokio::test]
async fn an_http2_client_without_a_window_loses_its_connection() {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (_stop, stopping) = watch::channel(());
    let untaken = Untaken::default();
    let watching = untaken.clone();
    let service = service_fn(move |_: Request<Incoming>| {
        let reply = Response::new(watching.watch(Full::new(Bytes::from_static(b"answer"))));
        std::future::ready(Ok::<_, Infallible>(reply))
    });
    let client = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(0)
        .handshake::<_, Empty<Bytes>>(TokioIo::new(theirs));
    let asking = tokio::spawn(async move {
        let (mut sender, connection) = client.await.unwrap();
        let connected = tokio::spawn(connection);
        let reply = sender.send_request(Request::get("http://a/").body(Empty::new()).unwrap()).await;
        let _ = connected.await;
        reply.is_ok()
    });
    let connection = http2_builder(LONG).serve_connection(TokioIo::new(ours), service);
    let life = Life { age_max: LONG, ending_max: LONG };
    ends(drive(connection, stopping, life, untaken.for_longer_than(SHORT))).await;
    assert!(asking.await.unwrap(), "the headers need no window");
}
