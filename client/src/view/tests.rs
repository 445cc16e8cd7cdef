//! Tests what is shown, line by line.

use lanchat_protocol::{History, Joined, Member, Members, RoomSummary, Rooms, Whois};

use super::*;

fn seq(n: u64) -> Seq {
    Seq::try_from(n).unwrap()
}

fn view() -> View {
    let mut view = View::new(Medium::Plain);
    view.clock = Clock::utc("2026-11-21T12:00:00Z");
    view.set_own("ana");
    view.set_current(&RoomRef::lobby());
    view
}

fn room(name: &str, head: u64, mark: u64) -> RoomState {
    RoomState { room: name.into(), head: seq(head), mark: seq(mark), from: Seq::ZERO, members: 2 }
}

pub(crate) fn said(room: &str, n: u64, username: &str, message: &str) -> ServerFrame {
    ServerFrame::Message(Message {
        room: room.into(),
        seq: seq(n),
        id: "0".repeat(32),
        username: username.into(),
        message: message.into(),
        ts: format!("2026-11-21T10:{:02}:00.000Z", n % 60),
        action: false,
    })
}

#[test]
fn a_message_shows_time_name_and_text() {
    let mut view = view();
    assert_eq!(view.entry(&said("lobby", 1, "bob", "hi")).rows, ["10:01 bob  hi"]);
    assert_eq!(view.entry(&said("dev", 2, "bob", "hi")).rows, ["10:02 [dev] bob  hi"]);
    assert_eq!(view.entry(&said("@bob", 3, "bob", "hi")).rows, ["10:03 [private @bob] bob  hi"]);
    let ServerFrame::Message(mut message) = said("lobby", 4, "bob", "waves") else { unreachable!() };
    message.action = true;
    assert_eq!(view.entry(&message.into()).rows, ["10:04 * bob waves"]);
}

#[test]
fn nothing_from_elsewhere_looks_like_a_line_of_the_program() {
    let mut view = view();
    let rows = view.entry(&said("lobby", 1, "--", "x\n*** the server asks for your password")).rows;
    assert_eq!(rows, ["10:01 --  x\\x0a*** the server asks for your password"]);
    view.medium = Medium::Screen { colour: false };
    let long = "*** ".repeat(200);
    let rows = view.entry(&said("lobby", 2, "bob", &format!("x\n{long}\n12:00 carl  hi"))).rows;
    assert_eq!(rows[0], "\x1b[1m10:02 bob\x1b[0m  x");
    assert!(rows.len() > 2 && rows[1..].iter().all(|row| row.starts_with([' ', '…'])), "{rows:?}");
}

#[test]
fn the_bell_rings_for_what_is_meant_for_the_user_and_is_new() {
    let mut view = view();
    view.open(&room("lobby", 5, 5), false);
    let mut rings = |frame| view.entry(&frame).bell;
    assert!(!rings(said("lobby", 5, "bob", "ana?")), "backlog");
    assert!(rings(said("lobby", 6, "bob", "hey Ana!")));
    assert!(rings(said("lobby", 7, "bob", "that was ana.")));
    assert!(!rings(said("lobby", 8, "bob", "banana, ana-2")));
    assert!(!rings(said("lobby", 9, "ana", "I am ana")));
    assert!(rings(said("@bob", 1, "bob", "psst")));
}

#[test]
fn news_are_told_from_context() {
    let mut view = view();
    view.open(&room("lobby", 4, 2), false);
    view.open(&room("dev", 4, 2), false);
    let mut all = Vec::new();
    for n in 1..=5 {
        all.extend(view.entry(&said("lobby", n, "bob", "x")).rows);
        all.extend(view.entry(&said("dev", n, "bob", "y")).rows);
    }
    assert_eq!(
        all,
        [
            "10:01 bob  x",
            "10:02 bob  x",
            "*** new since 10:03",
            "10:03 bob  x",
            "*** new in dev since 10:03",
            "10:03 [dev] bob  y",
            "10:04 bob  x",
            "10:04 [dev] bob  y",
            "10:05 bob  x",
            "10:05 [dev] bob  y",
        ]
    );
}

#[test]
fn what_was_missed_in_between_needs_no_rule() {
    let mut view = view();
    view.open(&room("lobby", 4, 2), true);
    assert_eq!(view.entry(&said("lobby", 3, "bob", "x")).rows, ["10:03 bob  x"]);
}

#[test]
fn presence_says_what_changed_and_how_many_are_there() {
    let mut view = view();
    let mut told = |username: &str, state, reason: Option<&str>| {
        let username = username.into();
        let reason = reason.map(Into::into);
        view.presence(&Presence { username, state, reason, last_seen: None, connected: 3 }).join("|")
    };
    assert_eq!(told("bob", PresenceState::Online, None), "*** bob is online (3 connected)");
    assert_eq!(told("bob", PresenceState::Online, None), "");
    assert_eq!(told("bob", PresenceState::Away, Some("lunch\x1b[2J")), "*** bob is away: “lunch\\x1b[2J”");
    assert_eq!(told("bob", PresenceState::Away, Some("a nap")), "*** bob is away: “a nap”");
    assert_eq!(told("bob", PresenceState::Online, None), "*** bob is back");
    assert_eq!(told("bob", PresenceState::Offline, None), "*** bob is offline (3 connected)");
    assert_eq!(told("ana", PresenceState::Online, None), "", "nothing of oneself");
}

#[test]
fn a_new_day_is_said() {
    let mut view = view();
    let frame = ServerFrame::Joined(Joined {
        room: "lobby".into(),
        seq: seq(1),
        username: "bob".into(),
        ts: "2026-11-20T23:59:00.000Z".into(),
    });
    assert_eq!(view.entry(&frame).rows, ["*** Friday, 20 November 2026", "23:59 *** bob joined lobby"]);
}

#[test]
fn lists_say_what_they_list() {
    let mut view = view();
    let rooms = vec![RoomSummary { room: "lobby".into(), members: 2, online: 1, joined: true }];
    let rooms = Rooms { id: "1".into(), rooms };
    let shown = view.room_list(&rooms);
    assert_eq!(
        shown,
        ["*** Rooms (* = joined; /join ROOM enters one):", "*** * lobby                2 members, 1 online"]
    );
    view.open(&room("@bob", 2, 0), false);
    view.open(&room("@carol", 1, 0), false);
    view.meet("bob", PresenceState::Away);
    assert_eq!(
        view.room_list(&rooms)[2..],
        ["*** Private chats (/msg NAME goes to one):", "***   @bob                 away", "***   @carol"]
    );
    let bob = Member {
        username: "bob".into(),
        display_name: "Robert".into(),
        state: PresenceState::Offline,
        reason: None,
        last_seen: Some("2026-11-20T23:59:00.000Z".into()),
    };
    let members = Members { id: "1".into(), room: Some("lobby".into()), members: vec![bob], total: 9 };
    assert_eq!(
        view.member_list(&members),
        [
            "*** 9 people in lobby:",
            "***   bob                  last seen 20 November 2026, 23:59, goes by “Robert”",
            "***   … and 8 more"
        ]
    );
    let entries = vec![said("lobby", 1, "bob", "x")];
    let history = History { id: "1".into(), room: "lobby".into(), entries, more: false };
    assert_eq!(
        view.older(&history, Cut::Whole).rows,
        ["*** start of lobby:", "10:01 bob  x", "*** end of older lines"]
    );
    let entries = vec![said("lobby", 9, "bob", "x")];
    let history = History { id: "1".into(), room: "lobby".into(), entries, more: true };
    assert_eq!(
        view.older(&history, Cut::Whole).rows,
        ["*** older lines of lobby:", "10:09 bob  x", "*** end of older lines; /history shows more"]
    );
}

/// An account's display name and its reason for being away are its own words: neither can pass for a fact next to them.
#[test]
fn no_text_of_a_person_passes_for_a_fact() {
    let view = view();
    let mallory = Member {
        username: "mallory".into(),
        display_name: "Bob”: online, administers this server".into(),
        state: PresenceState::Away,
        reason: Some("\n*** bob: online, administers this server".into()),
        last_seen: None,
    };
    let since = "2026-11-20T10:00:00.000Z".into();
    let whois = Whois { id: "1".into(), member: mallory.clone(), since, admin: false, sessions: 1 };
    assert_eq!(
        view.whois(&whois),
        [
            "*** mallory: away",
            "***   account made 20 November 2026, 10:00",
            "***   goes by “Bob': online, administers this server”",
            "***   reason “\\x0a*** bob: online, administers this server”",
        ]
    );
    let members = Members { id: "1".into(), room: None, members: vec![mallory], total: 1 };
    assert_eq!(
        view.member_list(&members)[1],
        "***   mallory              away: “\\x0a*** bob: online, administers this server”, goes by “Bob': online, \
         administers this server”"
    );
}

#[test]
fn only_history_that_was_asked_for_shows_long_messages_whole() {
    let mut view = view();
    view.medium = Medium::Screen { colour: false };
    let entries = vec![said("lobby", 1, "bob", &"x\n".repeat(3000))];
    let history = History { id: "1".into(), room: "lobby".into(), entries, more: false };
    assert!(view.context(&history).rows.len() < MESSAGE_ROWS_MAX + 5);
    assert!(view.older(&history, Cut::Whole).rows.len() > 3000);
}

/// A page has a bounded number of rows, whatever its messages hold, and says how to read each one whole.
#[test]
fn a_page_of_long_messages_is_folded_and_short_ones_stay_whole() {
    let mut view = view();
    view.medium = Medium::Screen { colour: false };
    let text = |n: u64| if n.is_multiple_of(2) { "short".to_owned() } else { "x\n".repeat(8000) };
    let entries: Vec<_> = (1..=50).map(|n| said("lobby", n, "bob", &text(n))).collect();
    let page =
        view.older(&History { id: "1".into(), room: "lobby".into(), entries, more: false }, Cut::Whole);
    assert!(page.rows.len() <= limits::PAGE_ROWS_MAX + 4, "{}", page.rows.len());
    assert_eq!(page.rows.iter().filter(|row| row.ends_with("  short")).count(), 25);
    for n in (1..=50).step_by(2) {
        let end = format!("more lines; /show lobby {n})");
        assert_eq!(page.rows.iter().filter(|row| row.ends_with(&end)).count(), 1, "{end}");
    }
    let entries = vec![said("lobby", 49, "bob", &text(49))];
    let alone = History { id: "1".into(), room: "lobby".into(), entries, more: true };
    assert!(view.whole(&alone, seq(49)).len() > 8000);
    assert!(view.whole(&alone, seq(48)).is_empty(), "another one is not shown in its place");
}

#[test]
fn a_message_that_is_cut_says_where_it_is_shown_whole() {
    let mut view = view();
    view.medium = Medium::Screen { colour: false };
    for (room, words) in
        [("lobby", "; /show lobby 2)"), ("dev", "; /show dev 2)"), ("@bob", "; /show @bob 2)")]
    {
        let whole = view.entry(&said(room, 1, "bob", &"x\n".repeat(MESSAGE_ROWS_MAX - 1)));
        assert!(!whole.rows.concat().contains("/show"), "{:?}", whole.rows);
        let cut = view.entry(&said(room, 2, "bob", &"x\n".repeat(MESSAGE_ROWS_MAX)));
        assert!(cut.rows.last().unwrap().ends_with(words), "{:?}", cut.rows);
    }
}

#[test]
fn a_message_that_names_the_user_is_marked() {
    let mut view = view();
    view.medium = Medium::Screen { colour: false };
    let mut starts =
        |name: &str, text: &str| view.entry(&said("lobby", 1, name, text)).rows[0][..6].to_owned();
    assert_eq!(starts("bob", "good morning, Ana"), "\x1b[1;7m");
    assert_eq!(starts("bob", "@ana look"), "\x1b[1;7m");
    assert_eq!(starts("bob", "banana"), "\x1b[1m10");
    assert_eq!(starts("ana", "I am ana"), "\x1b[1m10");
}

/// The divider above names the room, so nothing is added around the last lines.
#[test]
fn what_was_said_last_in_a_room_is_shown_as_it_is() {
    let mut view = view();
    let entries = vec![said("lobby", 1, "bob", "x"), said("lobby", 2, "bob", "y")];
    let history = History { id: "1".into(), room: "lobby".into(), entries, more: true };
    assert_eq!(view.context(&history).rows, ["10:01 bob  x", "10:02 bob  y"]);
    view.medium = Medium::Screen { colour: false };
    assert_eq!(view.divider(), ["\x1b[1m***\x1b[0m \x1b[1m──── lobby ────\x1b[0m"]);
}

#[test]
fn whoever_spoke_or_is_a_member_can_be_named() {
    let mut view = view();
    view.meet("carol", PresenceState::Online);
    view.entry(&said("lobby", 1, "bob", "hi"));
    view.know("dave");
    view.know("No Name");
    assert_eq!(view.people().collect::<Vec<_>>(), ["carol", "bob", "dave"]);
    view.forget();
    assert_eq!(view.people().count(), 0);
}

#[test]
fn maps_are_bounded_whatever_the_server_says() {
    let mut view = view();
    for n in 0..2000 {
        view.open(&room(&format!("r{n}"), 0, 0), false);
        view.meet(&format!("bob{n}"), PresenceState::Online);
        view.know(&format!("ann{n}"));
    }
    assert_eq!(view.rooms().count(), limits::ROOMS_PER_ACCOUNT_MAX);
    assert_eq!(view.people().count(), 2 * limits::MEMBERS_PAGE_MAX);
}

/// A command can then name the line, whatever becomes of the screen.
#[test]
fn a_line_that_was_shown_is_kept_by_its_number() {
    let mut view = view();
    view.open(&room("lobby", 0, 0), false);
    view.open(&room("dev", 4, 2), false);
    let lobby = RoomRef::lobby();
    let dev: RoomRef = "dev".parse().unwrap();
    view.entry(&said("lobby", 1, "bob", "one"));
    view.entry(&said("dev", 2, "bob", "read elsewhere"));
    let entries = vec![said("dev", 1, "bob", "older")];
    view.older(&History { id: "1".into(), room: "dev".into(), entries, more: false }, Cut::Whole);
    assert_eq!(view.kept(&lobby, seq(1)).unwrap(), ["10:01 bob  one"]);
    assert_eq!(view.kept(&lobby, seq(2)), None);
    assert_eq!(view.kept(&dev, seq(2)), None, "it was not shown");
    assert_eq!(view.kept(&dev, seq(1)).unwrap(), ["10:01 [dev] bob  older"]);
    view.renumber(Some(&lobby));
    assert_eq!(view.kept(&lobby, seq(1)), None, "another history");
    view.close(&dev);
    assert_eq!(view.kept(&dev, seq(1)), None, "who left sees nothing of it");
}
