//! Files given into the pool's keeping, as an IPFS node takes them.

use crate::chain::{Chainside, eventually};
use crate::scheduler::Process;
use poco_result::cid::cid_of_reader;
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const BOUNDARY: &str = "----a-boundary";

/// A part of a form.
fn part(name: &str, kind: &str, content: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: {kind}\r\n\r\n"
    );
    [head.as_bytes(), content, b"\r\n"].concat()
}

fn form(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), format!("--{BOUNDARY}--\r\n").into_bytes()].concat()
}

fn file(content: &[u8]) -> Vec<u8> {
    form(&[part("a file", "application/octet-stream", content)])
}

async fn post(process: &Process, query: &str, body: Vec<u8>) -> Response {
    let url = format!("{}/api/v0/add?{query}", process.url());
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let request = reqwest::Client::new().post(url).header("content-type", kind).body(body);
    request.send().await.unwrap()
}

/// What is told of each file.
async fn told(answer: Response) -> Vec<Value> {
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "application/json");
    let text = answer.text().await.unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_added_is_found_by_the_cid_that_ipfs_gives_it() {
    let chain = Chainside::start().await;
    let mut process = Process::start(&chain, &["--files-bytes-max", "10000000"]).await;
    let large: Vec<u8> = (0..1_000_000u32).map(|at| at.to_le_bytes()[1]).collect();
    let parts = [
        part("hello%20you.txt", "text/plain", b"hello world\n"),
        part("", "application/octet-stream", &large),
    ];
    let lines =
        told(post(&process, "stream-channels=true&progress=false", form(&parts)).await).await;
    let hello = "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o";
    let cid = cid_of_reader(large.as_slice()).unwrap().to_string();
    assert_eq!(
        lines[0],
        serde_json::json!({ "Name": "hello you.txt", "Hash": hello, "Size": "20" })
    );
    assert_eq!((&lines[1]["Name"], &lines[1]["Hash"]), (&cid.clone().into(), &cid.clone().into()));
    let newer = told(post(&process, "cid-version=1", file(b"hello world\n")).await).await;
    let raw = newer[0]["Hash"].as_str().unwrap().to_owned();
    assert!(raw.starts_with("bafkrei"), "{raw}");
    let named = told(post(&process, "only-hash=true", file(b"named alone")).await).await;
    let named = format!("/ipfs/{}", named[0]["Hash"].as_str().unwrap());
    assert_eq!(process.get(&named).await.status(), StatusCode::NOT_FOUND);

    process.kill_and_restart_with(&chain, &["--files-bytes-max", "10000000"]);
    process.until_healthy().await;
    for (cid, content) in [(hello, &b"hello world\n"[..]), (&raw, b"hello world\n"), (&cid, &large)]
    {
        let answer = process.get(&format!("/ipfs/{cid}")).await;
        assert_eq!(answer.headers()["content-type"], "application/octet-stream");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        assert_eq!(answer.bytes().await.unwrap(), content);
    }
    let head = reqwest::Client::new().head(format!("{}/ipfs/{cid}", process.url()));
    assert_eq!(head.send().await.unwrap().headers()["content-length"], "1000000");
    let metrics = process.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("poco_scheduler_files_bytes 1011712\n"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_make_no_sense_are_refused_and_leave_nothing() {
    let chain = Chainside::start().await;
    let limits = ["--files-bytes-max", "3000000", "--file-bytes-max", "2500000"];
    let process = Process::start(&chain, &limits).await;
    let refused = async |query: &str, body: Vec<u8>, status: u16, words: &str| {
        let answer = post(&process, query, body).await;
        assert_eq!(answer.status(), status, "{words}");
        let told: Value = answer.json().await.unwrap();
        // In the words of an IPFS node too.
        assert_eq!(told["Message"], told["error"]);
        assert!(told["error"].as_str().unwrap().contains(words), "{told}");
    };
    refused("", b"no form".to_vec(), 400, "no form with files").await;
    refused("", form(&[]), 400, "no file").await;
    refused("", part("cut", "text/plain", b"off"), 400, "no form with files").await;
    refused("", form(&[part("a", "application/x-directory", b"")]), 400, "no plain file").await;
    refused("", form(&[part("a%2Fb", "text/plain", b"")]), 400, "no plain file").await;
    refused("trickle=perhaps", file(b"a"), 400, "trickle").await;
    refused("", form(&vec![part("a", "text/plain", b"a"); 65]), 400, "more than 64").await;
    refused("wrap-with-directory=true", file(b"a"), 400, "wrap-with-directory").await;
    refused("cid-version=7", file(b"a"), 400, "cid-version=7").await;
    refused("", file(&[0; 2_500_001]), 413, "larger than the 2500000 bytes").await;
    let bare = reqwest::Client::new().post(format!("{}/api/v0/add", process.url()));
    assert_eq!(bare.body("a").send().await.unwrap().status(), 400, "no form at all");
    assert_eq!(process.get("/api/v0/add").await.status(), 405);
    told(post(&process, "", file(&[1; 2_500_000])).await).await;
    refused("", file(&[2; 1_000_000]), 507, "no room for more files").await;
    // Somebody who hangs up half way.
    let mut stream = TcpStream::connect(process.address()).await.unwrap();
    let head = format!(
        "POST /api/v0/add HTTP/1.1\r\nhost: pool\r\ncontent-length: 100000\r\n\
         content-type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    );
    let begun = [head.as_bytes(), &file(&[3; 50_000])[..40_000]].concat();
    stream.write_all(&begun).await.unwrap();
    let uploads = process.folder.path().join("data/uploads");
    let under_way = || std::fs::read_dir(&uploads).unwrap().count();
    eventually("it begins", async || (under_way() == 1).then_some(())).await;
    drop(stream);
    // Of 64 files those before the last were taken; of what was refused nothing lies about.
    eventually("nothing is left", async || (under_way() == 0).then_some(())).await;
    let metrics = process.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("poco_scheduler_files_bytes 2506752\n"), "{metrics}");
    assert!(metrics.contains("refused_total{reason=\"http-bad-request\"}"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_gives_only_so_much_and_no_head_without_end() {
    let chain = Chainside::start().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("scheduler.toml");
    let settings = "[files]\nbytes_max = 100000000\n\n[limits]\nunlimited = []\n\
                    added_bytes_per_day = 20000\n";
    std::fs::write(&config, settings).unwrap();
    let process = Process::start(&chain, &["--config", config.to_str().unwrap()]).await;
    told(post(&process, "", file(&[1; 10_000])).await).await;
    let answer = post(&process, "", file(&[2; 10_000])).await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    let said: Value = answer.json().await.unwrap();
    assert!(said["Message"].as_str().unwrap().contains("in a day"), "{said}");
    // Whatever a parser would keep until a part begins is bounded, and so are names.
    let before = process.memory();
    for endless in [vec![b'x'; 50 << 20], part(&"n".repeat(50 << 20), "text/plain", b"")] {
        let url = format!("{}/api/v0/add", process.url());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let request = reqwest::Client::new().post(url).header("content-type", kind).body(endless);
        // It is answered, or hung up on while it still sends.
        if let Ok(answer) = request.send().await {
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        }
    }
    let grown = process.memory().saturating_sub(before);
    assert!(grown < 20 << 20, "{grown} bytes more");
    let named = form(&[part(&"n".repeat(2_000), "text/plain", b"")]);
    assert_eq!(post(&process, "", named).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_keeps_no_files_unless_its_owner_says_how_many() {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    let answer = post(&process, "", file(b"a")).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let told: Value = answer.json().await.unwrap();
    assert_eq!(told["error"], "this pool keeps no files of others");
}
