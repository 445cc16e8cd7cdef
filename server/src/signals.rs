//! The signals that ask the server to stop.

use tokio_util::sync::CancellationToken;

/// Cancels `shutdown` at the first signal to stop: Ctrl+C; on Unix SIGTERM (from service managers) and SIGHUP (the
/// terminal is gone); on Windows Ctrl+Break, the closing of the console window, and system shutdown. The last two give
/// a program five seconds.
///
/// # Errors
/// When the system refuses a handler.
pub fn stop_on_signal(shutdown: CancellationToken) -> std::io::Result<()> {
    let signal = signal()?;
    tokio::spawn(async move {
        signal.await;
        shutdown.cancel();
    });
    Ok(())
}

#[cfg(unix)]
fn signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    })
}

#[cfg(windows)]
fn signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};

    // The end of a login session is not one of them: a service is notified of every user's.
    let (mut interrupt, mut pause) = (ctrl_c()?, ctrl_break()?);
    let (mut close, mut power) = (ctrl_close()?, ctrl_shutdown()?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = pause.recv() => {}
            _ = close.recv() => {}
            _ = power.recv() => {}
        }
    })
}
