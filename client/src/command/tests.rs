//! Tests how typed lines are parsed.

use super::*;

fn command(line: &str) -> SlashCommand {
    match parse(line).unwrap() {
        Input::Command(command) => command,
        other => panic!("{line} is {other:?}"),
    }
}

#[test]
fn text_is_said_and_two_slashes_say_one() {
    assert_eq!(parse("hi there"), Ok(Input::Say("hi there".into())));
    assert_eq!(parse("//etc"), Ok(Input::Say("/etc".into())));
    assert_eq!(parse("  \t"), Ok(Input::Blank));
    assert_eq!(parse("one\n/quit"), Ok(Input::Say("one\n/quit".into())));
    assert_eq!(parse("  two\n  indented"), Ok(Input::Say("  two\n  indented".into())));
    assert_eq!(parse("\u{feff}"), Ok(Input::Blank));
}

#[test]
fn a_login_is_never_said_whatever_stands_before_it() {
    for before in [" ", "\t", "\u{feff}", "\u{a0}", "\u{feff}\u{200b}"] {
        assert_eq!(
            command(&format!("{before}/login ana s3cret")),
            command("/login ana s3cret"),
            "{before:?}"
        );
    }
    for line in
        ["／login ana s3cret", "\"/login ana s3cret\"", "hi\n/login ana s3cret", "/me x\n ／passwd a b"]
    {
        assert!(parse(line).unwrap_err().contains(" sent."), "{line}");
    }
}

#[test]
fn commands_have_aliases_and_arguments() {
    assert_eq!(command("/names dev"), SlashCommand::Who(Some("dev".into())));
    assert_eq!(command("/EXIT"), SlashCommand::Quit);
    assert_eq!(command("/part"), SlashCommand::Leave(None));
    assert_eq!(command("/dm @bob  hello  you"), command("/msg bob hello  you"));
    assert_eq!(command("/msg bob"), SlashCommand::Message { to: "bob".into(), text: None });
    assert_eq!(command("/history 5"), SlashCommand::History(Some(5)));
    let seq = Seq::try_from(42).unwrap();
    assert_eq!(command("/show 42"), SlashCommand::Show { room: None, seq });
    assert_eq!(command("/show @bob 42"), SlashCommand::Show { room: Some("@bob".into()), seq });
    assert_eq!(command("/trust verify"), SlashCommand::Trust(Some("verify".into())));
    assert_eq!(command("/away lunch time"), SlashCommand::Away(Some("lunch time".into())));
    assert_eq!(
        command("/login ana two words"),
        SlashCommand::Login { name: Some("ana".into()), password: Some(Secret("two words".into())) }
    );
    assert_eq!(command("/passwd a b"), SlashCommand::Passwd(Some((Secret("a".into()), Secret("b".into())))));
}

#[test]
fn every_command_of_the_table_can_be_typed() {
    for entry in &TABLE {
        for name in std::iter::once(&entry.name).chain(entry.aliases) {
            let arguments = match entry.name {
                "history" | "show" => "7",
                "passwd" => "x 7",
                _ => "x",
            };
            let line = format!("/{name} {arguments}");
            assert!(parse(&line).is_ok(), "{line}");
            assert!(help_for(name).unwrap()[0].starts_with("Usage: /"));
        }
    }
}

#[test]
fn a_near_miss_is_suggested() {
    assert!(parse("/jion dev").unwrap_err().contains("Did you mean /join?"));
    assert!(parse("/whoos").unwrap_err().contains("Did you mean /who"));
    assert!(parse("/hist 5").unwrap_err().contains("Did you mean /history?"));
    assert!(!parse("/xyzzy").unwrap_err().contains("Did you mean"));
    assert!(parse("/").unwrap_err().contains("//"));
}

#[test]
fn a_room_that_cannot_be_is_named_with_one_that_can() {
    assert!(parse("/join a b").unwrap_err().ends_with("Did you mean /join a-b?"));
    assert!(parse("/join Tea Room").unwrap_err().ends_with("Did you mean /join tea-room?"));
    for bad in ["/join käse".to_owned(), format!("/join {}", "x".repeat(33))] {
        assert!(parse(&bad).unwrap_err().starts_with("Room names use a to z, digits"), "{bad}");
    }
    for good in ["/join #Dev", "/join @bob", "/join \"dev\""] {
        assert!(parse(good).is_ok(), "{good}");
    }
}

#[test]
fn numbers_are_asked_for_with_an_example() {
    for huge in ["1000000", "99999999999999999999999"] {
        let SlashCommand::History(Some(count)) = command(&format!("/history {huge}")) else {
            panic!("{huge}")
        };
        assert!(count >= 1_000_000);
    }
    for bad in ["0", "-5", "many", "5 6"] {
        let words = parse(&format!("/history {bad}")).unwrap_err();
        assert_eq!(words, "/history takes a number from 1 up, for example /history 50", "{bad}");
    }
    for bad in ["", " 0", " lobby", " lobby x", " 9007199254740992"] {
        assert!(parse(&format!("/show{bad}")).unwrap_err().contains("/show [ROOM] NUMBER"), "{bad}");
    }
}

#[test]
fn an_empty_name_is_said_to_be_empty() {
    assert_eq!(parse("/msg").unwrap_err(), "A name is missing. Usage: /msg NAME [TEXT]");
    for line in ["/join \"\"", "/msg \"\" hi", "/register \"\" secret"] {
        assert!(parse(line).unwrap_err().starts_with("A name cannot be empty."), "{line}");
    }
}

#[test]
fn passwords_are_not_shown_by_debug() {
    let shown = format!("{:?} {:?}", command("/login ana canary"), command("/passwd canary canary"));
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn commands_that_may_carry_a_password_are_known() {
    assert_eq!(secretive("/login ana x"), Some("login"));
    assert_eq!(secretive("/password"), Some("passwd"));
    assert_eq!(secretive("/join x"), None);
    assert_eq!(secretive("login ana x"), None);
    assert_eq!(secretive("\u{feff} /login ana x"), Some("login"));
    assert_eq!(secretive("／ｌｏｇｉｎ　ana"), Some("login"));
}

/// A name that two rows share would reach only the first of them.
#[test]
fn a_command_is_called_by_names_of_its_own() {
    let mut seen = std::collections::BTreeSet::new();
    for name in TABLE.iter().flat_map(Row::called) {
        assert!(seen.insert(name), "/{name} stands in two rows");
        assert_eq!(name, name.to_lowercase(), "it could not be called");
    }
}

#[test]
fn every_command_says_what_it_does() {
    let silent: Vec<&str> = TABLE.iter().filter(|row| row.help.is_empty()).map(|row| row.name).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

/// What a row hides from the screen and the history is exactly what its parser takes as secret.
#[test]
fn what_is_read_as_a_password_is_never_an_open_word() {
    for row in &TABLE {
        let words = ["one", "two"];
        let line = format!("/{} {}", row.name, words.join(" "));
        let secrets = match parse(&line) {
            Ok(Input::Command(
                SlashCommand::Register { password, .. } | SlashCommand::Login { password, .. },
            )) => password.into_iter().collect(),
            Ok(Input::Command(SlashCommand::Passwd(Some((old, new))))) => vec![old, new],
            _ => Vec::new(),
        };
        let open = row.open_words.unwrap_or(usize::MAX);
        let hidden = words.iter().skip(open.saturating_sub(1)).map(|word| Secret((*word).to_owned()));
        assert_eq!(secrets, hidden.collect::<Vec<_>>(), "{line}");
    }
}
