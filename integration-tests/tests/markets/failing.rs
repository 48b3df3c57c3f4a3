//! Apps that fail: the requester is told why and at once, and later tasks run.

use anyhow::{Context, Result, ensure};
use poco_chain::Transaction;
use poco_core::Call;
use poco_integration_tests::pool::{Plan, Pool};
use poco_integration_tests::world::{Party, World, wallet};
use std::sync::Arc;

/// Exit code of a task that failed.
const TASK_FAILED: i32 = 8;
/// Time of a run in the short category: a container starts within it, and the test stays short.
const SHORT_SECONDS: u64 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn apps_that_fail_are_told_with_their_reason_and_later_tasks_run() -> Result<()> {
    let world = World::start().await?;
    let short = short_category(&world).await?.to_string();
    let pool = Pool::start(&world, &Plan { workers: 2, ..Plan::default() }).await?;
    let market = pool.market_url.as_str();
    let terms = ["--price", "10RLC", "--volume", "10", "--category", &short, "--publish"];
    let order = ["--market-url", market, "order", "sign", "workerpool", &pool.workerpool];
    world.poco(Party::Scheduler, &[&order[..], &terms].concat())?.json()?;

    let failures = [
        ("echo before then exit 7", "0", "the app failed", "exit code 7"),
        (
            "echo before then sleep 300",
            short.as_str(),
            "the app exceeded its time",
            "longer than its category allows: stopped after",
        ),
        ("echo before then no-computed-json", "0", "the app left no result", "computed.json"),
        ("echo before then missing-path", "0", "the app left no result", "computed.json"),
    ];
    for (args, category, cause, detail) in failures {
        let words = ["--args", args, "--category", category];
        let answer = pool.run(&world, &words)?;
        ensure!(answer.code == TASK_FAILED, "{args}: {answer:?}\n{}", pool.scheduler.tail(40));
        assert!(answer.stderr.contains("failed on 2 workers"), "{args}: {}", answer.stderr);
        assert!(answer.stderr.contains(detail), "{args}: {}", answer.stderr);
        let task = answer.stderr.split_whitespace().find(|word| word.len() == 66);
        let task = task.with_context(|| format!("which task: {}", answer.stderr))?;
        let show = ["--market-url", market, "task", "show", task];
        let shown = world.poco(Party::Requester, &show)?.json()?;
        assert!(
            shown["pool"]["given_up"].as_str().is_some_and(|text| text.contains(detail)),
            "{shown:#}"
        );
        let replicas = shown["pool"]["replicas"].as_array().context("replicas")?;
        assert_eq!(replicas.len(), 2, "{shown:#}");
        for replica in replicas {
            assert_eq!(replica["failure"]["cause"], cause, "{shown:#}");
            assert_eq!(replica["failure"].get("stdout_tail"), None, "its requester's alone");
        }
        let logs = ["--market-url", market, "task", "logs", task];
        let logs = world.poco(Party::Requester, &logs)?;
        assert_eq!(logs.code, 0, "{logs:?}");
        assert_eq!(logs.stdout.matches("before\\n").count(), 4, "printed and last words: {logs:?}");
    }

    let output = world.path("result").to_string_lossy().into_owned();
    pool.run(&world, &["--args", "echo fine", "--output", &output])?.json()?;
    Ok(())
}

/// Lets the hub's owner create a category with a short time limit; answers its number.
async fn short_category(world: &World) -> Result<u64> {
    let chain = world.chain().await?;
    let call = Call::CreateCategory {
        name: "blink".into(),
        description: "for runs of seconds".into(),
        work_clock_time_ref_seconds: SHORT_SECONDS,
    };
    let owner = Arc::new(wallet(Party::Owner)?);
    world.send(owner, Transaction::hub(&chain, &call)).await?;
    let count = chain.category_count().await?;
    count.checked_sub(1).context("a category")
}
