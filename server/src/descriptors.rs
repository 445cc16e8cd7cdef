//! The number of files and sockets that this process may have open.

/// Raises the limit of open descriptors to the highest that the system allows this process.
///
/// Each session takes one, and the initial limit is often enough for only a thousand. Best effort: with a lower limit,
/// further connections are not accepted until others have gone. Does nothing on systems without such a limit.
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
