//! Who may do what in a room: one pure function. The hub calls it with what a session knows. The store calls it again
//! in its transaction, with what is on disk, because what was true at the request may have changed.
//!
//! The function must not know where its arguments come from.

use lanchat_model::{AccountId, RoomRef};

use crate::entry::Body;
use crate::port::RoomKind;
use crate::refusal::Refusal;

/// An account's role on this server. A later role outranks an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// An ordinary account.
    Member,
    /// An administrator of the server.
    SiteAdmin,
}

/// An account's current standing in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its role on this server.
    pub role: Role,
    /// Whether it is in the room.
    pub is_member: bool,
}

/// An act that somebody wants to do in a room. A closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Read its log, and set a mark.
    Read,
    /// Show that one is typing.
    Type,
    /// Say something.
    Post,
    /// Become a member.
    Join,
    /// End one's membership.
    Leave,
    /// Make somebody else a member.
    Admit,
    /// End somebody else's membership.
    Remove,
}

/// The kind of a room, as far as permission goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The lobby, in which everybody is and stays.
    Lobby,
    /// A room that anybody may enter and leave.
    Group,
    /// A private chat, which is for its two accounts for good.
    Private,
}

/// The rules of a room, which hold for everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomPolicy {
    /// The kind of the room.
    pub scope: Scope,
}

/// Checks whether `actor` may do `act` in a room; `target` is the account that it is done to, if that is another one.
///
/// # Errors
/// The actor gets [`Refusal::NotAMember`], [`Refusal::LobbyStays`] or [`Refusal::Forbidden`].
pub fn may(actor: Standing, act: Act, target: Option<Standing>, policy: RoomPolicy) -> Result<(), Refusal> {
    match (act, policy.scope) {
        (Act::Read | Act::Type | Act::Post, _) if actor.is_member => Ok(()),
        (Act::Read | Act::Type | Act::Post, _) => Err(Refusal::NotAMember),
        (Act::Join, Scope::Lobby | Scope::Group) => Ok(()),
        // A request for somebody else's chat must not reveal anything about it.
        (Act::Join, Scope::Private) => Err(Refusal::NotAMember),
        (Act::Leave, Scope::Group) => Ok(()),
        (Act::Leave, Scope::Lobby) => Err(Refusal::LobbyStays),
        (Act::Leave, Scope::Private) => Err(Refusal::Forbidden),
        // Only a lower rank may be removed: equals could otherwise remove each other.
        (Act::Remove, Scope::Group) if target.is_some_and(|target| target.role < actor.role) => Ok(()),
        (Act::Admit | Act::Remove, _) => Err(Refusal::Forbidden),
    }
}

impl Act {
    /// Returns the act of an entry by this author.
    pub fn of(author: AccountId, body: &Body) -> Self {
        match body {
            Body::Message { .. } => Self::Post,
            Body::Joined(subject) if subject.account == author => Self::Join,
            Body::Joined(_) => Self::Admit,
            Body::Left(subject) if subject.account == author => Self::Leave,
            Body::Left(_) => Self::Remove,
        }
    }
}

impl Role {
    /// Returns an account's role, given whether it may administer the server.
    pub const fn of(admin: bool) -> Self {
        if admin { Self::SiteAdmin } else { Self::Member }
    }
}

impl From<Scope> for RoomPolicy {
    fn from(scope: Scope) -> Self {
        Self { scope }
    }
}

impl From<&RoomRef> for RoomPolicy {
    fn from(view: &RoomRef) -> Self {
        match view {
            RoomRef::Group(name) if name.is_lobby() => Scope::Lobby.into(),
            RoomRef::Group(_) => Scope::Group.into(),
            RoomRef::Private(_) => Scope::Private.into(),
        }
    }
}

impl From<&RoomKind> for RoomPolicy {
    fn from(kind: &RoomKind) -> Self {
        match kind {
            RoomKind::Group(name) if name.is_lobby() => Scope::Lobby.into(),
            RoomKind::Group(_) => Scope::Group.into(),
            RoomKind::Private(_) => Scope::Private.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Subject;

    const ROLES: [Role; 2] = [Role::Member, Role::SiteAdmin];
    const SCOPES: [Scope; 3] = [Scope::Lobby, Scope::Group, Scope::Private];

    /// The answer to each act, for members and others, in each scope.
    const OWN: [(Act, [[&str; 2]; 3]); 5] = {
        const INSIDE: [&str; 2] = ["yes", "not a member"];
        [
            (Act::Read, [INSIDE; 3]),
            (Act::Type, [INSIDE; 3]),
            (Act::Post, [INSIDE; 3]),
            (Act::Join, [["yes"; 2], ["yes"; 2], ["not a member"; 2]]),
            (Act::Leave, [["the lobby stays"; 2], ["yes"; 2], ["forbidden"; 2]]),
        ]
    };

    fn word(answer: &Result<(), Refusal>) -> &'static str {
        match answer {
            Ok(()) => "yes",
            Err(Refusal::NotAMember) => "not a member",
            Err(Refusal::LobbyStays) => "the lobby stays",
            Err(Refusal::Forbidden) => "forbidden",
            Err(other) => panic!("nobody is told {other:?}"),
        }
    }

    #[test]
    fn what_one_does_for_oneself_goes_by_membership_whoever_one_is() {
        for (act, expected) in OWN {
            for (scope, expected) in SCOPES.into_iter().zip(expected) {
                for (is_member, expected) in [true, false].into_iter().zip(expected) {
                    for role in ROLES {
                        let answer = may(Standing { role, is_member }, act, None, scope.into());
                        assert_eq!(word(&answer), expected, "{act:?} in {scope:?} by {role:?}, {is_member}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_one_does_to_others_goes_by_rank() {
        let mut allowed = Vec::new();
        let standings: Vec<_> = ROLES
            .into_iter()
            .flat_map(|role| [true, false].map(|is_member| Standing { role, is_member }))
            .collect();
        let places: Vec<_> =
            [Act::Admit, Act::Remove].into_iter().flat_map(|act| SCOPES.map(|scope| (act, scope))).collect();
        for (act, scope) in places {
            for actor in &standings {
                assert_eq!(word(&may(*actor, act, None, scope.into())), "forbidden", "to nobody");
                for target in &standings {
                    match word(&may(*actor, act, Some(*target), scope.into())) {
                        "yes" => allowed.push((act, scope, actor.role, target.role)),
                        told => assert_eq!(told, "forbidden"),
                    }
                }
            }
        }
        allowed.dedup();
        assert_eq!(allowed, [(Act::Remove, Scope::Group, Role::SiteAdmin, Role::Member)]);
    }

    #[test]
    fn an_entry_is_an_act_of_its_author() {
        let whom = |account| Subject { account: AccountId(account), name: "ana".parse().unwrap() };
        let acts = [Body::Joined(whom(1)), Body::Joined(whom(2)), Body::Left(whom(1)), Body::Left(whom(2))]
            .map(|body| Act::of(AccountId(1), &body));
        assert_eq!(acts, [Act::Join, Act::Admit, Act::Leave, Act::Remove]);
    }
}
