//! The password of a script: from a file or an open descriptor, never from an argument or the environment, which others
//! can read.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use lanchat_client::{NO_RIGHTS, keeps_rights};
use lanchat_model::limits;
use lanchat_protocol::Secret;

use crate::exit::{Failure, Reason};

/// Reads the password in `path`: one line of UTF-8, without its line end. A file that others may read is refused; a
/// pipe or a descriptor (`/dev/fd/N`) is not checked.
///
/// # Errors
/// [`Reason::Usage`] says what is wrong with the file, but never what is in it.
pub(crate) fn read(path: &Path) -> Result<Secret, Failure> {
    let refused = |why: String| {
        Failure::new(Reason::Usage, format!("The password file {} cannot be used: {why}", path.display()))
    };
    let file = File::open(path).map_err(|error| refused(error.to_string()))?;
    if let Some(mode) = exposed(&file) {
        let what_helps = if has_rights(path) {
            format!("others may use it (mode {mode:03o}). Run: chmod 600 {}", path.display())
        } else {
            format!("others may use it, and its disk keeps no access rights (FAT, exFAT): {NO_RIGHTS}.")
        };
        return Err(refused(what_helps));
    }
    let mut bytes = Vec::new();
    let most = limits::PASSWORD_FILE_BYTES_MAX as u64;
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| refused(error.to_string()))?;
    password(&bytes).map(|text| Secret(text.to_owned())).map_err(|why| refused(why.into()))
}

/// Returns the password in the bytes of a file.
fn password(bytes: &[u8]) -> Result<&str, &'static str> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err("it is UTF-16. Save it as UTF-8.");
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8.")?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    match () {
        () if bytes.len() > limits::PASSWORD_FILE_BYTES_MAX => Err("it is longer than any password."),
        () if line.chars().any(char::is_control) => {
            Err("it has more than one line, or characters that are not text.")
        }
        () if line.is_empty() => Err("it is empty."),
        () => Ok(line),
    }
}

/// Returns whether the file's disk stores access rights, so that they can be revoked; `true` where this is unknown.
fn has_rights(path: &Path) -> bool {
    let file = path.canonicalize().ok();
    file.as_deref().and_then(Path::parent).is_none_or(keeps_rights)
}

/// Returns the permission bits of a regular file that the group or others may use.
#[cfg(unix)]
fn exposed(file: &File) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;

    let found = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let mode = found.mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

/// On Windows the access list of the folder decides.
#[cfg(not(unix))]
fn exposed(_: &File) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_one_line_without_its_end() {
        for bytes in
            [&b"correct horse"[..], b"correct horse\n", b"correct horse\r\n", b"\xef\xbb\xbfcorrect horse\n"]
        {
            assert_eq!(password(bytes), Ok("correct horse"));
        }
        assert_eq!(password(b" two  blanks "), Ok(" two  blanks "), "blanks are part of it");
        let long = vec![b'x'; limits::PASSWORD_FILE_BYTES_MAX + 1];
        for bad in [&b""[..], b"\n", b"one\ntwo\n", b"\xff\xfeo\0n\0e\0", b"\xff", b"o\0n", &long] {
            assert!(password(bad).is_err(), "{bad:?}");
        }
    }
}
