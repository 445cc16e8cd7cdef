//! The request on its way. There is at most one: lines typed after it wait for it.

use std::future::Future;
use std::pin::Pin;

use super::answer::Answered;

/// A request, as a future of its outcome.
pub(super) type Pending = Pin<Box<dyn Future<Output = Answered> + Send>>;

/// What else to do about a request, apart from taking its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Regard {
    /// Nothing: its answer says what became of it.
    Plain,
    /// Give it up if the connection is lost before its answer: a person can simply type it again.
    Repeatable,
    /// Tell the line editor the outcome: it asked for a password, and waits.
    Awaited,
}

/// See the module.
#[derive(Default)]
pub(super) enum Errand {
    /// There is no request.
    #[default]
    Idle,
    /// A request is on its way.
    Waiting(Pending, Regard),
}

impl Errand {
    /// Returns whether there is no request.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }

    /// Starts a request, if `pending` holds one.
    pub(super) fn begin(&mut self, pending: Option<Pending>, regard: Regard) {
        *self = pending.map_or(Self::Idle, |pending| Self::Waiting(pending, regard));
    }

    /// Notes that the line editor waits for the request. Returns `false` if there is none to wait for.
    pub(super) fn editor_waits(&mut self) -> bool {
        match self {
            Self::Idle => false,
            Self::Waiting(_, regard) => {
                *regard = Regard::Awaited;
                true
            }
        }
    }

    /// Gives up a request that can simply be typed again. Returns whether there was one.
    pub(super) fn give_up(&mut self) -> bool {
        let gives_up = matches!(self, Self::Waiting(_, Regard::Repeatable));
        if gives_up {
            *self = Self::Idle;
        }
        gives_up
    }

    /// Waits for the outcome, which ends the request; never returns if there is none. Cancel safe.
    pub(super) async fn answer(&mut self) -> (Answered, Regard) {
        let Self::Waiting(pending, regard) = self else { return std::future::pending().await };
        let answer = (pending.await, *regard);
        *self = Self::Idle;
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(regard: Regard) -> Errand {
        let mut errand = Errand::default();
        errand.begin(Some(Box::pin(std::future::ready(Answered::Nobody))), regard);
        errand
    }

    #[tokio::test]
    async fn a_request_is_answered_once_and_leaves_nothing_behind() {
        let mut errand = asked(Regard::Plain);
        assert!(errand.editor_waits(), "the editor waits for it");
        let (answer, regard) = errand.answer().await;
        assert!(matches!(answer, Answered::Nobody));
        assert_eq!(regard, Regard::Awaited);
        assert!(errand.is_idle() && !errand.editor_waits());
    }

    #[test]
    fn only_what_may_be_typed_again_is_given_up() {
        for (regard, gives_up) in
            [(Regard::Repeatable, true), (Regard::Plain, false), (Regard::Awaited, false)]
        {
            let mut errand = asked(regard);
            assert_eq!(errand.give_up(), gives_up, "{regard:?}");
            assert_eq!(errand.is_idle(), gives_up, "{regard:?}");
        }
        assert!(!Errand::Idle.give_up());
    }
}
