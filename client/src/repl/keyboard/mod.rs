//! The keyboard, in front of the line editor. The editor ends at the first byte that is no UTF-8, with all that was typed
//! behind it, and takes the report of a mouse for text. So it does not read the terminal: it reads a pseudo-terminal of
//! ours, and a thread hands on what it is to have.
//!
//! That the answers of the terminal come by here is also how we can ask it where its cursor is.

#[cfg(any(unix, test))]
mod bytes;
#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub(super) use unix::{Keyboard, follow_stops};

/// The console of Windows gives characters, and needs none of this.
#[cfg(not(unix))]
#[derive(Debug)]
pub(super) enum Keyboard {}

#[cfg(not(unix))]
impl Keyboard {
    /// There is none here.
    pub(super) fn take(_: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    /// Takes the terminal back after a stop.
    pub(super) fn grab(&self) {
        match *self {}
    }

    /// Stops the program.
    pub(super) fn suspend(&self) {
        match *self {}
    }

    /// Where the cursor is.
    pub(super) fn cursor(&self) -> Option<(usize, usize)> {
        match *self {}
    }
}

/// Nothing is stopped here.
#[cfg(not(unix))]
pub(super) fn follow_stops(
    _: std::sync::Weak<Keyboard>,
    _: impl Fn() + Send + 'static,
) -> std::io::Result<()> {
    Ok(())
}
