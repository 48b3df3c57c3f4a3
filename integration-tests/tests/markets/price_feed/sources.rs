//! Sources of quotes: files behind a web server of this machine.

use anyhow::{Context, Result};
use poco_integration_tests::process::{Process, free_port, wait_for};
use poco_integration_tests::world::World;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A price of 1, with the feed's 18 decimals.
pub(crate) const UNIT: u128 = 1_000_000_000_000_000_000;
/// How long the server may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// The sources; they end with it.
pub(crate) struct Sources {
    folder: PathBuf,
    port: u16,
    _server: Process,
}

impl Sources {
    /// Starts to serve; nothing is said yet.
    pub(crate) async fn serve(world: &World) -> Result<Self> {
        let folder = world.path("sources");
        std::fs::create_dir(&folder)?;
        std::fs::write(folder.join("ready"), "")?;
        let port = free_port()?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/file-server.mjs");
        let mut command = Command::new("node");
        command.arg(script).arg(port.to_string()).arg(&folder);
        let server = Process::start(command, &world.path(""), "sources")?;
        let sources = Self { folder, port, _server: server };
        let ready = sources.url("ready");
        wait_for("the sources to answer", ANSWER_MAX, async || {
            Ok(reqwest::get(&ready).await.ok().filter(|answer| answer.status().is_success()))
        })
        .await?;
        Ok(sources)
    }

    /// Where sources of these names answer.
    pub(crate) fn urls(&self, names: &[&str]) -> Vec<String> {
        names.iter().map(|name| self.url(name)).collect()
    }

    /// Lets each source of a list say a price, of a time.
    pub(crate) fn say(&self, quotes: &[(&str, &str, u64)]) -> Result<()> {
        for (name, price, at) in quotes {
            let quote = json!({ "pair": "RLC/USD", "at": at, "price": price });
            std::fs::write(self.folder.join(name), quote.to_string()).context("a quote")?;
        }
        Ok(())
    }

    fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }
}
