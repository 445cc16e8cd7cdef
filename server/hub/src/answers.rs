//! Slots for long answers. They bound what peers that ask but do not read may cost, for all together and for each
//! account.

use std::sync::Arc;
use std::time::Duration;

use lanchat_model::limits;
use tokio::time::{Instant, timeout};

use crate::account_slots::AccountSlots;
use crate::error::Error;
use crate::refusal::Refusal;
use crate::slots::{Slot, Slots};

/// How long a peer is told to wait that did not get a slot in time.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// The slots of a server: `limits::ANSWERS_BYTES_MAX` in answers of `limits::ANSWER_BYTES_MAX`.
#[derive(Debug)]
pub(crate) struct Answers(Arc<Slots>);

impl Answers {
    pub(crate) fn new() -> Self {
        Self(Slots::new(limits::ANSWERS_BYTES_MAX / limits::ANSWER_BYTES_MAX))
    }

    /// Takes one of the account's slots and one of the server's, for one answer.
    ///
    /// # Errors
    /// `Busy` if no slot was free within `limits::ANSWER_WAIT_MAX`.
    pub(crate) async fn slot(&self, of_account: &AccountSlots) -> Result<AnswerSlot, Error> {
        let both = async {
            let of_account = of_account.answer().await;
            AnswerSlot { of_account, of_all: self.0.take().await, since: Instant::now() }
        };
        timeout(limits::ANSWER_WAIT_MAX, both).await.map_err(|_| Refusal::Busy(BUSY_WAIT).into())
    }
}

/// The right to hold one long answer in memory, until its last piece is in the write buffer.
#[derive(Debug)]
pub struct AnswerSlot {
    of_account: Slot,
    of_all: Slot,
    since: Instant,
}

impl AnswerSlot {
    /// Returns whether others have waited long enough for this slot that a peer not reading its answer is disconnected.
    pub fn is_overdue(&self) -> bool {
        let is_wanted = self.of_all.is_wanted() || self.of_account.is_wanted();
        is_wanted && self.since.elapsed() >= limits::ANSWER_TIME_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_account_has_few_slots_and_the_server_is_not_used_up_by_one() {
        let (answers, eve, ana) = (Answers::new(), AccountSlots::default(), AccountSlots::default());
        let mut held = Vec::new();
        for _ in 0..limits::ANSWERS_PER_ACCOUNT_MAX {
            held.push(answers.slot(&eve).await.unwrap());
        }
        assert!(!held[0].is_overdue(), "nobody waits");
        let began = Instant::now();
        let refused = answers.slot(&eve).await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::Busy(_)))));
        assert_eq!(began.elapsed(), limits::ANSWER_WAIT_MAX);
        assert!(answers.slot(&ana).await.is_ok());

        let next = tokio::spawn(async move { answers.slot(&eve).await.is_ok() });
        tokio::task::yield_now().await;
        assert!(held[0].is_overdue(), "it is held for long, and wanted");
        held.pop();
        assert!(next.await.unwrap());
        assert!(!held[0].is_overdue());
    }

    #[tokio::test(start_paused = true)]
    async fn all_accounts_together_have_a_bounded_number() {
        let (answers, mut held) = (Answers::new(), Vec::new());
        for _ in 0..limits::ANSWERS_BYTES_MAX / limits::ANSWER_BYTES_MAX {
            held.push(answers.slot(&AccountSlots::default()).await.unwrap());
        }
        assert!(answers.slot(&AccountSlots::default()).await.is_err());
        held.clear();
        assert!(answers.slot(&AccountSlots::default()).await.is_ok());
    }
}
