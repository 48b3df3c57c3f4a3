//! The three servers: what keeps them from starting is one line, before anything is written or sent.

use crate::stage::{NO_NODE, NOBODY, NOBODY_SHOWN, NOWHERE, Turn, address_of, shown};
use anyhow::{Context, Result};
use poco_integration_tests::binaries::binary;
use poco_integration_tests::process::free_port;
use poco_integration_tests::world::Party;
use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

const SERVERS: [&str; 3] = ["poco-market", "poco-scheduler", "poco-worker"];
/// What `RUST_LOG` or `POCO_LOG` is set to, so that the line stands alone.
const QUIET: &str = "off";

/// A server that would start, with its data in the folder `data` on the desk; what is said again in
/// `changed` counts instead.
fn start(turn: &Turn, name: &str, changed: &[&str]) -> Result<Output> {
    Ok(command(turn, name, changed)?.output()?)
}

fn command(turn: &Turn, name: &str, changed: &[&str]) -> Result<Command> {
    let path = |name: &str| turn.world.path(name).display().to_string();
    let listen = format!("127.0.0.1:{}", free_port()?);
    let mut flags = vec![
        ("--addresses", turn.world.addresses_file().display().to_string()),
        ("--data-dir", turn.desk().join("data").display().to_string()),
    ];
    let keystore =
        |party| -> Result<String> { Ok(turn.world.keystore(party)?.display().to_string()) };
    match name {
        "poco-market" => flags.push(("--listen", listen)),
        "poco-scheduler" => flags.extend([
            ("--listen", listen),
            ("--keystore", keystore(Party::Scheduler)?),
            ("--password-file", path("password")),
            ("--workerpool", turn.pool.clone()),
        ]),
        _ => flags.extend([
            ("--keystore", keystore(Party::Worker(1))?),
            ("--password-file", path("password")),
            ("--workerpool", turn.pool.clone()),
            ("--scheduler-url", NOWHERE.to_owned()),
            // No engine is there: a start that gets this far ends here.
            ("--engine-url", "unix:///nowhere.sock".to_owned()),
        ]),
    }
    let mut command = Command::new(binary(name)?);
    command.env_clear().env("HOME", turn.desk()).current_dir(turn.desk());
    command.env("POCO_LOG", QUIET).env("RUST_LOG", QUIET);
    command.env("POCO_SCHEDULER_LOCK_DIR", turn.world.path("locks"));
    let is_changed = |flag: &str| changed.iter().step_by(2).any(|word| *word == flag);
    for (flag, value) in flags.iter().filter(|(flag, _)| !is_changed(flag)) {
        command.args([flag, value.as_str()]);
    }
    command.args(changed);
    Ok(command)
}

/// Asserts that a server ended with exit code 1 and said exactly these lines after its name.
#[track_caller]
fn ended(output: &Output, name: &str, lines: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    let expected: Vec<String> = lines.iter().map(|line| format!("{name}: {line}")).collect();
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn configurations_that_cannot_be_read_are_explained() -> Result<()> {
    let turn = Turn::take().await?;
    let half = turn.paper("half.toml", "# a comment\nlog = \"in")?;
    let unknown = turn.paper("unknown.toml", "colour = 1\n[chain]\nhubb = 2\n")?;
    for name in SERVERS {
        let output = start(&turn, name, &["--config", &half])?;
        ended(&output, name, &[&format!("{half} line 2: invalid basic string, expected `\"`")]);
        let output = start(&turn, name, &["--config", "none.toml"])?;
        ended(&output, name, &["cannot read none.toml: No such file or directory (os error 2)"]);
        // Every problem has a line; the keys that exist are listed behind.
        let output = start(&turn, name, &["--config", &unknown])?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let heads: Vec<&str> =
            said.lines().filter_map(|line| line.split(", expected").next()).collect();
        let expected = [("chain.hubb", "hubb"), ("colour", "colour")].map(|(key, name_of_key)| {
            format!("{name}: {unknown}: {key}: unknown field `{name_of_key}`")
        });
        assert_eq!(heads, expected);
        assert_eq!(output.status.code(), Some(1));
    }
    turn.assert_untouched().await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_chain_or_none_is_refused_by_every_server() -> Result<()> {
    let turn = Turn::take().await?;
    let url = turn.world.anvil.url().origin().ascii_serialization();
    let mut addresses = turn.world.addresses.clone();
    addresses.chain_id = 5;
    let other = turn.world.path("papers").join("other-chain.toml");
    addresses.write(&other)?;
    let other = other.display().to_string();
    let wrong = format!(
        "{url} serves chain 31337, but chain 5 is wanted; correct --rpc-url, --addresses or --chain-id"
    );
    let no_hub = format!(
        "there is no contract at {NOBODY_SHOWN} on chain 31337; correct --hub or --addresses"
    );
    for name in SERVERS {
        ended(&start(&turn, name, &["--chain-id", "5"])?, name, &[&wrong]);
        ended(&start(&turn, name, &["--addresses", &other])?, name, &[&wrong]);
        ended(&start(&turn, name, &["--hub", NOBODY])?, name, &[&no_hub]);
        ended(&start(&turn, name, &["--rpc-url", NOWHERE])?, name, &[NO_NODE]);
    }
    turn.assert_untouched().await
}

#[tokio::test(flavor = "multi_thread")]
async fn keystores_and_passwords_are_told_apart() -> Result<()> {
    let turn = Turn::take().await?;
    let wrong = turn.paper("wrong-password", "wrong\n")?;
    for (name, party) in [("poco-scheduler", Party::Scheduler), ("poco-worker", Party::Worker(1))] {
        let own = turn.world.keystore(party)?;
        let whole = std::fs::read(&own)?;
        let own = own.display().to_string();
        let half = turn.paper("half-keystore", &whole[..100])?;
        let line = format!(
            "wrong password for the keystore {own}; it was taken from the first line of {wrong}"
        );
        ended(&start(&turn, name, &["--password-file", &wrong])?, name, &[&line]);
        let line = "cannot read the password file none: No such file or directory (os error 2)";
        ended(&start(&turn, name, &["--password-file", "none"])?, name, &[line]);
        let line = format!(
            "{half} is no complete Ethereum V3 keystore: EOF while parsing a string at line 1 column 100; restore it from a backup"
        );
        ended(&start(&turn, name, &["--keystore", &half])?, name, &[&line]);
        let line = "cannot read the keystore none: No such file or directory (os error 2)";
        ended(&start(&turn, name, &["--keystore", "none"])?, name, &[line]);
    }
    turn.assert_untouched().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_is_not_there_or_another_s_is_not_served() -> Result<()> {
    let turn = Turn::take().await?;
    let hub = turn.world.addresses.hub;
    let none =
        format!("there is no pool at {NOBODY_SHOWN} on hub {hub}: check --workerpool and --hub");
    for name in ["poco-scheduler", "poco-worker"] {
        ended(&start(&turn, name, &["--workerpool", NOBODY])?, name, &[&none]);
    }
    let other = turn.world.keystore(Party::Provider)?.display().to_string();
    let line = format!(
        "pool {} belongs to {}, but the keystore is that of {}: choose the owner's --keystore",
        shown(&turn.pool),
        address_of(Party::Scheduler)?,
        address_of(Party::Provider)?
    );
    ended(&start(&turn, "poco-scheduler", &["--keystore", &other])?, "poco-scheduler", &[&line]);
    turn.assert_untouched().await
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_and_ports_that_cannot_be_used_are_named() -> Result<()> {
    let turn = Turn::take().await?;
    let file = turn.paper("no-folder", "x")?;
    let taken = TcpListener::bind(("127.0.0.1", 0))?;
    let address = taken.local_addr()?.to_string();
    for (name, flag, folder, what) in [
        ("poco-market", "--listen", "", "create the data folder"),
        ("poco-scheduler", "--listen", "/results", "create the data folder"),
        ("poco-worker", "--http-listen", "/journal", "make the folder"),
    ] {
        let line = format!(
            "cannot listen on {address}: choose another {flag}: Address already in use (os error 98)"
        );
        ended(&start(&turn, name, &[flag, &address])?, name, &[&line]);
        // The worker looks for its engine first.
        let engine: &[&str] = if name == "poco-worker" { &["--engine-url", ENGINE] } else { &[] };
        for (data, why) in [
            (format!("{file}/data"), "Not a directory (os error 20)"),
            ("/proc/none".to_owned(), "No such file or directory (os error 2)"),
        ] {
            let line = format!("cannot {what} {data}{folder}: choose another --data-dir: {why}");
            let changed = [&["--data-dir", &data], engine].concat();
            ended(&start(&turn, name, &changed)?, name, &[&line]);
        }
    }
    let line = "results cannot be stored at ftp://x/: give --results-url file:///folder or s3://bucket/folder";
    ended(
        &start(&turn, "poco-scheduler", &["--results-url", "ftp://x"])?,
        "poco-scheduler",
        &[line],
    );
    turn.assert_untouched().await
}

/// The engine of this machine.
const ENGINE: &str = "unix:///var/run/docker.sock";

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_has_one_process_and_one_chain() -> Result<()> {
    let turn = Turn::take().await?;
    let market = turn.world.path("market").display().to_string();
    let used = format!(
        "the data folder {market} is in use by another process: stop it, or choose another --data-dir"
    );
    ended(&start(&turn, "poco-market", &["--data-dir", &market])?, "poco-market", &[&used]);
    turn.assert_untouched().await?;

    let data = turn.world.path("papers").join("data").display().to_string();
    for name in ["poco-scheduler", "poco-worker"] {
        let folder = format!("{data}-{name}");
        let own = ["--data-dir", &folder, "--engine-url", ENGINE];
        let changed = if name == "poco-worker" { &own[..] } else { &own[..2] };
        let mut first = command(&turn, name, changed)?;
        // Its first line says that it runs, and that its folder is taken.
        first.env("POCO_LOG", "info").stderr(Stdio::piped());
        // The key is free elsewhere: what is refused is the folder.
        first.env("POCO_SCHEDULER_LOCK_DIR", format!("{folder}-locks"));
        let mut first = Held(first.spawn()?);
        let log = first.0.stderr.take().context("a log")?;
        let lines = std::io::BufRead::lines(std::io::BufReader::new(log));
        let ready = lines
            .map_while(Result::ok)
            .find(|line| line.contains("serving workers and clients") || line.contains("starting"));
        ready.context("it starts")?;
        let (what, below) = match name {
            "poco-scheduler" => ("data folder", "store"),
            _ => ("journal", "journal"),
        };
        let line = format!(
            "the {what} {folder}/{below} is in use by another process: stop it, or choose another --data-dir"
        );
        ended(&start(&turn, name, changed)?, name, &[&line]);
        assert!(first.0.try_wait()?.is_none(), "a server outlives whoever reads its log");
    }
    turn.assert_untouched().await
}

/// A process that ends with the test.
struct Held(std::process::Child);

impl Drop for Held {
    fn drop(&mut self) {
        // One that has ended already is all we want.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_an_engine_says_so_and_so_does_the_doctor() -> Result<()> {
    let turn = Turn::take().await?;
    let line = "no container engine answers at unix:///nowhere.sock: Socket not found: /nowhere.sock; start docker, or join its group";
    let name = "poco-worker";
    ended(&start(&turn, name, &[])?, name, &[line]);
    let mut by_variable = command(&turn, name, &["--engine-url", "tcp://127.0.0.1:1"])?;
    let refused = "no container engine answers at tcp://127.0.0.1:1: Error in the hyper legacy client: client error (Connect): tcp connect error: Connection refused (os error 111); start docker, or join its group";
    ended(&by_variable.output()?, name, &[refused]);

    let file = turn.paper("doctor", "x")?;
    let data = format!("{file}/data");
    let output =
        command(&turn, name, &["--data-dir", &data])?.args(["doctor", "--json"]).output()?;
    assert_eq!(output.status.code(), Some(1));
    let checks: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let check = |name: &str| {
        let found = checks.as_array().into_iter().flatten().find(|check| check["name"] == name);
        found.cloned().unwrap_or_default()
    };
    for (name, found, advice) in [
        (
            "engine",
            line,
            "install docker (`apt install docker.io`), start it, and let this user use it",
        ),
        ("disk", &format!("{file} is no folder"), "set data_dir to a folder of this user"),
        (
            "scheduler",
            "http://127.0.0.1:1/: the scheduler cannot be reached or gave up: The service is currently unavailable: tcp connect error: transport error: Connection refused (os error 111)",
            "correct scheduler_url or workerpool, or ask the pool's operator",
        ),
    ] {
        let expected = serde_json::json!({ "name": name, "verdict": "blocks", "found": found, "advice": advice });
        assert_eq!(check(name), expected, "{checks:#}");
    }
    for name in ["config", "keystore", "chain", "pool"] {
        assert_eq!(check(name)["verdict"], "ok", "{checks:#}");
    }
    std::io::stdout().flush()?;
    turn.assert_untouched().await
}
