//! Why the hub did not do what it was asked: a refusal (the peer's mistake) or a fault (ours).

use lanchat_model::limits;

use crate::port::StoreError;
use crate::refusal::Refusal;
use crate::turns::NoTurn;

/// Why the hub did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The peer's mistake: the request was refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Ours: the disk is full.
    #[error("the disk is full")]
    ReadOnly,
    /// Ours: the log explains the fault's number.
    #[error("fault {0}")]
    Fault(FaultId),
}

/// A number that the peer is told and that the log shows beside the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultId(pub u32);

impl std::fmt::Display for FaultId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl Error {
    /// Logs `cause` under a fresh number. The peer gets the number, never the cause.
    pub fn fault(cause: &dyn std::fmt::Display) -> Self {
        let mut bytes = [0; 4];
        // If this fails, the log still explains the number, random or not.
        let _ = getrandom::fill(&mut bytes);
        let id = FaultId(u32::from_be_bytes(bytes));
        tracing::error!(fault = %id, %cause, "fault");
        Self::Fault(id)
    }
}

impl From<NoTurn> for Error {
    fn from(_: NoTurn) -> Self {
        Refusal::Busy(limits::HASH_AGAIN_AFTER).into()
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::ReadOnly,
            other => Self::fault(&other),
        }
    }
}
