//! The files an app works on: where they come from and what they are called.
//!
//! Names depend on the request alone, never on what a server answers, so that all workers of a
//! task give the app the same ones. Fetching is in [`Fetcher`].

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use alloy_primitives::{Address, B256};
use poco_result::Cid;
use thiserror::Error;
use url::Url;

mod address;
mod fetch;
mod ipfs;

pub use fetch::{FetchError, FetchSettings, Fetched, Fetcher};

/// Longest file name given to an input; file systems allow 255 bytes, and a number may be added.
const NAME_BYTES_MAX: usize = 200;
/// Most input files of one run; each is a request to a stranger's server.
pub const INPUT_FILES_MAX: usize = 1000;
/// How a binary multiaddr says that a multihash of an IPFS file follows: 421 as a varint.
const MULTIADDR_IPFS: [u8; 2] = [0xa5, 0x03];

/// Where an input is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A web server, by http or https.
    Web(Url),
    /// IPFS, through the configured gateways.
    Ipfs(Cid),
}

/// Why a text or multiaddr is no source.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{shown:?} is no input address: {reason}; use http(s)://… or /ipfs/<cid>")]
pub struct BadSource {
    shown: String,
    reason: String,
}

impl Source {
    /// Reads a multiaddr as the chain holds it: text, or binary for IPFS.
    pub fn from_multiaddr(multiaddr: &[u8]) -> Result<Self, BadSource> {
        if let Some(rest) = multiaddr.strip_prefix(&MULTIADDR_IPFS) {
            let bad =
                |reason: &str| BadSource { shown: hex::encode(multiaddr), reason: reason.into() };
            let (length, hash) = rest.split_first().ok_or_else(|| bad("it is cut off"))?;
            if usize::from(*length) != hash.len() {
                return Err(bad("its length is wrong"));
            }
            let cid = Cid::from_multihash(hash).map_err(|error| bad(&error.to_string()))?;
            return Ok(Self::Ipfs(cid));
        }
        match std::str::from_utf8(multiaddr) {
            Ok(text) => text.parse(),
            Err(_) => Err(BadSource {
                shown: hex::encode(multiaddr),
                reason: "it is neither text nor an IPFS multiaddr".into(),
            }),
        }
    }

    /// The file name the source suggests, not yet made safe.
    fn base_name(&self) -> String {
        match self {
            Self::Ipfs(cid) => cid.to_string(),
            Self::Web(url) => {
                let last = url.path_segments().and_then(|mut segments| segments.next_back());
                decode_percent(last.unwrap_or_default())
            }
        }
    }
}

impl FromStr for Source {
    type Err = BadSource;

    fn from_str(text: &str) -> Result<Self, BadSource> {
        let bad = |reason: String| BadSource { shown: text.chars().take(200).collect(), reason };
        for prefix in ["/ipfs/", "ipfs://", "/p2p/"] {
            if let Some(cid) = text.strip_prefix(prefix) {
                return cid.parse().map(Self::Ipfs).map_err(|error| bad(format!("{error}")));
            }
        }
        let url = Url::parse(text).map_err(|error| bad(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad(format!("{} is not fetched", url.scheme())));
        }
        Ok(Self::Web(url))
    }
}

/// Shows no query, user or password: signed urls carry secrets there.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipfs(cid) => write!(f, "/ipfs/{cid}"),
            Self::Web(url) => {
                let origin = url.origin().ascii_serialization();
                write!(f, "{origin}{}", url.path())
            }
        }
    }
}

/// A dataset as its entry on chain describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Its entry.
    pub address: Address,
    /// Where it is.
    pub source: Source,
    /// The sha256 of the file there.
    pub checksum: B256,
}

/// All inputs of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// The deal's dataset.
    pub dataset: Option<Dataset>,
    /// `iexec_input_files` of the request, in its order.
    pub files: Vec<Source>,
}

/// What the inputs are called in `/iexec_in`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputNames {
    /// The dataset's.
    pub dataset: Option<String>,
    /// The files', in the request's order.
    pub files: Vec<String>,
}

impl Inputs {
    /// The dataset is called by its address, `0x` and lower-case hex. A file is called as the last
    /// part of its url; if that name is taken, its number, `_` and that name.
    pub fn names(&self) -> InputNames {
        let dataset = self.dataset.as_ref().map(|dataset| format!("{:#x}", dataset.address));
        let mut taken: BTreeSet<String> = dataset.iter().cloned().collect();
        let mut files = Vec::with_capacity(self.files.len());
        for (index, source) in self.files.iter().enumerate() {
            let number = index + 1;
            let base = safe_name(&source.base_name(), number);
            let mut name = base.clone();
            // Each round prefixes once more; names are finite, so one is free by then.
            while !taken.insert(name.clone()) {
                name = format!("{number}_{name}");
            }
            files.push(name);
        }
        InputNames { dataset, files }
    }
}

/// A name that is a plain file in any folder and harmless in a shell's listing.
fn safe_name(base: &str, number: usize) -> String {
    let replace = |c: char| if c.is_control() || matches!(c, '/' | '\\') { '_' } else { c };
    let mut name: String = base.chars().map(replace).collect();
    while name.len() > NAME_BYTES_MAX {
        name.pop();
    }
    if name.trim_matches(['.', ' ']).is_empty() {
        return format!("input_{number}");
    }
    name
}

/// Undoes %XX; what then is no UTF-8 is replaced.
fn decode_percent(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let pair = text.get(at + 1..at + 3).filter(|_| byte == b'%');
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o";

    fn names(urls: &[&str]) -> Vec<String> {
        let files = urls.iter().map(|url| url.parse().unwrap()).collect();
        Inputs { dataset: None, files }.names().files
    }

    #[test]
    fn multiaddrs_are_text_or_binary() {
        let cid: Cid = HELLO.parse().unwrap();
        let text = format!("/ipfs/{HELLO}");
        assert_eq!(Source::from_multiaddr(text.as_bytes()), Ok(Source::Ipfs(cid)));
        assert_eq!(format!("ipfs://{HELLO}").parse(), Ok(Source::Ipfs(cid)));
        let mut binary = MULTIADDR_IPFS.to_vec();
        let hash = [&[0x12, 0x20][..], &[7; 32]].concat();
        binary.push(34);
        binary.extend(&hash);
        let Ok(Source::Ipfs(found)) = Source::from_multiaddr(&binary) else { panic!() };
        assert_eq!(found, Cid::from_multihash(&hash).unwrap());
        binary.pop();
        assert!(Source::from_multiaddr(&binary).is_err());
        let web = Source::from_multiaddr(b"https://a.example/b?c=d").unwrap();
        assert_eq!(web.to_string(), "https://a.example/b");
    }

    #[test]
    fn other_schemes_and_bytes_are_refused() {
        for bad in ["", "file:///etc/passwd", "ftp://a/b", "/ipfs/nothing", "a/b", "http://"] {
            assert!(bad.parse::<Source>().is_err(), "{bad}");
        }
        assert!(Source::from_multiaddr(&[0xff, 0xfe]).is_err());
        assert!(Source::from_multiaddr(&MULTIADDR_IPFS).is_err());
    }

    #[test]
    fn inputs_with_one_base_name_get_different_names() {
        let urls = ["http://a/x.txt", "http://b/x.txt", "http://c/2_x.txt", "http://d/d/x.txt?q"];
        assert_eq!(names(&urls), ["x.txt", "2_x.txt", "3_2_x.txt", "4_x.txt"]);
        let taken = ["http://a/2_x", "http://a/x", "http://a/x", "http://a/3_x"];
        assert_eq!(names(&taken), ["2_x", "x", "3_x", "4_3_x"]);
    }

    #[test]
    fn names_cannot_leave_the_folder() {
        assert_eq!(names(&["http://a/%2e%2e%2fetc%2fpasswd"]), [".._etc_passwd"]);
        assert_eq!(names(&["http://a/b/", "http://a"]), ["input_1", "input_2"]);
        assert_eq!(names(&["http://a/%2e%2e", "http://a/x%00%0ay%5cz"]), ["input_1", "x__y_z"]);
        assert_eq!(names(&["http://a/caf%C3%A9.txt", "http://a/100%"]), ["café.txt", "100%"]);
        let long = format!("http://a/{}", "é".repeat(300));
        assert!(names(&[&long])[0].len() <= NAME_BYTES_MAX);
    }

    #[test]
    fn the_dataset_is_called_by_its_address_and_never_overwritten() {
        let address = Address::repeat_byte(0xAB);
        let name = format!("0x{}", "ab".repeat(20));
        let source: Source = "http://a/data.csv".parse().unwrap();
        let dataset = Some(Dataset { address, source, checksum: B256::ZERO });
        let files = vec![format!("http://a/{name}").parse().unwrap()];
        let names = Inputs { dataset, files }.names();
        assert_eq!(names.dataset.as_deref(), Some(name.as_str()));
        assert_eq!(names.files, [format!("1_{name}")]);
    }
}
