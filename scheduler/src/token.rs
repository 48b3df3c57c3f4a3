//! The token with which programs give an operator's orders over loopback, where every user of the machine
//! could connect. Read from a file that only its owner reads.

use anyhow::{Context as _, ensure};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use sha2::{Digest as _, Sha256};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

use crate::http::refuse;
use crate::meters::Meters;

/// Shorter ones can be guessed; 32 random hexadecimal digits have 128 bits.
const CHARACTERS_MIN: usize = 32;
/// What others than the owner may not do with the file: anything.
const OTHERS: u32 = 0o077;

/// Who may give orders.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    token: Arc<Token>,
    meters: Arc<Meters>,
}

/// A token, of which nothing is kept but a hash.
#[derive(Debug)]
pub(crate) struct Token([u8; 32]);

impl Token {
    /// Reads the first line of a file.
    ///
    /// # Errors
    /// One line that says what is wrong with it.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let cannot = || format!("cannot read {shown}: check admin_token_file");
        let mode = std::fs::metadata(path).with_context(cannot)?.permissions().mode();
        ensure!(mode & OTHERS == 0, "others may open {shown}: `chmod 600 {shown}`");
        let text = std::fs::read_to_string(path).with_context(cannot)?;
        let token = text.lines().next().unwrap_or_default().trim();
        ensure!(
            token.len() >= CHARACTERS_MIN,
            "the token in {shown} has fewer than {CHARACTERS_MIN} characters: make one with \
             `openssl rand -hex 32`"
        );
        Ok(Self(Sha256::digest(token).into()))
    }

    /// Whether that is it. Takes as long for every answer: what is compared are hashes, to their end.
    fn is(&self, told: &str) -> bool {
        let told: [u8; 32] = Sha256::digest(told).into();
        self.0.ct_eq(&told).into()
    }
}

impl Guard {
    pub(crate) fn new(token: Token, meters: Arc<Meters>) -> Self {
        Self { token: Arc::new(token), meters }
    }
}

/// Lets requests with the token pass: `Authorization: Bearer TOKEN`.
pub(crate) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let told = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let told = told.and_then(|value| value.strip_prefix("Bearer "));
    if told.is_some_and(|told| guard.token.is(told)) {
        return next.run(request).await;
    }
    guard.meters.refused("admin-token");
    let error = "the token of admin_token_file is needed: `Authorization: Bearer TOKEN`";
    refuse(StatusCode::UNAUTHORIZED, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;

    #[test]
    fn a_token_that_others_could_know_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let read = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            Token::read(&path).map_err(|error| error.to_string())
        };
        let good = "ab".repeat(16);
        let token = read(&format!("{good}\nmore\n"), 0o600).unwrap();
        assert!(token.is(&good));
        for wrong in ["", "ab", &format!("{good}0"), &good[1..], "more"] {
            assert!(!token.is(wrong), "{wrong:?}");
        }
        assert!(read(&good, 0o640).unwrap_err().contains("chmod 600"));
        assert!(read("short\n", 0o600).unwrap_err().contains("openssl rand"));
        std::fs::remove_file(&path).unwrap();
        assert!(Token::read(&path).unwrap_err().to_string().contains("admin_token_file"));
    }
}
