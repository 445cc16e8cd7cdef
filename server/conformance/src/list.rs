//! The list of cases: each is a function of this crate, and a test of every store.

/// Makes a test of each case.
///
/// Takes the name of a function that opens an unused store. The function returns an `Arc<dyn Store>`, and something to
/// drop after it, such as its folder. The calling crate needs tokio, with `macros` and `rt`.
///
/// A case that is missing from the list is a function that nobody calls, which is an error in this crate. A case in the
/// list runs for every store.
#[macro_export]
macro_rules! conformance {
    (@list $then:ident $($with:tt)*) => {
        $crate::conformance! {
            @$then [$($with)*]
            accounts:
                a_name_has_one_owner
                names_that_look_alike_have_one_owner
                a_name_is_found_by_how_it_looks
                whoever_registers_is_in_the_lobby
                an_account_is_kept_as_it_was_made
                a_device_resumes_with_its_current_and_its_next_token
                an_old_token_betrays_a_copy
                a_next_token_that_was_replaced_unused_betrays_a_copy
                recognising_a_device_changes_nothing
                an_account_has_a_bounded_number_of_devices
                a_device_that_was_copied_makes_room_first
                a_device_that_has_the_label_is_used_again
                a_removed_device_is_gone
                a_new_password_leaves_one_device_with_one_token
                a_new_password_leaves_the_given_token_if_nobody_used_it
                an_earlier_password_proves_nothing
                an_administrator_is_made_by_name
                presence_is_kept;
            rooms:
                a_group_is_made_once
                a_private_chat_is_one_room_for_two
                a_private_chat_takes_nobody_else
                nobody_moves_somebody_else
                an_administrator_takes_a_member_out
                what_stays_is_not_left
                marks_move_forward_per_device
                the_list_has_the_rooms_that_somebody_is_in
                members_come_by_name_the_first_ones_first
                a_long_list_of_members_keeps_the_first_ones
                an_account_is_in_a_bounded_number_of_groups
                an_account_has_a_bounded_number_of_private_chats
                a_server_has_a_bounded_number_of_groups_in_use
                an_account_makes_a_bounded_number_of_groups_in_a_day
                a_join_that_is_refused_leaves_no_room;
            logs:
                drafts_are_numbered_in_order
                a_resend_is_answered_as_the_first_time
                a_resend_in_the_same_batch_is_one_entry
                an_id_stands_for_one_post_of_one_author
                texts_of_all_lengths_are_kept_as_they_were_posted
                only_members_write
                pages_are_bounded_in_entries
                pages_are_bounded_in_bytes
                pages_are_bounded_as_they_are_encoded
                many_authors_at_once_keep_their_order;
            whole:
                a_store_has_an_epoch
                a_store_with_space_can_be_written_to
                a_store_that_is_closed_has_all_that_it_kept;
        }
    };
    (@export [] $($part:ident: $($case:ident)*;)*) => { $($(
        #[doc(hidden)]
        pub use $part::$case;
    )*)* };
    (@test [$open:path] $($part:ident: $($case:ident)*;)*) => { $($(
        #[tokio::test]
        async fn $case() {
            let (store, _kept) = $open();
            $crate::$case(store).await;
        }
    )*)* };
    ($open:path) => {
        $crate::conformance!(@list test $open);
    };
}
