//! Encrypted results and datasets, in the form that clients of iExec write and read.
//!
//! Content is `IV (16 bytes) ‖ AES-256-CBC with PKCS#7 padding`. A dataset's key is kept as the
//! base64 of its 32 bytes. An encrypted result is a zip of [`CONTENT_FILE`] and [`KEY_FILE`]; the
//! latter is the raw key of that one result under the beneficiary's RSA key, PKCS#1 v1.5.
//!
//! CBC does not authenticate: a dataset's checksum and a result's digest on chain do, and have
//! to be checked.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::path::Path;

use aes::Aes256;
use aes::cipher::{BlockDecryptMut as _, BlockEncryptMut as _, KeyIvInit as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs1::{DecodeRsaPrivateKey as _, DecodeRsaPublicKey as _};
use rsa::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use rsa::rand_core::{OsRng, RngCore as _};
use rsa::traits::PublicKeyParts as _;
use rsa::{Pkcs1v15Encrypt, RsaPrivateKey, RsaPublicKey};
use tempfile::NamedTempFile;
use thiserror::Error;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::Limits;
use crate::zip_source::{ZipRefused, ZipSource};

/// The encrypted result zip inside of an encrypted result.
pub const CONTENT_FILE: &str = "iexec_out.zip.aes";
/// The key of the content, encrypted.
pub const KEY_FILE: &str = "aes-key.rsa";

const BLOCK_BYTES: usize = 16;
/// Bytes worked on at once: a multiple of the block.
const BUFFER_BYTES: usize = 64 * 1024;
/// RSA keys taken. Smaller ones can be broken, larger ones take long to use.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// An encrypted key is as long as the largest RSA key.
const KEY_FILE_BYTES_MAX: u64 = 1024;

/// An AES-256 key. Its debug form shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// Why something cannot be encrypted or decrypted.
#[derive(Debug, Error)]
pub enum EncryptionError {
    /// Not the base64 of 32 bytes.
    #[error("the key is not the base64 form of 32 bytes")]
    BadKey,
    /// Not an RSA key in PEM form, or one of a size that is not used.
    #[error("the RSA key cannot be used: {0}")]
    BadRsaKey(String),
    /// The content was encrypted under another key, or is damaged.
    #[error("the content does not decrypt: wrong key, or damaged")]
    WrongKey,
    /// The encrypted result is not a zip of the two files.
    #[error(transparent)]
    Zip(#[from] ZipRefused),
    /// The encrypted result lacks one of its files.
    #[error("the encrypted result has no {0}")]
    Missing(&'static str),
    /// Reading or writing failed.
    #[error("cannot read or write: {0}")]
    Io(#[from] io::Error),
}

impl Key {
    /// A fresh key from the system's randomness.
    pub fn generate() -> Self {
        let mut bytes = [0; 32];
        OsRng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Reads the form datasets' keys are kept in.
    pub fn from_base64(text: &str) -> Result<Self, EncryptionError> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| EncryptionError::BadKey)?;
        bytes.try_into().map(Self).map_err(|_| EncryptionError::BadKey)
    }

    /// The form datasets' keys are kept in.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }
}

/// Encrypts everything `plain` gives, under a fresh IV.
pub fn encrypt(key: &Key, mut plain: impl Read, mut out: impl Write) -> io::Result<()> {
    let mut iv = [0; BLOCK_BYTES];
    OsRng.fill_bytes(&mut iv);
    out.write_all(&iv)?;
    let mut cipher = cbc::Encryptor::<Aes256>::new((&key.0).into(), (&iv).into());
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let mut filled = fill(&mut plain, &mut buffer)?;
        let is_last = filled < BUFFER_BYTES;
        if is_last {
            // PKCS#7: as many bytes as are missing to a whole block, a whole one if none are.
            let padding = BLOCK_BYTES - filled % BLOCK_BYTES;
            buffer[filled..filled + padding].fill(padding as u8);
            filled += padding;
        }
        for block in buffer[..filled].chunks_exact_mut(BLOCK_BYTES) {
            cipher.encrypt_block_mut(block.into());
        }
        out.write_all(&buffer[..filled])?;
        if is_last {
            return out.flush();
        }
    }
}

/// Decrypts what [`encrypt`] wrote. After an error, what `out` got is worthless.
pub fn decrypt(
    key: &Key,
    mut encrypted: impl Read,
    mut out: impl Write,
) -> Result<(), EncryptionError> {
    let mut iv = [0; BLOCK_BYTES];
    if fill(&mut encrypted, &mut iv)? < BLOCK_BYTES {
        return Err(EncryptionError::WrongKey);
    }
    let mut cipher = cbc::Decryptor::<Aes256>::new((&key.0).into(), (&iv).into());
    let mut buffer = vec![0; BUFFER_BYTES];
    // The last block is known as such, and its padding removed, only when no more follows.
    let mut held: Option<[u8; BLOCK_BYTES]> = None;
    loop {
        let filled = fill(&mut encrypted, &mut buffer)?;
        if filled % BLOCK_BYTES != 0 {
            return Err(EncryptionError::WrongKey);
        }
        for block in buffer[..filled].chunks_exact_mut(BLOCK_BYTES) {
            cipher.decrypt_block_mut(block.into());
        }
        if let Some((before, last)) = buffer[..filled].split_last_chunk::<BLOCK_BYTES>() {
            if let Some(held) = held.replace(*last) {
                out.write_all(&held)?;
            }
            out.write_all(before)?;
        }
        if filled < BUFFER_BYTES {
            let last = held.ok_or(EncryptionError::WrongKey)?;
            out.write_all(unpadded(&last)?)?;
            return Ok(out.flush()?);
        }
    }
}

fn unpadded(block: &[u8; BLOCK_BYTES]) -> Result<&[u8], EncryptionError> {
    let padding = block[BLOCK_BYTES - 1];
    let count = usize::from(padding);
    if !(1..=BLOCK_BYTES).contains(&count) {
        return Err(EncryptionError::WrongKey);
    }
    let (content, padded) = block.split_at(BLOCK_BYTES - count);
    if padded.iter().all(|byte| *byte == padding) {
        Ok(content)
    } else {
        Err(EncryptionError::WrongKey)
    }
}

/// Reads until the buffer is full or nothing more comes.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Writes the encrypted form of a result zip to `target`, for whoever has the private key of
/// `public_pem`. The target appears complete or not at all.
pub fn encrypt_result(zip: &Path, public_pem: &str, target: &Path) -> Result<(), EncryptionError> {
    let public = public_key(public_pem)?;
    let key = Key::generate();
    let sealed = public
        .encrypt(&mut OsRng, Pkcs1v15Encrypt, &key.0)
        .map_err(|error| EncryptionError::BadRsaKey(error.to_string()))?;
    let mut partial = NamedTempFile::new_in(target.parent().unwrap_or(Path::new(".")))?;
    let mut sealed_zip = ZipWriter::new(io::BufWriter::new(partial.as_file_mut()));
    // What is encrypted does not compress; its length is not known to the writer beforehand.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::DEFAULT)
        .large_file(zip.metadata()?.len() >= u64::from(u32::MAX) - BUFFER_BYTES as u64);
    sealed_zip.start_file(KEY_FILE, options).map_err(io::Error::from)?;
    sealed_zip.write_all(&sealed)?;
    sealed_zip.start_file(CONTENT_FILE, options).map_err(io::Error::from)?;
    encrypt(&key, BufReader::new(File::open(zip)?), &mut sealed_zip)?;
    sealed_zip.finish().map_err(io::Error::from)?.flush()?;
    partial.as_file().sync_all()?;
    partial.persist(target).map_err(|failed| failed.error)?;
    Ok(())
}

/// Writes the result zip inside of an encrypted result to `target`, which appears complete or not
/// at all.
pub fn decrypt_result<R: Read + Seek>(
    encrypted: R,
    private_pem: &str,
    target: &Path,
    limits: &Limits,
) -> Result<(), EncryptionError> {
    let private = private_key(private_pem)?;
    let mut zip = ZipSource::open(encrypted, limits)?;
    let place = |zip: &ZipSource<R>, name: &'static str| {
        let found = zip.entries().iter().position(|entry| entry.name == name);
        found.ok_or(EncryptionError::Missing(name))
    };
    let (key_at, content_at) = (place(&zip, KEY_FILE)?, place(&zip, CONTENT_FILE)?);
    let mut sealed = Vec::new();
    zip.read(key_at)?
        .take(KEY_FILE_BYTES_MAX)
        .read_to_end(&mut sealed)
        .map_err(ZipRefused::of_content)?;
    let key = private
        .decrypt_blinded(&mut OsRng, Pkcs1v15Encrypt, &sealed)
        .map_err(|_| EncryptionError::WrongKey)?;
    let key = Key(key.try_into().map_err(|_| EncryptionError::WrongKey)?);
    let mut partial = NamedTempFile::new_in(target.parent().unwrap_or(Path::new(".")))?;
    decrypt(&key, zip.read(content_at)?, io::BufWriter::new(partial.as_file_mut()))?;
    partial.as_file().sync_all()?;
    partial.persist(target).map_err(|failed| failed.error)?;
    Ok(())
}

/// Checks a beneficiary's key before any use of it: SPKI or PKCS#1, in PEM form.
pub fn check_public_key(pem: &str) -> Result<(), EncryptionError> {
    public_key(pem).map(drop)
}

fn public_key(pem: &str) -> Result<RsaPublicKey, EncryptionError> {
    let key = RsaPublicKey::from_public_key_pem(pem.trim())
        .or_else(|_| RsaPublicKey::from_pkcs1_pem(pem.trim()))
        .map_err(|error| EncryptionError::BadRsaKey(error.to_string()))?;
    check_bits(key.n().bits())?;
    Ok(key)
}

fn private_key(pem: &str) -> Result<RsaPrivateKey, EncryptionError> {
    let key = RsaPrivateKey::from_pkcs8_pem(pem.trim())
        .or_else(|_| RsaPrivateKey::from_pkcs1_pem(pem.trim()))
        .map_err(|error| EncryptionError::BadRsaKey(error.to_string()))?;
    check_bits(key.n().bits())?;
    Ok(key)
}

fn check_bits(bits: usize) -> Result<(), EncryptionError> {
    if RSA_BITS.contains(&bits) {
        return Ok(());
    }
    let (least, most) = RSA_BITS.into_inner();
    Err(EncryptionError::BadRsaKey(format!("it has {bits} bits, not {least} to {most}")))
}
