//! Two servers over one store: what happens at one is seen at the other, even if hints are lost or doubled.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod memory_store;
mod people;
mod talk;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lanchat_hub::bus::{Bus, Hint};
use lanchat_hub::port::Store;
use lanchat_hub::{Command, Event, Hub, HubOptions, LogoutReason, Notice};
use lanchat_model::{Password, RoomName, RoomRef, limits};
use memory_store::MemoryStore;
use people::PASSWORD;
use talk::{attach, drain, lobby, log_in, notices, post, register, texts};
use tokio::sync::{Mutex, mpsc};
use tokio::time::advance;

/// One end of a bus for two servers. It sends every hint twice, or not at all while the bus is cut.
struct TwoWay {
    said: mpsc::Sender<Hint>,
    heard: Mutex<mpsc::Receiver<Hint>>,
    is_cut: Arc<AtomicBool>,
}

impl Bus for TwoWay {
    fn announce(&self, hint: &Hint) {
        if !self.is_cut.load(Ordering::SeqCst) {
            for _ in 0..2 {
                self.said.try_send(hint.clone()).expect("the other end listens");
            }
        }
    }

    fn heard(&self) -> Pin<Box<dyn Future<Output = Hint> + Send + '_>> {
        Box::pin(async {
            match self.heard.lock().await.recv().await {
                Some(hint) => hint,
                None => std::future::pending().await,
            }
        })
    }
}

/// Opens two servers. Returns them with the store that they share, and the switch that cuts their bus.
async fn servers() -> (Hub, Hub, Arc<MemoryStore>, Arc<AtomicBool>) {
    let (store, is_cut) = (MemoryStore::new(), Arc::new(AtomicBool::new(false)));
    let [(to_one, at_one), (to_other, at_other)] = [(); 2].map(|()| mpsc::channel(1024));
    let ends = [(to_other, at_one), (to_one, at_other)].map(|(said, heard)| {
        Arc::new(TwoWay { said, heard: Mutex::new(heard), is_cut: Arc::clone(&is_cut) })
    });
    let open = async |bus: Arc<TwoWay>| {
        let store: Arc<dyn Store> = store.clone();
        Hub::open_on(bus, store, HubOptions::default()).await.unwrap()
    };
    let [one, other] = ends;
    (open(one).await, open(other).await, store, is_cut)
}

#[tokio::test(start_paused = true)]
async fn what_is_posted_at_one_server_is_read_at_both_in_one_order() {
    let (one, other, _store, is_cut) = servers().await;
    let (mut ana, _) = register(&one, "ana").await;
    let (mut bob, _) = register(&other, "bob").await;
    attach(&mut ana).await;
    attach(&mut bob).await;
    for number in 0..4 {
        ana.submit(post(lobby(), 2 * number, "of ana")).await.unwrap();
        bob.submit(post(lobby(), 2 * number + 1, "of bob")).await.unwrap();
        tokio::task::yield_now().await;
    }
    let (by_ana, by_bob) = (texts(&drain(&mut ana).await), texts(&drain(&mut bob).await));
    assert_eq!((by_ana.len(), &by_ana), (8, &by_bob));
    assert!(by_ana.is_sorted_by_key(|(_, seq, _)| *seq), "{by_ana:?}");

    // A lost hint costs only time: after the next one, everything is read.
    is_cut.store(true, Ordering::SeqCst);
    ana.submit(post(lobby(), 8, "unheard")).await.unwrap();
    drain(&mut ana).await;
    assert!(texts(&drain(&mut bob).await).is_empty());
    is_cut.store(false, Ordering::SeqCst);
    ana.submit(post(lobby(), 9, "heard")).await.unwrap();
    drain(&mut ana).await;
    let found: Vec<_> = texts(&drain(&mut bob).await).into_iter().map(|(.., text)| text).collect();
    assert_eq!(found, ["unheard", "heard"]);
}

#[tokio::test(start_paused = true)]
async fn rooms_that_are_entered_and_left_at_one_server_come_and_go_at_the_other() {
    let (one, other, ..) = servers().await;
    let (mut ana, _) = register(&one, "ana").await;
    let (mut bob, _) = register(&one, "bob").await;
    let (mut phone, _) = log_in(&other, "ana").await;
    for session in [&mut ana, &mut bob, &mut phone] {
        attach(session).await;
    }
    let den: RoomName = "den".parse().unwrap();
    let room = RoomRef::Group(den.clone());
    for session in [&mut ana, &mut bob] {
        session.submit(Command::Join { room: den.clone(), tail: 0 }).await.unwrap();
    }
    let told = drain(&mut phone).await;
    assert!(told.iter().any(|event| matches!(event, Event::Room(state) if state.room == room)), "{told:?}");
    ana.submit(Command::Leave { room: den }).await.unwrap();
    bob.submit(post(room.clone(), 1, "among us")).await.unwrap();
    drain(&mut bob).await;
    let told = drain(&mut phone).await;
    assert!(told.iter().any(|event| matches!(event, Event::RoomGone(gone) if *gone == room)), "{told:?}");
    assert!(texts(&told).is_empty(), "{told:?}");
    // The same holds for a private chat: the other side is told by its own server.
    bob.submit(post(RoomRef::Private("ana".parse().unwrap()), 2, "psst")).await.unwrap();
    assert_eq!(texts(&drain(&mut phone).await).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_log_out_at_one_server_ends_sessions_at_the_other() {
    let (one, other, ..) = servers().await;
    let (mut ana, _) = register(&one, "ana").await;
    let (mut bob, _) = register(&other, "bob").await;
    let (mut phone, _) = log_in(&other, "ana").await;
    let new = Password::parse("another horse").unwrap();
    let change = Command::ChangePassword { old: PASSWORD.into(), new, renew: false };
    ana.submit(change).await.unwrap();
    let told = drain(&mut phone).await;
    assert!(matches!(told[..], [Event::LoggedOut(LogoutReason::PasswordChanged), ..]), "{told:?}");
    for session in [&mut ana, &mut bob] {
        let told = drain(session).await;
        assert!(!told.iter().any(|event| matches!(event, Event::LoggedOut(_))), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_types_and_what_holds_for_the_site_is_told_at_both() {
    let (one, other, store, _is_cut) = servers().await;
    let (mut ana, _) = register(&one, "ana").await;
    let (mut bob, _) = register(&other, "bob").await;
    attach(&mut ana).await;
    attach(&mut bob).await;
    ana.submit(Command::Typing { room: lobby() }).await.unwrap();
    let typists = |events: &[Event]| {
        let named = |event: &Event| match event {
            Event::Typing { name, .. } => Some(name.as_str().to_owned()),
            _ => None,
        };
        events.iter().filter_map(named).collect::<Vec<_>>()
    };
    assert_eq!(typists(&drain(&mut bob).await), ["ana"], "once, though it was said twice");

    store.fill_disk(true);
    ana.submit(post(lobby(), 1, "lost?")).await.unwrap();
    assert_eq!(notices(&drain(&mut bob).await), [Notice::ReadOnly]);
    store.fill_disk(false);
    advance(limits::WRITE_PROBE).await;
    assert_eq!(notices(&drain(&mut bob).await), [Notice::Writable]);
}
