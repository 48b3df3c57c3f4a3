//! Fetches files by CID from gateways, believing none of them.
//!
//! A gateway that serves raw blocks is asked for each block of the file and every block is
//! checked. One that serves whole files only is taken as well: the file is imported again as
//! `ipfs add` would, and must get the CID that was asked for.

use std::io::Write as _;

use poco_result::Cid;
use poco_result::cid::walk::BLOCK_BYTES_MAX;
use poco_result::cid::{Importer, Walk, WalkError};
use reqwest::Response;
use url::Url;

use super::fetch::{Failure, FetchError, Fetcher, Sink, get, is_type};

/// The type of a response that is one block.
const RAW_BLOCK: &str = "application/vnd.ipld.raw";

impl Fetcher {
    /// Tries the gateways in order; the error of the last one is reported.
    pub(super) async fn fetch_ipfs(&self, cid: &Cid, sink: &mut Sink) -> Result<(), FetchError> {
        let none = "no IPFS gateway is configured".to_owned();
        let mut last = Failure::Refused(none).of(&sink.shown);
        for gateway in &self.settings.gateways {
            sink.restart()?;
            match self.fetch_from(gateway, cid, sink).await {
                Ok(()) => return Ok(()),
                // Another gateway cannot make the file smaller or this disk larger.
                Err(error @ (FetchError::TooLarge { .. } | FetchError::Io { .. })) => {
                    return Err(error);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn fetch_from(
        &self,
        gateway: &Url,
        cid: &Cid,
        sink: &mut Sink,
    ) -> Result<(), FetchError> {
        match self.request(gateway, cid, true).await {
            Ok(response) if is_type(&response, RAW_BLOCK) => {
                self.fetch_blocks(gateway, cid, response, sink).await
            }
            // The gateway knows no blocks and has sent the file.
            Ok(response) => fetch_file(cid, response, sink).await,
            Err(_) => {
                let response = self.request(gateway, cid, false).await;
                fetch_file(cid, response.map_err(|failure| failure.of(&sink.shown))?, sink).await
            }
        }
    }

    async fn request(&self, gateway: &Url, cid: &Cid, raw: bool) -> Result<Response, Failure> {
        let mut url = gateway.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/ipfs/{cid}"));
        if raw {
            url.set_query(Some("format=raw"));
        }
        get(&self.gateways, url, raw.then_some(RAW_BLOCK), false).await
    }

    async fn fetch_blocks(
        &self,
        gateway: &Url,
        root: &Cid,
        first: Response,
        sink: &mut Sink,
    ) -> Result<(), FetchError> {
        let mut walk = Walk::new(*root, sink.bytes_max);
        let mut response = Some(first);
        while let Some(cid) = walk.wanted() {
            let response = match response.take() {
                Some(first) => first,
                None => self
                    .request(gateway, &cid, true)
                    .await
                    .map_err(|failure| failure.of(&sink.shown))?,
            };
            let block = read_block(response, sink).await?;
            let content = walk.supply(&block).map_err(|error| refusal(&error, root, sink))?;
            sink.write(&content)?;
        }
        Ok(())
    }
}

async fn read_block(mut response: Response, sink: &Sink) -> Result<Vec<u8>, FetchError> {
    let mut block = Vec::new();
    while let Some(bytes) = response.chunk().await.map_err(|error| sink.network(&error))? {
        block.extend_from_slice(&bytes);
        // One byte too many is enough for the walk to refuse it.
        if block.len() > BLOCK_BYTES_MAX {
            break;
        }
    }
    Ok(block)
}

async fn fetch_file(cid: &Cid, mut response: Response, sink: &mut Sink) -> Result<(), FetchError> {
    sink.expect(response.content_length())?;
    let mut importer = Importer::new(cid.layout(), |_: &Cid, _: &[u8]| {});
    while let Some(bytes) = response.chunk().await.map_err(|error| sink.network(&error))? {
        sink.write(&bytes)?;
        importer.write_all(&bytes).expect("an importer takes all bytes");
    }
    let got = importer.finish();
    if got == *cid {
        return Ok(());
    }
    Err(FetchError::Mismatch {
        source_shown: sink.shown.clone(),
        expected: cid.to_string(),
        got: got.to_string(),
    })
}

fn refusal(error: &WalkError, root: &Cid, sink: &Sink) -> FetchError {
    match error {
        WalkError::TooLarge => sink.too_large(),
        WalkError::Mismatch(_)
        | WalkError::BlockTooLarge(_)
        | WalkError::NotAFile { .. }
        | WalkError::TooDeep
        | WalkError::Done => FetchError::Mismatch {
            source_shown: sink.shown.clone(),
            expected: format!("the file {root}"),
            got: error.to_string(),
        },
    }
}
