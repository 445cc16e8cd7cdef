//! The request on its way. There is one at most: what is typed behind it waits for it.

use std::future::Future;
use std::pin::Pin;

use super::answers::Answer;

/// A request, as what will come of it.
pub(super) type Pending = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What is to be done about a request, besides taking its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Regard {
    /// Nothing: it says by itself what became of it.
    Plain,
    /// If the connection is lost before its answer, a person may as well type it again.
    Repeatable,
    /// The line editor asked for a password, and waits to hear what came of it.
    Awaited,
}

/// See the module.
#[derive(Default)]
pub(super) enum Errand {
    /// There is none.
    #[default]
    Idle,
    /// This one.
    Waiting(Pending, Regard),
}

impl Errand {
    /// Whether there is no request.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }

    /// Sends one off: `pending`, if there is anything to ask.
    pub(super) fn begin(&mut self, pending: Option<Pending>, regard: Regard) {
        *self = pending.map_or(Self::Idle, |pending| Self::Waiting(pending, regard));
    }

    /// Notes that the line editor waits for the one that was sent off. `false`: there is none to wait for.
    pub(super) fn editor_waits(&mut self) -> bool {
        match self {
            Self::Idle => false,
            Self::Waiting(_, regard) => {
                *regard = Regard::Awaited;
                true
            }
        }
    }

    /// Waits no longer for one that may as well be typed again. Says whether there was one.
    pub(super) fn give_up(&mut self) -> bool {
        let gives_up = matches!(self, Self::Waiting(_, Regard::Repeatable));
        if gives_up {
            *self = Self::Idle;
        }
        gives_up
    }

    /// What comes of it, after which there is none; never, if there is none. Cancel safe.
    pub(super) async fn answer(&mut self) -> (Answer, Regard) {
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
        errand.begin(Some(Box::pin(std::future::ready(Answer::Nobody))), regard);
        errand
    }

    #[tokio::test]
    async fn a_request_is_answered_once_and_leaves_nothing_behind() {
        let mut errand = asked(Regard::Plain);
        assert!(errand.editor_waits(), "the editor waits for it");
        let (answer, regard) = errand.answer().await;
        assert!(matches!(answer, Answer::Nobody));
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
