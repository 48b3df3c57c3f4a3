//! What a scheduler takes hold of before it runs: its key, its ports, its folders. All of it, or
//! nothing.

use crate::admin;
use crate::admission::Admission;
use crate::config::{Checked, Config};
use crate::doors::Doors;
use crate::files::Files;
use crate::objects::{Kind, Objects};
use crate::pricing::Pricing;
use crate::repair::check_finished;
use crate::rival::KeyLock;
use crate::room::Room;
use crate::store::{Identity, Store};
use crate::tls::Tls;
use crate::token::Token;
use anyhow::Context as _;
use poco_chain::Chain;
use poco_core::Address;
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;

/// What nobody else has while this lives.
pub(crate) struct Place {
    pub(crate) lock: KeyLock,
    pub(crate) doors: Doors,
    pub(crate) room: Room,
    pub(crate) store: Store,
    pub(crate) admission: Admission,
    pub(crate) pricing: Pricing,
    /// What others gave into keeping, where they may.
    pub(crate) files: Option<Files>,
    /// Uploads under way; empty.
    pub(crate) uploads: PathBuf,
}

impl Place {
    /// Takes hold of everything.
    ///
    /// # Errors
    /// One line that says who has it or what is wrong with it, and what to do.
    pub(crate) async fn take(
        checked: &Checked,
        chain: &Chain,
        owner: Address,
    ) -> anyhow::Result<Self> {
        let config = &checked.config;
        let data_dir = &config.data_dir;
        let lock = KeyLock::take(&config.lock_dir(), chain.chain_id(), owner, data_dir)?;
        // Bound before anything is written: a port that is taken leaves no trace.
        let listen = config.listen;
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen}: choose another --listen"))?;
        let programs = programs(config).await?;
        let folder = data_dir.join("results");
        let results = Objects::open(Kind::Results, config.results_url.as_ref(), &folder)?;
        results.check().await?;
        let is_encrypted = config.tls.is_on(listener.local_addr()?);
        let tls =
            is_encrypted.then(|| Tls::open(&config.tls, &data_dir.join("tls"))).transpose()?;
        check_finished(data_dir)?;
        let store = Store::open(&data_dir.join("store"), identity(checked, chain))?;
        let (allowed, denied) = (config.allowed_workers.clone(), config.denied_workers.clone());
        let admission = Admission::new(allowed, denied, store.standing()?);
        let pricing =
            Pricing::new(config.sales.policy(), config.market_url.is_some(), store.prices()?);
        let admin = admin::listen(&config.admin_socket())?;
        let uploads = data_dir.join("uploads");
        empty(&uploads)?;
        let doors = Doors { listener, tls, admin, programs };
        let bytes_max = config.results_bytes_max;
        let room = Room { folder: uploads.clone(), results, bytes_max };
        let (folder, floor) = (data_dir.join("files"), config.floor_room_bytes);
        let files = Files::open(config.files.clone(), &folder, room.clone(), floor).await?;
        Ok(Self { lock, doors, room, files, store, admission, pricing, uploads })
    }
}

/// Where programs give the operator's orders, where they may.
async fn programs(config: &Config) -> anyhow::Result<Option<(TcpListener, Token)>> {
    let (Some(listen), Some(file)) = (config.admin_listen, &config.admin_token_file) else {
        return Ok(None);
    };
    let token = Token::read(file)?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}: choose another --admin-listen"))?;
    Ok(Some((listener, token)))
}

/// Which pool a store is about.
pub(crate) fn identity(checked: &Checked, chain: &Chain) -> Identity {
    Identity { chain_id: chain.chain_id(), hub: chain.hub(), workerpool: checked.workerpool }
}

/// What uploads left behind when the process was killed is of no use.
fn empty(folder: &Path) -> anyhow::Result<()> {
    let cannot = || format!("cannot prepare {}", folder.display());
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(cannot)?;
    }
    std::fs::create_dir_all(folder).with_context(cannot)
}
