//! What the operating system lets this process have.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Files that are open besides connections: the database, logs, media sockets, what is being read.
const OTHER_FILES: usize = 256;

/// How many connections there may be: as many as `wished`, if the system lets us have so many files. The soft limit
/// is raised to the hard one first: it is low by default for programs that use `select`, as we do not.
pub fn connections(wished: usize) -> usize {
    let files = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        if soft < hard {
            setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        }
        Ok(hard)
    });
    match files {
        Ok(files) => {
            let possible = within(wished, files);
            if possible < wished {
                tracing::warn!(
                    files,
                    connections = possible,
                    "http.max_connections is more than open files allow"
                );
            }
            possible
        }
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be raised");
            wished
        }
    }
}

fn within(wished: usize, files: u64) -> usize {
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    wished.min(files.saturating_sub(OTHER_FILES).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_other_files() {
        assert_eq!(within(20_000, 1_048_576), 20_000);
        assert_eq!(within(20_000, 4_096), 3_840);
        assert_eq!(within(20_000, 100), 1);
    }

    #[test]
    fn the_soft_limit_is_raised() {
        connections(1);
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("limits");
        assert_eq!(soft, hard);
    }
}
