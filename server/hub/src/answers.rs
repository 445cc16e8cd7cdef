//! Places for answers that are long: what peers that ask and do not read may cost, all of them together and each account.

use std::sync::Arc;
use std::time::Duration;

use lanchat_model::limits;
use tokio::time::{Instant, timeout};

use crate::account_places::AccountPlaces;
use crate::error::{Error, Refusal};
use crate::places::{Place, Places};

/// What whoever gets no place in time is told to wait.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// The places of a server: `limits::ANSWERS_BYTES_MAX` in answers of `limits::ANSWER_BYTES_MAX`.
#[derive(Debug)]
pub(crate) struct Answers(Arc<Places>);

impl Answers {
    pub(crate) fn new() -> Self {
        Self(Places::new(limits::ANSWERS_BYTES_MAX / limits::ANSWER_BYTES_MAX))
    }

    /// Takes a place of the account and one of the server, for one answer.
    ///
    /// # Errors
    /// `Busy`, when there was none for `limits::ANSWER_WAIT_MAX`.
    pub(crate) async fn place(&self, of_account: &AccountPlaces) -> Result<AnswerPlace, Error> {
        let both = async {
            let of_account = of_account.answer().await;
            AnswerPlace { of_account, of_all: self.0.take().await, since: Instant::now() }
        };
        timeout(limits::ANSWER_WAIT_MAX, both).await.map_err(|_| Refusal::Busy(BUSY_WAIT).into())
    }
}

/// The right to hold one long answer in memory, until its last piece is in the write buffer.
#[derive(Debug)]
pub struct AnswerPlace {
    of_account: Place,
    of_all: Place,
    since: Instant,
}

impl AnswerPlace {
    /// Whether others wait for this place and have done so long enough: the peer that does not take its answer is let go.
    pub fn is_overdue(&self) -> bool {
        let is_wanted = self.of_all.is_wanted() || self.of_account.is_wanted();
        is_wanted && self.since.elapsed() >= limits::ANSWER_TIME_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_account_has_few_places_and_the_server_is_not_used_up_by_one() {
        let (answers, eve, ana) = (Answers::new(), AccountPlaces::default(), AccountPlaces::default());
        let mut held = Vec::new();
        for _ in 0..limits::ANSWERS_PER_ACCOUNT_MAX {
            held.push(answers.place(&eve).await.unwrap());
        }
        assert!(!held[0].is_overdue(), "nobody waits");
        let began = Instant::now();
        let refused = answers.place(&eve).await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::Busy(_)))));
        assert_eq!(began.elapsed(), limits::ANSWER_WAIT_MAX);
        assert!(answers.place(&ana).await.is_ok());

        let next = tokio::spawn(async move { answers.place(&eve).await.is_ok() });
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
            held.push(answers.place(&AccountPlaces::default()).await.unwrap());
        }
        assert!(answers.place(&AccountPlaces::default()).await.is_err());
        held.clear();
        assert!(answers.place(&AccountPlaces::default()).await.is_ok());
    }
}
