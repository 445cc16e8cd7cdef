//! Settings, each value with its origin. Flags take precedence over the environment, then `lanchat.toml`, then the
//! defaults.

mod key;
mod value;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lanchat_model::limits;

use crate::data_dir::DataDir;
use crate::interfaces::InterfaceRule;
use crate::listen::{Listen, default_listen};
use crate::options::Options;

pub use key::{Key, Layer, Origin, Setting};

/// The variable that names the settings file.
const FILE_VARIABLE: &str = "LANCHAT_CONFIG";

/// Why settings were refused: everything that is wrong, at once.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct BadSettings(pub Vec<String>);

/// All settings of a server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The data directory.
    pub data: Setting<PathBuf>,
    /// The settings file, whether it exists or not.
    pub file: Setting<PathBuf>,
    /// [`Key::Listen`]
    pub listen: Setting<Vec<Listen>>,
    /// [`Key::Name`]
    pub name: Setting<String>,
    /// [`Key::Iface`]
    pub iface: Setting<Vec<String>>,
    /// [`Key::NoIface`]
    pub no_iface: Setting<Vec<String>>,
    /// [`Key::Mdns`]
    pub mdns: Setting<bool>,
    /// [`Key::MaxClients`]
    pub max_clients: Setting<usize>,
    /// [`Key::Registration`]: whether it is open.
    pub registration: Setting<bool>,
}

impl Settings {
    /// Reads the settings for the data directory `data`: `flags`, then the variables that `variable` returns, then the
    /// settings file. That is `named`, else the file in `LANCHAT_CONFIG`, else `lanchat.toml` in the data directory.
    /// Writes nothing.
    ///
    /// # Errors
    /// [`BadSettings`] names each unknown key and each invalid value, with its origin, and a settings file that was
    /// asked for but cannot be read.
    pub fn load(
        data: Setting<PathBuf>,
        named: Option<Setting<PathBuf>>,
        flags: Layer,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, BadSettings> {
        let file = named
            .or_else(|| file_by_variable(&variable))
            .unwrap_or_else(|| Setting { value: DataDir::config_file(&data.value), origin: Origin::Default });
        let mut errors = Vec::new();
        let in_file = read(&file, &mut errors);
        let variables = environment(variable);
        let mut sources = Sources { flags, variables, in_file, file: file.value.clone(), errors };
        let settings = Self {
            data,
            file,
            listen: sources.take(Key::Listen, || vec![default_listen()], value::listen),
            name: sources.take(Key::Name, value::default_name, value::name),
            iface: sources.take(Key::Iface, Vec::new, |texts| Ok(texts.to_vec())),
            no_iface: sources.take(Key::NoIface, Vec::new, |texts| Ok(texts.to_vec())),
            mdns: sources.take(Key::Mdns, || true, |texts| value::choice(texts, ["true", "false"])),
            max_clients: sources.take(Key::MaxClients, || limits::CLIENTS_DEFAULT, value::clients),
            registration: sources.take(
                Key::Registration,
                || true,
                |texts| value::choice(texts, ["open", "closed"]),
            ),
        };
        if sources.errors.is_empty() { Ok(settings) } else { Err(BadSettings(sources.errors)) }
    }

    /// Returns every setting as a line of the settings file, with its origin as the comment.
    pub fn show(&self) -> String {
        let registration = if self.registration.value { "open" } else { "closed" };
        let listen: Vec<String> = self.listen.value.iter().map(Listen::to_string).collect();
        let mut shown = format!("# data directory: {} ({})\n", self.data.value.display(), self.data.origin);
        // Writing to a string cannot fail.
        let _ = writeln!(shown, "# settings file: {} ({})", self.file.value.display(), self.file.origin);
        let mut line = |key: Key, value: toml::Value, origin: &Origin| {
            let _ = writeln!(shown, "{} = {value}  # {origin}", key.names().0);
        };
        line(Key::Listen, listen.into(), &self.listen.origin);
        line(Key::Name, self.name.value.clone().into(), &self.name.origin);
        line(Key::Iface, self.iface.value.clone().into(), &self.iface.origin);
        line(Key::NoIface, self.no_iface.value.clone().into(), &self.no_iface.origin);
        line(Key::Mdns, self.mdns.value.into(), &self.mdns.origin);
        line(
            Key::MaxClients,
            i64::try_from(self.max_clients.value).unwrap_or(i64::MAX).into(),
            &self.max_clients.origin,
        );
        line(Key::Registration, registration.into(), &self.registration.origin);
        shown
    }

    /// Returns the options from which a server is built.
    pub fn into_options(self) -> Options {
        // If no address was asked for, the server may choose one that the host has.
        let listen = if self.listen.origin == Origin::Default { Vec::new() } else { self.listen.value };
        Options {
            data: self.data.value,
            listen,
            name: self.name.value,
            interfaces: InterfaceRule { only: self.iface.value, except: self.no_iface.value },
            mdns: self.mdns.value,
            clients_max: self.max_clients.value,
            registration_open: self.registration.value,
        }
    }
}

/// All sources of values, and the errors found in them so far.
struct Sources {
    flags: Layer,
    variables: Layer,
    in_file: Layer,
    file: PathBuf,
    errors: Vec<String>,
}

impl Sources {
    fn take<T>(
        &mut self,
        key: Key,
        default: impl FnOnce() -> T,
        parse: impl FnOnce(&[String]) -> Result<T, String>,
    ) -> Setting<T> {
        let (in_file, variable, flag) = key.names();
        let (texts, origin) = if let Some(texts) = self.flags.get(&key) {
            (texts, Origin::Flag(flag))
        } else if let Some(texts) = self.variables.get(&key) {
            (texts, Origin::Environment(variable))
        } else if let Some(texts) = self.in_file.get(&key) {
            (texts, Origin::File(self.file.clone()))
        } else {
            return Setting { value: default(), origin: Origin::Default };
        };
        match parse(texts) {
            Ok(value) => Setting { value, origin },
            Err(why) => {
                self.errors.push(format!("{in_file} ({origin}): {why}"));
                Setting { value: default(), origin: Origin::Default }
            }
        }
    }
}

fn environment(variable: impl Fn(&str) -> Option<String>) -> Layer {
    let given = |key: Key| {
        let text = variable(key.names().1).filter(|text| !text.trim().is_empty())?;
        let texts = match key.is_list() {
            true => text.split(',').map(|part| part.trim().to_owned()).collect(),
            false => vec![text],
        };
        Some((key, texts))
    };
    Key::ALL.into_iter().filter_map(given).collect()
}

fn file_by_variable(variable: impl Fn(&str) -> Option<String>) -> Option<Setting<PathBuf>> {
    let path = variable(FILE_VARIABLE).filter(|path| !path.is_empty())?;
    Some(Setting { value: path.into(), origin: Origin::Environment(FILE_VARIABLE) })
}

/// Reads the settings file. A missing file counts as empty, unless it was asked for: what it should restrict would be
/// left open.
fn read(setting: &Setting<PathBuf>, errors: &mut Vec<String>) -> Layer {
    let file: &Path = &setting.value;
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if setting.origin != Origin::Default {
                errors.push(format!(
                    "there is no settings file {} ({}): make one, even an empty one, or do not name it",
                    file.display(),
                    setting.origin
                ));
            }
            return Layer::new();
        }
        Err(error) => {
            errors.push(format!("cannot read the settings file {}: {error}", file.display()));
            return Layer::new();
        }
    };
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            errors.push(format!("the settings file {} is not TOML: {error}", file.display()));
            return Layer::new();
        }
    };
    let mut layer = Layer::new();
    for (name, value) in table {
        let Some(key) = Key::ALL.into_iter().find(|key| key.names().0 == name) else {
            let known = Key::ALL.map(|key| key.names().0).join(", ");
            errors.push(format!("unknown key `{name}` in {}: the keys are {known}", file.display()));
            continue;
        };
        match texts(value) {
            Some(texts) => drop(layer.insert(key, texts)),
            None => errors.push(format!("{name} ({}): give a text, a number or a list", file.display())),
        }
    }
    layer
}

fn texts(value: toml::Value) -> Option<Vec<String>> {
    match value {
        toml::Value::Array(values) => values.into_iter().map(text).collect(),
        value => text(value).map(|text| vec![text]),
    }
}

fn text(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, variables: &[(&str, &str)], flags: &[(Key, &str)]) -> Result<Settings, BadSettings> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("lanchat.toml"), file).unwrap();
        let data = Setting { value: folder.path().to_owned(), origin: Origin::Default };
        let flags = flags.iter().map(|(key, text)| (*key, vec![(*text).to_owned()])).collect();
        let variable = |name: &str| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, text)| (*text).to_owned())
        };
        Settings::load(data, None, flags, variable)
    }

    #[test]
    fn a_named_file_takes_the_place_of_the_one_in_the_data_directory() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("lanchat.toml"), "name = 'inner'\nmax_clients = 3").unwrap();
        let named = |name: &str| folder.path().join(name);
        fs::write(named("other.toml"), "name = 'other'").unwrap();
        let load = |flag: Option<PathBuf>, variable: PathBuf| {
            let data = Setting { value: folder.path().to_owned(), origin: Origin::Default };
            let flag = flag.map(|value| Setting { value, origin: Origin::Flag("--config") });
            let variable = |name: &str| (name == FILE_VARIABLE).then(|| variable.display().to_string());
            Settings::load(data, flag, Layer::new(), variable)
        };
        let settings = load(None, named("other.toml")).unwrap();
        assert_eq!(
            settings.name,
            Setting { value: "other".into(), origin: Origin::File(named("other.toml")) }
        );
        assert_eq!(settings.max_clients.origin, Origin::Default);
        assert!(settings.show().contains("other.toml (environment LANCHAT_CONFIG)"));
        assert_eq!(load(None, PathBuf::new()).unwrap().name.value, "inner");
        let by_flag = load(Some(named("other.toml")), named("absent.toml")).unwrap();
        assert_eq!(by_flag.file.origin, Origin::Flag("--config"));

        let BadSettings(errors) = load(None, named("absent.toml")).unwrap_err();
        assert_eq!(errors.len(), 1);
        assert!(errors[0].contains("absent.toml") && errors[0].contains("LANCHAT_CONFIG"), "{errors:?}");
    }

    #[test]
    fn flags_beat_variables_beat_the_file_beats_defaults() {
        let file = "name = 'file'\nmax_clients = 3\nregistration = 'closed'\niface = ['eth0', 'eth1']";
        let variables = [("LANCHAT_NAME", "variable"), ("LANCHAT_MAX_CLIENTS", "4"), ("LANCHAT_IFACE", "")];
        let settings = load(file, &variables, &[(Key::Name, "flag")]).unwrap();
        assert_eq!(settings.name, Setting { value: "flag".into(), origin: Origin::Flag("--name") });
        let clients = Setting { value: 4, origin: Origin::Environment("LANCHAT_MAX_CLIENTS") };
        assert_eq!(settings.max_clients, clients);
        assert!(!settings.registration.value);
        assert!(matches!(settings.iface.origin, Origin::File(_)));
        assert_eq!(settings.iface.value, ["eth0", "eth1"]);
        assert_eq!(settings.mdns, Setting { value: true, origin: Origin::Default });
        assert_eq!(settings.listen.value, [default_listen()]);
        assert!(settings.into_options().listen.is_empty());
    }

    #[test]
    fn lists_in_variables_are_separated_by_commas() {
        let settings = load("", &[("LANCHAT_LISTEN", "127.0.0.1:1, lanchat://[::1]:2")], &[]).unwrap();
        let listen = settings.into_options().listen;
        assert_eq!(listen, ["127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()]);
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let file = "nmae = 'lab'\nmax_clients = 0\nregistration = 'maybe'\nlisten = [7072]\nmdns = 1.5";
        let BadSettings(errors) = load(file, &[("LANCHAT_NAME", "\u{1b}[2J")], &[]).unwrap_err();
        assert_eq!(errors.len(), 6, "{errors:#?}");
        let all = errors.join("\n");
        for part in ["`nmae`", "lanchat.toml", "environment LANCHAT_NAME", "`maybe`", "`7072`", "mdns", "`0`"]
        {
            assert!(all.contains(part), "{part}: {all}");
        }
        assert!(load("name = ", &[], &[]).is_err());
    }

    #[test]
    fn what_is_shown_is_a_settings_file_that_says_the_same() {
        let shown = load("name = 'a \"b\" # c'\nmdns = false", &[], &[]).unwrap().show();
        let again = load(&shown, &[], &[]).unwrap();
        assert_eq!(again.name.value, "a \"b\" # c");
        assert_eq!(again.listen.value, [default_listen()]);
        assert!(!again.mdns.value);
    }
}
