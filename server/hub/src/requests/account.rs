//! Requests about an account: what it says about itself, and what others may know of it.

use lanchat_model::{AccountName, Password, TypedPassword};

use crate::bus::Devices;
use crate::command::{Member, Reply};
use crate::domain::Purpose;
use crate::error::Error;
use crate::event::LogoutReason;
use crate::password::Asker;
use crate::port::{Away, NewPassword, TokenLeft};
use crate::refusal::Refusal;
use crate::session::Session;
use crate::token::Token;

impl Session {
    /// Sets or ends `away`. It is stored before it is announced, so that a crash cannot take the answer back.
    pub(crate) async fn set_away(&mut self, away: Option<Away>) -> Result<Reply, Error> {
        // There is one change at a time, so that the last change stored is the last one announced.
        let _turn = self.mailbox.of_account.change().await?;
        let stored = self.hub.store.set_away(self.account, away.clone()).await;
        // Success says nothing about posts, which must leave a margin for this.
        if stored.is_err() {
            self.hub.disk_space.note(&stored);
        }
        stored?;
        self.hub.presence.set_away(self.account, away);
        Ok(Reply::Done)
    }

    pub(crate) async fn whois(&mut self, name: AccountName) -> Result<Reply, Error> {
        let account = self.hub.store.account(name).await?.ok_or(Refusal::NoSuchAccount)?;
        let state = self.hub.presence.state_of(account.id, account.last_seen);
        Ok(Reply::Whois {
            member: Member { name: account.name, display_name: account.display_name, state },
            since: account.created,
            admin: account.admin,
            sessions: self.hub.registry.sessions_of(account.id) as u64,
        })
    }

    /// Changes the password. The old one is asked for again, so that an unattended keyboard is not enough; guessing it
    /// is as slow as at the login. Only this session stays: another session of the same device may use a copy of its
    /// token.
    pub(crate) async fn change_password(
        &mut self,
        old: TypedPassword,
        new: Password,
        renew: bool,
    ) -> Result<Reply, Error> {
        let _changing = self.hub.begin_change(self.account)?;
        let account = self.hub.verify(self.name.clone(), &old, &self.source, Purpose::Change).await?;
        let phc = self.hub.hasher.hash(Asker::Change(&self.source), &new).await?;
        let fresh = if renew { Some(Token::generate()?) } else { None };
        let token =
            fresh.as_ref().map_or(TokenLeft::Given(self.given), |fresh| TokenLeft::Fresh(fresh.record()));
        let (account, known, device) = (account.id, account.generation, self.device);
        if !self.hub.store.set_password(NewPassword { account, known, phc, device, token }).await? {
            // Another session's change came first, and has ended this session.
            return Err(Refusal::WrongPassword.into());
        }
        if let Some(fresh) = &fresh {
            self.given = fresh.record().hash;
        }
        let why = LogoutReason::PasswordChanged;
        self.hub.announcer.log_out(account, Devices::All, Some(self.id), why);
        Ok(Reply::PasswordChanged { token: fresh.map(|fresh| fresh.expose()) })
    }

    pub(crate) async fn log_out(&mut self) -> Result<Reply, Error> {
        self.hub.store.remove_device(self.device).await?;
        let devices = Devices::These(vec![self.device]);
        self.hub.announcer.log_out(self.account, devices, Some(self.id), LogoutReason::Elsewhere);
        self.leave_on_purpose();
        Ok(Reply::LoggedOut)
    }
}
