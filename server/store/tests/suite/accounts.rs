//! Cases of `port::Accounts`.

use std::sync::Arc;

use lanchat_hub::Body;
use lanchat_hub::port::{Away, NotResumed, PasswordHash, PresenceRecord, Store};
use lanchat_model::{AccountId, AwayReason, RoomName, Timestamp, limits};

use crate::scene::{device, facts, fresh_name, fresh_token, newcomer, person};

pub(crate) async fn a_name_has_one_owner(store: Arc<dyn Store>) {
    let name = fresh_name("ana");
    assert!(store.register(newcomer(&name), device(fresh_token())).await.unwrap().is_some());
    let lobby = store.group(RoomName::lobby()).await.unwrap().unwrap();
    assert!(store.register(newcomer(&name), device(fresh_token())).await.unwrap().is_none());
    assert_eq!(store.group(RoomName::lobby()).await.unwrap().unwrap(), lobby, "a refusal leaves no trace");
}

pub(crate) async fn whoever_registers_is_in_the_lobby(store: Arc<dyn Store>) {
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
    assert_eq!((&log[0].author, &log[0].body), (&made.account.name, &Body::Joined));
}

pub(crate) async fn an_account_is_kept_as_it_was_made(store: Arc<dyn Store>) {
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

pub(crate) async fn a_device_resumes_with_its_current_and_its_next_token(store: Arc<dyn Store>) {
    let ana = person(&*store, "ana").await;
    let (first, second, third) = (fresh_token(), fresh_token(), fresh_token());
    let resume = |token, next| store.resume(token, next);
    let (account, resumed) = resume(ana.token, first).await.unwrap().unwrap();
    assert_eq!((account.id, resumed), (ana.id, ana.device));
    // The answer was lost: the device still has only its current token, and gets another next one.
    assert!(resume(ana.token, second).await.unwrap().is_ok());
    // The next one that was replaced is nobody's, and proves no theft.
    assert!(resume(first, fresh_token()).await.unwrap().is_err());
    assert!(resume(second, third).await.unwrap().is_ok());
    assert!(resume(third, fresh_token()).await.unwrap().is_ok());
    assert!(resume(fresh_token(), fresh_token()).await.unwrap().is_err());
}

pub(crate) async fn an_old_token_betrays_a_copy(store: Arc<dyn Store>) {
    // Both the token just replaced, and one that a thief has left several resumes behind.
    for rotations in [1, 5] {
        let ana = person(&*store, "ana").await;
        let mut current = ana.token;
        for _ in 0..rotations {
            let next = fresh_token();
            assert!(store.resume(current, next).await.unwrap().is_ok());
            current = next;
        }
        // The last one is only the next one until it is used.
        let next = fresh_token();
        assert!(store.resume(current, next).await.unwrap().is_ok());
        let NotResumed::Replaced { account, name, device } =
            store.resume(ana.token, fresh_token()).await.unwrap().unwrap_err()
        else {
            panic!("nobody knew the token")
        };
        assert_eq!((account, name, device), (ana.id, ana.name, ana.device));
        for token in [current, next] {
            assert!(store.resume(token, fresh_token()).await.unwrap().is_err(), "the device is gone");
        }
    }
}

pub(crate) async fn recognising_a_device_changes_nothing(store: Arc<dyn Store>) {
    let ana = person(&*store, "ana").await;
    let (second, third) = (fresh_token(), fresh_token());
    assert!(store.resume(ana.token, second).await.unwrap().is_ok());
    for token in [second, ana.token, second] {
        let (account, device) = store.recognise(token).await.unwrap().unwrap();
        assert_eq!((account.id, account.name, device), (ana.id, ana.name.clone(), ana.device));
    }
    assert!(store.recognise(fresh_token()).await.unwrap().is_none());
    assert!(store.resume(second, third).await.unwrap().is_ok());
    assert!(store.recognise(ana.token).await.unwrap().is_none(), "it is spent");
    assert!(store.resume(third, fresh_token()).await.unwrap().is_ok(), "the device is still there");
}

pub(crate) async fn an_account_has_a_bounded_number_of_devices(store: Arc<dyn Store>) {
    let ana = person(&*store, "ana").await;
    let bo = person(&*store, "bo").await;
    let mut tokens = vec![ana.token];
    for _ in 0..limits::DEVICES_PER_ACCOUNT_MAX {
        let token = fresh_token();
        store.add_device(ana.id, device(token)).await.unwrap();
        tokens.push(token);
    }
    assert!(store.resume(tokens[0], fresh_token()).await.unwrap().is_err(), "the oldest went");
    for token in &tokens[1..] {
        assert!(store.resume(*token, fresh_token()).await.unwrap().is_ok());
    }
    assert!(store.resume(bo.token, fresh_token()).await.unwrap().is_ok(), "others keep theirs");
}

pub(crate) async fn a_removed_device_is_gone(store: Arc<dyn Store>) {
    let ana = person(&*store, "ana").await;
    let other = store.add_device(ana.id, device(fresh_token())).await.unwrap();
    store.remove_device(ana.device).await.unwrap();
    store.remove_device(ana.device).await.unwrap();
    assert!(store.resume(ana.token, fresh_token()).await.unwrap().is_err());
    let newest = store.add_device(ana.id, device(fresh_token())).await.unwrap();
    store.remove_device(newest).await.unwrap();
    let next = store.add_device(ana.id, device(fresh_token())).await.unwrap();
    assert!(![ana.device, other, newest].contains(&next), "an id is never used twice");
}

pub(crate) async fn a_new_password_logs_other_devices_out(store: Arc<dyn Store>) {
    let ana = person(&*store, "ana").await;
    let other = fresh_token();
    store.add_device(ana.id, device(other)).await.unwrap();

    store.set_password(ana.id, PasswordHash("upgraded".into()), None).await.unwrap();
    let next = fresh_token();
    assert!(store.resume(other, next).await.unwrap().is_ok(), "an upgraded hash logs nobody out");

    store.set_password(ana.id, PasswordHash("changed".into()), Some(ana.device)).await.unwrap();
    assert!(store.resume(next, fresh_token()).await.unwrap().is_err());
    let (account, _) = store.resume(ana.token, fresh_token()).await.unwrap().unwrap();
    assert_eq!(account.phc, PasswordHash("changed".into()));
}

pub(crate) async fn an_administrator_is_made_by_name(store: Arc<dyn Store>) {
    let ana = person(&*store, "ana").await;
    assert!(store.set_admin(ana.name.clone()).await.unwrap());
    assert!(store.account(ana.name).await.unwrap().unwrap().admin);
    assert!(!store.set_admin(fresh_name("nobody").parse().unwrap()).await.unwrap());
}

pub(crate) async fn presence_is_kept(store: Arc<dyn Store>) {
    let (ana, bo) = (person(&*store, "ana").await, person(&*store, "bo").await);
    let reason = AwayReason::parse("at lunch").unwrap();
    let away = Away { reason: Some(reason) };
    let record =
        |account: AccountId, online, away, at| PresenceRecord { account, online, away, at: Timestamp(at) };
    let both = vec![
        record(ana.id, true, Some(away.clone()), 5),
        record(bo.id, true, Some(Away { reason: None }), 6),
    ];
    store.set_presence(both).await.unwrap();
    let online = store.online_at_last().await.unwrap();
    let find = |id| online.iter().find(|account| account.id == id);
    assert_eq!(find(ana.id).unwrap().away, Some(away));
    assert_eq!(find(bo.id).unwrap().away, Some(Away { reason: None }));

    store.set_presence(vec![record(ana.id, false, None, 7)]).await.unwrap();
    assert!(!store.online_at_last().await.unwrap().iter().any(|account| account.id == ana.id));
    let ana = store.account(ana.name).await.unwrap().unwrap();
    assert_eq!((ana.last_seen, ana.away), (Some(Timestamp(7)), None));
}
