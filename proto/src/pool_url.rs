//! Where a pool is reached, and by what it is known there: the url of its port, plain or with TLS, and
//! where its certificate comes from no authority, the pin of its key:
//!
//! `https://pool.example:3100/#sha256=<64 hexadecimal digits>`
//!
//! The pin is the SHA-256 of the key's SubjectPublicKeyInfo, as in RFC 7469, so that a certificate
//! which is renewed for the same key keeps it. A pinned key needs neither an authority nor the name of
//! the machine; that the certificate has not expired is checked all the same. What is done with a
//! connection is the callers'.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use tonic::transport::{ClientTlsConfig, Endpoint};
use url::Url;
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};

/// What a pin begins with in the url's fragment.
const PIN_PREFIX: &str = "sha256=";

/// The SHA-256 of a server's public key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin([u8; 32]);

/// A pool's port, with the pin of its key where one is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolUrl {
    url: Url,
    pin: Option<Pin>,
}

/// Why a url cannot be that of a pool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPoolUrl {
    /// Something else than HTTP.
    #[error("must start with http:// or https://")]
    Scheme,
    /// A pin that no connection would be held against.
    #[error("has a pin, so it must start with https://")]
    PinWithoutTls,
    /// A fragment that is no pin.
    #[error("must end without a #, or with #{PIN_PREFIX} and 64 hexadecimal digits")]
    Pin,
}

/// Why a certificate is not taken.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    /// Another key than the pinned one.
    #[error(
        "the server's key is {PIN_PREFIX}{theirs}, not the pinned {PIN_PREFIX}{ours}: ask the pool's \
         operator for its present url; if it has not changed, somebody else answers there"
    )]
    OtherKey {
        /// The pin of the server's key.
        theirs: Pin,
        /// The pin in the url.
        ours: Pin,
    },
    /// Its time is over.
    #[error("the server's certificate has expired: its operator must renew it")]
    Expired,
    /// Its time has not come.
    #[error("the server's certificate is not valid yet: is the clock of this machine right?")]
    NotYetValid,
    /// Not a certificate.
    #[error("the server's certificate cannot be read")]
    Unreadable,
}

/// In words: this is what rustls shows of an error that is not its own.
impl fmt::Debug for BadCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Pin {
    /// The pin of a certificate's key.
    ///
    /// # Errors
    /// [`BadCertificate::Unreadable`].
    pub fn of_certificate(certificate: &[u8]) -> Result<Self, BadCertificate> {
        Self::of(&read(certificate)?)
    }

    fn of(certificate: &Certificate) -> Result<Self, BadCertificate> {
        let key = certificate.tbs_certificate.subject_public_key_info.to_der();
        let key = key.map_err(|_| BadCertificate::Unreadable)?;
        Ok(Self(Sha256::digest(key).into()))
    }

    /// As the fragment of a url.
    #[must_use]
    pub fn fragment(self) -> String {
        format!("{PIN_PREFIX}{self}")
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Pin {
    type Err = BadPoolUrl;

    fn from_str(text: &str) -> Result<Self, BadPoolUrl> {
        let digits = text.strip_prefix(PIN_PREFIX).ok_or(BadPoolUrl::Pin)?;
        let mut key = [0; 32];
        hex::decode_to_slice(digits, &mut key).map_err(|_| BadPoolUrl::Pin)?;
        Ok(Self(key))
    }
}

impl TryFrom<Url> for PoolUrl {
    type Error = BadPoolUrl;

    fn try_from(mut url: Url) -> Result<Self, BadPoolUrl> {
        let is_secure = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(BadPoolUrl::Scheme),
        };
        let pin = url.fragment().map(str::parse).transpose()?;
        if pin.is_some() && !is_secure {
            return Err(BadPoolUrl::PinWithoutTls);
        }
        url.set_fragment(None);
        Ok(Self { url, pin })
    }
}

impl fmt::Display for PoolUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

impl PoolUrl {
    /// The url without the pin.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// An endpoint there, with TLS as the url says.
    ///
    /// # Errors
    /// Where this machine knows no authority at all, and no pin is given.
    pub fn endpoint(&self) -> Result<Endpoint, tonic::transport::Error> {
        let endpoint = Endpoint::from_shared(self.url.to_string())?;
        match (self.url.scheme(), self.pin) {
            ("https", Some(pin)) => {
                endpoint.tls_config_with_verifier(ClientTlsConfig::new(), verifier(pin))
            }
            ("https", None) => endpoint.tls_config(ClientTlsConfig::new().with_native_roots()),
            (_, _) => Ok(endpoint),
        }
    }

    /// TLS for other clients, where they must hold the server against a pin.
    #[must_use]
    pub fn pinned(&self) -> Option<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder
            .with_safe_default_protocol_versions()
            .expect("ring has cipher suites for the default versions");
        let dangerous = builder.dangerous();
        Some(dangerous.with_custom_certificate_verifier(verifier(self.pin?)).with_no_client_auth())
    }
}

/// Until when a certificate is valid, in seconds since 1970.
///
/// # Errors
/// [`BadCertificate::Unreadable`].
pub fn expires(certificate: &[u8]) -> Result<u64, BadCertificate> {
    Ok(read(certificate)?.tbs_certificate.validity.not_after.to_unix_duration().as_secs())
}

fn read(certificate: &[u8]) -> Result<Certificate, BadCertificate> {
    Certificate::from_der(certificate).map_err(|_| BadCertificate::Unreadable)
}

fn verifier(pin: Pin) -> Arc<dyn ServerCertVerifier> {
    let algorithms = ring::default_provider().signature_verification_algorithms;
    Arc::new(PinVerifier { pin, algorithms })
}

/// Takes the certificate of the pinned key while it is valid. That the server has the key, its
/// signature in the handshake proves.
#[derive(Debug)]
struct PinVerifier {
    pin: Pin,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PinVerifier {
    fn check(&self, certificate: &[u8], now: UnixTime) -> Result<(), BadCertificate> {
        let certificate = read(certificate)?;
        let (theirs, ours) = (Pin::of(&certificate)?, self.pin);
        if theirs != ours {
            return Err(BadCertificate::OtherKey { theirs, ours });
        }
        let validity = &certificate.tbs_certificate.validity;
        if validity.not_after.to_unix_duration().as_secs() < now.as_secs() {
            return Err(BadCertificate::Expired);
        }
        if validity.not_before.to_unix_duration().as_secs() > now.as_secs() {
            return Err(BadCertificate::NotYetValid);
        }
        Ok(())
    }
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity, now)
            .map(|()| ServerCertVerified::assertion())
            .map_err(|error| CertificateError::Other(OtherError(Arc::new(error))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};
    use std::time::Duration;

    fn url(text: &str) -> Result<PoolUrl, BadPoolUrl> {
        PoolUrl::try_from(text.parse::<Url>().unwrap())
    }

    #[test]
    fn a_url_says_whether_and_by_what_the_pool_is_known() {
        let pin = "ab".repeat(32);
        let pinned = url(&format!("https://pool.example:3100#sha256={pin}")).unwrap();
        assert_eq!(pinned.to_string(), "https://pool.example:3100/");
        assert_eq!(pinned.pin.unwrap().fragment(), format!("sha256={pin}"));
        assert!(pinned.pinned().is_some() && pinned.endpoint().is_ok());
        for plain in ["http://127.0.0.1:3100", "https://pool.example"] {
            assert_eq!(url(plain).unwrap().pin, None);
        }
        for (wrong, why) in [
            ("ftp://pool.example".to_owned(), BadPoolUrl::Scheme),
            (format!("http://pool.example#sha256={pin}"), BadPoolUrl::PinWithoutTls),
            ("https://pool.example#".to_owned(), BadPoolUrl::Pin),
            ("https://pool.example#sha256=abcd".to_owned(), BadPoolUrl::Pin),
            (format!("https://pool.example#{pin}"), BadPoolUrl::Pin),
            (format!("https://pool.example#sha256={pin}00"), BadPoolUrl::Pin),
            (format!("https://pool.example#sha256={}", "xy".repeat(32)), BadPoolUrl::Pin),
        ] {
            assert_eq!(url(&wrong), Err(why), "{wrong}");
        }
    }

    fn certificate(key: &KeyPair, (from, until): (i32, i32)) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["pool".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        params.self_signed(key).unwrap().der().to_vec()
    }

    #[test]
    fn the_pinned_key_is_taken_with_any_certificate_that_is_valid_now() {
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let valid = certificate(&key, (2020, 2040));
        let pin = Pin::of_certificate(&valid).unwrap();
        let algorithms = ring::default_provider().signature_verification_algorithms;
        let verifier = PinVerifier { pin, algorithms };
        // In 2026.
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_780_000_000));
        assert_eq!(verifier.check(&valid, now), Ok(()));
        assert_eq!(verifier.check(&certificate(&key, (2025, 2027)), now), Ok(()));
        let gone = certificate(&key, (2020, 2021));
        assert_eq!(verifier.check(&gone, now), Err(BadCertificate::Expired));
        let early = certificate(&key, (2039, 2040));
        assert_eq!(verifier.check(&early, now), Err(BadCertificate::NotYetValid));
        let foreign = certificate(&other, (2020, 2040));
        let theirs = Pin::of_certificate(&foreign).unwrap();
        let other_key = BadCertificate::OtherKey { theirs, ours: pin };
        assert_eq!(verifier.check(&foreign, now), Err(other_key));
        for garbage in [&[][..], &[0x30], &valid[..50], &[0xff; 300]] {
            assert_eq!(verifier.check(garbage, now), Err(BadCertificate::Unreadable));
        }
    }
}
