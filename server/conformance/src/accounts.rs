//! Cases of `port::Accounts`.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails fails the test")]
#![allow(missing_docs, reason = "the name of a case says what a store must do")]

use std::sync::Arc;

use lanchat_hub::port::{
    Away, Generation, NewDevice, NewPassword, NotResumed, PasswordHash, PresenceRecord, Store, TokenLeft,
    TokenRecord,
};
use lanchat_hub::{Body, Subject};
use lanchat_model::{AccountId, AccountName, AwayReason, RoomName, Timestamp, limits};

use crate::scene::{
    Person, another_device, device, facts, fresh_name, fresh_token, newcomer, person, token_after,
};

/// Returns whether a session of this device may begin after the password of a generation was proved.
async fn is_current(store: &dyn Store, who: &Person, generation: i64) -> bool {
    store.memberships_if_current(who.id, who.device, Generation(generation)).await.unwrap().is_some()
}

pub async fn a_name_has_one_owner(store: Arc<dyn Store>) {
    let name = fresh_name("ana");
    assert!(store.register(newcomer(&name), device(fresh_token())).await.unwrap().is_some());
    let lobby = store.group(RoomName::lobby()).await.unwrap().unwrap();
    assert!(store.register(newcomer(&name), device(fresh_token())).await.unwrap().is_none());
    assert_eq!(store.group(RoomName::lobby()).await.unwrap().unwrap(), lobby, "a refusal leaves no trace");
}

pub async fn names_that_look_alike_have_one_owner(store: Arc<dyn Store>) {
    let lobby = store.group(RoomName::lobby()).await.unwrap().unwrap();
    let bill: AccountName = "bill".parse().unwrap();
    assert_eq!(store.mistaken_for(bill.clone()).await.unwrap(), None);
    assert!(store.register(newcomer("bill"), device(fresh_token())).await.unwrap().is_some());
    for alike in ["bi1l", "bill.", "_bill_"] {
        assert!(store.register(newcomer(alike), device(fresh_token())).await.unwrap().is_none(), "{alike}");
        assert_eq!(store.mistaken_for(alike.parse().unwrap()).await.unwrap(), Some(bill.clone()));
        assert!(store.account(alike.parse().unwrap()).await.unwrap().is_none());
    }
    let now = store.group(RoomName::lobby()).await.unwrap().unwrap();
    assert_eq!(now.head, lobby.head.next(), "a refusal leaves no trace");
}

/// The store's comparison agrees with the name's own.
pub async fn a_name_is_found_by_how_it_looks(store: Arc<dyn Store>) {
    let long = format!("x{}y", "-".repeat(limits::NAME_CHARS_MAX - 2));
    let names =
        ["anna1", "anna2", "__a--1..vv_", "rn0", "w-rrn", "10-01", "1.1", "11", "vvv", "0.r-n", &long];
    for name in names {
        assert_eq!(store.mistaken_for(name.parse().unwrap()).await.unwrap(), None, "{name}");
        assert!(store.register(newcomer(name), device(fresh_token())).await.unwrap().is_some(), "{name}");
        let found = store.mistaken_for(name.parse().unwrap()).await.unwrap();
        assert_eq!(found, Some(name.parse().unwrap()));
    }
}

pub async fn whoever_registers_is_in_the_lobby(store: Arc<dyn Store>) {
    let before = store.group(RoomName::lobby()).await.unwrap().unwrap();
    let made = store.register(newcomer(&fresh_name("ana")), device(fresh_token())).await.unwrap().unwrap();
    let rooms = store.memberships(made.account.id, made.device).await.unwrap();
    assert_eq!(rooms.len(), 1);
    assert_eq!(rooms[0].room.id, before.id);
    assert_eq!(rooms[0].room.members, before.members + 1);
    assert_eq!(rooms[0].room.head, before.head.next());

    let log = store.read_after(before.id, before.head, 10).await.unwrap();
    assert_eq!(log.len(), 1);
    assert_eq!(facts(&log[0]), facts(&made.entry));
    let (id, name) = (made.account.id, made.account.name);
    assert_eq!((log[0].author, &log[0].author_name), (id, &name));
    assert_eq!(log[0].body, Body::Joined(Subject { account: id, name }));
}

pub async fn an_account_is_kept_as_it_was_made(store: Arc<dyn Store>) {
    let mut new = newcomer(&fresh_name("ana"));
    new.admin = true;
    let made = store.register(new.clone(), device(fresh_token())).await.unwrap().unwrap().account;
    let kept = store.account(new.name.clone()).await.unwrap().unwrap();
    assert_eq!((kept.id, &kept.name, &kept.display_name), (made.id, &new.name, &new.display_name));
    assert_eq!((kept.admin, &kept.phc, kept.created), (true, &new.phc, made.created));
    assert_eq!((kept.last_seen, &kept.away), (None, &None));
    let nobody = fresh_name("nobody").parse().unwrap();
    assert!(store.account(nobody).await.unwrap().is_none());
}

pub async fn a_device_resumes_with_its_current_and_its_next_token(store: Arc<dyn Store>) {
    let ana = person(&*store, "ana").await;
    let (first, second, third) = (token_after(ana.token), token_after(ana.token), token_after(ana.token));
    let resume = |token, next| store.resume(token, next);
    let (account, resumed) = resume(ana.token, first).await.unwrap().unwrap();
    assert_eq!((account.id, resumed), (ana.id, ana.device));
    // The answer was lost: the device still has only its current token, and gets another next one.
    assert!(resume(ana.token, second).await.unwrap().is_ok());
    assert!(resume(second, third).await.unwrap().is_ok());
    assert!(resume(third, fresh_token()).await.unwrap().is_ok());
    assert!(resume(fresh_token(), fresh_token()).await.unwrap().is_err());
}

pub async fn an_old_token_betrays_a_copy(store: Arc<dyn Store>) {
    // Both the token just replaced, and one from any number of resumes ago.
    for rotations in [1, 5, 3000] {
        let ana = person(&*store, "ana").await;
        let mut current = ana.token;
        for _ in 0..rotations {
            let next = token_after(current);
            assert!(store.resume(current, next).await.unwrap().is_ok());
            current = next;
        }
        // The last token is only the next token until it is used.
        let next = token_after(current);
        assert!(store.resume(current, next).await.unwrap().is_ok());
        is_told_of_a_copy(&*store, &ana, ana.token).await;
        // The owner, who comes later with a valid token, learns why as well.
        for token in [current, next, ana.token] {
            is_told_of_a_copy(&*store, &ana, token).await;
            assert!(store.recognise(token).await.unwrap().device().is_none());
        }
        assert!(!is_current(&*store, &ana, 0).await);
    }
}

async fn is_told_of_a_copy(store: &dyn Store, whose: &Person, shown: TokenRecord) {
    let refused = store.resume(shown, fresh_token()).await.unwrap().unwrap_err();
    let Person { id: account, name, device, .. } = whose.clone();
    assert_eq!(refused, NotResumed::Copied { account, name, device });
}

/// A thief that resumes with a copy of the current token gets a next token, which replaces the owner's next token.
pub async fn a_next_token_that_was_replaced_unused_betrays_a_copy(store: Arc<dyn Store>) {
    let ana = person(&*store, "ana").await;
    let (of_owner, of_thief) = (token_after(ana.token), token_after(ana.token));
    assert!(store.resume(ana.token, of_owner).await.unwrap().is_ok());
    assert!(store.resume(ana.token, of_thief).await.unwrap().is_ok());
    assert!(store.resume(of_thief, token_after(of_thief)).await.unwrap().is_ok());
    is_told_of_a_copy(&*store, &ana, of_owner).await;
    is_told_of_a_copy(&*store, &ana, of_thief).await;
}

pub async fn recognising_a_device_changes_nothing(store: Arc<dyn Store>) {
    let ana = person(&*store, "ana").await;
    let (second, third) = (fresh_token(), fresh_token());
    assert!(store.resume(ana.token, second).await.unwrap().is_ok());
    for token in [second, ana.token, second] {
        let (account, device) = store.recognise(token).await.unwrap().device().unwrap();
        assert_eq!((account.id, account.name, device), (ana.id, ana.name.clone(), ana.device));
    }
    assert!(store.recognise(fresh_token()).await.unwrap().device().is_none());
    assert!(store.resume(second, third).await.unwrap().is_ok());
    assert!(store.recognise(ana.token).await.unwrap().device().is_none(), "it is spent");
    assert!(store.resume(third, fresh_token()).await.unwrap().is_ok(), "the device is still there");
}

pub async fn an_account_has_a_bounded_number_of_devices(store: Arc<dyn Store>) {
    let ana = person(&*store, "ana").await;
    let bo = person(&*store, "bo").await;
    let mut tokens = vec![ana.token];
    let mut evicted = Vec::new();
    for _ in 0..limits::DEVICES_PER_ACCOUNT_MAX {
        let token = fresh_token();
        evicted.extend(another_device(&*store, ana.id, token).await.evicted);
        tokens.push(token);
    }
    assert_eq!(evicted, [ana.device], "who had to make room is told");
    assert!(!is_current(&*store, &ana, 0).await);
    assert!(store.resume(tokens[0], fresh_token()).await.unwrap().is_err(), "the oldest went");
    for token in &tokens[1..] {
        assert!(store.resume(*token, fresh_token()).await.unwrap().is_ok());
    }
    assert!(store.resume(bo.token, fresh_token()).await.unwrap().is_ok(), "others keep theirs");
}

/// Tokens of a copied device resume nothing, so its owner loses nothing by its removal.
pub async fn a_device_that_was_copied_makes_room_first(store: Arc<dyn Store>) {
    let ana = person(&*store, "ana").await;
    let mut tokens = Vec::new();
    for _ in 1..limits::DEVICES_PER_ACCOUNT_MAX {
        let token = fresh_token();
        assert_eq!(another_device(&*store, ana.id, token).await.evicted, []);
        tokens.push(token);
    }
    let (newest, next) = (*tokens.last().unwrap(), token_after(*tokens.last().unwrap()));
    assert!(store.resume(newest, next).await.unwrap().is_ok());
    let (_, copied) = store.resume(next, token_after(next)).await.unwrap().unwrap();
    assert!(store.resume(newest, fresh_token()).await.unwrap().is_err(), "a copy");
    assert_eq!(another_device(&*store, ana.id, fresh_token()).await.evicted, [copied]);
    assert!(store.resume(ana.token, fresh_token()).await.unwrap().is_ok(), "the oldest stays");
}

pub async fn a_device_that_has_the_label_is_used_again(store: Arc<dyn Store>) {
    let (ana, bo) = (person(&*store, "ana").await, person(&*store, "bo").await);
    let called = |label: Option<&str>, token| NewDevice { label: label.map(String::from), token };
    let use_device = async |whose: &Person, label, token| {
        let used = store.use_device(whose.id, Generation(0), called(label, token)).await.unwrap().unwrap();
        assert_eq!(used.evicted, [], "nobody makes room");
        used.device
    };
    let (first, second, third) = (fresh_token(), fresh_token(), fresh_token());
    let device = use_device(&ana, Some("tablet"), first).await;
    assert_ne!(device, ana.device);
    let lobby = store.group(RoomName::lobby()).await.unwrap().unwrap();
    store.mark(device, lobby.id, lobby.head).await.unwrap();
    for _ in 0..2 * limits::DEVICES_PER_ACCOUNT_MAX {
        assert_eq!(use_device(&ana, Some("tablet"), fresh_token()).await, device);
    }
    assert_eq!(use_device(&ana, Some("tablet"), second).await, device);
    let seen = store.memberships(ana.id, device).await.unwrap();
    assert!(seen.iter().any(|seat| seat.room.id == lobby.id && seat.mark == lobby.head), "it has its marks");
    assert_eq!(store.resume(first, fresh_token()).await.unwrap().unwrap_err(), NotResumed::Unknown);
    assert!(store.resume(ana.token, fresh_token()).await.unwrap().is_ok(), "the others keep theirs");

    // A copy of its tokens is worthless once its owner has proved the password again.
    assert!(store.resume(second, token_after(second)).await.unwrap().is_ok());
    assert!(store.resume(token_after(second), fresh_token()).await.unwrap().is_err());
    assert!(store.resume(second, token_after(second)).await.unwrap().is_err(), "it is copied");
    assert_eq!(use_device(&ana, Some("tablet"), third).await, device);
    assert_eq!(store.resume(second, fresh_token()).await.unwrap().unwrap_err(), NotResumed::Unknown);
    assert!(store.resume(third, fresh_token()).await.unwrap().is_ok());

    let others = [
        use_device(&ana, Some("Tablet"), fresh_token()).await,
        use_device(&bo, Some("tablet"), fresh_token()).await,
        use_device(&ana, None, fresh_token()).await,
        use_device(&ana, None, fresh_token()).await,
    ];
    assert!(!others.contains(&device) && others[2] != others[3], "{others:?}");
    store.remove_device(device).await.unwrap();
    assert_ne!(use_device(&ana, Some("tablet"), fresh_token()).await, device, "it is gone for good");
    let late = called(Some("tablet"), fresh_token());
    assert!(store.use_device(ana.id, Generation(1), late).await.unwrap().is_none(), "another password");
}

pub async fn a_removed_device_is_gone(store: Arc<dyn Store>) {
    let ana = person(&*store, "ana").await;
    let other = another_device(&*store, ana.id, fresh_token()).await.device;
    assert!(is_current(&*store, &ana, 0).await);
    store.remove_device(ana.device).await.unwrap();
    store.remove_device(ana.device).await.unwrap();
    assert!(!is_current(&*store, &ana, 0).await);
    assert!(store.resume(ana.token, fresh_token()).await.unwrap().is_err());
    let newest = another_device(&*store, ana.id, fresh_token()).await.device;
    store.remove_device(newest).await.unwrap();
    let next = another_device(&*store, ana.id, fresh_token()).await.device;
    assert!(![ana.device, other, newest].contains(&next), "an id is never used twice");
}

fn changed(who: &Person, known: i64, token: TokenLeft) -> NewPassword {
    let phc = PasswordHash("changed".into());
    NewPassword { account: who.id, known: Generation(known), phc, device: who.device, token }
}

pub async fn a_new_password_leaves_one_device_with_one_token(store: Arc<dyn Store>) {
    let ana = person(&*store, "ana").await;
    let [of_owner, of_thief] = [(); 2].map(|()| token_after(ana.token));
    let [other, renewed] = [(); 2].map(|()| fresh_token());
    another_device(&*store, ana.id, other).await;
    assert!(store.resume(ana.token, of_owner).await.unwrap().is_ok());
    assert!(store.resume(of_owner, of_thief).await.unwrap().is_ok());

    assert!(store.set_password(changed(&ana, 0, TokenLeft::Fresh(renewed))).await.unwrap());
    for token in [other, ana.token, of_owner, of_thief] {
        assert_eq!(store.resume(token, fresh_token()).await.unwrap().unwrap_err(), NotResumed::Unknown);
    }
    let (account, _) = store.resume(renewed, fresh_token()).await.unwrap().unwrap();
    assert_eq!((account.phc, account.generation), (PasswordHash("changed".into()), Generation(1)));
}

/// A client that cannot take a fresh token keeps its own, as long as nobody else has it.
pub async fn a_new_password_leaves_the_given_token_if_nobody_used_it(store: Arc<dyn Store>) {
    let ana = person(&*store, "ana").await;
    let [second, third] = [(); 2].map(|()| token_after(ana.token));
    let given = TokenLeft::Given;
    assert!(store.set_password(changed(&ana, 0, given(ana.token.hash))).await.unwrap());
    assert!(store.resume(ana.token, second).await.unwrap().is_ok(), "it was never used");
    assert!(store.set_password(changed(&ana, 1, given(second.hash))).await.unwrap());
    assert_eq!(store.resume(ana.token, fresh_token()).await.unwrap().unwrap_err(), NotResumed::Unknown);
    assert!(store.resume(second, third).await.unwrap().is_ok(), "it was never used either");
    // The session that was given `second` still exists, so somebody else has just used the token.
    assert!(store.set_password(changed(&ana, 2, given(second.hash))).await.unwrap());
    for token in [second, third] {
        assert_eq!(store.resume(token, fresh_token()).await.unwrap().unwrap_err(), NotResumed::Unknown);
    }
    assert!(is_current(&*store, &ana, 3).await, "the session goes on");
}

pub async fn an_earlier_password_proves_nothing(store: Arc<dyn Store>) {
    let ana = person(&*store, "ana").await;
    assert!(is_current(&*store, &ana, 0).await);
    assert!(store.set_password(changed(&ana, 0, TokenLeft::Given(ana.token.hash))).await.unwrap());
    // A login, a resume and another change that were under way.
    assert!(store.add_device(ana.id, Generation(0), device(fresh_token())).await.unwrap().is_none());
    assert!(!is_current(&*store, &ana, 0).await);
    assert!(!store.set_password(changed(&ana, 0, TokenLeft::Given(ana.token.hash))).await.unwrap());
    assert!(store.add_device(ana.id, Generation(1), device(fresh_token())).await.unwrap().is_some());

    store.renew_hash(ana.id, Generation(0), PasswordHash("of the old password".into())).await.unwrap();
    assert_eq!(store.account(ana.name.clone()).await.unwrap().unwrap().phc, PasswordHash("changed".into()));
    store.renew_hash(ana.id, Generation(1), PasswordHash("renewed".into())).await.unwrap();
    let kept = store.account(ana.name.clone()).await.unwrap().unwrap();
    assert_eq!((kept.phc, kept.generation), (PasswordHash("renewed".into()), Generation(1)));

    store.remove_device(ana.device).await.unwrap();
    assert!(
        !store.set_password(changed(&ana, 1, TokenLeft::Given(ana.token.hash))).await.unwrap(),
        "its device is gone"
    );
}

pub async fn an_administrator_is_made_by_name(store: Arc<dyn Store>) {
    let ana = person(&*store, "ana").await;
    assert!(store.set_admin(ana.name.clone()).await.unwrap());
    assert!(store.account(ana.name).await.unwrap().unwrap().admin);
    assert!(!store.set_admin(fresh_name("nobody").parse().unwrap()).await.unwrap());
}

pub async fn presence_is_kept(store: Arc<dyn Store>) {
    let (ana, bo) = (person(&*store, "ana").await, person(&*store, "bo").await);
    let reason = AwayReason::parse("at lunch").unwrap();
    let away = Away { reason: Some(reason) };
    let record = |account: AccountId, online, at| PresenceRecord { account, online, at: Timestamp(at) };
    store.set_away(ana.id, Some(away.clone())).await.unwrap();
    store.set_away(bo.id, Some(Away { reason: None })).await.unwrap();
    store.set_presence(vec![record(ana.id, true, 5), record(bo.id, true, 6)]).await.unwrap();
    let online = store.online_at_last().await.unwrap();
    let find = |id| online.iter().find(|account| account.id == id);
    assert_eq!(find(ana.id).unwrap().away, Some(away));
    assert_eq!(find(bo.id).unwrap().away, Some(Away { reason: None }));

    store.set_away(ana.id, None).await.unwrap();
    store.set_presence(vec![record(ana.id, false, 7)]).await.unwrap();
    assert!(!store.online_at_last().await.unwrap().iter().any(|account| account.id == ana.id));
    let ana = store.account(ana.name).await.unwrap().unwrap();
    assert_eq!((ana.last_seen, ana.away), (Some(Timestamp(7)), None));
}
