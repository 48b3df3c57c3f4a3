//! Files that iExec's client gives into a pool's keeping.

use anyhow::Result;
use poco_integration_tests::clients::ipfs_add;
use poco_integration_tests::pool::{Plan, Pool};
use poco_integration_tests::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_iexec_adds_a_file_and_finds_it_again() -> Result<()> {
    let world = World::start().await?;
    let scheduler_environment = &[("POCO_SCHEDULER_FILES_BYTES_MAX", "100000")];
    let plan = Plan { workers: 0, scheduler_environment, ..Plan::default() };
    let pool = Pool::start(&world, &plan).await?;
    let added = ipfs_add(&pool.url, "a file of a client\n")?;
    // It looks at the gateway before it believes that it is there.
    let cid = added.stdout.trim();
    let found = reqwest::get(pool.url.join(&format!("ipfs/{cid}"))?).await?;
    assert_eq!(found.text().await?, "a file of a client\n", "{added:?}");
    // What a refusal says reaches who calls.
    let refused = ipfs_add(&pool.url, &"x".repeat(100_001))?;
    assert!(refused.stderr.contains("no room for more files"), "{refused:?}");
    Ok(())
}
