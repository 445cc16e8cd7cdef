//! Signals that ask the program to stop.

use tokio::sync::mpsc;

/// Why Ctrl+Z does not stop a program that hosts.
pub(crate) const AWAKE: &str = "Ctrl+Z does not stop this program: it serves others, who would wait without knowing why. \
                                Another window gives you a shell; /quit stops the server.";

/// Keeps Ctrl+Z (SIGTSTP) from stopping this process, since others depend on it, and reports each attempt to `teller`.
/// When the editor has the keyboard, it says the same. SIGSTOP, which cannot be refused, still stops it. Needs a tokio
/// runtime.
#[cfg(feature = "host")]
pub(crate) fn stay_awake(teller: mpsc::Sender<String>) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        let stop = SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw());
        // If the system refuses, Ctrl+Z stops the process as usual.
        let Ok(mut stops) = signal(stop) else { return };
        tokio::spawn(async move {
            while stops.recv().await.is_some() && teller.send(AWAKE.to_owned()).await.is_ok() {}
        });
    }
    // Windows does not have such a key.
    #[cfg(not(unix))]
    drop(teller);
}

/// Waits until the program is asked to stop from outside: by SIGTERM, SIGHUP or Ctrl+C, on Windows by Ctrl+C,
/// Ctrl+Break, or the end of the window, the login or the system. Never returns if the system does not report signals.
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
