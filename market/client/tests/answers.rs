//! Markets whose answers are none.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use poco_core::order::AppOrder;
use poco_market_client::{Market, MarketError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use url::Url;

/// A service that answers with a part, and goes on with others for as long as they are read; how many
/// bytes were taken from it.
async fn endless(listener: TcpListener) -> usize {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await.unwrap();
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let part = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    let mut taken = 0;
    while stream.write_all(&part).await.is_ok() {
        taken += part.len();
    }
    taken
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_left() {
    poco_chain::install_crypto();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let service = tokio::spawn(endless(listener));
    let market = Market::new(url.clone(), 31337).unwrap();
    let answered = market.orders::<AppOrder>(&[], 10).await;
    assert_eq!(answered.unwrap_err(), MarketError::Foreign(url));
    let taken = service.await.unwrap();
    assert!((32 << 20..64 << 20).contains(&taken), "{taken}");
}
