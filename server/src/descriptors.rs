//! How many files and sockets this process may have open: as many as the system lets it.

/// Raises the limit of open descriptors to the highest that the system allows this process.
///
/// Each session takes one, and what a process gets by itself is often enough for a thousand. Best effort: with fewer,
/// those who come too many are not accepted until others have gone. Does nothing where there is no such limit.
pub fn raise_descriptor_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, ..limit };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::debug!(%error, "the limit of open descriptors stays as it is");
        }
    }
}
