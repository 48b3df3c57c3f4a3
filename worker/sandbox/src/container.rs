//! How a run becomes a container: the one place where an app's confinement is written down.

use std::collections::{BTreeSet, HashMap};

use alloy_primitives::Address;
use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig,
    Mount, MountType, ResourcesUlimits,
};
use poco_result::computed::OUT_IN_CONTAINER;

use crate::folder::RunFolder;
use crate::run::{IN_IN_CONTAINER, RootFs, RunSpec};

/// The app's `$HOME`: a directory of its own, so that no file of the image is hidden by it.
const HOME: &str = "/iexec_home";
/// Directories that programs expect to be able to write to.
const TMPFS: [&str; 4] = ["/tmp", "/var/tmp", "/run", HOME];
/// Most volumes of an image that get a tmpfs; each is limited in size on its own.
const VOLUMES_MAX: usize = 16;
/// Log files the engine turns over; one more than is written to, so that the end is never lost.
const LOG_FILES: u64 = 2;
/// The engine's answer to a memory limit below this is an error without a reason.
const MEMORY_BYTES_MIN: u64 = 6 << 20;

/// The name of a run's container: unique on an engine, whatever workers share it.
pub(crate) fn name(worker: Address, spec_id: &crate::RunId) -> String {
    format!("poco-{}-{spec_id}", hex::encode(worker))
}

/// The container of a run. `volumes` are the paths the image declares as volumes: the engine
/// would give them unlimited space on the host's disk, so they get a tmpfs instead.
pub(crate) fn body(
    spec: &RunSpec,
    args: Vec<String>,
    folder: &RunFolder,
    volumes: &[String],
    worker: Address,
) -> ContainerCreateBody {
    let mut env = spec.environment();
    env.push(format!("HOME={HOME}"));
    ContainerCreateBody {
        image: Some(spec.image.to_string()),
        cmd: (!args.is_empty()).then_some(args),
        env: Some(env),
        // The engine would use the container's id, which differs between workers of a task.
        hostname: Some("app".into()),
        labels: Some(spec.labels(worker)),
        stop_signal: Some("SIGTERM".into()),
        healthcheck: Some(HealthConfig {
            test: Some(vec!["NONE".into()]),
            ..HealthConfig::default()
        }),
        host_config: Some(host(spec, folder, volumes)),
        ..ContainerCreateBody::default()
    }
}

fn host(spec: &RunSpec, folder: &RunFolder, volumes: &[String]) -> HostConfig {
    let limits = &spec.limits;
    let memory = signed(limits.memory_bytes.max(MEMORY_BYTES_MIN));
    HostConfig {
        network_mode: Some("none".into()),
        cap_drop: Some(vec!["ALL".into()]),
        security_opt: Some(vec!["no-new-privileges:true".into()]),
        privileged: Some(false),
        readonly_rootfs: Some(spec.root == RootFs::ReadOnly),
        tmpfs: Some(tmpfs(limits.tmp_bytes, volumes)),
        mounts: Some(vec![
            bind(folder.input().display().to_string(), IN_IN_CONTAINER, true),
            bind(folder.out().display().to_string(), OUT_IN_CONTAINER, false),
        ]),
        memory: Some(memory),
        // Memory and swap together: equal to memory alone means no swap.
        memory_swap: Some(memory),
        nano_cpus: Some(signed(limits.cpu_milli.max(1).saturating_mul(1_000_000))),
        pids_limit: Some(signed(limits.pids.max(1))),
        // A core file would be written to wherever the host's pattern says.
        ulimits: Some(vec![ResourcesUlimits {
            name: Some("core".into()),
            soft: Some(0),
            hard: Some(0),
        }]),
        ipc_mode: Some("private".into()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".into()),
            config: Some(HashMap::from([
                ("max-size".into(), (limits.log_bytes / LOG_FILES).max(1024).to_string()),
                ("max-file".into(), LOG_FILES.to_string()),
            ])),
        }),
        runtime: spec.runtime.clone(),
        ..HostConfig::default()
    }
}

fn bind(source: String, target: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(source),
        target: Some(target.into()),
        read_only: Some(read_only),
        ..Mount::default()
    }
}

/// Executable, since many apps unpack libraries to a temporary directory and load them; without
/// capabilities and new privileges that gives them nothing they do not have.
fn tmpfs(bytes: u64, volumes: &[String]) -> HashMap<String, String> {
    let options = format!("rw,exec,nosuid,nodev,mode=1777,size={bytes}");
    let is_ours = |path: &str| {
        [IN_IN_CONTAINER, OUT_IN_CONTAINER]
            .iter()
            .any(|ours| path == *ours || path.starts_with(&format!("{ours}/")))
    };
    let declared: BTreeSet<&str> = volumes
        .iter()
        .map(|path| path.trim_end_matches('/'))
        .filter(|path| path.starts_with('/') && !is_ours(path))
        .take(VOLUMES_MAX)
        .collect();
    let paths = TMPFS.into_iter().chain(declared);
    paths.map(|path| (path.to_owned(), options.clone())).collect()
}

/// The engine's numbers are signed; what does not fit is no limit anyone could reach.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::run::tests::spec;

    fn host_of(spec: &RunSpec, volumes: &[String]) -> HostConfig {
        let folder = RunFolder::new(Path::new("/data"), spec.id);
        body(spec, Vec::new(), &folder, volumes, Address::ZERO).host_config.unwrap()
    }

    #[test]
    fn every_default_of_the_design_is_set() {
        let host = host_of(&spec(), &[]);
        assert_eq!(host.network_mode.as_deref(), Some("none"));
        assert_eq!(host.cap_drop, Some(vec!["ALL".into()]));
        assert_eq!(host.cap_add, None);
        assert_eq!(host.security_opt, Some(vec!["no-new-privileges:true".into()]));
        assert_eq!(host.readonly_rootfs, Some(true));
        assert_eq!(host.memory, host.memory_swap);
        assert_eq!(host.memory, Some(64 << 20));
        assert_eq!(host.nano_cpus, Some(500_000_000));
        assert_eq!(host.pids_limit, Some(16));
        assert_eq!(host.binds, None);
        let mounts = host.mounts.unwrap();
        assert_eq!(
            (mounts[0].target.as_deref(), mounts[0].read_only),
            (Some("/iexec_in"), Some(true))
        );
        assert_eq!(
            (mounts[1].target.as_deref(), mounts[1].read_only),
            (Some("/iexec_out"), Some(false))
        );
        assert_eq!(mounts.len(), 2);
        let tmpfs = host.tmpfs.unwrap();
        for path in ["/tmp", "/var/tmp", "/run", "/iexec_home"] {
            assert!(tmpfs[path].contains("size=1048576") && tmpfs[path].contains("mode=1777"));
        }
    }

    #[test]
    fn volumes_of_an_image_are_as_small_as_the_rest() {
        let volumes = ["/data/", "/iexec_out", "/iexec_in/x", "relative", "/tmp", "/"];
        let tmpfs = host_of(&spec(), &volumes.map(str::to_owned)).tmpfs.unwrap();
        let mut paths: Vec<&str> = tmpfs.keys().map(String::as_str).collect();
        paths.sort_unstable();
        assert_eq!(paths, ["/data", "/iexec_home", "/run", "/tmp", "/var/tmp"]);
    }

    #[test]
    fn the_image_runs_its_own_command_unless_the_request_has_arguments() {
        let folder = RunFolder::new(Path::new("/data"), spec().id);
        let plain = body(&spec(), Vec::new(), &folder, &[], Address::ZERO);
        assert_eq!((plain.cmd, plain.user, plain.entrypoint), (None, None, None));
        let args = vec!["a b".to_owned()];
        let with_args = body(&spec(), args.clone(), &folder, &[], Address::ZERO);
        assert_eq!(with_args.cmd, Some(args));
    }

    #[test]
    fn names_differ_between_workers_of_one_task() {
        let id = spec().id;
        assert_ne!(name(Address::ZERO, &id), name(Address::repeat_byte(1), &id));
        assert!(name(Address::ZERO, &id).ends_with(&id.to_string()));
    }
}
