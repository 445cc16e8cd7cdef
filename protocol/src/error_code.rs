//! The closed list of error codes (PROTOCOL §9).

use serde::{Deserialize, Serialize};

/// What an error means for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The request was refused; the connection goes on.
    Rejected,
    /// The protocol was broken; the connection closes after the error.
    Violation,
    /// The server failed; the connection goes on, and the request may be retried with the same id.
    Fault,
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $code:ident $text:literal $severity:ident,)*) => {
        /// Why a request was refused, for programs. The sentence that comes with it is for people.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* $code,)*
            /// A code from a newer server: treat it as "rejected".
            #[serde(other)]
            Unknown,
        }

        impl ErrorCode {
            /// Every code that this version sends.
            pub const ALL: &[Self] = &[$(Self::$code,)*];

            /// Returns the code as it is on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$code => $text,)*
                    Self::Unknown => "unknown",
                }
            }

            /// Returns what it means for the connection.
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$code => Severity::$severity,)*
                    Self::Unknown => Severity::Rejected,
                }
            }
        }
    };
}

error_codes! {
    /// The line is not a JSON object with a `type`.
    NotJson "not_json" Violation,
    /// The line is not UTF-8.
    NotUtf8 "not_utf8" Violation,
    /// The line is longer than the limit.
    FrameTooLong "frame_too_long" Violation,
    /// Objects and arrays are nested more deeply than the limit.
    TooDeep "too_deep" Violation,
    /// Client and server have no version in common.
    UnsupportedVersion "unsupported_version" Violation,
    /// Nobody logged in within the time allowed.
    LoginTimeout "login_timeout" Violation,
    /// The server has as many clients as it may have.
    ServerFull "server_full" Violation,
    /// The device was logged out elsewhere, or the password was changed.
    LoggedOut "logged_out" Violation,
    /// A field is missing, duplicated, or of the wrong kind.
    BadFrame "bad_frame" Rejected,
    /// The server does not know this `type`.
    UnknownType "unknown_type" Rejected,
    /// The `id` is missing or malformed.
    BadId "bad_id" Rejected,
    /// Only `register`, `login`, `resume`, `ping` and `bye` are possible before login.
    LoginRequired "login_required" Rejected,
    /// This connection is logged in already.
    AlreadyLoggedIn "already_logged_in" Rejected,
    /// The name is empty, too long, or holds a character that is not allowed in names.
    BadName "bad_name" Rejected,
    /// The name is reserved for the server.
    NameReserved "name_reserved" Rejected,
    /// Somebody has this name, or one that looks like it.
    NameTaken "name_taken" Rejected,
    /// The new password is too short or too long.
    BadPassword "bad_password" Rejected,
    /// Unknown name or wrong password; the server does not say which.
    WrongPassword "wrong_password" Rejected,
    /// The device token is unknown, used up or revoked: log in by password.
    BadToken "bad_token" Rejected,
    /// The server does not accept new accounts.
    RegistrationClosed "registration_closed" Rejected,
    /// Too many attempts; wait `retry_after` seconds.
    SlowDown "slow_down" Rejected,
    /// Too much at once; wait `retry_after` seconds.
    Busy "busy" Rejected,
    /// There is no such room, or it is not yours to see.
    NoSuchRoom "no_such_room" Rejected,
    /// There is no such account.
    NoSuchAccount "no_such_account" Rejected,
    /// You are not in this room: join it first.
    NotAMember "not_a_member" Rejected,
    /// Your role does not allow it.
    Forbidden "forbidden" Rejected,
    /// The lobby and private chats cannot be left; you cannot chat with yourself.
    NotPossible "not_possible" Rejected,
    /// You are in as many rooms as is allowed, or the server has as many.
    TooManyRooms "too_many_rooms" Rejected,
    /// The message is blank, too long, or holds NUL.
    BadMessage "bad_message" Rejected,
    /// This id was already used for another message.
    IdReused "id_reused" Rejected,
    /// The disk is full: the server can be read but not written to.
    ReadOnly "read_only" Fault,
    /// The server failed; its log explains the number in the sentence.
    Internal "internal" Fault,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_spelling_is_the_serde_spelling() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{}\"", code.as_str()));
        }
        assert_eq!(serde_json::from_str::<ErrorCode>("\"from_the_future\"").unwrap(), ErrorCode::Unknown);
    }
}
