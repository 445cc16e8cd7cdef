//! Signals that ask the program to stop.

/// Ends when somebody asks the program to stop from outside, by SIGTERM, SIGHUP or Ctrl+C. Never,
/// if the system does not tell.
pub(crate) async fn asked_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let stopped = |kind| async move {
            match signal(kind) {
                Ok(mut signals) => drop(signals.recv().await),
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stopped(SignalKind::terminate()) => {}
            () = stopped(SignalKind::hangup()) => {}
            () = stopped(SignalKind::interrupt()) => {}
        }
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
