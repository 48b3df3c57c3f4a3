//! The life of a task, with a real chain, a real engine and the program itself. The scheduler is
//! the test's own: it does what a pool does, and nothing it does not need to.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "tests")]

mod engine;
mod machine;
mod market;
mod pool;

use machine::Machine;
use market::Market;
use poco_core::task::TaskStatus;
use poco_core::{Amount, TaskId};
use poco_proto::v1;
use pool::{Pool, Wish};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Points that only the fast lane comes by.
const FAST: [&str; 2] = ["worker.store.computed", "worker.contribute-and-finalize"];

/// Points that only a failed run comes by.
const FAILED: &str = "worker.store.failed";

/// Points that a worker comes by at its start, for what it finds there and not for a task.
const STARTING: [&str; 3] = ["worker.store.owner", "worker.deposit", "worker.sweep"];

/// What the chain holds when a task has gone well: paid out, nothing lost, nothing locked.
async fn assert_paid(market: &Market, task: TaskId, tasks: u64) {
    let view = market.chain.task(task).await.unwrap();
    assert_eq!(view.status, TaskStatus::Completed);
    let account = market.chain.account(market.worker.address()).await.unwrap();
    assert_eq!(account.locked, Amount::ZERO);
    // The pool's price less its owner's share of 1 %, for each task.
    let earned = Amount::from_nano(market::DEPOSIT + tasks * market::PRICE / 100 * 99);
    assert_eq!(account.free, earned);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_run_voted_for_revealed_uploaded_and_forgotten() {
    let Some(app) = engine::app("classic").await else { return };
    let market = Market::open(&app, 1, 1).await;
    let pool = Pool::open(&market, v1::Lane::Classic).await;
    let machine = Machine::new(&market, &pool);
    let mut worker = machine.start(None);
    let task = market.initialize(0).await;
    pool.wish(task, Wish::Whole);
    pool.until_finalized(task).await;
    assert_paid(&market, task, 1).await;
    assert_eq!(pool.digest_of_upload(task), market.chain.task(task).await.unwrap().digest);
    machine.until_cleared(task).await;
    worker.terminate().await;
    assert_eq!(engine::starts_of(task), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_fast_lane_the_worker_finalizes_itself() {
    let Some(app) = engine::app("fast").await else { return };
    let market = Market::open(&app, 1, 1).await;
    let pool = Pool::open(&market, v1::Lane::Fast).await;
    let machine = Machine::new(&market, &pool);
    let mut worker = machine.start(None);
    let task = market.initialize(0).await;
    pool.wish(task, Wish::Whole);
    market.until_completed(task).await;
    machine.until_cleared(task).await;
    assert_paid(&market, task, 1).await;
    let view = market.chain.task(task).await.unwrap();
    assert_eq!(pool.digest_of_upload(task), view.digest);
    assert!(view.results.starts_with(br#"{"storage":"ipfs","location":"/ipfs/"#));
    worker.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_fails_says_why_and_costs_nothing() {
    let Some(app) = engine::app("failing").await else { return };
    let script = "echo to the log; echo to errors >&2; exit 7";
    let market = Market::open_with(&app, 1, (1, script)).await;
    let pool = Pool::open(&market, v1::Lane::Classic).await;
    let machine = Machine::new(&market, &pool);
    let mut worker = machine.start(None);
    let task = market.initialize(0).await;
    pool.wish(task, Wish::Whole);
    let failure = pool.until_failed(task).await;
    assert_eq!(failure.cause(), v1::failure::Cause::ExitCode);
    assert_eq!(failure.exit_code, 7);
    assert_eq!(failure.stdout_tail.trim(), "to the log");
    assert_eq!(failure.stderr_tail.trim(), "to errors");
    machine.until_cleared(task).await;
    let account = market.chain.account(market.worker.address()).await.unwrap();
    assert_eq!(account.free, Amount::from_nano(market::DEPOSIT));
    worker.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_worker_leaves_its_container_running_and_goes_on_with_it() {
    let Some(app) = engine::app("adopted").await else { return };
    let script = format!("sleep 4; {}", market::SCRIPT);
    let market = Market::open_with(&app, 1, (1, &script)).await;
    let pool = Pool::open(&market, v1::Lane::Classic).await;
    let machine = Machine::new(&market, &pool);
    let mut worker = machine.start(None);
    let task = market.initialize(0).await;
    pool.wish(task, Wish::Whole);
    pool.until(task, v1::Stage::Running).await;
    worker.terminate().await;
    assert!(engine::is_running(task));
    let mut worker = machine.start(None);
    pool.until_finalized(task).await;
    assert_paid(&market, task, 1).await;
    worker.terminate().await;
    assert_eq!(engine::starts_of(task), 1);
}

/// A step of a script that waits for [`engine::touch`].
fn wait_for(path: &str) -> String {
    format!("while [ ! -e {path} ]; do sleep 0.1; done")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_was_killed_from_outside_is_run_again() {
    let Some(app) = engine::app("killed").await else { return };
    let script = format!("{}; {}", wait_for("/tmp/a"), market::SCRIPT);
    let market = Market::open_with(&app, 1, (1, &script)).await;
    let pool = Pool::open(&market, v1::Lane::Classic).await;
    let machine = Machine::new(&market, &pool);
    let mut worker = machine.start(None);
    let task = market.initialize(0).await;
    pool.wish(task, Wish::Whole);
    engine::until_started(task, 1).await;
    engine::kill(task);
    engine::until_started(task, 2).await;
    engine::touch(task, "/tmp/a");
    pool.until_finalized(task).await;
    assert_paid(&market, task, 1).await;
    worker.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_ends_as_if_killed_is_believed_the_second_time() {
    let Some(app) = engine::app("suicidal").await else { return };
    let market = Market::open_with(&app, 1, (1, "exit 137")).await;
    let pool = Pool::open(&market, v1::Lane::Classic).await;
    let machine = Machine::new(&market, &pool);
    let mut worker = machine.start(None);
    let task = market.initialize(0).await;
    pool.wish(task, Wish::Whole);
    let failure = pool.until_failed(task).await;
    assert_eq!(failure.cause(), v1::failure::Cause::ExitCode);
    assert_eq!(failure.exit_code, 137);
    assert_eq!(engine::starts_of(task), 2);
    worker.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_away_for_a_moment_costs_no_task() {
    let Some(app) = engine::app("waiting").await else { return };
    let script = format!("{}; {}", wait_for("/tmp/a"), market::SCRIPT);
    let market = Market::open_with(&app, 2, (1, &script)).await;
    let pool = Pool::open(&market, v1::Lane::Classic).await;
    let machine = Machine::new(&market, &pool);
    let door = engine::Door::open();
    machine.use_engine(&door.url);
    let mut worker = machine.start(None);
    let running = market.initialize(0).await;
    pool.wish(running, Wish::Whole);
    engine::until_started(running, 1).await;
    // One runs on meanwhile, one cannot begin.
    door.set_open(false);
    let beginning = market.initialize(1).await;
    pool.wish(beginning, Wish::Whole);
    machine.until_logged("waiting for the container engine").await;
    engine::touch(running, "/tmp/a");
    door.set_open(true);
    engine::until_started(beginning, 1).await;
    engine::touch(beginning, "/tmp/a");
    for task in [running, beginning] {
        pool.until_finalized(task).await;
        assert_eq!(engine::starts_of(task), 1);
    }
    assert_paid(&market, beginning, 2).await;
    worker.terminate().await;
}

/// A web server that breaks off the first connections and then gives everybody the same file; its url.
async fn hesitant(breaks: usize, file: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/file", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut seen = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            seen += 1;
            if seen > breaks {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", file.len());
                let _ = stream.write_all(format!("{head}{file}").as_bytes()).await;
            }
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_breaks_off_costs_no_task() {
    let Some(app) = engine::app("reading").await else { return };
    let url = hesitant(2, "what was asked for").await;
    let script = format!("cat /iexec_in/file; {}", market::SCRIPT);
    let market = Market::open_reading(&app, (1, 1), &script, &[&url]).await;
    let pool = Pool::open(&market, v1::Lane::Classic).await;
    let machine = Machine::new(&market, &pool);
    let mut worker = machine.start(None);
    let task = market.initialize(0).await;
    pool.wish(task, Wish::Whole);
    pool.until_finalized(task).await;
    assert_paid(&market, task, 1).await;
    worker.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_only_breaks_off_is_given_up_with_its_reason() {
    let Some(app) = engine::app("unread").await else { return };
    let url = hesitant(usize::MAX, "").await;
    let market = Market::open_reading(&app, (1, 1), market::SCRIPT, &[&url]).await;
    let pool = Pool::open(&market, v1::Lane::Classic).await;
    let machine = Machine::new(&market, &pool);
    let mut worker = machine.start(None);
    let task = market.initialize(0).await;
    pool.wish(task, Wish::Whole);
    let failure = pool.until_failed(task).await;
    assert_eq!(failure.cause(), v1::failure::Cause::Input);
    assert!(failure.detail.contains(&url), "{}", failure.detail);
    worker.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_app_prints_is_told_while_it_runs_and_again_by_a_worker_that_comes_back() {
    let Some(app) = engine::app("printing").await else { return };
    let (first, second) = (wait_for("/tmp/a"), wait_for("/tmp/b"));
    let script = format!(
        "echo one; {first}; echo two; echo oops >&2; {second}; echo end; {}",
        market::SCRIPT
    );
    let market = Market::open_with(&app, 1, (1, &script)).await;
    let pool = Pool::open(&market, v1::Lane::Classic).await;
    let machine = Machine::new(&market, &pool);
    let mut worker = machine.start(None);
    let task = market.initialize(0).await;
    pool.wish(task, Wish::Whole);
    let (_, stage) = pool.until_printed(task, |heard| heard.stdout == "one\n").await;
    // The message and the report take ways of their own.
    assert!([v1::Stage::Fetching, v1::Stage::Running].contains(&stage), "{stage:?}");
    engine::touch(task, "/tmp/a");
    let (heard, stage) = pool
        .until_printed(task, |heard| heard.stdout == "one\ntwo\n" && heard.stderr == "oops\n")
        .await;
    assert!([v1::Stage::Fetching, v1::Stage::Running].contains(&stage), "{stage:?}");
    assert_eq!(heard.stderr, "oops\n");
    worker.terminate().await;
    let mut worker = machine.start(None);
    // The engine logs each stream on its own.
    let is_all = |now: &pool::Heard| now.stdout == "one\ntwo\n" && now.stderr == "oops\n";
    let (again, _) =
        pool.until_printed(task, |now| now.telling != heard.telling && is_all(now)).await;
    assert_eq!(again.lost, 0);
    engine::touch(task, "/tmp/b");
    let (heard, _) = pool.until_printed(task, |heard| heard.is_over).await;
    assert_eq!(heard.stdout, "one\ntwo\nend\n");
    pool.until_finalized(task).await;
    assert_paid(&market, task, 1).await;
    worker.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_floods_its_output_is_told_in_part_and_with_its_end() {
    let Some(app) = engine::app("flooding").await else { return };
    // 3 MB and more, as fast as it goes.
    let flood = "i=0; while [ $i -lt 40000 ]; do i=$((i+1)); \
        echo $i.0123456789012345678901234567890123456789012345678901234567890123456789; done";
    let script = format!("{flood}; echo the end; {}", market::SCRIPT);
    let market = Market::open_with(&app, 1, (1, &script)).await;
    let pool = Pool::open(&market, v1::Lane::Classic).await;
    let machine = Machine::new(&market, &pool);
    let mut worker = machine.start(None);
    let task = market.initialize(0).await;
    pool.wish(task, Wish::Whole);
    let (heard, _) = pool.until_printed(task, |heard| heard.is_over).await;
    assert!(heard.stdout.ends_with("\nthe end\n"), "the end is never lost");
    assert!(heard.lost > 0, "it shows that some is missing");
    assert!((heard.stdout.len() as u64) < pool::PRINTED_BYTES_MAX + (1 << 17));
    pool.until_finalized(task).await;
    assert_paid(&market, task, 1).await;
    worker.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_scheduler_costs_no_stake() {
    let Some(app) = engine::app("silent").await else { return };
    let market = Market::open(&app, 1, 1).await;
    let pool = Pool::open(&market, v1::Lane::Classic).await;
    let machine = Machine::new(&market, &pool);
    let mut worker = machine.start(None);
    let task = market.initialize(0).await;
    pool.wish(task, Wish::AssignOnly);
    market.until_revealed(task).await;
    worker.terminate().await;
}

/// The points of which `is_wanted` says so. Those of the settlement lane need a scheduler that
/// commits: `integration-tests/tests/kill` walks them.
fn points(is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let names = machine::failpoints().into_iter().filter(|name| !name.contains(".lane."));
    names.filter(|name| is_wanted(name)).collect()
}

fn is_starting(name: &str) -> bool {
    STARTING.iter().any(|stem| name.starts_with(stem))
}

fn is_fast(name: &str) -> bool {
    FAST.iter().any(|stem| name.starts_with(stem))
}

/// Dies at each point, in one task for each, and sees every task paid and run once.
async fn die_at(points: &[String], app: &str, lane: v1::Lane) {
    let Some(app) = engine::app(app).await else { return };
    let market = Market::open(&app, u64::try_from(points.len()).unwrap(), 1).await;
    let pool = Pool::open(&market, lane).await;
    let machine = Machine::new(&market, &pool);
    for (index, point) in (0u64..).zip(points) {
        let mut dying = machine.start(Some(point));
        let task = market.initialize(index).await;
        pool.wish(task, Wish::Whole);
        dying.until_dead(point).await;
        let mut worker = machine.start(None);
        market.until_completed(task).await;
        machine.until_cleared(task).await;
        worker.terminate().await;
        assert_paid(&market, task, index + 1).await;
        assert_eq!(engine::starts_of(task), 1, "{point}: the app ran once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_at_any_step_goes_on_where_it_was() {
    let points = points(|name| !is_fast(name) && !is_starting(name) && !name.starts_with(FAILED));
    assert!(points.len() > 40, "{points:?}");
    die_at(&points, "dying", v1::Lane::Classic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_at_any_step_of_the_fast_lane_goes_on_where_it_was() {
    let points = points(is_fast);
    assert_eq!(points.len(), 4, "{points:?}");
    die_at(&points, "dying-fast", v1::Lane::Fast).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_over_a_failed_run_still_tells_why() {
    let Some(app) = engine::app("dying-failed").await else { return };
    let points = points(|name| name.starts_with(FAILED));
    assert_eq!(points.len(), 2, "{points:?}");
    let market = Market::open_with(&app, 2, (1, "exit 9")).await;
    let pool = Pool::open(&market, v1::Lane::Classic).await;
    let machine = Machine::new(&market, &pool);
    for (index, point) in (0u64..).zip(&points) {
        let mut dying = machine.start(Some(point));
        let task = market.initialize(index).await;
        pool.wish(task, Wish::Whole);
        dying.until_dead(point).await;
        let mut worker = machine.start(None);
        assert_eq!(pool.until_failed(task).await.exit_code, 9);
        machine.until_cleared(task).await;
        worker.terminate().await;
        assert_eq!(engine::starts_of(task), 1, "{point}: the app ran once");
    }
}
