//! The port: takes connections in, with TLS where it is on, and serves HTTP of both versions on them.
//! Every connection has bounds of its own; what one address may take, `limits` says.

use crate::http::ADD;
use crate::limits::{Excess, Limits, Visit};
use crate::meters::Meters;
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use futures::FutureExt as _;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use socket2::{SockRef, TcpKeepalive};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// From the connection to its first bytes, and to the end of the TLS handshake; a slow line needs some
/// round trips.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// For the head of a request over HTTP/1.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// A connection on which nothing is asked for this long ends, twice as long at the latest.
const IDLE_TIME: Duration = Duration::from_secs(30);
/// From one look to the next at a connection on which something is open: thousands of workers have
/// one, and each look wakes it.
const LOOK_PAUSE: Duration = Duration::from_secs(300);
/// For a request to be answered, its body included. Uploads have a clock of their own, and streams are
/// answered when they begin.
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// Pause after the system gave no connection, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Streams of one HTTP/2 connection at a time: a worker has one and its uploads, a requester a few.
const STREAMS_MAX: u32 = 128;
/// Streams that a client has reset and we have not looked at: beyond, it is cut.
const RESET_STREAMS_MAX: usize = 32;
/// Bytes of the head of a request: ours have some hundred, `/explain/order` has params in its path.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// Headers of a request.
const HEADERS_MAX: usize = 64;
/// What a client may send on a stream, and on all of a connection, before it is taken in. Enough for
/// uploads over a long line, and all that a client that is not listened to can make us hold.
const STREAM_WINDOW_BYTES: u32 = 256 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;
/// What waits for a client that reads slowly, on each stream.
const SEND_BYTES_MAX: usize = 64 << 10;

/// What explaining costs in terms of usual requests: the loop looks at many workers.
const EXPLAIN_COST: u32 = 10;
/// The path of explanations over gRPC, and of uploads.
const EXPLAIN: &str = "/poco.v1.Observer/Explain";
const UPLOAD: &str = "/poco.v1.Workers/UploadResult";

/// After so long without a packet the system probes a peer, so often, before it is gone.
const PROBE_AFTER: Duration = Duration::from_secs(15);
const PROBE_PAUSE: Duration = Duration::from_secs(5);
const PROBES_UNANSWERED: u32 = 3;

/// The first byte of a TLS handshake; no request in plain text begins with it.
const TLS_HANDSHAKE: u8 = 22;
/// How long, and how much, is still read of a client that was told so.
const LINGER_TIME: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: u64 = 64 << 10;

/// What is told to clients in plain text where TLS is on.
const SPEAKS_TLS: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\
    Content-Length: 64\r\n\r\nThis port speaks TLS: the pool's url must begin with https:// .\n";

/// The same over HTTP/2: settings, and a farewell with INADEQUATE_SECURITY.
const GOES_AWAY: &[u8] =
    b"\0\0\0\x04\0\0\0\0\0\0\0\x1c\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0cThis port speaks TLS";

/// The port and what it serves.
#[derive(Clone)]
pub(crate) struct Port {
    pub(crate) routes: Router,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) limits: Limits,
    pub(crate) meters: Arc<Meters>,
    pub(crate) stop: CancellationToken,
}

impl Port {
    /// Serves until `stop`, then until every connection has ended.
    pub(crate) async fn serve(self, listener: TcpListener) {
        let connections = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, address)) => {
                    connections.spawn(self.clone().take(stream, address));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        connections.close();
        connections.wait().await;
    }

    async fn take(self, stream: TcpStream, address: SocketAddr) {
        // Refused without a word: whoever takes too much may not even listen.
        let Ok(visit) = self.limits.enter(address.ip()) else { return };
        prepare(&stream);
        // Boxed: a handshake is larger than all that comes after it, and soon over.
        let opened = tokio::select! {
            opened = timeout(HANDSHAKE_TIME, Box::pin(self.open(stream))) => opened,
            () = self.stop.cancelled() => return,
        };
        match opened {
            Ok(Ok(io)) => self.talk(io, visit).await,
            Ok(Err(error)) => {
                tracing::debug!(%address, %error, "no handshake");
                self.meters.refused("handshake");
            }
            Err(_) => self.meters.refused("handshake"),
        }
    }

    /// The connection, decrypted.
    async fn open(&self, mut stream: TcpStream) -> io::Result<Io> {
        let Some(tls) = &self.tls else { return Ok(Either::Left(stream)) };
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first != [TLS_HANDSHAKE] {
            // What is sent is taken before and after: closed with something unread, a connection
            // loses our answer.
            let mut said = [0; 4096];
            let length = stream.read(&mut said).await?;
            let is_http2 = said.get(..length).is_some_and(|said| said.starts_with(b"PRI"));
            stream.write_all(if is_http2 { GOES_AWAY } else { SPEAKS_TLS }).await?;
            stream.shutdown().await?;
            let (mut rest, mut nowhere) = (stream.take(LINGER_BYTES_MAX), tokio::io::sink());
            // What became of it is the client's affair.
            let _ = timeout(LINGER_TIME, tokio::io::copy(&mut rest, &mut nowhere)).await;
            return Err(io::Error::other("plain text where TLS is on"));
        }
        Ok(Either::Right(Box::new(tls.accept(stream).await?)))
    }

    async fn talk(&self, io: Io, visit: Visit) {
        let open = Arc::new(AtomicUsize::new(0));
        let asked = Arc::new(AtomicUsize::new(0));
        let service = service_fn(|request: Request<Incoming>| {
            asked.fetch_add(1, Ordering::Relaxed);
            let to = (self.routes.clone(), self.meters.clone());
            // Boxed: hyper keeps its place as long as the answer's body lasts, for a worker's stream
            // until the worker leaves.
            let answer = answer(to, request, visit.clone(), Open::new(&open));
            answer.boxed().map(Ok::<_, Infallible>)
        });
        let builder = builder();
        let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
        let mut is_leaving = false;
        let mut seen = 0;
        loop {
            let is_open = open.load(Ordering::Relaxed) > 0;
            let pause = if is_open && !is_leaving { LOOK_PAUSE } else { IDLE_TIME };
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(error, "a connection broke");
                    }
                    return;
                }
                () = self.stop.cancelled(), if !is_leaving => {
                    is_leaving = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = sleep(pause) => {
                    let now = asked.load(Ordering::Relaxed);
                    let is_idle = open.load(Ordering::Relaxed) == 0 && now == seen;
                    seen = now;
                    match (is_idle, is_leaving) {
                        // It was told, and does not let go.
                        (true, true) => return,
                        (true, false) => {
                            is_leaving = true;
                            connection.as_mut().graceful_shutdown();
                        }
                        (false, _) => {}
                    }
                }
            }
        }
    }
}

/// A command to a worker often follows an acknowledgement; the system would hold it back until the
/// worker's side has confirmed that, up to 40 ms later. And a machine that is gone is noticed within
/// half a minute by the system's own probes, while nobody says anything.
fn prepare(stream: &TcpStream) {
    let probes = TcpKeepalive::new()
        .with_time(PROBE_AFTER)
        .with_interval(PROBE_PAUSE)
        .with_retries(PROBES_UNANSWERED);
    let prepared = stream.set_nodelay(true).and(SockRef::from(stream).set_tcp_keepalive(&probes));
    if let Err(error) = prepared {
        tracing::debug!(%error, "a connection is not as it should be");
    }
}

/// A connection, plain or decrypted; the state of TLS is large.
type Io = Either<TcpStream, Box<tokio_rustls::server::TlsStream<TcpStream>>>;

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BYTES_MAX);
    builder
}

/// Answers a request, once it is its turn.
async fn answer(
    to: (Router, Arc<Meters>),
    mut request: Request<Incoming>,
    visit: Visit,
    open: Open,
) -> Response<Body> {
    let (routes, meters) = to;
    let path = request.uri().path();
    let is_explanation = path.starts_with("/explain/") || path == EXPLAIN;
    let is_upload = path == UPLOAD || path == ADD;
    let cost = if is_explanation { EXPLAIN_COST } else { 1 };
    let is_grpc = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    let held = match visit.ask(cost).await {
        Ok(held) => held,
        Err(excess) => return refused(excess, is_grpc),
    };
    request.extensions_mut().insert(visit);
    let routed = routes.oneshot(request.map(Body::new));
    let answered = if is_upload {
        routed.await
    } else {
        match timeout(ANSWER_TIME, routed).await {
            Ok(answered) => answered,
            Err(_) => Ok(late(is_grpc)),
        }
    };
    let answered = answered.unwrap_or_else(|never| match never {});
    if let Some(reason) = complaint(&answered) {
        meters.refused(reason);
    }
    answered.map(|body| Body::new(Counted { body, _open: open, _held: held }))
}

fn refused(excess: Excess, is_grpc: bool) -> Response<Body> {
    if is_grpc {
        return tonic::Status::resource_exhausted(excess.to_string()).into_http();
    }
    let mut answer = crate::http::refuse(StatusCode::TOO_MANY_REQUESTS, &excess.to_string());
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    answer
}

/// What was wrong with a request, as a label of a metric.
fn complaint(answer: &Response<Body>) -> Option<&'static str> {
    use tonic::Code;
    if answer.status() == StatusCode::INSUFFICIENT_STORAGE {
        return Some("http-no-room");
    }
    if answer.status().is_client_error() {
        return Some(match answer.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "http-not-allowed",
            StatusCode::NOT_FOUND => "http-not-found",
            StatusCode::METHOD_NOT_ALLOWED => "http-method",
            StatusCode::REQUEST_TIMEOUT => "http-late",
            StatusCode::PAYLOAD_TOO_LARGE => "http-too-large",
            StatusCode::TOO_MANY_REQUESTS => "http-too-many",
            _ => "http-bad-request",
        });
    }
    Some(match tonic::Status::from_header_map(answer.headers())?.code() {
        Code::InvalidArgument => "grpc-invalid-argument",
        Code::NotFound => "grpc-not-found",
        Code::OutOfRange => "grpc-too-large",
        Code::Unimplemented => "grpc-unimplemented",
        Code::Internal => "grpc-unreadable",
        Code::ResourceExhausted => "grpc-too-many",
        Code::DeadlineExceeded => "grpc-late",
        Code::Unauthenticated | Code::PermissionDenied => "grpc-not-allowed",
        Code::FailedPrecondition => "grpc-out-of-place",
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::AlreadyExists
        | Code::Aborted
        | Code::Unavailable
        | Code::DataLoss => return None,
    })
}

fn late(is_grpc: bool) -> Response<Body> {
    let error = "the request took too long";
    if is_grpc {
        return tonic::Status::deadline_exceeded(error).into_http();
    }
    crate::http::refuse(StatusCode::REQUEST_TIMEOUT, error)
}

/// A request under way on a connection.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(open.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer: its request is under way until the client has all of it.
struct Counted {
    body: Body,
    _open: Open,
    _held: crate::limits::Held,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Poll::Ready(ready!(Pin::new(&mut self.body).poll_frame(context)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_send_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        prepare(&stream);
        assert!(stream.nodelay().unwrap());
    }

    #[test]
    fn what_plain_text_is_told_has_the_length_it_says() {
        let text = std::str::from_utf8(SPEAKS_TLS).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}");
        // Behind the settings, a head of 9 bytes with the length of what follows it.
        assert_eq!(usize::from(GOES_AWAY[11]), GOES_AWAY.len() - 18);
    }
}
