//! Inputs from a web server and from IPFS gateways, honest and not. No container engine needed.

#![allow(clippy::unwrap_used, reason = "a test whose set-up fails should panic")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy_primitives::{Address, B256};
use poco_result::Cid;
use poco_result::cid::{Importer, Layout};
use poco_sandbox::input::{Dataset, FetchError, FetchSettings, Fetcher, Inputs, Source};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use url::Url;

/// What the server answers to a path with its query: head and body of the response.
#[derive(Clone)]
struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn ok(body: &[u8]) -> Self {
        Self::typed("application/octet-stream", body)
    }

    fn typed(kind: &str, body: &[u8]) -> Self {
        let head = format!("200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}", body.len());
        Self { head, body: body.to_vec() }
    }

    fn redirect(to: &str) -> Self {
        Self { head: format!("302 Found\r\nLocation: {to}"), body: Vec::new() }
    }
}

/// A web server that notes what it is asked for.
struct Server {
    url: Url,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answers: BTreeMap<String, Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (read, mut write) = stream.into_split();
                let mut lines = BufReader::new(read).lines();
                let request = lines.next_line().await.unwrap().unwrap_or_default();
                while lines.next_line().await.unwrap().is_some_and(|line| !line.is_empty()) {}
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let missing = Answer { head: "404 Not Found".into(), body: Vec::new() };
                let answer = answers.get(&path).unwrap_or(&missing).clone();
                noted.lock().unwrap().push(path);
                let head = format!("HTTP/1.1 {}\r\nConnection: close\r\n\r\n", answer.head);
                let _gone = write.write_all(head.as_bytes()).await;
                let _gone = write.write_all(&answer.body).await;
            }
        });
        Self { url, asked }
    }

    async fn with(answers: &[(&str, Answer)]) -> Self {
        let answers = answers.iter().map(|(path, answer)| ((*path).to_owned(), answer.clone()));
        Self::start(answers.collect()).await
    }

    fn source(&self, path: &str) -> Source {
        format!("{}{path}", self.url.as_str().trim_end_matches('/')).parse().unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn settings() -> FetchSettings {
    FetchSettings {
        allow_private: true,
        gateways: Vec::new(),
        bytes_max: 100_000_000,
        time_max: Duration::from_secs(60),
    }
}

fn files(sources: &[Source]) -> Inputs {
    Inputs { dataset: None, files: sources.to_vec() }
}

/// Fetches to a fresh folder and checks that a failure leaves nothing there.
async fn fetch(settings: FetchSettings, inputs: &Inputs) -> Result<TempDir, FetchError> {
    let folder = tempfile::tempdir().unwrap();
    let fetched = Fetcher::new(settings).unwrap().fetch(inputs, folder.path()).await;
    match fetched {
        Ok(names) => {
            assert_eq!(names, inputs.names());
            Ok(folder)
        }
        Err(error) => {
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{error}");
            Err(error)
        }
    }
}

#[tokio::test]
async fn inputs_arrive_under_their_names_and_are_not_fetched_twice() {
    let server = Server::with(&[
        ("/a/x.txt", Answer::ok(b"first")),
        ("/b/x.txt?key=1", Answer::ok(b"second")),
    ])
    .await;
    let inputs = files(&[server.source("/a/x.txt"), server.source("/b/x.txt?key=1")]);
    let folder = tempfile::tempdir().unwrap();
    let fetcher = Fetcher::new(settings()).unwrap();
    for _ in 0..2 {
        fetcher.fetch(&inputs, folder.path()).await.unwrap();
    }
    assert_eq!(fs::read(folder.path().join("x.txt")).unwrap(), b"first");
    assert_eq!(fs::read(folder.path().join("2_x.txt")).unwrap(), b"second");
    assert_eq!(server.asked(), ["/a/x.txt", "/b/x.txt?key=1"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn a_dataset_must_have_its_checksum() {
    let server = Server::with(&[("/data", Answer::ok(b"the data"))]).await;
    let dataset = |checksum| Inputs {
        dataset: Some(Dataset {
            address: Address::repeat_byte(1),
            source: server.source("/data"),
            checksum,
        }),
        files: Vec::new(),
    };
    let right = dataset(B256::from_slice(&Sha256::digest(b"the data")));
    let folder = fetch(settings(), &right).await.unwrap();
    let path = folder.path().join(format!("0x{}", "01".repeat(20)));
    assert_eq!(fs::read(&path).unwrap(), b"the data");
    let error = fetch(settings(), &dataset(B256::ZERO)).await.unwrap_err();
    assert!(matches!(error, FetchError::Mismatch { .. }) && !error.is_transient(), "{error:?}");
    // A file that was changed since is not believed.
    fs::write(&path, "other data").unwrap();
    Fetcher::new(settings()).unwrap().fetch(&right, folder.path()).await.unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"the data");
}

#[tokio::test]
async fn inputs_together_have_a_size_limit_whether_announced_or_not() {
    let endless = Answer { head: "200 OK".into(), body: vec![1; 600] };
    let server = Server::with(&[("/a", Answer::ok(&[1; 600])), ("/b", endless)]).await;
    let limited = FetchSettings { bytes_max: 599, ..settings() };
    for path in ["/a", "/b"] {
        let error = fetch(limited.clone(), &files(&[server.source(path)])).await.unwrap_err();
        assert!(matches!(error, FetchError::TooLarge { bytes_max: 599, .. }), "{error:?}");
    }
    let both = files(&[server.source("/a"), server.source("/b")]);
    let folder = tempfile::tempdir().unwrap();
    let limited = FetchSettings { bytes_max: 1199, ..settings() };
    let error = Fetcher::new(limited).unwrap().fetch(&both, folder.path()).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { .. }), "{error:?}");
    assert!(fetch(FetchSettings { bytes_max: 1200, ..settings() }, &both).await.is_ok());
}

#[tokio::test]
async fn private_addresses_are_refused_unless_allowed() {
    let server = Server::with(&[("/a", Answer::ok(b"internal"))]).await;
    let strict = FetchSettings { allow_private: false, ..settings() };
    let port = server.url.port().unwrap();
    for host in ["127.0.0.1", "localhost", "0x7f.1", "[::ffff:127.0.0.1]"] {
        let source = format!("http://{host}:{port}/a").parse().unwrap();
        let error = fetch(strict.clone(), &files(&[source])).await.unwrap_err();
        assert!(matches!(error, FetchError::Refused { .. }), "{host}: {error:?}");
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn redirects_are_followed_a_few_times() {
    let server = Server::with(&[
        ("/a", Answer::redirect("/b")),
        ("/b", Answer::redirect("c")),
        ("/c", Answer::ok(b"found")),
        ("/loop", Answer::redirect("/loop")),
        ("/file", Answer::redirect("file:///etc/passwd")),
    ])
    .await;
    let folder = fetch(settings(), &files(&[server.source("/a")])).await.unwrap();
    assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"found");
    for path in ["/loop", "/file"] {
        let error = fetch(settings(), &files(&[server.source(path)])).await.unwrap_err();
        assert!(matches!(error, FetchError::Refused { .. }), "{path}: {error:?}");
    }
    assert_eq!(server.asked().iter().filter(|path| *path == "/loop").count(), 6);
}

#[tokio::test]
async fn failures_say_whether_to_try_again_and_show_no_query() {
    let unavailable = Answer { head: "503 Service Unavailable".into(), body: Vec::new() };
    let cut = Answer { head: "200 OK\r\nContent-Length: 100".into(), body: vec![1; 10] };
    let server = Server::with(&[("/busy?key=s3cret", unavailable), ("/cut", cut)]).await;
    let absent = fetch(settings(), &files(&[server.source("/none")])).await.unwrap_err();
    assert!(matches!(absent, FetchError::NotFound { .. }) && !absent.is_transient());
    let busy = fetch(settings(), &files(&[server.source("/busy?key=s3cret")])).await.unwrap_err();
    assert!(busy.is_transient() && !busy.to_string().contains("s3cret"), "{busy}");
    let cut = fetch(settings(), &files(&[server.source("/cut")])).await.unwrap_err();
    assert!(matches!(cut, FetchError::Network { .. }), "{cut:?}");
    let source = "http://127.0.0.1:9/a?key=s3cret".parse().unwrap();
    let closed = fetch(settings(), &files(&[source])).await.unwrap_err();
    assert!(closed.is_transient() && !closed.to_string().contains("s3cret"), "{closed}");
}

#[tokio::test]
async fn a_silent_server_is_given_up_at_the_time_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = format!("http://{}/a", listener.local_addr().unwrap()).parse().unwrap();
    let limited = FetchSettings { time_max: Duration::from_millis(200), ..settings() };
    let error = fetch(limited, &files(&[source])).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLong { .. }), "{error:?}");
}

/// A file of several blocks, its CID, and the answers of a gateway that serves raw blocks.
fn on_ipfs(layout: Layout) -> (Vec<u8>, Cid, BTreeMap<String, Answer>) {
    let file: Vec<u8> = (0..700_000_u32).map(|i| (i / 7 % 251) as u8).collect();
    let mut answers = BTreeMap::new();
    let mut importer = Importer::new(layout, |cid: &Cid, block: &[u8]| {
        let answer = Answer::typed("application/vnd.ipld.raw", block);
        answers.insert(format!("/gw/ipfs/{cid}?format=raw"), answer);
    });
    importer.write_all(&file).unwrap();
    let cid = importer.finish();
    (file, cid, answers)
}

fn gateway(server: &Server) -> Url {
    server.url.join("/gw/").unwrap()
}

#[tokio::test]
async fn a_file_on_ipfs_is_put_together_from_checked_blocks() {
    for layout in [Layout::V0, Layout::V1] {
        let (file, cid, answers) = on_ipfs(layout);
        let server = Server::start(answers).await;
        let gateways = vec![gateway(&server)];
        // The requester's servers have to be public; the operator's gateway need not.
        let settings = FetchSettings { allow_private: false, gateways, ..settings() };
        let folder = fetch(settings, &files(&[Source::Ipfs(cid)])).await.unwrap();
        assert!(fs::read(folder.path().join(cid.to_string())).unwrap() == file);
        assert_eq!(server.asked().len(), 4);
    }
}

#[tokio::test]
async fn a_gateway_that_lies_is_found_out_and_the_next_one_asked() {
    let (file, cid, answers) = on_ipfs(Layout::V0);
    let mut forged = answers.clone();
    let leaf = answers.keys().find(|path| !path.contains(&cid.to_string())).unwrap();
    forged.get_mut(leaf).unwrap().body[1000] ^= 1;
    let liar = Server::start(forged).await;
    let honest = Server::start(answers).await;
    let gateways = vec![gateway(&liar)];
    let inputs = files(&[Source::Ipfs(cid)]);
    let error = fetch(FetchSettings { gateways, ..settings() }, &inputs).await.unwrap_err();
    assert!(matches!(error, FetchError::Mismatch { .. }), "{error:?}");
    let gateways = vec![gateway(&liar), gateway(&honest)];
    let folder = fetch(FetchSettings { gateways, ..settings() }, &inputs).await.unwrap();
    assert!(fs::read(folder.path().join(cid.to_string())).unwrap() == file);
}

#[tokio::test]
async fn a_gateway_of_whole_files_is_checked_by_importing_again() {
    let (file, cid, _) = on_ipfs(Layout::V0);
    let path = format!("/gw/ipfs/{cid}");
    let raw = format!("{path}?format=raw");
    let inputs = files(&[Source::Ipfs(cid)]);
    // One ignores the wish for blocks, one refuses it.
    for path in [raw.as_str(), path.as_str()] {
        let server = Server::with(&[(path, Answer::ok(&file))]).await;
        let gateways = vec![gateway(&server)];
        let folder = fetch(FetchSettings { gateways, ..settings() }, &inputs).await.unwrap();
        assert!(fs::read(folder.path().join(cid.to_string())).unwrap() == file);
    }
    let mut forged = file;
    forged[0] ^= 1;
    let server = Server::with(&[(&path, Answer::ok(&forged))]).await;
    let gateways = vec![gateway(&server)];
    let error = fetch(FetchSettings { gateways, ..settings() }, &inputs).await.unwrap_err();
    assert!(matches!(error, FetchError::Mismatch { .. }), "{error:?}");
    let error = fetch(settings(), &inputs).await.unwrap_err();
    assert!(error.to_string().contains("no IPFS gateway is configured"), "{error}");
}
