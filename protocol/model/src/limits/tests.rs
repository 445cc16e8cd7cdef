//! Limits that depend on each other.

use super::*;

#[test]
fn limits_agree_with_each_other() {
    const {
        assert!(FRAME_BYTES_BEFORE_LOGIN_MAX < FRAME_BYTES_MAX);
        assert!(MESSAGE_BYTES_MAX * 2 + 1024 < FRAME_BYTES_MAX);
        assert!(PAGE_BYTES_MAX * 2 < SERVER_FRAME_BYTES_MAX);
        assert!(MESSAGE_BYTES_MAX <= PAGE_BYTES_MAX && MESSAGE_BYTES_MAX <= RING_BYTES_MAX);
        assert!(JOIN_TAIL_DEFAULT <= JOIN_TAIL_MAX);
        // `"@name":9007199254740991,` for each room, and the rest of an `attach`.
        assert!(CURSORS_MAX * (NAME_CHARS_MAX + 21) + 512 < FRAME_BYTES_MAX);
        // The largest record of a server: a name with every byte escaped, the token, the account, the addresses, and
        // the keys and blanks around them.
        let addresses =
            (REMEMBERED_ADDRESSES_MAX + REMEMBERED_TYPED_MAX) * (REMEMBERED_ADDRESS_BYTES_MAX + 16);
        let server = 6 * SERVER_NAME_BYTES_MAX + 2 * TOKEN_BYTES_MAX + NAME_CHARS_MAX + addresses + 512;
        assert!(REMEMBERED_SERVERS_MAX * server < PRIVATE_FILE_BYTES_MAX);
        assert!(PINS_MAX * (6 * SERVER_NAME_BYTES_MAX + 512) < PRIVATE_FILE_BYTES_MAX);
    }
    assert!(TYPING_EVERY < TYPING_SHOWN);
}
