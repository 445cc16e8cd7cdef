//! Floods a link with multicast DNS, as fast as one core can: `mdns-flood KIND SECONDS ADDRESS`, where the address is
//! that of the interface to send from, and the kind one of a, aaaa, srv, txt, nsec, ptr, advert and query.

use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    use std::time::Duration;

    use lanchat_tests::mdns_flood::{Flood, FloodKind};

    let words: Vec<String> = std::env::args().skip(1).collect();
    let [kind, seconds, address] = &words[..] else { return ExitCode::from(2) };
    let (Some(kind), Ok(seconds), Ok(address)) = (FloodKind::parse(kind), seconds.parse(), address.parse())
    else {
        return ExitCode::from(2);
    };
    // If the test is killed, our stdin closes. Nothing else would end this process.
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(1);
    });
    match Flood::new(kind).send(address, Duration::from_secs(seconds)) {
        Ok(bytes) => lanchat_tests::report(&format!("{bytes} bytes")),
        Err(_) => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

#[cfg(not(unix))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}
