//! The list of servers that were used, as a file: addresses, account and token of each. It does not say whom to trust;
//! the pins do.

use std::net::SocketAddr;
use std::path::Path;

use lanchat_certs::private_file;
use lanchat_model::{ServerId, limits};
use lanchat_protocol::Secret;
use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::error::HomeError;

/// The layout of the file that this program writes and reads.
const VERSION: u32 = 1;

/// A server that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its id.
    pub id: ServerId,
    /// The name it gave itself. A stranger's text.
    pub name: String,
    /// Where it was reached, as `HOST:PORT`, the latest first; then other places that a person typed.
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

/// The file: a list of servers, the last used first.
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
    /// Where it was reached, by any means. Adverts can fill it: it only says where to look.
    addresses: Vec<String>,
    /// What a person typed to reach it, the latest first. Learned addresses never push it out. `None` in files of older
    /// programs, which kept one list: all of it may have been typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    typed: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    login: Option<Login>,
}

impl ServersFile {
    /// Reads the file; a missing one is an empty list.
    pub(crate) fn read(path: &Path) -> Result<Self, HomeError> {
        let Some(bytes) = private_file::read(path)? else {
            return Ok(Self { version: VERSION, servers: Vec::new() });
        };
        // serde quotes values in some messages, and a value here may be a token: only the position is reported.
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
            return Err(damaged("it holds an id that is none".to_owned()));
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

    /// Returns the list as others see it, without tokens.
    pub(crate) fn into_list(self) -> Vec<Server> {
        let server = |line: Line| {
            let id = line.id.parse().ok()?;
            let mut addresses = line.addresses;
            for text in line.typed.unwrap_or_default() {
                if !addresses.contains(&text) {
                    addresses.push(text);
                }
            }
            let account = line.login.map(|login| login.account);
            Some(Server { id, name: line.name, addresses, account })
        };
        self.servers.into_iter().filter_map(server).collect()
    }

    /// Returns the account and the token for a server.
    pub(crate) fn login(&self, id: ServerId) -> Option<Login> {
        self.servers.iter().find(|line| line.id == id.to_string())?.login.clone()
    }

    /// Returns the server that a person typed this place for.
    pub(crate) fn typed_for(&self, place: &Endpoint) -> Option<ServerId> {
        let is_it = |text: &String| text.parse().is_ok_and(|known: Endpoint| known == *place);
        self.servers.iter().find(|line| line.typed().iter().any(is_it))?.id.parse().ok()
    }

    /// Returns the server that a place belongs to; `resolved`: the addresses that the place resolves to now. Typed
    /// places count for more than learned ones: another known server cannot take over a typed name by its address.
    pub(crate) fn at(&self, place: &Endpoint, resolved: &[SocketAddr]) -> Option<ServerId> {
        let stands_for = |text: &String| match text.parse() {
            Ok(Endpoint::Address(address)) => resolved.contains(&address),
            _ => false,
        };
        let is_it = |text: &String| text.parse().is_ok_and(|known: Endpoint| known == *place);
        // The latest server comes first: if an address was handed on, that server is there now.
        let first = |is_there: &dyn Fn(&Line) -> bool| self.servers.iter().find(|line| is_there(line));
        let found = first(&|line| line.typed().iter().any(stands_for))
            .or_else(|| first(&|line| line.addresses.iter().any(|text| is_it(text) || stands_for(text))));
        self.typed_for(place).or_else(|| found?.id.parse().ok())
    }

    /// Puts a server first, under this name, with these addresses first. `typed`: what a person gave, which belongs to
    /// this server alone from now on.
    pub(crate) fn remember(
        &mut self,
        id: ServerId,
        name: &str,
        address: SocketAddr,
        typed: Option<&Endpoint>,
    ) {
        let typed = typed.filter(|place| place.to_string().len() <= limits::REMEMBERED_ADDRESS_BYTES_MAX);
        if let Some(place) = typed {
            let others = self.servers.iter_mut().filter(|line| line.id != id.to_string());
            others.for_each(|line| line.drop_typed(place));
        }
        let line = self.line(id);
        // An older program's list is copied to the typed places before it changes.
        line.typed_mut();
        line.name = name[..name.floor_char_boundary(limits::SERVER_NAME_BYTES_MAX)].to_owned();
        let address = address.to_string();
        line.addresses.retain(|known| *known != address);
        line.addresses.insert(0, address);
        line.addresses.truncate(limits::REMEMBERED_ADDRESSES_MAX);
        if let Some(place) = typed {
            line.drop_typed(place);
            line.insert_typed(place);
        }
    }

    /// Sets the account and the token for a server.
    pub(crate) fn set_login(&mut self, id: ServerId, login: Login) {
        self.line(id).login = Some(login);
    }

    /// Forgets the account and the token for a server, if the token is this one.
    pub(crate) fn clear_login(&mut self, id: ServerId, token: &Secret) {
        if self.login(id).is_some_and(|login| login.token == *token) {
            self.forget_login(id);
        }
    }

    /// Forgets the account and the token for a server, whatever they are.
    pub(crate) fn forget_login(&mut self, id: ServerId) {
        let id = id.to_string();
        self.servers.iter_mut().filter(|line| line.id == id).for_each(|line| line.login = None);
    }

    /// Forgets a server. Returns `false` if it was not in the list.
    pub(crate) fn remove(&mut self, id: ServerId) -> bool {
        let before = self.servers.len();
        self.servers.retain(|line| line.id != id.to_string());
        self.servers.len() < before
    }

    /// Returns the line of a server, moved to the front; makes it if there is none.
    fn line(&mut self, id: ServerId) -> &mut Line {
        let id = id.to_string();
        let line = match self.servers.iter().position(|line| line.id == id) {
            Some(at) => self.servers.remove(at),
            None => {
                Line { id, name: String::new(), addresses: Vec::new(), typed: Some(Vec::new()), login: None }
            }
        };
        self.servers.insert(0, line);
        self.servers.truncate(limits::REMEMBERED_SERVERS_MAX);
        &mut self.servers[0]
    }
}

impl Line {
    fn typed(&self) -> &[String] {
        self.typed.as_deref().unwrap_or(&self.addresses)
    }

    fn typed_mut(&mut self) -> &mut Vec<String> {
        let addresses = &self.addresses;
        self.typed.get_or_insert_with(|| addresses.clone())
    }

    fn drop_typed(&mut self, place: &Endpoint) {
        self.typed_mut().retain(|text| text.parse().is_ok_and(|known: Endpoint| known != *place));
    }

    /// Puts a place first. When the list is full, the oldest address is dropped; a name is dropped only for another
    /// name, since people keep typing names, while addresses change.
    fn insert_typed(&mut self, place: &Endpoint) {
        let typed = self.typed_mut();
        typed.insert(0, place.to_string());
        while typed.len() > limits::REMEMBERED_TYPED_MAX {
            let is_address = |text: &String| matches!(text.parse(), Ok(Endpoint::Address(_)));
            typed.remove(typed.iter().rposition(is_address).unwrap_or(typed.len() - 1));
        }
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
        file.remember(
            id(2),
            "attic",
            SocketAddr::from(([192, 0, 2, 2], 7072)),
            Some(&"attic.local:7072".parse().unwrap()),
        );
        file.remember(id(1), "lab", SocketAddr::from(([192, 0, 2, 1], 15)), None);
        let list = file.into_list();
        assert_eq!(list.iter().map(|server| server.id).collect::<Vec<_>>(), [id(1), id(2)]);
        assert_eq!(list[0].addresses.len(), limits::REMEMBERED_ADDRESSES_MAX);
        assert_eq!(list[0].addresses[0], "192.0.2.1:15");
        assert_eq!(list[1].addresses, ["192.0.2.2:7072", "attic.local:7072"]);
    }

    #[test]
    fn no_address_that_was_learned_pushes_out_what_a_person_typed() {
        let mut file = empty();
        let address = |n: u8| SocketAddr::from(([192, 0, 2, n], 7072));
        file.remember(id(1), "lab", address(1), Some(&"pi:7072".parse().unwrap()));
        file.remember(id(1), "lab", address(2), Some(&"192.0.2.2".parse().unwrap()));
        (3..=30).for_each(|n| file.remember(id(1), "lab", address(n), None));
        let addresses = file.into_list().remove(0).addresses;
        assert!(addresses.contains(&"pi:7072".to_owned()), "{addresses:?}");
        assert!(addresses.contains(&"192.0.2.2:7072".to_owned()), "{addresses:?}");
        assert_eq!(addresses[0], "192.0.2.30:7072");
    }

    #[test]
    fn a_typed_place_belongs_to_one_server_whatever_else_answers_there() {
        let mut file = empty();
        let address = |n: u8| SocketAddr::from(([192, 0, 2, n], 7072));
        let pi: Endpoint = "pi".parse().unwrap();
        file.remember(id(1), "lab", address(1), Some(&pi));
        // Another known server, used since, at the address that the name stands for now.
        file.remember(id(2), "cafe", address(2), Some(&"cafe".parse().unwrap()));
        assert_eq!(file.at(&pi, &[address(2)]), Some(id(1)));
        assert_eq!(file.at(&"PI.".parse().unwrap(), &[]), Some(id(1)));
        assert_eq!(file.at(&"other".parse().unwrap(), &[address(2)]), Some(id(2)));
        assert_eq!(file.at(&"other".parse().unwrap(), &[address(9)]), None);
        // The name is given to another server.
        file.remember(id(2), "cafe", address(2), Some(&pi));
        file.remember(id(1), "lab", address(1), None);
        assert_eq!(file.at(&pi, &[]), Some(id(2)));
    }

    #[test]
    fn typed_names_outlive_typed_addresses_and_both_are_bounded() {
        let mut file = empty();
        let pi: Endpoint = "pi".parse().unwrap();
        file.remember(id(1), "lab", SocketAddr::from(([192, 0, 2, 1], 7072)), Some(&pi));
        for n in 2..=99 {
            let address = SocketAddr::from(([192, 0, 2, n], 7072));
            file.remember(id(1), "lab", address, Some(&Endpoint::Address(address)));
        }
        assert_eq!(file.at(&pi, &[]), Some(id(1)));
        for n in 1..=99 {
            let name = Endpoint::Name(format!("host-{n}"), 7072);
            file.remember(id(1), "lab", SocketAddr::from(([192, 0, 2, 1], 7072)), Some(&name));
        }
        assert_eq!(file.servers[0].typed().len(), limits::REMEMBERED_TYPED_MAX);
        assert_eq!(file.at(&pi, &[]), None);
    }

    #[test]
    fn what_an_older_program_kept_in_one_list_stays_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("servers.json");
        let old = format!(
            r#"{{"version":1,"servers":[{{"id":"{}","name":"lab","addresses":["192.0.2.1:7072","PI:7072"]}}]}}"#,
            id(1)
        );
        private_file::write(&path, old.as_bytes()).unwrap();
        let mut file = ServersFile::read(&path).unwrap();
        for n in 2..=99 {
            file.remember(id(1), "lab", SocketAddr::from(([192, 0, 2, n], 7072)), None);
        }
        file.write(&path).unwrap();
        let file = ServersFile::read(&path).unwrap();
        for place in ["pi", "192.0.2.1"] {
            assert_eq!(file.at(&place.parse().unwrap(), &[]), Some(id(1)), "{place}");
        }
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
