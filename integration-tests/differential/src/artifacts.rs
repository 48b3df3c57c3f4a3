//! The bytecode: ours from `contracts/artifacts`, the reference's from its package, both read at
//! run time.

use alloy_primitives::{Address, Bytes, FixedBytes};
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A part of the reference's diamond.
#[derive(Clone, Debug)]
pub struct Facet {
    /// Its creation code, with the library linked.
    pub code: Bytes,
    /// The functions that the diamond takes from it.
    pub selectors: Vec<FixedBytes<4>>,
}

/// How the reference is put together.
#[derive(Clone, Debug)]
pub struct Wiring {
    json: Value,
}

fn contracts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts")
}

fn json(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

/// The creation code of one of our contracts.
///
/// # Errors
/// Where there is no such artifact.
pub fn ours(name: &str) -> Result<Bytes> {
    let path = contracts().join("artifacts").join(format!("{name}.json"));
    code(&json(&path)?, None).with_context(|| path.display().to_string())
}

/// The names of the registries of apps, datasets and pools, and where the reference keeps each.
const REGISTRIES: [(&str, &str); 3] = [
    ("AppRegistry", "apps"),
    ("DatasetRegistry", "datasets"),
    ("WorkerpoolRegistry", "workerpools"),
];

/// Where the reference's package has them.
const REGISTRY_FOLDER: &str = "node_modules/@iexec/poco/artifacts/contracts/registries";

/// The creation code of our registries of apps, datasets and pools.
///
/// # Errors
/// Where an artifact is missing.
pub fn our_registries() -> Result<[Bytes; 3]> {
    let [apps, datasets, pools] = REGISTRIES.map(|(name, _)| ours(name));
    Ok([apps?, datasets?, pools?])
}

impl Wiring {
    /// Reads `contracts/reference/wiring.json`.
    ///
    /// # Errors
    /// Where it is not there.
    pub fn read() -> Result<Self> {
        Ok(Self { json: json(&contracts().join("reference/wiring.json"))? })
    }

    /// The library that goes first.
    ///
    /// # Errors
    /// Where the package is not installed.
    pub fn library(&self) -> Result<Bytes> {
        self.code(&self.json["library"]["artifact"], None)
    }

    /// The initializer.
    ///
    /// # Errors
    /// Where the package is not installed.
    pub fn initializer(&self) -> Result<Bytes> {
        self.code(&self.json["init"], None)
    }

    /// The diamond, without its arguments.
    ///
    /// # Errors
    /// Where the package is not installed.
    pub fn diamond(&self) -> Result<Bytes> {
        self.code(&self.json["diamond"], None)
    }

    /// The reference's own registries of apps, datasets and pools.
    ///
    /// # Errors
    /// Where the package is not installed.
    pub fn registries(&self) -> Result<[Bytes; 3]> {
        let [apps, datasets, pools] = REGISTRIES.map(|(name, folder)| {
            let path = format!("{REGISTRY_FOLDER}/{folder}/{name}.sol/{name}.json");
            self.code(&Value::String(path), None)
        });
        Ok([apps?, datasets?, pools?])
    }

    /// The facets, with the library linked at its address.
    ///
    /// # Errors
    /// Where the package is not installed.
    pub fn facets(&self, library: Address) -> Result<Vec<Facet>> {
        let placeholder = self.json["library"]["placeholder"].as_str().context("a placeholder")?;
        let link = (placeholder, hex::encode(library));
        let facets = self.json["facets"].as_array().context("facets")?;
        facets
            .iter()
            .map(|facet| {
                let selectors = facet["selectors"].as_array().context("selectors")?;
                let selectors = selectors
                    .iter()
                    .map(|selector| Ok(selector.as_str().context("a selector")?.parse()?))
                    .collect::<Result<_>>()?;
                Ok(Facet { code: self.code(&facet["artifact"], Some(&link))?, selectors })
            })
            .collect()
    }

    fn code(&self, path: &Value, link: Option<&(&str, String)>) -> Result<Bytes> {
        let path = contracts().join(path.as_str().context("a path")?);
        code(&json(&path)?, link)
            .with_context(|| format!("{}; is `npm ci` done in contracts/?", path.display()))
    }
}

fn code(artifact: &Value, link: Option<&(&str, String)>) -> Result<Bytes> {
    let text = artifact["bytecode"].as_str().context("bytecode")?;
    let linked = match link {
        Some((placeholder, address)) => text.replace(placeholder, address),
        None => text.to_owned(),
    };
    Ok(linked.parse()?)
}
