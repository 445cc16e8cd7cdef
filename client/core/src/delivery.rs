//! What is delivered to this session: which rooms, from where, and how far.

use std::collections::BTreeMap;

use lanchat_model::{Seq, limits};
use lanchat_protocol::{Attached, Room, RoomState};
use tokio::sync::oneshot;

use crate::attach::{AttachPolicy, Cursors};
use crate::requests::RequestResult;

/// See the module.
#[derive(Default)]
pub(crate) struct Delivery {
    /// Where to start in a room without a cursor; `None` until delivery is asked for.
    pub(crate) policy: Option<AttachPolicy>,
    /// Whether delivery was ever started; a reconnect starts it again by itself.
    pub(crate) started: bool,
    /// Who waits for the first `attached`.
    pub(crate) reply: Option<oneshot::Sender<RequestResult>>,
    /// How far each room was delivered.
    pub(crate) cursors: Cursors,
    /// The epoch that the cursors belong to.
    pub(crate) epoch: Option<String>,
}

/// A room whose positions no longer mean anything, and why.
pub(crate) type Broken = (Option<String>, &'static str);

/// Why entries of a room are skipped.
const NOT_KEPT: &str = "the server no longer has some of the entries that were missed";

impl Delivery {
    /// Forgets the last session: the next one may belong to another account.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Takes in the rooms of a welcome and sets a cursor for each. Returns the rooms whose history is not the one that
    /// their cursors belong to.
    pub(crate) fn welcome(&mut self, epoch: &str, rooms: &[RoomState]) -> Vec<Broken> {
        let mut broken = Vec::new();
        if self.epoch.as_deref().is_some_and(|known| known != epoch) {
            self.cursors.clear();
            broken.push((None, "the server's history was restored from a backup or begun anew"));
        }
        self.epoch = Some(epoch.to_owned());
        self.cursors.retain(|room| rooms.iter().any(|state| state.room == room));
        for state in rooms {
            if self.cursors.of(&state.room).is_some_and(|cursor| cursor > state.head) {
                self.cursors.remove(&state.room);
                broken
                    .push((Some(state.room.clone()), "the server's log of this room is shorter than before"));
            }
        }
        self.plan(rooms);
        broken
    }

    /// Sets a cursor by the policy in each room that has none.
    pub(crate) fn plan(&mut self, rooms: &[RoomState]) {
        let Some(policy) = self.policy else { return };
        for state in rooms.iter().take(limits::ROOMS_PER_ACCOUNT_MAX) {
            if self.cursors.of(&state.room).is_none() {
                self.cursors.set(&state.room, policy.start(state));
            }
        }
    }

    /// Returns the cursors in the form that `attach` takes.
    pub(crate) fn to_map(&self) -> BTreeMap<String, Seq> {
        self.cursors.to_map()
    }

    /// Takes in where the server starts delivery. Returns the rooms that skip entries that were asked for.
    pub(crate) fn attached(&mut self, attached: &Attached) -> Vec<Broken> {
        let mut broken = Vec::new();
        self.started = true;
        self.epoch = Some(attached.epoch.clone());
        for state in attached.rooms.iter().take(limits::ROOMS_PER_ACCOUNT_MAX) {
            match self.cursors.of(&state.room) {
                // Entries that were delivered before are skipped by their positions.
                Some(cursor) if state.from <= cursor => continue,
                Some(_) => broken.push((Some(state.room.clone()), NOT_KEPT)),
                None => {}
            }
            self.cursors.set(&state.room, state.from);
        }
        broken
    }

    /// Takes in a room that the session has now. If the room is delivered already and its frame starts above the
    /// cursor, the log now begins there (PROTOCOL §5): the result names what is skipped. Returns `None` if there would
    /// be too many rooms.
    pub(crate) fn entered(&mut self, room: &Room) -> Option<Vec<Broken>> {
        let Room { id, state } = room;
        let known = self.cursors.of(&state.room);
        if known.is_some_and(|cursor| id.is_some() || state.from <= cursor) {
            return Some(Vec::new());
        }
        let is_set = self.cursors.set(&state.room, state.from);
        is_set.then(|| known.map(|_| (Some(state.room.clone()), NOT_KEPT)).into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(n: u64) -> Seq {
        Seq::try_from(n).unwrap()
    }

    fn room(name: &str, head: u64, from: u64) -> RoomState {
        RoomState { room: name.into(), head: seq(head), mark: Seq::ZERO, from: seq(from), members: 1 }
    }

    fn delivery() -> Delivery {
        Delivery { policy: Some(AttachPolicy::new(2, 10)), ..Delivery::default() }
    }

    #[test]
    fn cursors_outlive_a_reconnect_and_new_rooms_get_theirs() {
        let mut delivery = delivery();
        assert!(delivery.welcome("e1", &[room("lobby", 9, 9)]).is_empty());
        assert_eq!(delivery.cursors.of("lobby"), Some(seq(7)));
        delivery.cursors.step("lobby", seq(8));
        assert!(delivery.welcome("e1", &[room("lobby", 20, 20), room("@bob", 5, 5)]).is_empty());
        assert_eq!(delivery.cursors.of("lobby"), Some(seq(8)), "all that was missed");
        assert_eq!(delivery.cursors.of("@bob"), Some(Seq::ZERO), "written to meanwhile");
        delivery.welcome("e1", &[room("lobby", 20, 20)]);
        assert_eq!(delivery.cursors.of("@bob"), None, "left meanwhile");
    }

    #[test]
    fn a_log_that_begins_further_up_moves_the_cursor_and_is_told() {
        let mut delivery = delivery();
        delivery.welcome("e1", &[room("lobby", 9, 9)]);
        let news = |id: Option<&str>, from| Room { id: id.map(Into::into), state: room("lobby", 20, from) };
        for (id, from, cursor, told) in [(None, 3, 7, 0), (Some("1"), 12, 7, 0), (None, 12, 12, 1)] {
            assert_eq!(delivery.entered(&news(id, from)).map(|broken| broken.len()), Some(told), "{from}");
            assert_eq!(delivery.cursors.of("lobby"), Some(seq(cursor)));
        }
    }

    #[test]
    fn another_history_is_told() {
        let mut delivery = delivery();
        delivery.welcome("e1", &[room("lobby", 9, 9)]);
        assert_eq!(delivery.welcome("e2", &[room("lobby", 3, 3)]).len(), 1);
        assert_eq!(delivery.cursors.of("lobby"), Some(seq(1)));
        delivery.cursors.set("lobby", seq(3));
        assert_eq!(delivery.welcome("e2", &[room("lobby", 2, 2)])[0].0.as_deref(), Some("lobby"));
    }

    #[test]
    fn a_server_that_starts_too_late_is_told() {
        let mut delivery = delivery();
        delivery.welcome("e1", &[room("lobby", 9, 9), room("attic", 9, 9)]);
        let rooms = vec![room("lobby", 9, 8), room("attic", 9, 7), room("new", 4, 4)];
        let broken = delivery.attached(&Attached { id: "1".into(), epoch: "e1".into(), rooms });
        assert_eq!(broken.len(), 1);
        assert_eq!(broken[0].0.as_deref(), Some("lobby"));
        assert_eq!(delivery.cursors.of("new"), Some(seq(4)));
    }
}
