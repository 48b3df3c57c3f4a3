//! Out directories become digests and zips, zips become the same digests and folders again, and
//! hostile ones become errors.

#![allow(clippy::unwrap_used, reason = "a test whose set-up fails should panic")]

use std::fs::{self, File};
use std::io::{Cursor, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use alloy_primitives::{B256, keccak256};
use poco_result::archive::{self, ArchiveError, Archived, Extent, Logs};
use poco_result::digest::{digest_of_out, digest_of_zip};
use poco_result::unpack::{UnpackError, ZipRefused, unpack};
use poco_result::{Computed, DigestError, Limits, Output};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A run's folder: `out` as an app left it, and the logs beside it.
struct Run(TempDir);

impl Run {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let run = Self(tempfile::tempdir().unwrap());
        fs::create_dir(run.out()).unwrap();
        for (name, content) in files {
            let path = run.out().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        fs::write(run.path("stdout.log"), "printed\n").unwrap();
        fs::write(run.path("stderr.log"), "").unwrap();
        run
    }

    fn declaring(path: &str, files: &[(&str, &[u8])]) -> Self {
        let run = Self::new(files);
        let json = format!(r#"{{"deterministic-output-path":"{path}"}}"#);
        fs::write(run.out().join("computed.json"), json).unwrap();
        run
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn out(&self) -> PathBuf {
        self.path("out")
    }

    fn write_zip(&self, limits: &Limits) -> Result<Archived, ArchiveError> {
        self.write_as(Extent::Whole, limits)
    }

    fn write_as(&self, extent: Extent, limits: &Limits) -> Result<Archived, ArchiveError> {
        let (stdout, stderr) = (self.path("stdout.log"), self.path("stderr.log"));
        let logs = Logs { stdout: &stdout, stderr: &stderr };
        archive::write(&self.out(), logs, extent, &self.path("result.zip"), limits)
    }

    /// The names in the zip that a vote is for, and the zip.
    fn declared_zip(&self) -> (Vec<String>, Vec<u8>) {
        self.write_as(Extent::Declared, &Limits::default()).unwrap();
        let bytes = fs::read(self.path("result.zip")).unwrap();
        let zip = zip::ZipArchive::new(Cursor::new(&bytes)).unwrap();
        let of_zip = digest_of_zip(Cursor::new(&bytes), &Limits::default()).unwrap();
        assert_eq!(of_zip, digest_of_out(&self.out(), &Limits::default()).unwrap());
        (zip.file_names().map(|name| name.unwrap().into_owned()).collect(), bytes)
    }

    /// The digest, having checked that directory and zip agree on it.
    fn digest(&self) -> Result<Computed, DigestError> {
        self.write_zip(&Limits::default()).unwrap();
        let of_out = digest_of_out(&self.out(), &Limits::default());
        let zip = File::open(self.path("result.zip")).unwrap();
        let of_zip = digest_of_zip(zip, &Limits::default());
        match (&of_out, &of_zip) {
            (Ok(out), Ok(zip)) => assert_eq!(out, zip),
            (Err(_), Err(_)) => {}
            (out, zip) => panic!("directory {out:?} and zip {zip:?} disagree"),
        }
        of_out
    }
}

fn sha256(content: &[u8]) -> B256 {
    B256::from_slice(&Sha256::digest(content))
}

fn children(contents: &[&[u8]]) -> B256 {
    let digests: Vec<u8> = contents.iter().flat_map(|content| sha256(content)).collect();
    keccak256(digests)
}

#[test]
fn the_digest_of_a_file_is_its_sha256() {
    let run = Run::declaring("/iexec_out/d/result.txt", &[("d/result.txt", b"42\n")]);
    let computed = run.digest().unwrap();
    assert_eq!(computed, Computed { digest: sha256(b"42\n"), output: Output::File });
}

#[test]
fn the_digest_of_a_directory_counts_its_direct_children_in_order() {
    let files: &[(&str, &[u8])] =
        &[("d/b", b"2"), ("d/a", b"1"), ("d/sub/c", b"3"), ("elsewhere", b"4")];
    let computed = Run::declaring("/iexec_out/d", files).digest().unwrap();
    assert_eq!(computed, Computed { digest: children(&[b"1", b"2"]), output: Output::Directory });
    // Renaming without changing the order changes nothing; changing the order does.
    let renamed = Run::declaring("/iexec_out/d", &[("d/y", b"1"), ("d/z", b"2")]);
    assert_eq!(renamed.digest().unwrap().digest, computed.digest);
    let swapped = Run::declaring("/iexec_out/d", &[("d/a", b"2"), ("d/b", b"1")]);
    assert_ne!(swapped.digest().unwrap().digest, computed.digest);
}

#[test]
fn names_are_sorted_by_utf16_units_as_the_reference_does() {
    // U+1F600 starts with the unit D83D and so comes before U+FF21, though its UTF-8 is greater.
    let files: &[(&str, &[u8])] = &[("d/\u{FF21}", b"wide"), ("d/\u{1F600}", b"smile")];
    let computed = Run::declaring("/iexec_out/d", files).digest().unwrap();
    assert_eq!(computed.digest, children(&[b"smile", b"wide"]));
}

#[test]
fn an_empty_directory_has_the_digest_of_nothing() {
    let run = Run::declaring("/iexec_out/d", &[]);
    fs::create_dir(run.out().join("d")).unwrap();
    assert_eq!(run.digest().unwrap().digest, keccak256([]));
}

#[test]
fn the_whole_directory_counts_computed_json_but_not_the_logs() {
    let run = Run::declaring("/iexec_out", &[("a", b"1")]);
    let json = fs::read(run.out().join("computed.json")).unwrap();
    assert_eq!(run.digest().unwrap().digest, children(&[b"1", &json]));
    fs::write(run.out().join("stdout.txt"), "written by the app").unwrap();
    assert_eq!(run.digest().unwrap().digest, children(&[b"1", &json]));
}

#[test]
fn an_app_may_declare_its_own_stdout_txt() {
    let run = Run::declaring("/iexec_out/stdout.txt", &[("stdout.txt", b"mine")]);
    assert_eq!(run.digest().unwrap().digest, sha256(b"mine"));
}

#[test]
fn callback_data_is_hashed_decoded() {
    let run = Run::new(&[("computed.json", br#"{"callback-data":"0x0102"}"#)]);
    let output = Output::Callback(vec![1, 2]);
    assert_eq!(run.digest().unwrap(), Computed { digest: keccak256([1, 2]), output });
}

#[test]
fn what_is_not_there_is_named() {
    assert!(matches!(Run::new(&[]).digest(), Err(DigestError::Missing)));
    for path in ["/iexec_out/x", "/iexec_out/a/b"] {
        let refused = Run::declaring(path, &[("a", b"a file")]).digest().unwrap_err();
        assert!(matches!(refused, DigestError::NotFound { .. }), "{refused:?}");
        assert!(refused.is_maker_fault());
    }
}

#[test]
fn a_symbolic_link_out_of_the_directory_is_never_followed() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), "secret of the host").unwrap();
    let run = Run::declaring("/iexec_out/d", &[("d/a", b"1")]);
    symlink(secret.path(), run.out().join("d/link")).unwrap();
    symlink(secret.path().parent().unwrap(), run.out().join("up")).unwrap();
    assert_eq!(run.digest().unwrap().digest, children(&[b"1"]));
    assert_eq!(run.write_zip(&Limits::default()).unwrap().skipped, 2);

    let name = secret.path().file_name().unwrap().to_str().unwrap();
    for path in ["d/link", "up", &format!("up/{name}")] {
        let json = format!(r#"{{"deterministic-output-path":"/iexec_out/{path}"}}"#);
        fs::write(run.out().join("computed.json"), json).unwrap();
        let refused = digest_of_out(&run.out(), &Limits::default()).unwrap_err();
        assert!(matches!(refused, DigestError::Link { .. }), "{refused:?}");
        assert!(run.digest().is_err());
    }
    fs::remove_file(run.out().join("computed.json")).unwrap();
    symlink(secret.path(), run.out().join("computed.json")).unwrap();
    let refused = digest_of_out(&run.out(), &Limits::default()).unwrap_err();
    assert!(matches!(refused, DigestError::Link { .. }), "{refused:?}");
}

#[test]
fn the_same_content_gives_the_same_zip() {
    let files: &[(&str, &[u8])] = &[("b/x", b"1"), ("a", b"2"), ("c", b"")];
    let one = Run::declaring("/iexec_out/a", files);
    let mut reversed = files.to_vec();
    reversed.reverse();
    let other = Run::declaring("/iexec_out/a", &reversed);
    let changed = File::open(other.out().join("a")).unwrap();
    changed.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    changed.set_permissions(fs::Permissions::from_mode(0o4755)).unwrap();
    let zips = [one, other].map(|run| {
        run.write_zip(&Limits::default()).unwrap();
        fs::read(run.path("result.zip")).unwrap()
    });
    assert!(zips[0] == zips[1]);
}

#[test]
fn a_zip_unpacks_to_what_went_in_with_the_logs() {
    let run = Run::declaring("/iexec_out/d", &[("d/a", b"1"), ("e/f/g", &[7; 300_000])]);
    fs::create_dir(run.out().join("empty")).unwrap();
    let archived = run.write_zip(&Limits::default()).unwrap();
    assert_eq!(archived.entries, 9);
    assert!(archived.zip_bytes < 300_000);
    let zip = File::open(run.path("result.zip")).unwrap();
    let unpacked = unpack(zip, &run.path("result"), &Limits::default()).unwrap();
    assert_eq!(unpacked.files, 5);
    let read = |name: &str| fs::read(run.path("result").join(name)).unwrap();
    assert_eq!(read("d/a"), b"1");
    assert_eq!(read("e/f/g"), [7; 300_000]);
    assert_eq!(read("stdout.txt"), b"printed\n");
    assert_eq!(read("stderr.txt"), b"");
    assert!(read("computed.json").starts_with(b"{"));
    assert!(run.path("result/empty").is_dir());
    let mode = fs::metadata(run.path("result/d/a")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);
}

#[test]
fn a_zip_that_is_voted_for_has_what_is_declared_and_nothing_that_may_differ() {
    let declared: &[(&str, &[u8])] = &[("d/a", b"1"), ("d/e/f", b"2"), ("da", b"3"), ("x", b"4")];
    let one = Run::declaring("/iexec_out/d", declared);
    let other = Run::declaring("/iexec_out/d", &[("d/e/f", b"2"), ("d/a", b"1"), ("log", b"5")]);
    fs::write(other.path("stdout.log"), "took 3 s\n").unwrap();
    symlink("/etc/passwd", other.out().join("d/link")).unwrap();
    let (names, bytes) = one.declared_zip();
    assert_eq!(names, ["computed.json", "d/", "d/a", "d/e/", "d/e/f"]);
    assert!(other.declared_zip().1 == bytes);
    // What the digest of a directory does not tell apart, the zip does.
    for (path, files) in [
        ("/iexec_out/d", [("d/b", b"1"), ("d/e/f", b"2")]),
        ("/iexec_out/d", [("d/a", b"1"), ("d/e/f", b"9")]),
        ("/iexec_out/./d", [("d/a", b"1"), ("d/e/f", b"2")]),
    ] {
        let files: Vec<(&str, &[u8])> = files.map(|(name, content)| (name, &content[..])).to_vec();
        let differs = Run::declaring(path, &files);
        assert_eq!(differs.digest().unwrap().digest, one.digest().unwrap().digest);
        assert!(differs.declared_zip().1 != bytes, "{path}: {files:?}");
    }
}

#[test]
fn a_declared_file_the_whole_directory_and_callback_data_are_told_from_the_rest() {
    let files: &[(&str, &[u8])] = &[("d/result.txt", b"42\n"), ("stdout.txt", b"own"), ("z", b"")];
    let names = |path: &str| Run::declaring(path, files).declared_zip().0;
    assert_eq!(names("/iexec_out/d/result.txt"), ["computed.json", "d/result.txt"]);
    assert_eq!(names("/iexec_out/stdout.txt"), ["computed.json", "stdout.txt"]);
    let all = ["computed.json", "d/", "d/result.txt", "stdout.txt", "z"];
    assert_eq!(names("/iexec_out"), all);
    let callback = Run::new(files);
    fs::write(callback.out().join("computed.json"), r#"{"callback-data":"0x01"}"#).unwrap();
    assert_eq!(callback.declared_zip().0, ["computed.json"]);
    let none = Run::new(files).write_as(Extent::Declared, &Limits::default()).unwrap_err();
    assert!(matches!(none, ArchiveError::Declared(DigestError::Missing)) && none.is_app_fault());
}

/// Workers of different builds agree on a bound result only while these bytes stay as they are: a
/// change here is a change of the protocol.
#[test]
fn the_bytes_of_a_zip_that_is_voted_for_are_fixed() {
    let run = Run::declaring("/iexec_out/d", &[("d/a", b"forty-two\n"), ("d/e/f", &[7; 3000])]);
    let bytes = run.declared_zip().1;
    let cid = poco_result::cid::cid_of_file(&run.path("result.zip")).unwrap();
    assert_eq!(
        (bytes.len(), cid.to_string().as_str()),
        (3510, "QmNsYQJraUM42sFQY85jma2yPJtXJL6yCCekzWvhzLYmMf")
    );
}

#[test]
fn limits_on_writing_leave_no_partial_zip() {
    let run = Run::declaring("/iexec_out/a", &[("a", &[0; 1000])]);
    let refused = run.write_zip(&Limits { entries_max: 10, bytes_max: 999 }).unwrap_err();
    assert!(refused.is_app_fault());
    assert!(!run.path("result.zip").exists());
    assert_eq!(fs::read_dir(run.path("")).unwrap().count(), 3);
}

/// Tries to unpack into a fresh folder and checks that a refusal leaves nothing in it.
fn refusal(zip: &[u8], limits: &Limits) -> ZipRefused {
    let folder = tempfile::tempdir().unwrap();
    let refused = unpack(Cursor::new(zip), &folder.path().join("target"), limits);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    match refused.unwrap_err() {
        UnpackError::Refused(refused) => refused,
        other @ (UnpackError::TargetExists(_) | UnpackError::Io { .. }) => {
            panic!("expected a refusal, got {other:?}")
        }
    }
}

fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Replaces a name by another of the same length in every header: what no honest writer makes.
fn renamed(mut zip: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut replaced = 0;
    for at in 0..zip.len() - from.len() {
        if &zip[at..at + from.len()] == from.as_bytes() {
            zip[at..at + to.len()].copy_from_slice(to.as_bytes());
            replaced += 1;
        }
    }
    assert_eq!(replaced, 2);
    zip
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    for bad in ["../evil", "/etc/evl", "a/../../", "a\\..\\..", "a//../ev", "a/./evil", "evil\nxyz"]
    {
        let zip = renamed(zip_of(&[(&"N".repeat(bad.len()), b"1")]), &"N".repeat(bad.len()), bad);
        let refused = refusal(&zip, &Limits::default());
        assert!(matches!(refused, ZipRefused::UnsafeName(_)), "{bad}: {refused:?}");
    }
}

#[test]
fn links_and_doubled_names_are_refused() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    let zip = zip.finish().unwrap().into_inner();
    assert!(matches!(refusal(&zip, &Limits::default()), ZipRefused::Link(_)));
    let twice =
        renamed(zip_of(&[("first_name", b"1"), ("other_name", b"2")]), "other_name", "first_name");
    assert!(matches!(refusal(&twice, &Limits::default()), ZipRefused::Overlap));
}

#[test]
fn bombs_and_long_listings_are_refused() {
    let bomb = zip_of(&[("a", &vec![0; 1_000_000]), ("b", &vec![0; 1_000_000])]);
    assert!(bomb.len() < 10_000);
    let limits = Limits { entries_max: 2, bytes_max: 1_999_999 };
    let refused = refusal(&bomb, &limits);
    assert!(matches!(refused, ZipRefused::TooLarge { bytes_max: 1_999_999 }));
    let refused = refusal(&bomb, &Limits { entries_max: 1, bytes_max: u64::MAX });
    assert!(matches!(refused, ZipRefused::TooManyEntries { entries_max: 1 }));
    let names: Vec<String> = (0..30_000).map(|i| format!("{i:030}")).collect();
    let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let refused = refusal(&zip_of(&entries), &Limits { entries_max: 10, bytes_max: 1 });
    assert!(matches!(refused, ZipRefused::TooManyEntries { entries_max: 10 }), "{refused:?}");
}

#[test]
fn a_listing_that_understates_a_length_is_found_out() {
    let content = vec![0; 1_000_000];
    let mut zip = zip_of(&[("a", &content)]);
    let length = 1_000_000_u32.to_le_bytes();
    let places: Vec<usize> = (0..zip.len() - 4).filter(|&at| zip[at..at + 4] == length).collect();
    assert!(!places.is_empty());
    for at in places {
        zip[at..at + 4].copy_from_slice(&10_u32.to_le_bytes());
    }
    let refused = refusal(&zip, &Limits { entries_max: 1, bytes_max: 10 });
    assert!(matches!(refused, ZipRefused::Malformed(_)), "{refused:?}");
}

#[test]
fn damaged_and_foreign_bytes_are_refused() {
    let zip = zip_of(&[("a", b"some content that is long enough to be damaged")]);
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("no zip", b"<html>not found</html>".to_vec()),
        ("truncated", zip[..zip.len() - 10].to_vec()),
        ("damaged", {
            let mut zip = zip.clone();
            zip[40] ^= 0x55;
            zip
        }),
    ] {
        let refused = refusal(&bytes, &Limits::default());
        assert!(matches!(refused, ZipRefused::Malformed(_)), "{what}: {refused:?}");
        assert!(digest_of_zip(Cursor::new(bytes), &Limits::default()).is_err());
    }
}

#[test]
fn an_existing_target_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("mine");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("a"), "kept").unwrap();
    let refused = unpack(Cursor::new(zip_of(&[("a", b"new")])), &target, &Limits::default());
    assert!(matches!(refused, Err(UnpackError::TargetExists(_))));
    assert_eq!(fs::read(target.join("a")).unwrap(), b"kept");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(Path::new(&target).is_dir());
}
