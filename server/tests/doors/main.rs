//! What every door must do, tested in each door's own wire protocol. A new door adds a [`Subject`](suite::Subject) in a
//! file of its own, and one line below.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod client;
mod framed;
mod gates;
mod native;
mod silent;
mod site;
mod suite;
mod whole;

/// All tests of the suite, for one door.
macro_rules! conforms {
    ($door:ident: $subject:expr) => {
        mod $door {
            conforms!($subject;
                nothing_is_done_before_the_login
                a_room_is_entered_and_what_is_posted_is_stored_once_and_read_in_order
                who_comes_back_reads_on_from_its_cursor
                a_reader_that_stops_misses_nothing
                too_much_in_one_piece_is_told_and_ends_the_connection
                bytes_may_come_one_by_one
                nonsense_harms_nobody_else
                a_drain_answers_what_was_taken_and_says_farewell
            );
        }
    };
    ($subject:expr; $($test:ident)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                crate::suite::$test(&$subject).await;
            }
        )*
    };
}

conforms!(native_door: crate::native::Native);
conforms!(framed_door: crate::framed::Framed);
