//! The certificate under which workers and clients are answered: the operator's own, or one made here
//! for a key that stays in the data folder, so that the pin by which workers know it stays too.
//!
//! Both are looked at again every hour: the operator's may have been renewed, the one made here is
//! renewed long before it ends. Connections are `listening`'s.

use anyhow::{Context as _, bail};
use poco_proto::pool_url::{self, Pin};
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use std::fs::Permissions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Between two looks at the certificate.
const LOOK_PAUSE: Duration = Duration::from_secs(3600);
/// How long a certificate made here is valid. Nobody but who holds the pin trusts it, so it need not be
/// short; a year bounds the harm of a machine's clock that was wrong when it was made.
const VALID_DAYS: i64 = 365;
/// It is renewed with less than this left.
const RENEW_DAYS: i64 = 120;
/// Valid a little earlier than now, for workers whose clocks are behind.
const EARLY_DAYS: i64 = 2;
/// Certificates in one file: a chain to an authority has three or four.
const CHAIN_LEN_MAX: usize = 10;
/// Only its owner reads the key.
const KEY_MODE: u32 = 0o600;

/// The `[tls]` section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TlsConfig {
    /// Whether connections are encrypted.
    pub(crate) mode: TlsMode,
    /// The operator's certificate with its chain (PEM); one is made if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate: Option<PathBuf>,
    /// Its key (PEM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<PathBuf>,
}

/// Whether connections are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TlsMode {
    /// Where `listen` is reached from other machines, or a certificate is set.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never: a proxy in front does it, or nobody else is in the network.
    Off,
}

impl TlsConfig {
    /// What is wrong with it.
    pub(crate) fn problem(&self) -> Option<String> {
        match (self.mode, &self.certificate, &self.key) {
            (_, Some(_), None) | (_, None, Some(_)) => {
                Some("tls.certificate and tls.key must be set both, or none of them".into())
            }
            (TlsMode::Off, Some(_), Some(_)) => {
                Some("tls.mode is off, but tls.certificate is set: unset one of them".into())
            }
            (TlsMode::Auto | TlsMode::On, Some(_), Some(_)) | (_, None, None) => None,
        }
    }

    /// Whether connections to `listen` are encrypted.
    pub(crate) fn is_on(&self, listen: SocketAddr) -> bool {
        match self.mode {
            TlsMode::On => true,
            TlsMode::Off => false,
            TlsMode::Auto => self.certificate.is_some() || !listen.ip().is_loopback(),
        }
    }
}

/// Where the certificate comes from.
#[derive(Clone, Debug)]
enum Source {
    Own { certificate: PathBuf, key: PathBuf },
    Made { folder: PathBuf },
}

/// The certificate in use.
#[derive(Debug)]
struct Served {
    certified: RwLock<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Every change of it is complete by itself.
        Some(self.certified.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// TLS for the port.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    source: Source,
    served: Arc<Served>,
    pin: Pin,
}

impl Tls {
    /// Reads the certificate, or makes one in `folder`.
    ///
    /// # Errors
    /// One line that says what is wrong with it.
    pub(crate) fn open(config: &TlsConfig, folder: &Path) -> anyhow::Result<Self> {
        let source = match (&config.certificate, &config.key) {
            (Some(certificate), Some(key)) => {
                Source::Own { certificate: certificate.clone(), key: key.clone() }
            }
            (Some(_) | None, Some(_) | None) => Source::Made { folder: folder.to_owned() },
        };
        let certified = source.read(SystemTime::now())?;
        let pin = Pin::of_certificate(certified.end_entity_cert()?)?;
        let served = Arc::new(Served { certified: RwLock::new(Arc::new(certified)) });
        Ok(Self { source, served, pin })
    }

    /// What clients must know of it: nothing, where an authority vouches for it.
    pub(crate) fn pin(&self) -> Option<Pin> {
        match self.source {
            Source::Own { .. } => None,
            Source::Made { .. } => Some(self.pin),
        }
    }

    /// Accepts connections, HTTP of both versions.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder
            .with_safe_default_protocol_versions()
            .expect("ring has cipher suites for the default versions");
        let mut config = builder.with_no_client_auth().with_cert_resolver(self.served.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config).into()
    }

    /// Keeps the certificate fresh until `stop`. Without a new one the old one goes on: workers that
    /// are connected stay, and the log says what is wrong.
    pub(crate) async fn keep(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_PAUSE) => {}
                () = stop.cancelled() => return,
            }
            let source = self.source.clone();
            let read = tokio::task::spawn_blocking(move || source.read(SystemTime::now())).await;
            match read.map_err(anyhow::Error::from).and_then(|read| read) {
                Ok(certified) => {
                    let mut served =
                        self.served.certified.write().unwrap_or_else(PoisonError::into_inner);
                    *served = Arc::new(certified);
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::error!(
                        error,
                        "the certificate cannot be renewed; the old one is used"
                    );
                }
            }
        }
    }
}

impl Source {
    fn read(&self, now: SystemTime) -> anyhow::Result<CertifiedKey> {
        match self {
            Self::Own { certificate, key } => {
                let certified = load(certificate, key)?;
                let left = seconds_left(certified.end_entity_cert()?, now)?;
                if left == 0 {
                    let shown = certificate.display();
                    // Whoever is connected stays, and what is on chain must be served all the same.
                    tracing::error!(
                        "the certificate {shown} has expired: nobody takes it; renew it"
                    );
                }
                Ok(certified)
            }
            Self::Made { folder } => {
                made(folder, now).with_context(|| format!("no certificate in {}", folder.display()))
            }
        }
    }
}

/// The certificate in `folder`; made, or made anew, where it must.
fn made(folder: &Path, now: SystemTime) -> anyhow::Result<CertifiedKey> {
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::create_dir_all(folder)?;
    if !key.exists() {
        put(&key, &KeyPair::generate()?.serialize_pem())?;
    }
    if certificate.exists() {
        let certified = load(&certificate, &key)?;
        let renew = u64::try_from(RENEW_DAYS * 86_400)?;
        if seconds_left(certified.end_entity_cert()?, now)? > renew {
            return Ok(certified);
        }
    }
    let pair = KeyPair::from_pem(&std::fs::read_to_string(&key)?)?;
    let now = OffsetDateTime::from(now);
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "poco-scheduler");
    params.not_before = now - time::Duration::days(EARLY_DAYS);
    params.not_after = now + time::Duration::days(VALID_DAYS);
    put(&certificate, &params.self_signed(&pair)?.pem())?;
    tracing::info!(certificate = %certificate.display(), days = VALID_DAYS, "certificate made");
    load(&certificate, &key)
}

/// Writes a file that is there as a whole or not at all, for its owner alone.
fn put(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().context("a file lies in a folder")?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.as_file().set_permissions(Permissions::from_mode(KEY_MODE))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn load(certificate: &Path, key: &Path) -> anyhow::Result<CertifiedKey> {
    let shown = certificate.display();
    let read = CertificateDer::pem_file_iter(certificate)
        .and_then(|all| all.take(CHAIN_LEN_MAX).collect::<Result<Vec<_>, _>>())
        .with_context(|| format!("{shown} holds no certificate (PEM): check tls.certificate"))?;
    if read.is_empty() {
        bail!("{shown} holds no certificate (PEM): check tls.certificate");
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("{} holds no key (PEM): check tls.key", key.display()))?;
    CertifiedKey::from_der(read, private, &ring::default_provider()).with_context(|| {
        format!("{} is not the key of the certificate {shown}, or of no known kind", key.display())
    })
}

fn seconds_left(certificate: &[u8], now: SystemTime) -> anyhow::Result<u64> {
    let now = now.duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    Ok(pool_url::expires(certificate)?.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(20_000 * 86_400 + number * 86_400)
    }

    #[test]
    fn a_certificate_made_here_is_renewed_in_time_and_keeps_its_pin() {
        let folder = tempfile::tempdir().unwrap();
        let pin = |now| {
            let certified = made(folder.path(), now).unwrap();
            let certificate = certified.end_entity_cert().unwrap().to_vec();
            (Pin::of_certificate(&certificate).unwrap(), certificate)
        };
        let (first, of_first) = pin(day(0));
        assert_eq!(pin(day(200)), (first, of_first.clone()));
        let (again, of_second) = pin(day(300));
        assert_eq!(again, first);
        assert_ne!(of_second, of_first);
        assert!(seconds_left(&of_second, day(300)).unwrap() > 300 * 86_400);
        assert_eq!(seconds_left(&of_first, day(400)).unwrap(), 0);
        let mode = std::fs::metadata(folder.path().join("key.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, KEY_MODE);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_wrong_with_the_operators_certificate_is_told() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        made(one.path(), SystemTime::now()).unwrap();
        made(other.path(), SystemTime::now()).unwrap();
        let open = |certificate: PathBuf, key: PathBuf| {
            let config =
                TlsConfig { mode: TlsMode::On, certificate: Some(certificate), key: Some(key) };
            assert_eq!(config.problem(), None);
            Tls::open(&config, Path::new("/nowhere"))
                .map(|tls| tls.pin())
                .map_err(|error| format!("{error:#}"))
        };
        let (certificate, key) = (one.path().join("certificate.pem"), one.path().join("key.pem"));
        assert_eq!(open(certificate.clone(), key.clone()), Ok(None), "an authority vouches for it");
        let missing = open(one.path().join("none"), key.clone()).unwrap_err();
        assert!(missing.contains("check tls.certificate"), "{missing}");
        let swapped = open(key.clone(), certificate.clone()).unwrap_err();
        assert!(swapped.contains("check tls.certificate"), "{swapped}");
        let no_key = open(certificate.clone(), certificate.clone()).unwrap_err();
        assert!(no_key.contains("check tls.key"), "{no_key}");
        let foreign = open(certificate, other.path().join("key.pem")).unwrap_err();
        assert!(foreign.contains("is not the key of"), "{foreign}");
    }

    #[test]
    fn plain_text_needs_loopback_or_a_word_of_the_operators() {
        let (near, far) = ("127.0.0.1:1".parse().unwrap(), "0.0.0.0:1".parse().unwrap());
        let of = |mode| TlsConfig { mode, ..TlsConfig::default() };
        let both = |config: &TlsConfig| (config.is_on(near), config.is_on(far));
        assert_eq!(both(&of(TlsMode::Auto)), (false, true));
        assert_eq!(both(&of(TlsMode::On)), (true, true));
        assert_eq!(both(&of(TlsMode::Off)), (false, false));
        let own = |mode| TlsConfig { mode, certificate: Some("c".into()), key: Some("k".into()) };
        assert_eq!(both(&own(TlsMode::Auto)), (true, true));
        assert!(own(TlsMode::Off).problem().is_some());
        assert!(TlsConfig { key: None, ..own(TlsMode::On) }.problem().is_some());
    }
}
