//! The engine, the disk and the processors of this machine.

use super::Check;
use crate::config::{Config, DiskChoice};
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};
use poco_sandbox::{Engine, Facts};
use std::path::Path;

/// What the journal and the engine need besides the runs.
const SPARE_BYTES: u64 = 1 << 30;

pub(super) async fn checks(config: &Config) -> Vec<Check> {
    let mut checks = match Engine::connect(config.sandbox.engine_url.as_deref()).await {
        Ok(engine) => match engine.facts().await {
            Ok(facts) => of_facts(config, &facts),
            Err(error) => vec![unusable(&error.to_string())],
        },
        Err(error) => vec![unusable(&error.to_string())],
    };
    checks.push(disk(config));
    checks
}

fn unusable(found: &str) -> Check {
    let advice = "install docker (`apt install docker.io`), start it, and let this user use it";
    Check::blocks("engine", found, advice)
}

fn of_facts(config: &Config, facts: &Facts) -> Vec<Check> {
    let shown = format!("{} {} (API {})", facts.url, facts.version, facts.api_version);
    vec![
        Check::ok("engine", shown),
        platform(facts),
        limits(facts),
        disks(config, facts),
        runtime(config, facts),
        room(config, facts),
    ]
}

fn platform(facts: &Facts) -> Check {
    let (os, architecture) = &facts.platform;
    let shown = format!("{os}/{architecture}");
    match (os.as_str(), architecture.as_str()) {
        ("linux", "x86_64" | "amd64") => Check::ok("platform", shown),
        _ => Check::blocks("platform", shown, "apps are linux/amd64: use such a machine"),
    }
}

fn limits(facts: &Facts) -> Check {
    let missing: Vec<&str> = facts.missing_limits.iter().map(String::as_str).collect();
    match (facts.cgroup_version, missing.as_slice()) {
        (Some(version), [] | ["swap"]) => Check::ok("cgroups", format!("version {version}")),
        (Some(version), missing) => {
            let found = format!("version {version} without limits on {}", missing.join(", "));
            Check::blocks("cgroups", found, "mount these controllers, or use cgroup version 2")
        }
        (None, _) => Check::blocks("cgroups", "none", "apps need limits: mount cgroups"),
    }
}

fn disks(config: &Config, facts: &Facts) -> Check {
    let why = match (&facts.sized_disks, config.sandbox.disk) {
        (_, DiskChoice::Watched) => {
            return Check::ok("loop", "not used: result folders are watched");
        }
        (Ok(()), DiskChoice::Auto | DiskChoice::Sized) => {
            return Check::ok("loop", "results get disks of their own");
        }
        (Err(why), DiskChoice::Auto | DiskChoice::Sized) => why,
    };
    match config.sandbox.disk {
        DiskChoice::Sized => {
            Check::blocks("loop", why, "run as root, load the module loop, or set sandbox.disk")
        }
        DiskChoice::Auto | DiskChoice::Watched => {
            let advice = "result folders are watched instead; as root with loop devices they would be limited exactly";
            Check::warning("loop", why, advice)
        }
    }
}

fn runtime(config: &Config, facts: &Facts) -> Check {
    let known: Vec<&str> = facts.runtimes.iter().map(String::as_str).collect();
    match &config.sandbox.runtime {
        Some(runtime) if !facts.runtimes.contains(runtime) => {
            let found = format!("{runtime} is none of {}", known.join(", "));
            Check::blocks("runtime", found, "add it to the engine, or change sandbox.runtime")
        }
        Some(runtime) => Check::ok("runtime", runtime),
        None => Check::ok("runtime", "the engine's default"),
    }
}

/// Whether all slots together fit this machine.
fn room(config: &Config, facts: &Facts) -> Check {
    let slots = u64::from(config.slots);
    let memory = slots.saturating_mul(config.sandbox.memory_bytes);
    let cpu_milli = slots.saturating_mul(config.sandbox.cpu_milli);
    let found = format!(
        "{slots} slots take {} MiB of {} MiB memory and {}.{:03} of {} processors",
        memory >> 20,
        facts.memory_bytes >> 20,
        cpu_milli / 1000,
        cpu_milli % 1000,
        facts.cpus
    );
    if memory > facts.memory_bytes || cpu_milli > facts.cpus.saturating_mul(1000) {
        return Check::warning("slots", found, "offer fewer slots, or less in each");
    }
    Check::ok("slots", found)
}

/// Whether results of all slots fit the disk of the data folder.
fn disk(config: &Config) -> Check {
    let folder = &config.data_dir;
    // The folder may not exist before the first start: its disk is that of its nearest parent.
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
    let Some(existing) = absolute.ancestors().find(|path| path.exists()) else {
        return Check::blocks("disk", format!("{} cannot be", folder.display()), "set data_dir");
    };
    if let Some(found) = unusable_folder(existing) {
        return Check::blocks("disk", found, "set data_dir to a folder of this user");
    }
    let free = match free_bytes(existing) {
        Ok(free) => free,
        Err(error) => {
            let found = format!("{}: {error}", existing.display());
            return Check::blocks("disk", found, "set data_dir to a folder of this user");
        }
    };
    let sandbox = &config.sandbox;
    let slot = sandbox.out_bytes.saturating_mul(2).saturating_add(sandbox.log_bytes);
    let needed = slot.saturating_mul(config.slots.into()).saturating_add(SPARE_BYTES);
    let found = format!(
        "{} MiB free at {}, up to {} MiB used",
        free >> 20,
        existing.display(),
        needed >> 20
    );
    match free {
        free if free < SPARE_BYTES => Check::blocks("disk", found, "free some space"),
        free if free < needed => {
            Check::warning("disk", found, "free some space, or lower sandbox.out_bytes or slots")
        }
        _ => Check::ok("disk", found),
    }
}

/// Why nothing can be put into a folder. Asks only: a doctor changes nothing.
fn unusable_folder(folder: &Path) -> Option<String> {
    if !folder.is_dir() {
        return Some(format!("{} is no folder", folder.display()));
    }
    let access = access(folder, AccessFlags::W_OK | AccessFlags::X_OK);
    access.err().map(|error| format!("{} cannot be written to: {error}", folder.display()))
}

fn free_bytes(path: &Path) -> nix::Result<u64> {
    let stats = statvfs(path)?;
    Ok(stats.blocks_available().saturating_mul(stats.fragment_size()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use std::collections::BTreeSet;

    fn facts() -> Facts {
        Facts {
            url: "unix:///x".into(),
            version: "20".into(),
            api_version: "1.41".into(),
            platform: ("linux".into(), "x86_64".into()),
            cgroup_version: Some(2),
            runtimes: BTreeSet::from(["runc".into()]),
            storage_driver: "overlay2".into(),
            cpus: 2,
            memory_bytes: 8 << 30,
            missing_limits: BTreeSet::new(),
            is_engine_rootless: false,
            is_root: true,
            sized_disks: Ok(()),
        }
    }

    #[test]
    fn a_fitting_machine_has_nothing_to_do() {
        let config = Config { slots: 2, ..Config::default() };
        for check in of_facts(&config, &facts()) {
            assert_eq!((check.verdict, &check.advice), (Verdict::Ok, &None), "{check:?}");
        }
    }

    #[test]
    fn each_lack_is_found_and_says_what_to_do() {
        let mut config = Config { slots: 64, ..Config::default() };
        config.sandbox.runtime = Some("runsc".into());
        let lacking = Facts {
            platform: ("linux".into(), "aarch64".into()),
            missing_limits: BTreeSet::from(["memory".into(), "swap".into()]),
            sized_disks: Err("mounting takes root".into()),
            ..facts()
        };
        let checks = of_facts(&config, &lacking);
        let verdicts: Vec<Verdict> = checks.iter().skip(1).map(|check| check.verdict).collect();
        use Verdict::{Blocks, Warning};
        assert_eq!(verdicts, [Blocks, Blocks, Warning, Blocks, Warning]);
        assert!(checks.iter().skip(1).all(|check| check.advice.is_some()));
    }

    #[test]
    fn a_data_folder_that_is_not_yet_is_measured_at_its_parent() {
        let folder = tempfile::tempdir().unwrap();
        let config =
            Config { data_dir: folder.path().join("a/b/c"), slots: 1, ..Config::default() };
        let check = disk(&config);
        assert!(check.found.contains(&folder.path().display().to_string()), "{check:?}");
    }
}
