//! The loop of a session: what is handled when, and when it is over.

use std::time::Duration;

use lanchat_client::{Client, ConnectError, Events};
use lanchat_model::limits;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::answer::Answered;
use super::waiting::{Burst, news, next_event};
use super::{Chat, End, Errand, Link, Pending, Reading, Regard, Standing};
use crate::command::SlashCommand;
use crate::exit::{Failure, Reason};

/// How often the screen is updated by the clock: who stopped typing, what waits too long.
const TICK: Duration = Duration::from_millis(250);

impl Chat {
    /// Runs until the user leaves, the input ends, or the connection does. Logs in with `first`, or with the token kept
    /// for this server.
    pub(crate) async fn run(
        &mut self,
        client: Client,
        mut events: Events,
        first: Option<SlashCommand>,
    ) -> End {
        let mut regard = Regard::Plain;
        if first.is_some() {
            self.standing = Standing::Changing;
            regard = Regard::Awaited;
        }
        let login = self.begin(&client, first).await;
        self.errand.begin(Some(login), regard);
        self.link = Link::Up(client.clone());
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = crate::signals::asked_to_stop();
        tokio::pin!(stop);
        let (mut deadline, mut burst) = (None, Burst::default());
        let end = loop {
            if self.is_over() {
                break self.outcome();
            }
            self.ask_by_itself(&client);
            if self.inbox.reading == Reading::Settled {
                deadline = deadline.or_else(|| Some(Instant::now() + limits::REQUEST_MAX));
            }
            // The order matters: what was said before an answer, or before a typed line, is shown before it. After many
            // events in a row, the others get a turn.
            let step = tokio::select! {
                biased;
                () = &mut stop => Some(self.told_to_stop()),
                _ = tick.tick() => { self.tick(); None }
                event = next_event(&self.output, &mut events), if burst.goes_on() => {
                    burst.note();
                    event.map_or_else(|| Some(stopped()), |event| self.heard(event))
                }
                (answer, regard) = self.errand.answer() => {
                    burst = Burst::default();
                    self.answered(&client, answer, regard)
                }
                news = news(&mut self.wishes.news) => { self.notice(&news); None }
                people = self.names.learning.next() => { self.learned(people); None }
                typed = self.inbox.next(), if self.errand.is_idle() && !self.inbox.has_ended() => {
                    burst = Burst::default();
                    self.typed(&client, typed)
                }
                () = std::future::ready(()), if burst.has_begun() => { burst = Burst::default(); None }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    Some(self.outcome())
                }
            };
            if let Some(end) = step {
                break end;
            }
        };
        self.finish(client, events, end).await
    }

    /// Sends what is left, unless the chat failed, shows it, and closes the client.
    async fn finish(&mut self, client: Client, mut events: Events, end: End) -> End {
        self.errand = Errand::Idle;
        let end = match end {
            End::Failed(failure) if failure.reason == Reason::Refused => {
                // Messages before the refused line are still sent, or kept.
                self.linger(&client, &mut events).await;
                End::Failed(failure)
            }
            End::Failed(_) => end,
            end => self.linger(&client, &mut events).await.map_or(end, End::Failed),
        };
        let end = self.end_of_output(end).await;
        self.link = Link::Down;
        self.forget_all();
        drop(events);
        client.close().await;
        end
    }

    /// Waits briefly for the output, and marks what was written as seen. A failed write is reported; with `--follow` it
    /// is the session's failure.
    async fn end_of_output(&mut self, end: End) -> End {
        let _ = tokio::time::timeout(limits::ACK_PATIENCE, self.output.all_written()).await;
        self.tell_seen(self.output.seen());
        match (end, self.output.failure()) {
            (End::Done, Some(failure)) if self.wishes.follow => End::Failed(failure),
            (end, failure) => {
                failure.into_iter().for_each(|failure| self.complain(&failure.words));
                end
            }
        }
    }

    /// Waits for messages sent just now, and still shows what comes. Returns a failure if some of them are not on the
    /// server.
    async fn linger(&mut self, client: &Client, events: &mut Events) -> Option<Failure> {
        let patience = tokio::time::sleep(limits::LEAVE_MAX);
        tokio::pin!(patience);
        let settled = client.settled();
        tokio::pin!(settled);
        let (mut waits, mut sent, mut ended) = (true, false, None);
        while !(sent && self.is_shown()) {
            tokio::select! {
                outcome = &mut settled, if waits => {
                    waits = false;
                    // A client that has stopped settles nothing: it says why by its last event.
                    if outcome.is_ok() {
                        sent = true;
                        // The messages are safe; waiting to show them too is a courtesy.
                        patience.as_mut().reset(Instant::now() + limits::ACK_PATIENCE);
                    }
                }
                event = next_event(&self.output, events) => match event.map(|event| self.heard(event)) {
                    Some(None) => {}
                    Some(Some(end)) => { ended = Some(end); break }
                    None => break,
                },
                () = &mut patience => break,
            }
        }
        if sent || self.unacked.is_empty() {
            return None;
        }
        let left = self.left_behind();
        Some(match ended {
            Some(End::Failed(why)) => Failure::new(why.reason, format!("{}\n{left}", why.words)),
            _ => Failure::new(Reason::Lost, left),
        })
    }

    /// Sends requests that nobody has typed, while no other is on its way: what an unknown name may have meant, and at
    /// the end of the input whether everything is answered.
    fn ask_by_itself(&mut self, client: &Client) {
        if self.errand.is_idle() {
            let question = self.look_for(client);
            self.errand.begin(question, Regard::Plain);
        }
        if self.errand.is_idle() && self.inbox.reading == Reading::Ended && !self.stays() {
            self.errand.begin(Some(settle(client)), Regard::Plain);
        }
    }

    /// Returns whether the input has ended and all of it has taken effect.
    fn is_over(&self) -> bool {
        let settled = self.inbox.reading == Reading::Settled && self.errand.is_idle();
        settled && self.is_shown() && !self.stays()
    }

    /// Returns whether there is a reason to stay after the input has ended: somebody reads the output, or others depend
    /// on this program.
    pub(super) fn stays(&self) -> bool {
        let is_served = self.wishes.hosting || !self.view.own().is_empty();
        self.wishes.follow && is_served && !self.output.is_broken()
    }

    /// Returns whether everything that is on the server is on the screen.
    fn is_shown(&self) -> bool {
        self.unacked.is_empty() && self.progress.is_complete()
    }

    /// Returns what a script is told at the end.
    pub(super) fn outcome(&self) -> End {
        match self.refusals {
            0 => End::Done,
            1 => End::Failed(Failure::new(Reason::Refused, "One line was refused; see above.")),
            count => {
                End::Failed(Failure::new(Reason::Refused, format!("{count} lines were refused; see above.")))
            }
        }
    }
}

/// Returns the end for a library that stopped without a word, which it does only when told to.
pub(super) fn stopped() -> End {
    End::Failed(Failure::new(Reason::Lost, "The connection has ended. Start lanchat again."))
}

/// Returns the end for a library that gave up on the server.
pub(super) fn given_up(error: ConnectError) -> End {
    let failure = Failure::from(error);
    let reason = if failure.reason == Reason::NoServer { Reason::Lost } else { failure.reason };
    End::Failed(Failure { reason, ..failure })
}

/// Waits until all of the user's messages are answered.
fn settle(client: &Client) -> Pending {
    let client = client.clone();
    Box::pin(async move { Answered::Settled(client.settled().await.map(|_| ())) })
}
