//! Runs a server from its command line to its end: the same in a terminal and as a service.

use anyhow::Context;
use lanchat_server::{
    App, AppError, BadSettings, Cli, DataDirError, Settings, logging, raise_descriptor_limit, stop_on_signal,
};
use tokio_util::sync::CancellationToken;

/// Returns a variable of the environment.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Returns the settings that the command line, the environment and the settings file give.
pub(crate) fn settings(cli: Cli) -> anyhow::Result<Settings> {
    let (data, file) = (cli.data(variable)?, cli.file());
    Ok(Settings::load(data, file, cli.into_layer(), variable)?)
}

/// Serves until `shutdown` is cancelled, which a signal does too. `ready` is told the banner once peers can connect;
/// the runtime is then up.
pub(crate) fn serve(
    settings: Settings,
    shutdown: CancellationToken,
    ready: impl FnOnce(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    raise_descriptor_limit();
    let runtime = tokio::runtime::Runtime::new().context("cannot start")?;
    runtime.block_on(async {
        stop_on_signal(shutdown.clone()).context("cannot listen to signals")?;
        let app = App::build(settings.into_options()).await?;
        ready(&app.banner())?;
        Ok(app.run(shutdown).await?)
    })
}

/// Returns the text of an error, with those causes that the text does not include already: most of our errors quote the
/// system's error, and have it as their cause too.
pub(crate) fn words(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if words.is_empty() {
            words = cause;
        } else if !words.contains(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}

/// Returns the exit code, as `lanchatd --help` lists them.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<BadSettings>() || error.is::<logging::BadFilter>() {
        return 2;
    }
    match error.downcast_ref() {
        Some(AppError::DataDir(_) | AppError::Identity(_) | AppError::Database(_)) => 3,
        Some(AppError::Bind(_) | AppError::Gate(_)) => 4,
        _ if error.is::<DataDirError>() => 3,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_the_system_said_is_said_once() {
        let denied = || io::Error::from_raw_os_error(13);
        let refused = DataDirError::Io { path: "/x".into(), source: denied() };
        let said = words(&anyhow::Error::from(AppError::from(refused)));
        assert_eq!(said.matches("os error 13").count(), 1, "{said}");
        assert!(said.contains("/x"), "{said}");
        let said = words(&anyhow::Error::from(denied()).context("cannot start"));
        assert!(said.starts_with("cannot start: ") && said.contains("os error 13"), "{said}");
    }
}
