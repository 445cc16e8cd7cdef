//! Commands with a password, on the editor's thread: asks for what is missing, hands the command over, and asks again
//! if the password was refused, so that the next one is never typed in clear.

use lanchat_model::{AccountName, BadText, Password};
use lanchat_protocol::Secret;

use super::editor::{CANCELLED, Desk, InputLine, erase};
use super::mask;
use super::shared::{Mode, Verdict};
use crate::command::{self, Input, SlashCommand};
use crate::hidden::{CURRENT_PASSWORD, NEW_PASSWORD, PASSWORD, THE_SAME_AGAIN};
use crate::input::Typed;
use crate::view::Medium;

/// How often a password is asked for again in one command.
const TRIES_AGAIN_MAX: u32 = 3;
const LINES: &str = "You pasted several lines; a password has one.";
const SHORT: &str = "Use 8 or more characters.";
const LONG: &str = "Use at most 256 characters; letters beyond a to z count for two or more.";
const CONTROL: &str = "A password cannot hold tabs or other control characters.";

impl Desk {
    /// Completes a command that may need a password, and sees it through. Returns what was typed ahead meanwhile.
    pub(super) fn secretive(&mut self, prompt: &str, line: &str) -> InputLine {
        erase(&format!("{prompt}{line}"));
        if let Some(memorable) = mask::memorable(line) {
            self.history.accept(memorable);
        }
        let done = match command::parse(line) {
            Ok(Input::Command(command)) => self.see_through(command),
            Ok(_) => Ok(InputLine::default()),
            Err(words) => Err(words),
        };
        done.unwrap_or_else(|words| {
            self.throw_away();
            // Empty words mean that the reason was printed already.
            if !words.is_empty() {
                self.shared.print(Medium::screen().error(&words));
            }
            InputLine::default()
        })
    }

    /// Hands `command` over until its password is not refused. An error means that the user gave up, or has to.
    fn see_through(&mut self, command: SlashCommand) -> Result<InputLine, String> {
        let mut tries = TRIES_AGAIN_MAX;
        let mut command = self.completed(command, &mut tries)?;
        loop {
            self.shared.take_verdict();
            if self.typed.blocking_send(Typed::Command(command.clone())).is_err() {
                // The session has ended, and the editor will end too.
                return Ok(InputLine::default());
            }
            match self.wait() {
                None => return Err("Cancelled; the server may still do it.".into()),
                Some((Verdict::Settled | Verdict::NameRefused, ahead)) => return Ok(ahead),
                Some((Verdict::PasswordRefused, _)) => {
                    self.again("", &mut tries)?;
                    command = self.corrected(command, &mut tries)?;
                }
            }
        }
    }

    /// Completes `command` with everything that it needs.
    fn completed(&mut self, command: SlashCommand, tries: &mut u32) -> Result<SlashCommand, String> {
        Ok(match command {
            // Logging in to the current account does nothing, so a password is not needed.
            SlashCommand::Login { name: Some(name), password }
                if command::is_account(&name, &self.shared.account()) =>
            {
                SlashCommand::Login { name: Some(name), password }
            }
            SlashCommand::Register { name, password } => {
                let name = self.name(name)?;
                if command::is_account(&name, &self.shared.account()) {
                    return Err(format!("You are {name} already. For another account, choose another name."));
                }
                self.give_up_account(&name)?;
                if password.is_none() {
                    self.check_name(&name)?;
                }
                SlashCommand::Register {
                    name: Some(name),
                    password: Some(self.new_password(password, tries)?),
                }
            }
            SlashCommand::Login { name, password } => {
                let name = self.name(name)?;
                let password = self.password(PASSWORD, password, tries)?;
                SlashCommand::Login { name: Some(name), password: Some(password) }
            }
            SlashCommand::Passwd(Some((old, new))) => {
                let old = self.password(CURRENT_PASSWORD, Some(old), tries)?;
                SlashCommand::Passwd(Some((old, self.new_password(Some(new), tries)?)))
            }
            SlashCommand::Passwd(None) => {
                let old = self.password(CURRENT_PASSWORD, None, tries)?;
                SlashCommand::Passwd(Some((old, self.new_password(None, tries)?)))
            }
            other => other,
        })
    }

    /// Asks before a new account replaces the one that this device remembers.
    fn give_up_account(&mut self, name: &str) -> Result<(), String> {
        let own = self.shared.account();
        if own.is_empty() {
            return Ok(());
        }
        let words = format!(
            "You are {own} here, and this device remembers one account for each server. To be {own} again you will need \
             that password."
        );
        self.shared.print(Medium::screen().notice(&words));
        for _ in 0..=TRIES_AGAIN_MAX {
            let answer = self.ask(&format!("Leave {own} and make {name}? [y/N] "), Mode::Answer)?;
            match answer.trim().to_ascii_lowercase().as_str() {
                "y" | "yes" => return Ok(()),
                "" | "n" | "no" => break,
                _ => self.shared.print(Medium::screen().notice("Type y or n.")),
            }
        }
        Err(format!("You are still {own}."))
    }

    /// Returns `command` with another password in place of the refused one.
    fn corrected(&mut self, command: SlashCommand, tries: &mut u32) -> Result<SlashCommand, String> {
        Ok(match command {
            SlashCommand::Register { name, .. } => {
                SlashCommand::Register { name, password: Some(self.new_password(None, tries)?) }
            }
            SlashCommand::Login { name, .. } => {
                SlashCommand::Login { name, password: Some(self.password(PASSWORD, None, tries)?) }
            }
            SlashCommand::Passwd(Some((_, new))) => {
                SlashCommand::Passwd(Some((self.password(CURRENT_PASSWORD, None, tries)?, new)))
            }
            other => other,
        })
    }

    /// Says why a password is asked for again, or fails when the tries are used up.
    fn again(&mut self, why: &str, tries: &mut u32) -> Result<(), String> {
        let Some(left) = tries.checked_sub(1) else {
            return Err(format!("{why} Too many tries; begin again with the command.").trim_start().into());
        };
        *tries = left;
        if !why.is_empty() {
            self.shared.print(Medium::screen().error(why));
        }
        let how = "Type the password again. An empty line or Ctrl+C cancels.";
        self.shared.print(Medium::screen().notice(how));
        Ok(())
    }

    /// Asks the server whether a new account can have this name, before the user types two passwords for it.
    fn check_name(&mut self, name: &str) -> Result<(), String> {
        self.shared.take_verdict();
        if self.typed.blocking_send(Typed::NewName(name.to_owned())).is_err() {
            return Err(String::new());
        }
        match self.wait() {
            None => Err(CANCELLED.into()),
            Some((Verdict::NameRefused, _)) => Err(String::new()),
            Some((Verdict::Settled | Verdict::PasswordRefused, ahead)) => {
                self.ahead = ahead;
                Ok(())
            }
        }
    }

    fn name(&mut self, given: Option<String>) -> Result<String, String> {
        let name = match given {
            Some(name) => name,
            None => self.asked_name()?,
        };
        match name.parse::<AccountName>() {
            Ok(name) => Ok(name.to_string()),
            Err(error) => Err(format!(
                "'{}' cannot be your name: {error}. Choose another one.",
                crate::view::clip(&name)
            )),
        }
    }

    fn asked_name(&mut self) -> Result<String, String> {
        let suggestion = self.suggestion.clone().unwrap_or_default();
        let question = if suggestion.is_empty() { "Name: ".into() } else { format!("Name [{suggestion}]: ") };
        match self.ask(&question, Mode::Answer)?.trim() {
            "" if suggestion.is_empty() => Err(command::EMPTY_NAME.into()),
            "" => Ok(suggestion),
            name => Ok(name.to_owned()),
        }
    }

    /// Asks for a valid password: an invalid one is refused here, without the server.
    fn password(
        &mut self,
        question: &str,
        mut given: Option<Secret>,
        tries: &mut u32,
    ) -> Result<Secret, String> {
        loop {
            let password = match given.take() {
                Some(given) => given,
                None => Secret(self.ask(question, Mode::Secret)?),
            };
            if password.0.is_empty() {
                return Err(CANCELLED.into());
            }
            let why = match Password::parse(&password.0) {
                _ if password.0.contains('\n') => LINES,
                Ok(_) => return Ok(password),
                Err(BadText::TooShort { .. }) => SHORT,
                Err(BadText::TooLong { .. }) => LONG,
                Err(_) => CONTROL,
            };
            self.again(why, tries)?;
        }
    }

    fn new_password(&mut self, mut given: Option<Secret>, tries: &mut u32) -> Result<Secret, String> {
        // A password in the line is used as it is, as from a script.
        if let Some(given) = given.take_if(|given| Password::parse(&given.0).is_ok()) {
            return Ok(given);
        }
        loop {
            let password = self.password(NEW_PASSWORD, given.take(), tries)?;
            if self.ask(THE_SAME_AGAIN, Mode::Secret)? == password.0 {
                return Ok(password);
            }
            self.again("The two passwords differ.", tries)?;
        }
    }
}
