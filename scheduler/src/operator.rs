//! The commands of an operator: each asks the running scheduler over its admin socket, but for the
//! repair of its store, for which it must not run.

use crate::cli::{Command, Flags, PriceArguments, WorkerArgument};
use crate::config::Config;
use crate::pricing::{PriceAsked, PriceShown, Sale};
use crate::repair;
use crate::status::{State, Status, WorkerShown};
use anyhow::{Context as _, bail};
use comfy_table::{ContentArrangement, Table, presets};
use poco_core::Amount;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A running scheduler answers between two turns of its loop.
const ANSWER_TIME: Duration = Duration::from_secs(20);

/// Carries a command out; what there is to print.
///
/// # Errors
/// One line that says what to do.
pub(crate) async fn run(command: &Command, flags: &Flags) -> anyhow::Result<String> {
    if let Command::Repair(asked) = command {
        return repair::run(flags, asked).await;
    }
    let config = Config::load(flags)?;
    let socket = Socket { path: config.admin_socket() };
    match command {
        Command::Status { json } => {
            let answer = socket.get("status").await?;
            if *json {
                return pretty(&answer);
            }
            let status: Status = serde_json::from_value(answer)
                .context("the scheduler that runs is of another version than this command")?;
            Ok(shown(&status))
        }
        Command::List { json } => {
            let answer = socket.get("list").await?;
            if *json { pretty(&answer) } else { Ok(lists_shown(&answer)) }
        }
        Command::Prices { json } => {
            let answer = socket.get("prices").await?;
            if *json { pretty(&answer) } else { prices_shown(&answer) }
        }
        Command::Price(PriceArguments { category, price_nano, price_full_nano }) => {
            let (price_nano, price_full_nano) = (*price_nano, *price_full_nano);
            let asked = PriceAsked { price_nano, price_full_nano };
            let path = format!("prices/{category}");
            let answer =
                socket.ask(|client, base| client.put(format!("{base}{path}")).json(&asked)).await?;
            Ok(told(&answer, &format!("category {category} is sold at that price")))
        }
        Command::Unsell(of) => {
            let category = of.category;
            let done = format!("category {category} is not sold");
            socket.order(&format!("prices/{category}/stop"), &done).await
        }
        Command::Unprice(of) => {
            let category = of.category;
            let path = format!("prices/{category}");
            let answer = socket.ask(|client, base| client.delete(format!("{base}{path}"))).await?;
            Ok(told(&answer, &format!("category {category} is sold as the configuration says")))
        }
        Command::Pause => socket.order("pause", "new deals are paused").await,
        Command::Resume => socket.order("resume", "new deals are served").await,
        Command::Drain(of) => socket.of_worker(of, "drain", "gets no new tasks").await,
        Command::Undrain(of) => socket.of_worker(of, "undrain", "gets new tasks").await,
        Command::Allow(of) => socket.of_worker(of, "allow", "may work here").await,
        Command::Deny(of) => socket.of_worker(of, "deny", "may not work here").await,
        Command::Repair(_) => unreachable!("it asks no running scheduler"),
        Command::Forget(of) => {
            socket.of_worker(of, "forget", "is treated as the configuration says").await
        }
    }
}

struct Socket {
    path: PathBuf,
}

impl Socket {
    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.ask(|client, base| client.get(format!("{base}{path}"))).await
    }

    async fn order(&self, path: &str, done: &str) -> anyhow::Result<String> {
        let answer = self.ask(|client, base| client.post(format!("{base}{path}"))).await?;
        Ok(told(&answer, done))
    }

    async fn of_worker(
        &self,
        of: &WorkerArgument,
        order: &str,
        done: &str,
    ) -> anyhow::Result<String> {
        let worker = of.worker.to_checksum(None);
        self.order(&format!("workers/{worker}/{order}"), &format!("{worker} {done}")).await
    }

    async fn ask(
        &self,
        request: impl Fn(&reqwest::Client, &str) -> reqwest::RequestBuilder,
    ) -> anyhow::Result<Value> {
        let shown = self.path.display();
        if !self.path.exists() {
            bail!("no scheduler answers at {shown}: start it, or give its --data-dir");
        }
        let client = reqwest::Client::builder()
            .unix_socket(self.path.as_path())
            .timeout(ANSWER_TIME)
            .build()?;
        let response = request(&client, "http://scheduler/").send().await.map_err(|error| {
            anyhow::anyhow!("no scheduler answers at {shown}: {}", cause(&self.path, &error))
        })?;
        let status = response.status();
        let answer: Value = response.json().await.context("the answer is no JSON")?;
        if !status.is_success() {
            bail!("{}", answer["error"].as_str().unwrap_or("the scheduler refuses"));
        }
        Ok(answer)
    }
}

/// What a person can do about a socket that does not answer.
fn cause(path: &Path, error: &reqwest::Error) -> String {
    match std::os::unix::net::UnixStream::connect(path) {
        Err(refused) if refused.kind() == std::io::ErrorKind::PermissionDenied => {
            "only the user who runs it may ask".into()
        }
        Err(_) => "it has ended; start it again".into(),
        Ok(_) if error.is_timeout() => "it is too busy; try again".into(),
        Ok(_) => error.to_string(),
    }
}

/// What an order has done.
fn told(answer: &Value, done: &str) -> String {
    if answer["changed"] == true { format!("{done}\n") } else { format!("{done}, as before\n") }
}

/// The prices for people.
fn prices_shown(answer: &Value) -> anyhow::Result<String> {
    let prices: Vec<PriceShown> = serde_json::from_value(answer["prices"].clone())
        .context("the scheduler that runs is of another version than this command")?;
    if prices.is_empty() {
        return Ok("nothing is sold by itself\n".into());
    }
    let mut shown = table(&["category", "idle", "full", "by"]);
    for PriceShown { category, sale, by_order } in prices {
        let (idle, full) = match sale {
            Sale::At { price_nano, price_full_nano } => {
                let shown = |nano| Amount::from_nano(nano).to_string();
                (shown(price_nano), shown(price_full_nano))
            }
            Sale::Stopped => ("not sold".into(), String::new()),
        };
        let by = if by_order { "order" } else { "configuration" };
        shown.add_row([category.to_string(), idle, full, by.into()]);
    }
    Ok(format!("{}\n", trimmed(&shown)))
}

fn pretty(value: &Value) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    table
}

/// The status for people.
fn shown(status: &Status) -> String {
    let mut facts = table(&[]);
    let mut add = |name: &str, value: String| {
        facts.add_row([name, value.as_str()]);
    };
    let Status { pool, chain, funds, spent, .. } = status;
    add("pool", format!("{} on chain {}", pool.workerpool, pool.chain_id));
    add("owner", pool.owner.clone());
    add("url", pool.url.clone());
    add("scheduler", format!("version {}, up {} s", pool.version, pool.up_seconds));
    let state = match status.health.state {
        State::Ok => "ok",
        State::Degraded => "degraded",
        State::Down => "down",
    };
    add("health", state.into());
    for reason in &status.health.reasons {
        add("", reason.clone());
    }
    let lag = format!("{} behind the node, {} s old", chain.lag_blocks, chain.age_seconds);
    add("block", format!("{}, {lag}", chain.block));
    add("stake", format!("{} free, {} locked", funds.stake_free, funds.stake_locked));
    add("gas", format!("{} wei, at {} wei each", funds.gas_wei, funds.gas_price_wei));
    add("spent", format!("{} gas, {} gwei", spent.gas, spent.fees_gwei));
    add("earned", format!("{} RLC; seized {} RLC", spent.earned_rlc, spent.seized_rlc));
    let slots = format!("{} of {} slots used", status.slots_used, status.slots);
    let connected = status.workers.iter().filter(|worker| worker.connected).count();
    add("workers", format!("{connected} connected, {slots}"));
    let held = format!("{} live, {} given up", status.tasks_live, status.tasks_given_up);
    add("deals", format!("{}, with {} tasks not made yet", status.deals, status.tasks_unmade));
    add("tasks", format!("{held}; {}", counted(&status.tasks)));
    add("waiting for", counted(&status.waits));
    for offer in &status.offers {
        let why = if offer.by_cost { ", the price of gas" } else { "" };
        let terms = format!("{} each{why}, trust {}", offer.price, offer.trust);
        add(
            "on offer",
            format!("{} tasks of category {} at {terms}", offer.volume, offer.category),
        );
    }
    add("transactions", format!("{} on their way", status.transactions_in_flight));
    for (kind, outcomes) in &spent.transactions {
        add("", format!("{kind}: {}", counted(outcomes)));
    }
    add("store", format!("{} kB", status.store_bytes / 1000));
    let (stored, left) = (status.results_bytes / 1_000_000, status.room_bytes / 1_000_000);
    add("results", format!("{stored} MB, room for {left} MB more"));
    add("queue", format!("{} arrivals", status.queue));
    format!("{}\n{}", trimmed(&facts), workers_shown(&status.workers))
}

fn workers_shown(workers: &[WorkerShown]) -> String {
    if workers.is_empty() {
        return String::new();
    }
    let mut shown = table(&["worker", "state", "slots", "tasks", "weight", "bond"]);
    for worker in workers {
        let state = match (worker.connected, worker.drained) {
            (true, false) => "connected",
            (true, true) => "draining",
            (false, false) => "away",
            (false, true) => "away, drained",
        };
        shown.add_row([
            worker.worker.clone(),
            state.into(),
            format!("{}/{}", worker.slots_used, worker.slots),
            worker.tasks.to_string(),
            worker.weight.clone(),
            worker.bond.clone(),
        ]);
    }
    format!("\n{}\n", trimmed(&shown))
}

fn lists_shown(answer: &Value) -> String {
    let mut text = String::new();
    let mut say = |name: &str, value: &Value| {
        for wallet in value.as_array().into_iter().flatten().filter_map(Value::as_str) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{wallet}  {name}");
        }
    };
    say("drained", &answer["drained"]);
    say("allowed by the configuration", &answer["configured"]["allowed"]);
    say("denied by the configuration", &answer["configured"]["denied"]);
    for verdict in answer["verdicts"].as_array().into_iter().flatten() {
        let word = verdict["verdict"].as_str().unwrap_or_default();
        say(&format!("{word} by order"), &Value::Array(vec![verdict["worker"].clone()]));
    }
    if answer["paused"] == true {
        text.push_str("new deals are paused\n");
    }
    if text.is_empty() {
        text.push_str("everybody may work, and nobody is drained\n");
    }
    text
}

/// Names with their counts, but those of which there are none.
fn counted(counts: &BTreeMap<String, u64>) -> String {
    let some = counts.iter().filter(|(_, count)| **count > 0);
    let shown: Vec<String> = some.map(|(name, count)| format!("{count} {name}")).collect();
    if shown.is_empty() { "nothing".into() } else { shown.join(", ") }
}

/// Without the blanks that fill the last column.
fn trimmed(table: &Table) -> String {
    let text = table.to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
