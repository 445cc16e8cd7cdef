//! `docs/PROTOCOL.md` and the code say the same: frames, fields, error codes, limits, sections and examples.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use lanchat_model::limits;
use lanchat_protocol::{ClientFrame, ErrorCode, ServerFrame, Severity};

/// Per frame or object, such as `hello (server)`: its fields, and whether each is always given.
type Shapes = BTreeMap<String, BTreeMap<String, bool>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn document() -> String {
    fs::read_to_string(root().join("docs/PROTOCOL.md")).unwrap()
}

/// Returns the frames of a `…_frames! { … }` block and the public structs of a file of the protocol crate.
fn shapes_of_source(file: &str, side: &str) -> Shapes {
    let source = fs::read_to_string(root().join("protocol/src").join(file)).unwrap();
    let mut shapes = Shapes::new();
    let mut current: Option<String> = None;
    let (mut optional, mut flat) = (false, false);
    for line in
        source.lines().skip_while(|line| !line.ends_with("_frames! {") || line.contains("macro_rules"))
    {
        let line = line.trim();
        if let Some(kind) = line.strip_prefix('"').and_then(|rest| rest.split('"').next()) {
            let name = format!("{kind} ({side})");
            shapes.insert(name.clone(), BTreeMap::new());
            current = (!line.ends_with("{}")).then_some(name);
        } else if let Some(name) = line.strip_prefix("pub struct ").and_then(|rest| rest.strip_suffix(" {")) {
            let name = format!("{name} (object)");
            shapes.insert(name.clone(), BTreeMap::new());
            current = Some(name);
        } else if line == "}" {
            current = None;
        } else if line.starts_with("#[serde(") {
            optional |= line.starts_with("#[serde(default");
            flat |= line == "#[serde(flatten)]";
        } else if let (Some(shape), Some((field, kind))) =
            (&current, line.strip_suffix(',').and_then(|line| line.split_once(": ")))
            && !line.starts_with("//")
        {
            let field =
                if flat { format!("all of {kind}") } else { field.trim_start_matches("pub ").to_owned() };
            shapes.get_mut(shape).unwrap().insert(field, !optional);
            (optional, flat) = (false, false);
        }
    }
    shapes
}

/// Returns the tables under headings such as "### `hello` (server)".
fn shapes_of_document() -> Shapes {
    let mut shapes = Shapes::new();
    let mut current: Option<String> = None;
    for line in document().lines() {
        if line.starts_with('#') {
            let name = line.strip_prefix("### `").map(|heading| heading.replacen('`', "", 1));
            if let Some(name) = &name {
                assert!(shapes.insert(name.clone(), BTreeMap::new()).is_none(), "{name} stands twice");
            }
            current = name;
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let (Some(shape), [_, field, _, given, ..]) = (&current, &cells[..])
            && field.contains('`')
            && !field.is_empty()
        {
            let Some(always) =
                BTreeMap::from([("always", true), ("may be absent", false)]).get(given).copied()
            else {
                continue;
            };
            shapes.get_mut(shape).unwrap().insert(field.replace('`', ""), always);
        }
    }
    shapes
}

#[test]
fn every_frame_and_field_of_the_code_is_in_the_document_and_the_other_way_round() {
    let mut code = shapes_of_source("client_frame.rs", "client");
    code.extend(shapes_of_source("server_frame.rs", "server"));
    assert!(code.len() > 40, "the frames of the code were not found: {code:?}");
    let document = shapes_of_document();
    let names = |shapes: &Shapes| shapes.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&document), names(&code));
    for (name, fields) in &code {
        assert_eq!(&document[name], fields, "fields of {name}, and whether each is always given");
    }
}

#[test]
fn every_error_code_is_in_the_document_with_its_severity_and_the_other_way_round() {
    let severity = |severity| match severity {
        Severity::Rejected => "rejected",
        Severity::Violation => "violation",
        Severity::Fault => "fault",
    };
    let code: BTreeMap<String, String> = ErrorCode::ALL
        .iter()
        .map(|code| (code.as_str().to_owned(), severity(code.severity()).to_owned()))
        .collect();
    let document = document();
    let rows = document.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let severity = *cells.get(2)?;
        ["rejected", "violation", "fault"]
            .contains(&severity)
            .then(|| (cells[1].trim_matches('`').to_owned(), severity.to_owned()))
    });
    assert_eq!(rows.collect::<BTreeMap<_, _>>(), code);
}

#[test]
fn errors_that_a_request_names_exist() {
    let document = document();
    let known: BTreeSet<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    let mut named = 0;
    for list in document.split("Errors:").skip(1) {
        let list = list.split("\n\n").next().unwrap();
        for code in list.split('`').skip(1).step_by(2) {
            assert!(known.contains(code), "no such error code: {code}");
            named += 1;
        }
    }
    assert!(named > 30, "the lists of errors were not found");
}

#[test]
fn limits_in_the_document_are_those_of_the_code() {
    let rows: [(&str, u64); 30] = [
        ("A line from a client before login, newline included", limits::FRAME_BYTES_BEFORE_LOGIN_MAX as u64),
        ("A line from a client after login, newline included", limits::FRAME_BYTES_MAX as u64),
        ("A line from a server, newline included", limits::SERVER_FRAME_BYTES_MAX as u64),
        ("Objects and arrays inside each other", limits::JSON_DEPTH_MAX as u64),
        ("Values in one frame, names of fields not counted", limits::JSON_VALUES_MAX as u64),
        ("The `id` of a request", limits::REQUEST_ID_BYTES_MAX as u64),
        ("The text of a message", limits::MESSAGE_BYTES_MAX as u64),
        ("A reason for being away", limits::AWAY_REASON_BYTES_MAX as u64),
        ("An account or room name", limits::NAME_CHARS_MAX as u64),
        ("A display name", limits::DISPLAY_NAME_CHARS_MAX as u64),
        ("The label of a device", limits::DEVICE_LABEL_BYTES_MAX as u64),
        ("A server name", limits::SERVER_NAME_BYTES_MAX as u64),
        ("A device token", limits::TOKEN_BYTES_MAX as u64),
        ("An epoch", limits::EPOCH_BYTES_MAX as u64),
        ("A sentence for people (`reason`)", limits::SENTENCE_BYTES_MAX as u64),
        ("`software`", limits::SOFTWARE_BYTES_MAX as u64),
        ("A password, at least", limits::PASSWORD_BYTES_MIN as u64),
        ("A password, at most", limits::PASSWORD_BYTES_MAX as u64),
        ("Posts of one session without an answer", limits::UNACKED_PER_SESSION_MAX as u64),
        ("Cursors in one `attach`", limits::CURSORS_MAX as u64),
        ("Group rooms of one account", limits::GROUPS_PER_ACCOUNT_MAX as u64),
        ("Private chats of one account", limits::PRIVATE_CHATS_PER_ACCOUNT_MAX as u64),
        ("Group rooms of a server that somebody is in", limits::ROOMS_MAX as u64),
        ("Entries in one `history`", limits::HISTORY_PAGE_MAX as u64),
        ("Names in one `members`", limits::MEMBERS_PAGE_MAX as u64),
        ("The largest `tail`", limits::JOIN_TAIL_MAX),
        ("Sessions of one account at once", limits::SESSIONS_PER_ACCOUNT_MAX as u64),
        ("Devices of one account", limits::DEVICES_PER_ACCOUNT_MAX as u64),
        ("Seconds from connecting to a login", limits::LOGIN_MAX.as_secs()),
        ("Requests of a connection before it has logged in", limits::REQUESTS_BEFORE_LOGIN_MAX.into()),
    ];
    let document = document();
    for (name, value) in rows {
        let row = format!("\n| {name} | {value}");
        let found = document.find(&row).unwrap_or_else(|| panic!("missing or different:{row}"));
        let next = document[found + row.len()..].chars().next();
        assert_eq!(next, Some(' '), "a longer number stands behind:{row}");
    }
}

/// Decodes, encodes and compares: a misspelt field in an example is lost on the way, and found here.
fn survives(frame: serde_json::Value, line: &str) {
    let shown: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(frame, shown, "{line}");
}

#[test]
fn every_example_is_a_frame_and_every_frame_has_an_example() {
    let document = document();
    let mut shown = BTreeSet::new();
    for block in document.split("```transcript\n").skip(1) {
        for line in block.split("```").next().unwrap().lines() {
            let (side, json) = line.split_once(": ").unwrap();
            match side {
                "C" => {
                    let frame =
                        ClientFrame::decode(json.as_bytes()).unwrap_or_else(|e| panic!("{e}: {line}"));
                    shown.insert(format!("{} (client)", frame.kind()));
                    survives(serde_json::to_value(&frame).unwrap(), json);
                }
                "S" => {
                    let frame =
                        ServerFrame::decode(json.as_bytes()).unwrap_or_else(|e| panic!("{e}: {line}"));
                    let frame = frame.unwrap_or_else(|| panic!("no such frame: {line}"));
                    shown.insert(format!("{} (server)", frame.kind()));
                    survives(serde_json::to_value(&frame).unwrap(), json);
                }
                other => panic!("neither C nor S: {other}"),
            }
        }
    }
    let frames = shapes_of_document().into_keys().filter(|name| !name.ends_with("(object)"));
    assert_eq!(frames.collect::<BTreeSet<_>>().difference(&shown).count(), 0, "shown: {shown:?}");
}

#[test]
fn every_section_that_the_code_cites_is_there() {
    let document = document();
    let mut cited = 0;
    let mut folders =
        vec![root().join("protocol"), root().join("server"), root().join("client"), root().join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = fs::read_to_string(&path).unwrap();
                for rest in source.split("PROTOCOL §").skip(1) {
                    let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
                    let heading = format!("\n## §{number} ");
                    assert!(
                        number.is_empty() || document.contains(&heading),
                        "§{number} in {}",
                        path.display()
                    );
                    cited += 1;
                }
            }
        }
    }
    assert!(cited > 5, "no citation was found");
}
