//! Recovers each signature once: the same one is looked at by both chains and by several views, and
//! recovering would take half of a run's time.

use revm::precompile::{Crypto, DefaultCrypto, PrecompileHalt};
use std::cell::RefCell;
use std::collections::HashMap;

/// Most answers that a thread remembers: more than a sequence asks for.
const ANSWERS_MAX: usize = 4096;

/// Signature, which of its keys, and what was signed.
type Question = ([u8; 64], u8, [u8; 32]);

thread_local! {
    /// The word with the signer's address; `None` where there is none.
    static ANSWERS: RefCell<HashMap<Question, Option<[u8; 32]>>> = RefCell::default();
}

/// The machine's cryptography, with a memory for recovered signers.
#[derive(Debug)]
struct Remembering;

impl Crypto for Remembering {
    fn secp256k1_ecrecover(
        &self,
        sig: &[u8; 64],
        recid: u8,
        msg: &[u8; 32],
    ) -> Result<[u8; 32], PrecompileHalt> {
        let answer = ANSWERS.with_borrow_mut(|answers| {
            if answers.len() >= ANSWERS_MAX {
                answers.clear();
            }
            *answers
                .entry((*sig, recid, *msg))
                .or_insert_with(|| DefaultCrypto.secp256k1_ecrecover(sig, recid, msg).ok())
        });
        answer.ok_or(PrecompileHalt::Secp256k1RecoverFailed)
    }
}

/// Makes every machine of this process remember.
pub(crate) fn remember() {
    // False where an earlier call has done it.
    let _ = revm::install_crypto(Remembering);
}
