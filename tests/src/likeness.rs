//! Which values of a frame differ in each session, and whether a frame still says what one of an earlier session said.

use std::collections::BTreeMap;
use std::mem::discriminant;

use serde_json::Value;

/// Fields that differ in each session. A `head` in the news of a room may be from before its first entry.
const VARIABLE: [&str; 9] =
    ["server_id", "software", "token", "epoch", "ts", "since", "last_seen", "admin", "head"];
/// Fields that depend on whether somebody who has just gone is counted.
const COUNTED: [&str; 2] = ["online", "connected"];

/// Returns a frame with a placeholder for each value that differs each time.
pub fn fixed(frame: &Value) -> Value {
    match frame {
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                let is_variable = VARIABLE.contains(&name.as_str());
                (name.clone(), if is_variable { "…".into() } else { fixed(value) })
            };
            Value::Object(fields.iter().map(field).collect())
        }
        Value::Array(items) => items.iter().map(fixed).collect(),
        other => other.clone(),
    }
}

/// Returns the paths of the fields of `earlier` that `now` lacks or has changed. Values that differ each time must be
/// of the same kind, any sentence for people will do, and `now` may say more.
pub fn lacking(earlier: &Value, now: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", earlier, now, &mut found);
    found
}

fn compare(path: &str, earlier: &Value, now: &Value, found: &mut Vec<String>) {
    match (earlier, now) {
        (Value::Object(fields), Value::Object(_)) => {
            let is_refusal = earlier["type"] == "error";
            for (name, value) in fields {
                let path = format!("{path}.{name}");
                let is_any = VARIABLE.contains(&name.as_str())
                    || COUNTED.contains(&name.as_str())
                    || is_refusal && name == "reason";
                match now.get(name) {
                    Some(now) if is_any && discriminant(value) == discriminant(now) => {}
                    Some(now) if !is_any => compare(&path, value, now, found),
                    now => found.push(format!("{path} was {value} and is {now:?}")),
                }
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() <= others.len() => {
            let pairs = items.iter().zip(others).enumerate();
            pairs.for_each(|(at, (item, other))| compare(&format!("{path}[{at}]"), item, other, found));
        }
        _ if earlier == now => {}
        _ => found.push(format!("{path} was {earlier} and is {now}")),
    }
}

/// This session's values for the tokens and the epoch of another session.
#[derive(Debug, Default)]
pub struct Meanings(BTreeMap<String, String>);

impl Meanings {
    /// Maps the first token and the first epoch of `theirs` to those of `ours`.
    pub fn learn(&mut self, theirs: &[Value], ours: &[Value]) {
        for name in ["token", "epoch"] {
            let meant = |frame: &Value| frame[name].as_str().map(str::to_owned);
            self.0.extend(theirs.iter().find_map(meant).zip(ours.iter().find_map(meant)));
        }
    }

    /// Returns a line of the other session, as it has to be sent in this one.
    pub fn here(&self, line: &str) -> String {
        self.0.iter().fold(line.to_owned(), |line, (theirs, ours)| line.replace(theirs, ours))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn more_is_no_lack_and_another_value_is_one() {
        let earlier =
            json!({"type": "whois", "ts": "then", "state": "away", "rooms": [{"room": "lobby", "mark": 1}]});
        let more = json!({"type": "whois", "ts": "now", "state": "away", "rooms": [{"room": "lobby", "mark": 1, "kept": 2}], "x": 1});
        assert_eq!(lacking(&earlier, &more), [""; 0]);
        for (path, value) in [
            ("/ts", json!(7)),
            ("/state", json!("online")),
            ("/rooms/0/mark", json!(2)),
            ("/rooms", json!([])),
        ] {
            let mut other = more.clone();
            *other.pointer_mut(path).expect("it is there") = value;
            assert_eq!(lacking(&earlier, &other).len(), 1, "{path}");
        }
        assert_eq!(lacking(&earlier, &json!({"type": "whois", "ts": "now", "state": "away"})).len(), 1);
    }
}
