//! Signals that ask the program to stop.

/// Ends when somebody asks the program to stop from outside: by SIGTERM, SIGHUP or Ctrl+C, on Windows
/// by Ctrl+C, Ctrl+Break, or the end of the window, the login or the system. Never, if the system
/// does not tell.
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
    #[cfg(windows)]
    {
        use tokio::signal::windows;
        // Each event has a type of its own.
        macro_rules! stopped {
            ($event:path) => {
                async {
                    match $event() {
                        Ok(mut events) => drop(events.recv().await),
                        Err(_) => std::future::pending().await,
                    }
                }
            };
        }
        tokio::select! {
            () = stopped!(windows::ctrl_c) => {}
            () = stopped!(windows::ctrl_break) => {}
            () = stopped!(windows::ctrl_close) => {}
            () = stopped!(windows::ctrl_logoff) => {}
            () = stopped!(windows::ctrl_shutdown) => {}
        }
    }
}
