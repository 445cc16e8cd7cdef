//! Lists servers without a choice to make.

#[cfg(feature = "host")]
use std::collections::BTreeSet;

use lanchat_client::{Home, HomeError, Pins, Server};
#[cfg(feature = "host")]
use lanchat_model::ServerId;
use lanchat_model::limits;

use super::{Around, Found, look_around, nobody};
use crate::exit::Failure;
use crate::sanitize::quoted;
use crate::trust::{print, say};
use crate::view::clip;

/// Runs `lanchat discover`.
///
/// # Errors
/// [`Reason::NoServer`](crate::exit::Reason::NoServer) when there is none.
pub(crate) async fn list(home: &Home, json: bool) -> Result<(), Failure> {
    let Around { found, others, knows_any, .. } = look_around(home, false).await?;
    if found.is_empty() {
        return Err(nobody(home, knows_any, &others)?);
    }
    if !json {
        others.iter().try_for_each(|other| say(other))?;
    }
    for found in found {
        if json {
            let object = serde_json::json!({
                "server_id": found.id.to_string(),
                "name": found.raw_name,
                "address": found.address,
                "online": found.online,
                "known": found.known,
                "namesake": found.namesake,
            });
            print(&crate::sanitize::json(&object.to_string()))?;
        } else {
            say(&found.line())?;
        }
    }
    Ok(())
}

/// Returns what `/servers` shows: the known servers, and the new ones that are here now. Takes as long as a search
/// does.
pub(crate) async fn all_servers(home: &Home) -> Vec<String> {
    match servers_and_pins(home) {
        Ok((servers, pins)) => {
            let around = look_around(home, false).await;
            let found = around.map(|around| around.found).unwrap_or_default();
            list_all(&servers, &pins, &found)
        }
        Err(error) => vec![error.to_string()],
    }
}

fn servers_and_pins(home: &Home) -> Result<(Vec<Server>, Pins), HomeError> {
    Ok((home.servers()?, home.pins()?))
}

fn list_all(servers: &[Server], pins: &Pins, found: &[Found]) -> Vec<String> {
    let line = |server: &Server| {
        let here = found.iter().find(|found| found.known && found.id == server.id);
        let verified = pins.get(server.id).is_some_and(|pin| pin.verified);
        let account = server.account.as_deref().map(|name| format!(" as {}", clip(name))).unwrap_or_default();
        let address = here.map(|here| here.address.as_str()).or(server.addresses.first().map(String::as_str));
        format!(
            "  {:<28} {}{account}; {}; {}",
            address.map(clip).unwrap_or_default(),
            quoted(&clip(&server.name)),
            if verified { "key verified" } else { "key not verified" },
            if here.is_some() { "here" } else { "does not answer" },
        )
    };
    let mut lines = Vec::new();
    if servers.is_empty() {
        lines.push("You know no server yet.".to_owned());
    } else {
        lines.push("Servers that you know (lanchat --server ADDRESS connects):".to_owned());
        lines.extend(servers.iter().take(limits::REMEMBERED_SERVERS_MAX).map(line));
    }
    let new: Vec<&Found> = found.iter().filter(|found| !found.known).collect();
    if !new.is_empty() {
        lines.push("New on this network:".to_owned());
        lines.extend(new.iter().take(limits::SERVERS_LISTED_MAX).map(|found| format!("  {}", found.line())));
    }
    lines
}

/// Returns what to tell the host about other servers here, each once. `told` holds those that the host knows of: its
/// own, and at most `limits::HOSTS_TOLD_MAX` others.
#[cfg(feature = "host")]
pub(crate) async fn beside(home: &Home, told: &mut BTreeSet<ServerId>) -> Result<Vec<String>, Failure> {
    let around = look_around(home, false).await?;
    let mut lines = Vec::new();
    for found in &around.found {
        if told.len() <= limits::HOSTS_TOLD_MAX && told.insert(found.id) {
            lines.push(format!(
                "Another server is on this network: {} at {}, {} online. People may end up on either; /quit here if \
                 you want to be together there.",
                quoted(&found.name),
                found.address,
                found.online
            ));
        }
    }
    Ok(lines)
}
