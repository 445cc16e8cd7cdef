//! Answers that are lists: rooms, members, accounts, older lines, servers.

use lanchat_model::{RoomRef, Seq, limits};
use lanchat_protocol::{History, Member, Members, PresenceState, Rooms, Whois};

use super::{Cut, Line, Shown, View, clip};
use crate::sanitize;

impl View {
    /// Answers `/rooms`: the server's group rooms, then the user's private chats.
    pub(crate) fn room_list(&self, rooms: &Rooms) -> Vec<String> {
        let mut lines = self.notice("Rooms (* = joined; /join ROOM enters one):");
        for room in rooms.rooms.iter().take(limits::ROOMS_MAX) {
            let mark = if room.joined { '*' } else { ' ' };
            let text =
                format!("{mark} {:<20} {}, {} online", clip(&room.room), members(room.members), room.online);
            lines.extend(self.notice(&text));
        }
        let mut chats = self.rooms().filter_map(|room| Some((room, room.peer()?))).peekable();
        if chats.peek().is_some() {
            lines.extend(self.notice("Private chats (/msg NAME goes to one):"));
        }
        for (chat, peer) in chats {
            let state = match self.people.get(peer.as_str()) {
                Some(PresenceState::Online) => " online",
                Some(PresenceState::Away) => " away",
                _ => "",
            };
            lines.extend(self.notice(format!("  {chat:<20}{state}").trim_end()));
        }
        lines
    }

    /// Answers `/who`.
    pub(crate) fn member_list(&self, members: &Members) -> Vec<String> {
        let place = match &members.room {
            Some(room) => format!("in {}", clip(room)),
            None => "online".into(),
        };
        let mut lines = self.notice(&format!("{} {place}:", people(members.total)));
        for member in members.members.iter().take(limits::MEMBERS_PAGE_MAX) {
            lines.extend(self.notice(&self.member_line(member)));
        }
        let shown = members.members.len() as u64;
        if members.total > shown {
            lines.extend(self.notice(&format!("  … and {} more", members.total - shown)));
        }
        lines
    }

    /// Answers `/whois`.
    pub(crate) fn whois(&self, whois: &Whois) -> Vec<String> {
        let role = if whois.admin { ", administers this server" } else { "" };
        let name = clip(&whois.member.username);
        let devices = match whois.sessions {
            0 | 1 => String::new(),
            count => format!(" on {count} devices"),
        };
        let mut lines = self.notice(&format!("{name}: {}{devices}{role}", self.state(&whois.member)));
        lines.extend(self.notice(&format!("  account made {}", self.clock.full(&whois.since))));
        // The person's own texts come last, each on a line with its label.
        let said = [("goes by", called(&whois.member)), ("reason", why(&whois.member))];
        for (label, text) in said.into_iter().filter_map(|(label, text)| Some((label, text?))) {
            lines.extend(self.notice(&format!("  {label} {text}")));
        }
        lines
    }

    /// Shows the last lines of the room that the user turned to. The divider above them names it.
    pub(crate) fn context(&mut self, history: &History) -> Shown {
        Shown { rows: self.entries(history, Cut::Clipped), bell: false }
    }

    /// Answers `/history`.
    pub(crate) fn older(&mut self, history: &History, cut: Cut) -> Shown {
        let room = clip(&history.room);
        let mut rows = self.notice(&match (history.entries.len(), history.more) {
            (0, _) => format!("{room} has no older lines."),
            (_, true) => format!("older lines of {room}:"),
            (_, false) => format!("start of {room}:"),
        });
        let cut = self.share(history, cut);
        rows.extend(self.entries(history, cut));
        if !history.entries.is_empty() {
            let more = if history.more { "; /history shows more" } else { "" };
            rows.extend(self.notice(&format!("end of older lines{more}")));
        }
        Shown { rows, bell: false }
    }

    /// Answers `/history` when nothing is older than the shown lines.
    pub(crate) fn again(&mut self, history: &History) -> Shown {
        let room = clip(&history.room);
        let mut rows = self.notice(&format!("{room} has no older lines; its last ones again:"));
        let cut = self.share(history, Cut::Whole);
        rows.extend(self.entries(history, cut));
        rows.extend(self.notice("end of the last lines"));
        Shown { rows, bell: false }
    }

    /// Returns the entries of a page, each under its day.
    fn entries(&mut self, history: &History, cut: Cut) -> Vec<String> {
        let mut rows = Vec::new();
        for line in lines(history) {
            rows.extend(self.day_rule(line.entry.ts()));
            rows.extend(self.block(&line, cut).rows);
            self.timeline.note(&line);
        }
        rows
    }

    /// Answers `/show`: the whole entry at `seq`, or nothing if the page does not hold it.
    pub(crate) fn whole(&self, history: &History, seq: Seq) -> Vec<String> {
        let line = lines(history).find(|line| line.entry.seq() == seq);
        line.map(|line| self.block(&line, Cut::Whole).rows).unwrap_or_default()
    }

    /// Answers `/show` from the shown lines: the whole line with this number. Returns `None` if it is no longer kept.
    pub(crate) fn kept(&self, room: &RoomRef, seq: Seq) -> Option<Vec<String>> {
        self.timeline.at(room, seq).map(|line| self.block(&line, Cut::Whole).rows)
    }

    /// Returns how much of each message a page shows: all of it, if the page then has at most `limits::PAGE_ROWS_MAX`
    /// rows. Otherwise short messages are whole and long ones share the rest. A single message is shown whole.
    fn share(&self, history: &History, cut: Cut) -> Cut {
        if cut != Cut::Whole || history.entries.len() < 2 {
            return cut;
        }
        let mut lengths: Vec<usize> = lines(history).map(|line| self.block(&line, cut).height).collect();
        if lengths.iter().sum::<usize>() <= limits::PAGE_ROWS_MAX {
            return cut;
        }
        lengths.sort_unstable();
        let mut left = limits::PAGE_ROWS_MAX;
        for (nth, length) in lengths.iter().enumerate() {
            let share = left / (lengths.len() - nth);
            if *length > share {
                // One row of the share says that there is more.
                return Cut::Share(share.saturating_sub(1).max(1));
            }
            left -= length;
        }
        cut
    }

    /// Describes a member: facts first, then the person's own text in quotation marks.
    fn member_line(&self, member: &Member) -> String {
        let mut line = format!("  {:<20} {}", clip(&member.username), self.state(member));
        if let Some(reason) = why(member) {
            line.push_str(&format!(": {reason}"));
        }
        if let Some(name) = called(member) {
            line.push_str(&format!(", goes by {name}"));
        }
        line
    }

    fn state(&self, member: &Member) -> String {
        match (member.state, &member.last_seen) {
            (PresenceState::Online, _) => "online".into(),
            (PresenceState::Away, _) => "away".into(),
            (_, Some(seen)) => format!("last seen {}", self.clock.full(seen)),
            (_, None) => "offline".into(),
        }
    }
}

/// Returns the lines of a page.
fn lines(history: &History) -> impl Iterator<Item = Line<'_>> {
    history.entries.iter().take(limits::HISTORY_PAGE_MAX).filter_map(Line::of)
}

fn members(count: u64) -> String {
    if count == 1 { "1 member".into() } else { format!("{count} members") }
}

fn people(count: u64) -> String {
    if count == 1 { "1 person".into() } else { format!("{count} people") }
}

/// Returns the account's display name, if it differs from the account name.
fn called(member: &Member) -> Option<String> {
    let (name, shown) = (&member.username, clip(&member.display_name));
    (!shown.is_empty() && !shown.eq_ignore_ascii_case(name)).then(|| sanitize::quoted(&member.display_name))
}

/// Returns why a person is away.
fn why(member: &Member) -> Option<String> {
    member.reason.as_deref().filter(|_| member.state == PresenceState::Away).map(sanitize::quoted)
}
