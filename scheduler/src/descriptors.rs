//! How many files this process may have open: every worker and every client is one. The system starts
//! programs with room for a thousand, and lets them have more.

use crate::limits::CONNECTIONS_MAX;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What the store, the results and the listeners open besides.
const OTHERS: u64 = 1_000;

/// Takes as many as the system allows, and says where that is less than connections may take.
pub(crate) fn take_all() {
    let wanted = u64::from(CONNECTIONS_MAX) + OTHERS;
    match raise(wanted) {
        Ok(files) if files < wanted => tracing::warn!(
            files,
            wanted,
            "the system lets this process open few files: raise the limit (ulimit -Hn, or LimitNOFILE= \
             of its unit) for more workers and clients than that"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit on open files is unknown"),
    }
}

/// Raises the limit to `wanted`, or as far as the system allows; what it is then.
fn raise(wanted: u64) -> nix::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let files = wanted.min(hard).max(soft);
    if files > soft {
        setrlimit(Resource::RLIMIT_NOFILE, files, hard)?;
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_the_system_allows_and_never_lowered() {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(raise(1).unwrap(), soft);
        assert_eq!(raise(u64::MAX).unwrap(), hard);
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (hard, hard));
    }
}
