//! The keyboard, in front of the line editor. The editor ends at the first byte that is not UTF-8, losing everything
//! typed after it, and takes a mouse report for text. So it does not read the terminal: it reads a pseudo-terminal of
//! ours, and a thread passes on what it may have.
//!
//! The terminal's answers pass through here too, so we can ask it where its cursor is.

#[cfg(any(unix, test))]
mod bytes;
#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub(super) use unix::{Keyboard, follow_stops};

/// The Windows console delivers characters, so this is not needed there.
#[cfg(not(unix))]
#[derive(Debug)]
pub(super) enum Keyboard {}

#[cfg(not(unix))]
impl Keyboard {
    /// Fails, since there is no keyboard to take on this system.
    pub(super) fn take(_: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    /// Takes the terminal again after a stop.
    pub(super) fn grab(&self) {
        match *self {}
    }

    /// Stops the program.
    pub(super) fn suspend(&self) {
        match *self {}
    }

    /// Returns where the cursor is.
    pub(super) fn cursor(&self) -> Option<(usize, usize)> {
        match *self {}
    }
}

/// Does nothing: programs are not stopped on this system.
#[cfg(not(unix))]
pub(super) fn follow_stops(
    _: std::sync::Weak<Keyboard>,
    _: impl Fn() + Send + 'static,
) -> std::io::Result<()> {
    Ok(())
}
