//! Answers that are lists: rooms, members, accounts, older lines, servers.

use lanchat_model::limits;
use lanchat_protocol::{History, Member, Members, PresenceState, Rooms, Whois};

use super::{Cut, Shown, View, clip};
use crate::sanitize;

impl View {
    /// Answers `/rooms`.
    pub(crate) fn room_list(&self, rooms: &Rooms) -> Vec<String> {
        let mut lines = self.notice("Rooms (* is yours; /join ROOM enters one):");
        for room in rooms.rooms.iter().take(limits::ROOMS_MAX) {
            let mark = if room.joined { '*' } else { ' ' };
            let text = format!(
                "{mark} {:<20} {} here, {} online",
                clip(&room.room),
                people(room.members),
                room.online
            );
            lines.extend(self.notice(&text));
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
        let mut lines = self.notice(&format!("{name}: {}{role}", self.state(&whois.member)));
        let sessions = match whois.sessions {
            1 => "1 session".into(),
            count => format!("{count} sessions"),
        };
        lines.extend(self.notice(&format!("  account made {}; {sessions}", self.clock.full(&whois.since))));
        // What the person wrote comes last, each text on a line of its own that says so.
        let said = [("calls itself", called(&whois.member)), ("says why", why(&whois.member))];
        for (label, text) in said.into_iter().filter_map(|(label, text)| Some((label, text?))) {
            lines.extend(self.notice(&format!("  {label} {text}")));
        }
        lines
    }

    /// Answers `/history`, or shows what was said before in a room that is entered again.
    pub(crate) fn older(&mut self, history: &History, cut: Cut) -> Shown {
        let mut rows = self.notice(&match history.entries.len() {
            0 => format!("{} has no older lines.", clip(&history.room)),
            _ => format!("older lines of {}:", clip(&history.room)),
        });
        let (mut last_cut, mut folded) = (None, Vec::new());
        let cut = self.share(history, cut);
        for entry in history.entries.iter().take(limits::HISTORY_PAGE_MAX) {
            let Some((_, seq, ts)) = super::position(entry) else { continue };
            rows.extend(self.day_rule(ts));
            let entry = self.entry_rows(entry, cut);
            match cut {
                _ if !super::is_cut(&entry, cut) => {}
                Cut::Share(_) => folded.push(seq),
                Cut::Clipped | Cut::Whole => last_cut = Some(seq),
            }
            rows.extend(entry);
        }
        if !history.entries.is_empty() {
            let more = if history.more {
                "end of these; /history shows older ones"
            } else {
                "end of these; there are no older ones"
            };
            rows.extend(self.notice(more));
        }
        if !folded.is_empty() {
            let count = folded.len();
            rows.extend(
                self.notice(&format!(
                    "{count} long ones are folded; /history 1 shows the last of them whole"
                )),
            );
        }
        Shown { rows, bell: false, cut: last_cut, folded }
    }

    /// How much of each message a page shows: all of it, if the page then has at most `limits::PAGE_ROWS_MAX` rows; else
    /// so much that the short ones are whole and the long ones share the rest. One alone is shown whole.
    fn share(&self, history: &History, cut: Cut) -> Cut {
        if cut != Cut::Whole || history.entries.len() < 2 {
            return cut;
        }
        let entries = history.entries.iter().take(limits::HISTORY_PAGE_MAX);
        let mut lengths: Vec<usize> = entries.map(|entry| self.entry_rows(entry, cut).len()).collect();
        if lengths.iter().sum::<usize>() <= limits::PAGE_ROWS_MAX {
            return cut;
        }
        lengths.sort_unstable();
        let mut left = limits::PAGE_ROWS_MAX;
        for (nth, length) in lengths.iter().enumerate() {
            let share = left / (lengths.len() - nth);
            if *length > share {
                // One row of it says that there is more.
                return Cut::Share(share.saturating_sub(1).max(1));
            }
            left -= length;
        }
        cut
    }

    /// Facts first; what the person wrote is behind them, and in quotation marks.
    fn member_line(&self, member: &Member) -> String {
        let mut line = format!("  {:<20} {}", clip(&member.username), self.state(member));
        if let Some(reason) = why(member) {
            line.push_str(&format!(": {reason}"));
        }
        if let Some(name) = called(member) {
            line.push_str(&format!(", calls itself {name}"));
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

fn people(count: u64) -> String {
    if count == 1 { "1 person".into() } else { format!("{count} people") }
}

/// What the account is called, if that is something else.
fn called(member: &Member) -> Option<String> {
    let (name, shown) = (&member.username, clip(&member.display_name));
    (!shown.is_empty() && !shown.eq_ignore_ascii_case(name)).then(|| sanitize::quoted(&member.display_name))
}

/// Why somebody who is away is that.
fn why(member: &Member) -> Option<String> {
    member.reason.as_deref().filter(|_| member.state == PresenceState::Away).map(sanitize::quoted)
}
