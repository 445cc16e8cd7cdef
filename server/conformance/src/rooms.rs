//! Cases of `port::Rooms`.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails fails the test")]
#![allow(missing_docs, reason = "the name of a case says what a store must do")]

use std::sync::Arc;

use lanchat_hub::Refusal;
use lanchat_hub::port::{Appended, Moved, Opened, RoomKind, RoomRecord, Store};
use lanchat_model::{LOBBY, RoomName, Seq, limits};
use tokio::task::JoinSet;

use crate::scene::{
    Person, another_device, append, draft, facts, fresh_name, fresh_token, group, join, joined, left,
    message, opened, person,
};

pub async fn a_group_is_made_once(store: Arc<dyn Store>) {
    let name: RoomName = fresh_name("room").parse().unwrap();
    assert_eq!(store.group(name.clone()).await.unwrap(), None);
    let ana = person(&*store, "ana").await.id;
    let made = opened(store.open_group(name.clone(), ana).await.unwrap());
    assert_eq!((&made.kind, made.members), (&RoomKind::Group(name.clone()), 0));
    assert_eq!((made.first, made.head), (Seq::ZERO.next(), Seq::ZERO));
    assert_eq!(opened(store.open_group(name.clone(), ana).await.unwrap()), made);
    assert_eq!(store.group(name).await.unwrap(), Some(made));
    let lobby = store.group(RoomName::lobby()).await.unwrap().unwrap();
    assert_eq!(opened(store.open_group(RoomName::lobby(), ana).await.unwrap()), lobby);
}

pub async fn a_private_chat_is_one_room_for_two(store: Arc<dyn Store>) {
    let (ana, bo) = (person(&*store, "ana").await, person(&*store, "bo").await);
    assert_eq!(store.private(ana.id, bo.id).await.unwrap(), None);
    let room = store.open_private(bo.id, ana.id).await.unwrap().unwrap();
    let pair = [(ana.id, ana.name.clone()), (bo.id, bo.name.clone())];
    assert_eq!((&room.kind, room.members), (&RoomKind::Private(pair), 2));
    assert_eq!(store.open_private(ana.id, bo.id).await.unwrap().as_ref(), Some(&room));
    assert_eq!(store.private(bo.id, ana.id).await.unwrap().as_ref(), Some(&room));
    for person in [&ana, &bo] {
        let rooms = store.memberships(person.id, person.device).await.unwrap();
        assert!(rooms.iter().any(|membership| membership.room == room));
    }
    assert!(store.groups(ana.id).await.unwrap().iter().all(|listed| listed.room.id != room.id));
}

pub async fn a_private_chat_takes_nobody_else(store: Arc<dyn Store>) {
    let (ana, bo, eve) =
        (person(&*store, "ana").await, person(&*store, "bo").await, person(&*store, "eve").await);
    let room = store.open_private(ana.id, bo.id).await.unwrap().unwrap();
    for body in [joined(&eve), message("hi")] {
        assert!(matches!(
            append(&*store, draft(&eve, room.id, body)).await,
            Appended::Refused(Refusal::NotAMember)
        ));
    }
    assert_eq!(store.private(ana.id, bo.id).await.unwrap(), Some(room));
}

pub async fn nobody_moves_somebody_else(store: Arc<dyn Store>) {
    let (ana, bo, eve) =
        (person(&*store, "ana").await, person(&*store, "bo").await, person(&*store, "eve").await);
    let room = group(&*store, &fresh_name("room")).await.id;
    for person in [&ana, &bo] {
        join(&*store, person, room).await;
    }
    // Neither a member nor an outsider may move somebody else, out of the room or into it.
    for by in [&ana, &eve] {
        for body in [left(&bo), joined(&eve), joined(&bo)] {
            if body != joined(by) {
                let answer = append(&*store, draft(by, room, body)).await;
                assert!(matches!(answer, Appended::Refused(Refusal::Forbidden)), "{answer:?}");
            }
        }
    }
    // The rows decide, whatever was true at the time of the draft: two administrators are equals.
    for person in [&ana, &bo] {
        assert!(store.set_admin(person.name.clone()).await.unwrap());
    }
    let answer = append(&*store, draft(&ana, room, left(&bo))).await;
    assert!(matches!(answer, Appended::Refused(Refusal::Forbidden)), "{answer:?}");
    let members = store.members(room, Vec::new()).await.unwrap();
    assert_eq!(members.iter().map(|member| member.id).collect::<Vec<_>>(), [ana.id, bo.id]);
    assert_eq!(store.read_after(room, Seq::ZERO, 10).await.unwrap().len(), 2, "nothing was written");
}

pub async fn an_administrator_takes_a_member_out(store: Arc<dyn Store>) {
    let (ana, bo) = (person(&*store, "ana").await, person(&*store, "bo").await);
    let room = group(&*store, &fresh_name("room")).await.id;
    join(&*store, &bo, room).await;
    assert!(store.set_admin(ana.name.clone()).await.unwrap());
    let kick = draft(&ana, room, left(&bo));
    let Appended::Fresh { entry, moved } = append(&*store, kick.clone()).await else { panic!("not done") };
    assert_eq!((moved, entry.author), (Moved::Left(bo.id), ana.id));
    // The entry is the same in the log, and a resend gets the same answer as the first time.
    let log = store.read_after(room, entry.seq.back(1), 10).await.unwrap();
    assert_eq!(facts(&log[0]), facts(&entry));
    assert_eq!(log[0].body, left(&bo));
    let Appended::Again(again) = append(&*store, kick).await else { panic!("not a resend") };
    assert_eq!(facts(&again), facts(&entry));
    let answer = append(&*store, draft(&bo, room, message("still here?"))).await;
    assert!(matches!(answer, Appended::Refused(Refusal::NotAMember)), "{answer:?}");
    assert!(matches!(append(&*store, draft(&ana, room, left(&bo))).await, Appended::Unchanged));
}

pub async fn what_stays_is_not_left(store: Arc<dyn Store>) {
    let (ana, bo) = (person(&*store, "ana").await, person(&*store, "bo").await);
    let lobby = store.group(RoomName::lobby()).await.unwrap().unwrap();
    let chat = store.open_private(ana.id, bo.id).await.unwrap().unwrap();
    let answer = append(&*store, draft(&ana, lobby.id, left(&ana))).await;
    assert!(matches!(answer, Appended::Refused(Refusal::LobbyStays)), "{answer:?}");
    let answer = append(&*store, draft(&ana, chat.id, left(&ana))).await;
    assert!(matches!(answer, Appended::Refused(Refusal::Forbidden)), "{answer:?}");
    assert_eq!(store.group(RoomName::lobby()).await.unwrap(), Some(lobby));
    assert_eq!(store.private(ana.id, bo.id).await.unwrap(), Some(chat));
}

pub async fn marks_move_forward_per_device(store: Arc<dyn Store>) {
    let ana = person(&*store, "ana").await;
    let other = another_device(&*store, ana.id, fresh_token()).await.device;
    let room = group(&*store, &fresh_name("room")).await.id;
    join(&*store, &ana, room).await;
    for text in ["one", "two", "three"] {
        append(&*store, draft(&ana, room, message(text))).await;
    }
    // The given mark, and the mark kept afterwards. 99 is beyond the log: nobody has seen what is not written.
    for (given, kept) in [(2, 2), (1, 2), (3, 3), (99, 4), (0, 4)] {
        store.mark(ana.device, room, Seq::try_from(given).unwrap()).await.unwrap();
        let mark_of = async |device| {
            let rooms = store.memberships(ana.id, device).await.unwrap();
            rooms.iter().find(|membership| membership.room.id == room).unwrap().mark.get()
        };
        assert_eq!((mark_of(ana.device).await, mark_of(other).await), (kept, 0), "after {given}");
    }
    store.remove_device(other).await.unwrap();
    store.mark(other, room, Seq::ZERO.next()).await.unwrap();
}

pub async fn the_list_has_the_rooms_that_somebody_is_in(store: Arc<dyn Store>) {
    let (ana, bo) = (person(&*store, "ana").await, person(&*store, "bo").await);
    let (busy, empty) = (fresh_name("busy"), fresh_name("empty"));
    let room = group(&*store, &busy).await.id;
    group(&*store, &empty).await;
    join(&*store, &ana, room).await;
    let listed = async |asker| {
        let list = store.groups(asker).await.unwrap();
        let name = |kind: &RoomKind| match kind {
            RoomKind::Group(name) => name.as_str().to_owned(),
            RoomKind::Private(_) => panic!("a private chat in the list"),
        };
        let lines: Vec<_> =
            list.iter().map(|line| (name(&line.room.kind), line.room.members, line.joined)).collect();
        assert!(lines.is_sorted_by_key(|line| line.0.clone()), "{lines:?}");
        lines
    };
    let of_ana = listed(ana.id).await;
    assert!(of_ana.contains(&(busy.clone(), 1, true)));
    assert!(of_ana.iter().any(|line| line.0 == LOBBY && line.2));
    assert!(!of_ana.iter().any(|line| line.0 == empty));
    assert!(listed(bo.id).await.contains(&(busy.clone(), 1, false)));

    append(&*store, draft(&ana, room, left(&ana))).await;
    assert!(!listed(ana.id).await.iter().any(|line| line.0 == busy), "the last one left");
}

pub async fn members_come_by_name_the_first_ones_first(store: Arc<dyn Store>) {
    let room = group(&*store, &fresh_name("room")).await.id;
    let mut people = Vec::new();
    for stem in ["dora", "ana", "carl", "bo"] {
        let person = person(&*store, stem).await;
        join(&*store, &person, room).await;
        people.push(person);
    }
    let stranger = person(&*store, "eve").await;
    let stems = async |first| -> Vec<String> {
        let members = store.members(room, first).await.unwrap();
        members.iter().map(|member| member.name.as_str().split('-').next().unwrap().to_owned()).collect()
    };
    assert_eq!(stems(Vec::new()).await, ["ana", "bo", "carl", "dora"]);
    let first = vec![people[0].id, people[3].id, stranger.id];
    assert_eq!(stems(first).await, ["bo", "dora", "ana", "carl"]);
}

pub async fn a_long_list_of_members_keeps_the_first_ones(store: Arc<dyn Store>) {
    let mut joining = JoinSet::new();
    for _ in 0..=limits::MEMBERS_PAGE_MAX {
        let store = Arc::clone(&store);
        joining.spawn(async move { person(&*store, "ana").await });
    }
    joining.join_all().await;
    let last = person(&*store, "zoe").await;
    let lobby = store.group(RoomName::lobby()).await.unwrap().unwrap();
    assert!(lobby.members > limits::MEMBERS_PAGE_MAX as u64, "the count is whole");
    let page = store.members(lobby.id, vec![last.id]).await.unwrap();
    assert_eq!((page.len(), page[0].id), (limits::MEMBERS_PAGE_MAX, last.id));
}

pub async fn an_account_is_in_a_bounded_number_of_groups(store: Arc<dyn Store>) {
    let (ana, bo) = (person(&*store, "ana").await, person(&*store, "bo").await);
    let mut opening = JoinSet::new();
    // The lobby is one of the rooms.
    for _ in 0..limits::GROUPS_PER_ACCOUNT_MAX {
        let store = Arc::clone(&store);
        opening.spawn(async move { group(&*store, &fresh_name("room")).await.id });
    }
    let rooms = opening.join_all().await;
    let drafts = rooms.iter().map(|room| draft(&ana, *room, joined(&ana))).collect();
    let answers = store.append(drafts).await.unwrap();
    let (last, others) = answers.split_last().unwrap();
    assert!(others.iter().all(|answer| matches!(answer, Appended::Fresh { .. })));
    assert!(matches!(last, Appended::Refused(Refusal::TooManyRooms)));
    assert!(store.open_private(ana.id, bo.id).await.unwrap().is_some(), "chats are counted apart");
    append(&*store, draft(&ana, rooms[0], left(&ana))).await;
    let again = append(&*store, draft(&ana, *rooms.last().unwrap(), joined(&ana))).await;
    assert!(matches!(again, Appended::Fresh { .. }));
}

pub async fn an_account_has_a_bounded_number_of_private_chats(store: Arc<dyn Store>) {
    let ana = person(&*store, "ana").await;
    let mut opening = JoinSet::new();
    for _ in 0..=limits::PRIVATE_CHATS_PER_ACCOUNT_MAX {
        let store = Arc::clone(&store);
        opening.spawn(async move {
            let other = person(&*store, &fresh_name("p")).await;
            store.open_private(other.id, ana.id).await.unwrap().is_some()
        });
    }
    let opened = opening.join_all().await.into_iter().filter(|opened| *opened).count();
    assert_eq!(opened, limits::PRIVATE_CHATS_PER_ACCOUNT_MAX);
    let room = group(&*store, "den").await.id;
    let joined = append(&*store, draft(&ana, room, joined(&ana))).await;
    assert!(matches!(joined, Appended::Fresh { .. }), "who is written to by very many can still join");
}

/// Makes a room with a fresh name and enters it.
async fn found(store: &dyn Store, person: &Person) -> Result<RoomRecord, Opened> {
    match store.open_group(fresh_name("room").parse().unwrap(), person.id).await.unwrap() {
        Opened::Room(room) => {
            join(store, person, room.id).await;
            Ok(room)
        }
        refused => Err(refused),
    }
}

pub async fn a_server_has_a_bounded_number_of_groups_in_use(store: Arc<dyn Store>) {
    let mut founding = JoinSet::new();
    // The lobby is one of the rooms. Each person makes one room less than a day allows.
    let each = limits::ROOMS_MADE_PER_DAY_MAX - 1;
    for number in 0..=limits::ROOMS_MAX / each {
        let store = Arc::clone(&store);
        let count = each.min(limits::ROOMS_MAX - 1 - number * each);
        founding.spawn(async move {
            let person = person(&*store, "ana").await;
            let mut rooms = Vec::new();
            for _ in 0..count {
                rooms.push(found(&*store, &person).await.unwrap());
            }
            (person, rooms)
        });
    }
    let founded = founding.join_all().await;
    assert_eq!(founded.iter().map(|(_, rooms)| rooms.len()).sum::<usize>(), limits::ROOMS_MAX - 1);
    let bo = person(&*store, "bo").await;
    assert_eq!(found(&*store, &bo).await, Err(Opened::TooManyRooms));
    let (ana, rooms) = founded.iter().find(|(_, rooms)| rooms.len() > 1).unwrap();
    assert_eq!(join(&*store, &bo, rooms[0].id).await.seq.get(), 2, "it is in use already");

    // An emptied room makes space for another room, and then there is no space for itself.
    append(&*store, draft(ana, rooms[1].id, left(ana))).await;
    assert!(found(&*store, &bo).await.is_ok());
    let again = append(&*store, draft(ana, rooms[1].id, joined(ana))).await;
    assert!(matches!(again, Appended::Refused(Refusal::TooManyRooms)), "{again:?}");
}

pub async fn an_account_makes_a_bounded_number_of_groups_in_a_day(store: Arc<dyn Store>) {
    let (ana, bo) = (person(&*store, "ana").await, person(&*store, "bo").await);
    let mut rooms = Vec::new();
    for _ in 0..limits::ROOMS_MADE_PER_DAY_MAX {
        let room = found(&*store, &ana).await.unwrap();
        append(&*store, draft(&ana, room.id, left(&ana))).await;
        rooms.push(room);
    }
    let Err(Opened::TooManyMade(wait)) = found(&*store, &ana).await else { panic!("one room too many") };
    assert!(wait > limits::ROOMS_MADE_WITHIN / 2 && wait <= limits::ROOMS_MADE_WITHIN, "{wait:?}");
    // An existing room can be entered, and its log continues where it ended.
    let RoomKind::Group(name) = rooms[0].kind.clone() else { panic!("no group") };
    let room = opened(store.open_group(name, ana.id).await.unwrap());
    assert_eq!((room.id, room.head.get(), room.members), (rooms[0].id, 2, 0));
    assert_eq!(join(&*store, &ana, room.id).await.seq.get(), 3);
    assert!(found(&*store, &bo).await.is_ok(), "others make theirs");
}

pub async fn a_join_that_is_refused_leaves_no_room(store: Arc<dyn Store>) {
    let (ana, bo) = (person(&*store, "ana").await, person(&*store, "bo").await);
    // The lobby is one of the rooms.
    for _ in 1..limits::GROUPS_PER_ACCOUNT_MAX {
        let room = group(&*store, &fresh_name("room")).await.id;
        join(&*store, &ana, room).await;
    }
    let name: RoomName = fresh_name("refused").parse().unwrap();
    assert_eq!(store.open_group(name.clone(), ana.id).await.unwrap(), Opened::TooManyRooms);
    assert_eq!(store.group(name).await.unwrap(), None);
    for _ in 0..limits::ROOMS_MADE_PER_DAY_MAX {
        found(&*store, &bo).await.unwrap();
    }
    let name: RoomName = fresh_name("refused").parse().unwrap();
    assert!(matches!(store.open_group(name.clone(), bo.id).await.unwrap(), Opened::TooManyMade(_)));
    assert_eq!(store.group(name).await.unwrap(), None);
}
