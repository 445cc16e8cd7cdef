//! The requests of a session's peer: one match dispatches each command.

mod account;
mod looking;
mod membership;
mod posting;

use crate::answers::AnswerSlot;
use crate::command::{Command, Reply};
use crate::error::Error;
use crate::port::Away;
use crate::session::Session;
use crate::slots::Slot;

impl Session {
    /// Does what the peer asks. Posts are answered later, by [`Session::next_batch`].
    ///
    /// # Errors
    /// [`Error::Refused`] for a mistake of the peer, otherwise a fault of ours. The session continues in both cases.
    pub async fn submit(&mut self, command: Command) -> Result<Reply, Error> {
        match command {
            Command::Post(post) => self.post(post).await,
            Command::Typing { room } => self.typing(&room),
            Command::Mark { room, seq } => self.mark(&room, seq).await,
            Command::Attach { epoch, cursors, tail } => {
                self.attaches.wait().await;
                let _turn = self.turn_to_read().await?;
                self.attach(epoch, cursors, tail).await
            }
            Command::Join { room, tail } => {
                let _turn = self.turn_to_read().await?;
                self.join(room, tail).await
            }
            Command::Leave { room } => self.leave(room).await,
            Command::Rooms => {
                let _turn = self.turn_to_read().await?;
                self.rooms().await
            }
            Command::Members { room } => {
                let _turn = self.turn_to_read().await?;
                self.members(room).await
            }
            Command::History { room, before, limit } => self.history(room, before, limit).await,
            Command::Away { reason } => self.set_away(Some(Away { reason })).await,
            Command::Back => self.set_away(None).await,
            Command::Whois { name } => {
                let _turn = self.turn_to_read().await?;
                self.whois(name).await
            }
            Command::ChangePassword { old, new, renew } => self.change_password(old, new, renew).await,
            Command::Logout => self.log_out().await,
        }
    }

    /// Waits for the slot that the answer to this command needs while it is in memory, if the answer may be long.
    ///
    /// # Errors
    /// `Busy` if no slot was free within `limits::ANSWER_WAIT_MAX`.
    ///
    /// # Cancel safety
    /// Safe: nothing has been done yet.
    pub async fn slot_for(&self, command: &Command) -> Result<Option<AnswerSlot>, Error> {
        match command {
            Command::Rooms | Command::Members { .. } | Command::History { .. } => {
                let slot = self.hub.answers.slot(&self.mailbox.of_account).await?;
                self.check_is_on()?;
                Ok(Some(slot))
            }
            _ => Ok(None),
        }
    }

    async fn turn_to_read(&self) -> Result<Option<Slot>, Error> {
        let turn = self.mailbox.of_account.reading().await?;
        self.check_is_on()?;
        Ok(turn)
    }
}
