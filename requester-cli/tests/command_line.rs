//! The program as its user meets it before there is a chain: help, completions, variables.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const COMMANDS: [&str; 16] = [
    "wallet",
    "account",
    "app",
    "dataset",
    "workerpool",
    "order",
    "group",
    "orderbook",
    "run",
    "deal",
    "task",
    "explain",
    "result",
    "claim",
    "admin",
    "completions",
];
const HUB: &str = "0x00000000000000000000000000000000000000aa";

/// The program with nothing of this process's environment that could configure it.
fn poco(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_poco"));
    command.env_clear().env("HOME", folder).current_dir(folder);
    command
}

fn run(args: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let output = poco(folder.path()).args(args).output().unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{args:?} leaves nothing");
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn without_arguments_it_shows_what_there_is_and_fails() {
    let output = run(&[]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    let told = text(&output.stderr);
    for command in COMMANDS {
        assert!(told.contains(&format!("\n  {command} ")), "{command}: {told}");
    }
}

#[test]
fn help_and_version_are_answers() {
    for command in COMMANDS {
        let output = run(&[command, "--help"]);
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{command}");
        let told = text(&output.stdout);
        assert!(told.contains(&format!("Usage: poco {command}")), "{told}");
    }
    let version = run(&["--version"]);
    assert_eq!(text(&version.stdout), format!("poco {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn words_that_make_no_sense_are_one_line_and_exit_code_2() {
    for (words, line) in [
        (&["bogus"][..], "unrecognized subcommand 'bogus'"),
        (&["rum"], "unrecognized subcommand 'rum'; a similar subcommand exists: 'run'"),
        (&["run"], "the following required arguments were not provided: <APP>"),
        (
            &["run", HUB, "--volume", "0"],
            "invalid value '0' for '--volume <VOLUME>': 0 is not in 1..=1000",
        ),
        (&["--zzz", "account", "show"], "unexpected argument '--zzz' found"),
        (
            &["--wallet", "0x12", "wallet", "show"],
            "--wallet 0x12: an address is 0x and 40 hexadecimal digits",
        ),
    ] {
        let by_clap = !line.starts_with("--wallet");
        let end = if by_clap { "; --help says more" } else { "" };
        let output = run(words);
        assert_eq!(text(&output.stderr), format!("error: {line}{end}\n"));
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
        let output = run(&[&["--json"], words].concat());
        let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
        let expected =
            serde_json::json!({ "ok": false, "error": format!("{line}{end}"), "code": 2 });
        assert_eq!(error, expected);
    }
}

#[test]
fn what_is_not_set_is_said() {
    let output = run(&["account", "show", HUB]);
    let line = "error: --rpc-url is not known: pass it, or --addresses FILE\n";
    assert_eq!((text(&output.stderr).as_str(), output.status.code()), (line, Some(2)));
    let output = run(&["--rpc-url", "http://127.0.0.1:1", "account", "show", HUB]);
    let line = "error: --hub is not known: pass it, or --addresses FILE\n";
    assert_eq!((text(&output.stderr).as_str(), output.status.code()), (line, Some(2)));
    let output = run(&["admin", "deploy", "--write", "x.toml"]);
    let line = "error: say on which chain to deploy: pass --rpc-url\n";
    assert_eq!((text(&output.stderr).as_str(), output.status.code()), (line, Some(2)));
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join(".ethereum/keystore");
    let output = poco(folder.path()).args(["wallet", "show"]).output().unwrap();
    let line =
        format!("error: no wallet in {}: make one with `poco wallet create`\n", keys.display());
    assert_eq!((text(&output.stderr), output.status.code()), (line, Some(6)));
}

#[test]
fn a_flag_comes_before_its_variable_and_the_last_of_two_flags_counts() {
    let folder = tempfile::tempdir().unwrap();
    let node = |changed: &[&str]| {
        let mut command = poco(folder.path());
        command.env("POCO_RPC_URL", "http://127.0.0.1:1").env("POCO_HUB", HUB).args(changed);
        let output = command.args(["account", "show", HUB]).output().unwrap();
        assert_eq!(output.status.code(), Some(5));
        text(&output.stderr)
    };
    assert!(node(&[]).contains("http://127.0.0.1:1:"), "the variable");
    let two = ["--rpc-url", "http://127.0.0.1:2", "--rpc-url", "http://127.0.0.1:3"];
    assert!(node(&two[..2]).contains("http://127.0.0.1:2:"), "the flag");
    assert!(node(&two).contains("http://127.0.0.1:3:"), "the last flag");
}

#[test]
fn every_setting_has_the_variable_that_the_readme_names() {
    let readme = include_str!("../README.md");
    let help = text(&run(&["--help"]).stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    for variable in [
        "POCO_ADDRESSES",
        "POCO_RPC_URL",
        "POCO_HUB",
        "POCO_CHAIN_ID",
        "POCO_MARKET_URL",
        "POCO_POOL_URL",
        "POCO_KEYSTORE_DIR",
        "POCO_WALLET",
        "POCO_KEYSTORE_PASSWORD_FILE",
    ] {
        assert!(help.contains(&format!("[env: {variable}=")), "{variable}: {help}");
        assert!(readme.contains(&format!("`{variable}`")), "{variable} in the README");
    }
}

#[test]
fn a_key_is_read_from_the_standard_input_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let key = "46".repeat(32);
    let mut child = poco(folder.path())
        .args(["--json", "--keystore-dir", "keys", "wallet", "import", "-"])
        .env("POCO_KEYSTORE_PASSWORD", "")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(key.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(6));
    let told = text(&output.stderr);
    assert!(told.contains("the password is empty") && !told.contains(&key), "{told}");
    assert!(!folder.path().join("keys").exists(), "nothing was written");
}

#[test]
fn completions_are_scripts_of_their_shells() {
    for (shell, begin) in
        [("bash", "_poco()"), ("zsh", "#compdef poco"), ("fish", "complete -c poco")]
    {
        let output = run(&["completions", shell]);
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{shell}");
        let script = text(&output.stdout);
        assert!(script.contains(begin), "{shell}");
        for command in COMMANDS {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    // The one shell that every machine with this test has.
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("poco.bash");
    std::fs::write(&script, run(&["completions", "bash"]).stdout).unwrap();
    let complete = "source \"$0\"; COMP_WORDS=(poco wall); COMP_CWORD=1; _poco poco wall poco; echo \"${COMPREPLY[@]}\"";
    let output = Command::new("bash").args(["-c", complete]).arg(&script).output().unwrap();
    assert_eq!(text(&output.stdout), "wallet\n", "{}", text(&output.stderr));
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure_and_a_reader_that_left_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = poco(folder.path()).args(["completions", "zsh"]).stdout(full).output().unwrap();
    let line = "error: the answer cannot be written: No space left on device (os error 28)\n";
    assert_eq!((text(&output.stderr).as_str(), output.status.code()), (line, Some(1)));

    let mut child = poco(folder.path())
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((text(&output.stderr).as_str(), output.status.code()), ("", Some(0)));
}
