//! The list of servers that were used, as a file: addresses, account and token of each. Nothing
//! here says whom to trust; that is the business of the pins.

use std::net::SocketAddr;
use std::path::Path;

use lanchat_certs::private_file;
use lanchat_model::{ServerId, limits};
use lanchat_protocol::Secret;
use serde::{Deserialize, Serialize};

use crate::error::HomeError;

/// The layout of the file that this program writes and reads.
const VERSION: u32 = 1;

/// A server that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its id.
    pub id: ServerId,
    /// What it called itself. A stranger's text.
    pub name: String,
    /// Where it was reached, as `HOST:PORT`, the latest first.
    pub addresses: Vec<String>,
    /// The account that a token is kept for.
    pub account: Option<String>,
}

/// An account, and the token that logs it in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    pub(crate) account: String,
    pub(crate) token: Secret,
}

/// The file: a list, the server used last first.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServersFile {
    version: u32,
    servers: Vec<Line>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    name: String,
    addresses: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    login: Option<Login>,
}

impl ServersFile {
    /// Reads the file; a missing one is an empty list.
    pub(crate) fn read(path: &Path) -> Result<Self, HomeError> {
        let Some(bytes) = private_file::read(path)? else {
            return Ok(Self { version: VERSION, servers: Vec::new() });
        };
        // serde quotes values in some messages, and a value here may be a token: only the place is
        // told.
        let damaged = |detail: String| HomeError::Damaged { path: path.to_owned(), detail };
        let file: Self = serde_json::from_slice(&bytes)
            .map_err(|error| damaged(format!("line {}, column {}", error.line(), error.column())))?;
        if file.version != VERSION {
            return Err(damaged(format!("its layout is {}, this program knows {VERSION}", file.version)));
        }
        if file.servers.len() > limits::REMEMBERED_SERVERS_MAX {
            return Err(damaged(format!("more than {} servers", limits::REMEMBERED_SERVERS_MAX)));
        }
        if file.servers.iter().any(|line| line.id.parse::<ServerId>().is_err()) {
            return Err(damaged("an id is none".to_owned()));
        }
        Ok(file)
    }

    /// Writes the file, whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> Result<(), HomeError> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| HomeError::Io {
            action: "encode",
            path: path.to_owned(),
            source: error.into(),
        })?;
        bytes.push(b'\n');
        Ok(private_file::write(path, &bytes)?)
    }

    /// The list as others see it: without tokens.
    pub(crate) fn into_list(self) -> Vec<Server> {
        let server = |line: Line| {
            let id = line.id.parse().ok()?;
            let account = line.login.map(|login| login.account);
            Some(Server { id, name: line.name, addresses: line.addresses, account })
        };
        self.servers.into_iter().filter_map(server).collect()
    }

    /// The account and the token for a server.
    pub(crate) fn login(&self, id: ServerId) -> Option<Login> {
        self.servers.iter().find(|line| line.id == id.to_string())?.login.clone()
    }

    /// Puts a server first, under this name, with these addresses first.
    pub(crate) fn remember(&mut self, id: ServerId, name: &str, address: SocketAddr, typed: Option<&str>) {
        let line = self.line(id);
        line.name = name[..name.floor_char_boundary(limits::SERVER_NAME_BYTES_MAX)].to_owned();
        let typed = typed.filter(|text| text.len() <= limits::REMEMBERED_ADDRESS_BYTES_MAX);
        for text in typed.map(str::to_owned).into_iter().chain([address.to_string()]) {
            line.addresses.retain(|known| *known != text);
            line.addresses.insert(0, text);
        }
        line.addresses.truncate(limits::REMEMBERED_ADDRESSES_MAX);
    }

    /// Sets the account and the token for a server.
    pub(crate) fn set_login(&mut self, id: ServerId, login: Login) {
        self.line(id).login = Some(login);
    }

    /// Forgets the account and the token for a server, if it is this token.
    pub(crate) fn clear_login(&mut self, id: ServerId, token: &Secret) {
        let line = self.line(id);
        if line.login.as_ref().is_some_and(|login| login.token == *token) {
            line.login = None;
        }
    }

    /// Forgets a server. `false`: it was not in the list.
    pub(crate) fn remove(&mut self, id: ServerId) -> bool {
        let before = self.servers.len();
        self.servers.retain(|line| line.id != id.to_string());
        self.servers.len() < before
    }

    /// The line of a server, moved to the front, made if there is none.
    fn line(&mut self, id: ServerId) -> &mut Line {
        let id = id.to_string();
        let line = match self.servers.iter().position(|line| line.id == id) {
            Some(at) => self.servers.remove(at),
            None => Line { id, name: String::new(), addresses: Vec::new(), login: None },
        };
        self.servers.insert(0, line);
        self.servers.truncate(limits::REMEMBERED_SERVERS_MAX);
        &mut self.servers[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ServerId {
        ServerId::from_bytes([n; 16])
    }

    fn empty() -> ServersFile {
        ServersFile { version: VERSION, servers: Vec::new() }
    }

    #[test]
    fn the_latest_server_and_its_latest_address_come_first() {
        let mut file = empty();
        for port in 1..=20 {
            file.remember(id(1), "lab", SocketAddr::from(([192, 0, 2, 1], port)), None);
        }
        file.remember(id(2), "attic", SocketAddr::from(([192, 0, 2, 2], 7072)), Some("attic.local:7072"));
        file.remember(id(1), "lab", SocketAddr::from(([192, 0, 2, 1], 15)), None);
        let list = file.into_list();
        assert_eq!(list.iter().map(|server| server.id).collect::<Vec<_>>(), [id(1), id(2)]);
        assert_eq!(list[0].addresses.len(), limits::REMEMBERED_ADDRESSES_MAX);
        assert_eq!(list[0].addresses[0], "192.0.2.1:15");
        assert_eq!(list[1].addresses, ["192.0.2.2:7072", "attic.local:7072"]);
    }

    #[test]
    fn only_the_token_that_was_tried_is_forgotten() {
        let login = |token: &str| Login { account: "ana".to_owned(), token: Secret(token.to_owned()) };
        let mut file = empty();
        file.set_login(id(1), login("new"));
        file.clear_login(id(1), &Secret("old".to_owned()));
        assert_eq!(file.login(id(1)), Some(login("new")));
        file.clear_login(id(1), &Secret("new".to_owned()));
        assert_eq!(file.login(id(1)), None);
    }

    #[test]
    fn a_damaged_file_is_named_and_its_content_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("servers.json");
        for damage in
            ["", "{", "{\"version\":1,\"servers\":[{\"id\":\"canary\"}]}", "{\"version\":\"canary\"}"]
        {
            private_file::write(&path, damage.as_bytes()).unwrap();
            let error = ServersFile::read(&path).unwrap_err().to_string();
            assert!(error.contains("servers.json is damaged"), "{error}");
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
