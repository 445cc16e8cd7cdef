//! Manual pages and completions, made from the programs' own flags.

use std::fs;
use std::path::Path;

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

/// The manual section for programs that people run.
const USER_COMMANDS: &str = "1";
/// The manual section for programs that the system runs.
const DAEMONS: &str = "8";

/// The shells that get completions, and the folder of each.
const SHELLS: [(Shell, &str); 3] = [(Shell::Bash, "bash"), (Shell::Zsh, "zsh"), (Shell::Fish, "fish")];

/// Writes manual pages and completions of both programs into folders of `out`.
pub(crate) fn write(out: &Path) -> anyhow::Result<()> {
    for (program, section) in
        [(lanchat::Cli::command(), USER_COMMANDS), (lanchat_server::Cli::command(), DAEMONS)]
    {
        write_completions(&program, out)?;
        write_manual(program, section, out)?;
    }
    Ok(())
}

fn folder(out: &Path, name: &str) -> anyhow::Result<std::path::PathBuf> {
    let folder = out.join(name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Writes completions, under the names that the shells look for.
fn write_completions(program: &Command, out: &Path) -> anyhow::Result<()> {
    let name = program.get_name();
    for (shell, folder_name) in SHELLS {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut program.clone(), name, &mut text);
        let file = match shell {
            Shell::Zsh => format!("_{name}"),
            Shell::Fish => format!("{name}.fish"),
            _ => name.to_owned(),
        };
        let path = folder(out, folder_name)?.join(file);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Writes one page for the program and one for each of its commands, all in one section.
fn write_manual(program: Command, section: &str, out: &Path) -> anyhow::Result<()> {
    let source = format!("lanchat {}", env!("CARGO_PKG_VERSION"));
    let folder = folder(out, "man")?;
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let mut waiting = vec![program];
    while let Some(command) = waiting.pop() {
        waiting.extend(command.get_subcommands().filter(|command| !command.is_hide_set()).cloned());
        let page = Man::new(command).section(section).source(&source).manual("lanchat");
        page.generate_to(&folder).with_context(|| format!("cannot write into {}", folder.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_of_both_programs_is_in_its_page_and_its_completions() {
        let out = tempfile::tempdir().unwrap();
        write(out.path()).unwrap();
        let read = |path: &str| fs::read_to_string(out.path().join(path)).unwrap();
        for (program, page) in
            [(lanchat::Cli::command(), "lanchat.1"), (lanchat_server::Cli::command(), "lanchatd.8")]
        {
            let name = program.get_name();
            let page = read(&format!("man/{page}")).replace('\\', "");
            let shells =
                ["bash/NAME", "zsh/_NAME", "fish/NAME.fish"].map(|path| read(&path.replace("NAME", name)));
            let flags: Vec<&str> = program.get_arguments().filter_map(|flag| flag.get_long()).collect();
            assert!(flags.len() > 4);
            for flag in flags {
                assert!(page.contains(&format!("--{flag}")), "{name}: --{flag} is not in the page");
                for text in &shells {
                    assert!(text.contains(flag), "{name}: --{flag} is not completed");
                }
            }
        }
    }

    #[test]
    fn every_page_that_a_page_names_is_there() {
        let out = tempfile::tempdir().unwrap();
        write(out.path()).unwrap();
        let pages: Vec<String> = fs::read_dir(out.path().join("man"))
            .unwrap()
            .map(|page| page.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(pages.contains(&"lanchat-trust-reset.1".to_owned()), "{pages:?}");
        for page in &pages {
            let text = fs::read_to_string(out.path().join("man").join(page)).unwrap().replace('\\', "");
            let (_, section) = page.rsplit_once('.').unwrap();
            for line in text.lines().filter(|line| line.ends_with(&format!("({section})"))) {
                let named = line.trim_end_matches(')').replace('(', ".");
                assert!(pages.contains(&named), "{page} names {named}");
            }
            assert!(!text.contains("(1)") || section == "1", "{page} names a page of another section");
        }
    }
}
