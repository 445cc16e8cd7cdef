//! Values: their defaults, and how each is parsed. Errors say what would be valid.

use lanchat_model::limits;

use crate::listen::Listen;

/// Returns the name of the host, without its domain.
pub(super) fn default_name() -> String {
    let host = hostname::get().ok().and_then(|host| host.into_string().ok()).unwrap_or_default();
    let first = host.split('.').next().unwrap_or_default();
    parse_name(first).unwrap_or_else(|_| "lanchat".into())
}

fn one(texts: &[String]) -> Result<&str, String> {
    match texts {
        [text] => Ok(text),
        _ => Err(format!("give one value, not {}", texts.len())),
    }
}

fn parse_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() {
        return Err("a name cannot be empty".into());
    }
    if name.len() > limits::SERVER_NAME_BYTES_MAX {
        return Err(format!("a name has at most {} bytes", limits::SERVER_NAME_BYTES_MAX));
    }
    if name.chars().any(char::is_control) {
        return Err("a name cannot hold control characters".into());
    }
    Ok(name.to_owned())
}

/// Parses where to listen: URIs or `ADDR:PORT`, one or more.
pub(super) fn listen(texts: &[String]) -> Result<Vec<Listen>, String> {
    let listen = |text: &String| text.parse::<Listen>().map_err(|bad| bad.to_string());
    match texts {
        [] => Err("give at least one ADDR:PORT, for example [::]:7072".into()),
        texts => texts.iter().map(listen).collect(),
    }
}

/// Parses a number of sessions.
pub(super) fn clients(texts: &[String]) -> Result<usize, String> {
    let text = one(texts)?;
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("`{text}` is not a number from 1 up, for example 500")),
    }
}

/// Parses one of two words: the first one means `true`.
pub(super) fn choice(texts: &[String], [yes, no]: [&str; 2]) -> Result<bool, String> {
    match one(texts)? {
        text if text == yes => Ok(true),
        text if text == no => Ok(false),
        text => Err(format!("`{text}` is neither {yes} nor {no}")),
    }
}

/// Parses a server name: one line, at most `limits::SERVER_NAME_BYTES_MAX`.
pub(super) fn name(texts: &[String]) -> Result<String, String> {
    parse_name(one(texts)?)
}
