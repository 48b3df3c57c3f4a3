//! What is encrypted decrypts to the same, here and by OpenSSL's rules, and nothing else does.

#![allow(clippy::unwrap_used, reason = "a test whose set-up fails should panic")]

use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Command, Stdio};

use poco_result::Limits;
use poco_result::encryption::{
    CONTENT_FILE, EncryptionError, KEY_FILE, Key, check_public_key, decrypt, decrypt_result,
    encrypt, encrypt_result,
};
use poco_result::unpack::unpack;
use tempfile::TempDir;

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| (i / 7 % 251) as u8).collect()
}

fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl is missing: apt-get install openssl");
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).unwrap());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "openssl {arguments:?}");
        output.stdout
    })
}

#[test]
fn content_of_any_length_comes_back() {
    let key = Key::generate();
    for bytes in [0, 1, 15, 16, 17, 65_535, 65_536, 65_537, 131_072, 200_001] {
        let plain = pattern(bytes);
        let mut sealed = Vec::new();
        encrypt(&key, plain.as_slice(), &mut sealed).unwrap();
        assert_eq!(sealed.len(), 16 + (bytes / 16 + 1) * 16);
        let mut opened = Vec::new();
        decrypt(&key, sealed.as_slice(), &mut opened).unwrap();
        assert!(opened == plain, "{bytes}");
    }
}

#[test]
fn another_implementation_reads_it_and_is_read() {
    let text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let key = Key::from_base64(text).unwrap();
    assert_eq!(key.to_base64(), text);
    let hex_key: String = (0..32).map(|i| format!("{i:02x}")).collect();
    let plain = pattern(100_000);
    let mut sealed = Vec::new();
    encrypt(&key, plain.as_slice(), &mut sealed).unwrap();
    let iv = hex::encode(&sealed[..16]);
    let arguments = ["enc", "-aes-256-cbc", "-K", &hex_key, "-iv", &iv];
    let opened = openssl(&[&arguments[..], &["-d"]].concat(), &sealed[16..]);
    assert!(opened == plain);
    let foreign = [&sealed[..16], &openssl(&arguments, &plain)].concat();
    assert!(foreign == sealed);
}

#[test]
fn a_wrong_key_and_damage_are_noticed() {
    let key = Key::generate();
    let mut sealed = Vec::new();
    encrypt(&key, &b"some content"[..], &mut sealed).unwrap();
    for damaged in [&sealed[..10], &sealed[..16], &sealed[..31], &sealed[..0]] {
        let refused = decrypt(&key, damaged, std::io::sink());
        assert!(matches!(refused, Err(EncryptionError::WrongKey)));
    }
    // Padding is no checksum: a wrong key slips through once in 256 times, so try many.
    let refused = (0..100).filter(|_| {
        let other = Key::generate();
        decrypt(&other, sealed.as_slice(), std::io::sink()).is_err()
    });
    assert!(refused.count() > 90);
    assert!(!format!("{key:?}").contains(&key.to_base64()));
}

#[test]
fn keys_that_are_not_32_bytes_are_refused() {
    for bad in ["", "AAEC", "not base64!", &"A".repeat(44)] {
        assert!(matches!(Key::from_base64(bad), Err(EncryptionError::BadKey)), "{bad}");
    }
}

struct Beneficiary {
    folder: TempDir,
    private: String,
    public: String,
}

fn beneficiary(bits: &str) -> Beneficiary {
    let option = format!("rsa_keygen_bits:{bits}");
    let private = openssl(&["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", &option], b"");
    let public = openssl(&["pkey", "-pubout"], &private);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Beneficiary {
        folder: tempfile::tempdir().unwrap(),
        private: text(private),
        public: text(public),
    }
}

#[test]
fn only_the_beneficiary_opens_a_result() {
    let own = beneficiary("2048");
    let path = |name: &str| own.folder.path().join(name);
    fs::write(path("plain"), pattern(100_000)).unwrap();
    encrypt_result(&path("plain"), &own.public, &path("sealed.zip")).unwrap();
    let sealed = || File::open(path("sealed.zip")).unwrap();
    let limits = Limits::default();
    decrypt_result(sealed(), &own.private, &path("opened"), &limits).unwrap();
    assert!(fs::read(path("opened")).unwrap() == pattern(100_000));

    let other = beneficiary("2048");
    let refused = decrypt_result(sealed(), &other.private, &path("none"), &limits);
    assert!(matches!(refused, Err(EncryptionError::WrongKey)), "{refused:?}");
    assert!(!path("none").exists());

    // The key file is what clients expect: the 32 bytes under PKCS#1 v1.5.
    unpack(sealed(), &path("files"), &limits).unwrap();
    fs::write(path("private.pem"), &own.private).unwrap();
    let private = path("private.pem");
    let arguments = ["pkeyutl", "-decrypt", "-inkey", private.to_str().unwrap()];
    let key = openssl(&arguments, &fs::read(path("files").join(KEY_FILE)).unwrap());
    assert_eq!(key.len(), 32);
    let content = fs::read(path("files").join(CONTENT_FILE)).unwrap();
    let (key, iv) = (hex::encode(key), hex::encode(&content[..16]));
    let arguments = ["enc", "-d", "-aes-256-cbc", "-K", &key, "-iv", &iv];
    assert!(openssl(&arguments, &content[16..]) == pattern(100_000));
}

#[test]
fn weak_and_unreadable_rsa_keys_are_refused() {
    assert!(check_public_key(&beneficiary("2048").public).is_ok());
    for bad in ["", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"] {
        assert!(matches!(check_public_key(bad), Err(EncryptionError::BadRsaKey(_))));
    }
    let weak = check_public_key(&beneficiary("1024").public).unwrap_err();
    assert!(weak.to_string().contains("1024 bits"), "{weak}");
}
