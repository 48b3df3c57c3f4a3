//! Clients of others, pinned in `clients/package-lock.json` and installed when first needed.

use crate::pool::Pool;
use crate::world::{Answer, PASSWORD, Party, World, answer, chain_id, wallet};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Runs iExec's own command line (npm `iexec`) as a party, set to this market and pool.
///
/// # Errors
/// Where it cannot be installed or run at all; that it fails is in the answer.
pub fn iexec(world: &World, pool: &Pool, party: Party, words: &[&str]) -> Result<Answer> {
    let program = installed()?.join("iexec/dist/esm/cli/cmd/iexec.js");
    let folder = world.path("iexec");
    std::fs::create_dir_all(&folder)?;
    let url = |url: &url::Url| url.as_str().trim_end_matches('/').to_owned();
    let (market, pool) = (url(&pool.market_url), url(&pool.url));
    let chain = json!({
        "id": chain_id().to_string(),
        "host": world.addresses.rpc_url,
        "hub": world.addresses.hub,
        "sms": market,
        "iexecGateway": market,
        "ipfsGateway": pool,
        "compass": market,
    });
    let file = json!({ "default": "world", "chains": { "world": chain } });
    std::fs::write(folder.join("chain.json"), file.to_string())?;
    let mut command = Command::new("node");
    command
        .arg(program)
        .args(words)
        // Without it the client looks for a newer version of itself.
        .args(["--raw", "--quiet", "--password", PASSWORD])
        .args([Path::new("--keystoredir"), &world.path("keystore")])
        .args(["--wallet-address", &wallet(party)?.address().to_string()])
        .current_dir(folder);
    Ok(answer(command.output().context("node cannot be run")?))
}

/// Gives a file to an IPFS node, and looks for it at a gateway, as iExec's library does both; prints its CID.
///
/// # Errors
/// Where the library cannot be installed or run at all; that it fails is in the answer.
pub fn ipfs_add(node: &url::Url, content: &str) -> Result<Answer> {
    let library = installed()?.join("iexec/dist/esm/common/utils/ipfs.js");
    let url = node.as_str().trim_end_matches('/');
    let given = json!({ "content": content, "ipfsNode": url, "ipfsGateway": url });
    let script = format!(
        "import {{ add }} from {library}; add({given}).then(console.log);",
        library = json!(format!("file://{}", library.display())),
    );
    let mut command = Command::new("node");
    command.args(["--input-type=module", "--eval", &script]);
    Ok(answer(command.output().context("node cannot be run")?))
}

/// The folder of the installed packages.
fn installed() -> Result<PathBuf> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/clients"));
    let (lock, modules) = (folder.join("package-lock.json"), folder.join("node_modules"));
    let stamp = modules.join(".poco-stamp");
    let wanted = std::fs::read(lock)?;
    if std::fs::read(&stamp).ok().as_ref() != Some(&wanted) {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
        let output = npm.output().context("npm cannot be run")?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "npm cannot install {}: {told}", folder.display());
        std::fs::write(stamp, wanted)?;
    }
    Ok(modules)
}
