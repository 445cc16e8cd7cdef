//! A client of a ledger run, as a process that can be killed: `ledger-client NAME SERVER FOLDER PART [ROOM=SEQ …]`.

use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    use lanchat_tests::ledger::client::{Client, Part};

    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, server, folder, part @ ..] = &words[..] else { return ExitCode::from(2) };
    let (Ok(server), Some(part)) = (server.parse(), Part::parse(part)) else { return ExitCode::from(2) };
    // If the test is killed, our stdin closes. Nothing else would end this process.
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(1);
    });
    match Client::new(name, server, folder.as_ref()).play(&part) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

#[cfg(not(unix))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}
