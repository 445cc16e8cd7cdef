//! `lanchatd service run`: the server as a Windows service. Talks to the Windows service manager.
//!
//! A service has no console: its log is a file in the data directory, and the service manager gets the exit code of
//! `lanchatd` as the service's own.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use lanchat_model::limits;
use lanchat_server::{Cli, logging};
use tokio_util::sync::CancellationToken;
use windows_service::service::{
    ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{ServiceControlHandlerResult, ServiceStatusHandle, register};
use windows_service::service_dispatcher;

use crate::serve;

/// The name of the installed service. A program with a single service may use any name here.
const NAME: &str = "lanchatd";
/// How long a start may take before it counts as hung: a large database may have to be migrated first.
const START_HINT: Duration = Duration::from_secs(120);
/// How long a stop may take: the drain, and some time for the disk.
const STOP_HINT: Duration = limits::DRAIN_MAX.saturating_add(Duration::from_secs(10));

/// The command line, on its way to [`service_main`], which the system calls on a thread of its own.
static COMMAND_LINE: Mutex<Option<Cli>> = Mutex::new(None);

/// Lets the service manager control the process until the service has stopped.
///
/// # Errors
/// When the service manager did not start this process.
pub(crate) fn run(cli: Cli) -> anyhow::Result<()> {
    *COMMAND_LINE.lock().unwrap_or_else(PoisonError::into_inner) = Some(cli);
    service_dispatcher::start(NAME, service_main).context(
        "only Windows' service manager can start this: type `sc start lanchatd`, or `lanchatd` alone to serve in \
         this window",
    )
}

/// The entry point for the service manager. The arguments of `sc start` are ignored: those of the process apply.
extern "system" fn service_main(_count: u32, _arguments: *mut *mut u16) {
    let stop = CancellationToken::new();
    let asked = stop.clone();
    let handler = move |control| match control {
        ServiceControl::Stop | ServiceControl::Shutdown => {
            asked.cancel();
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        _ => ServiceControlHandlerResult::NotImplemented,
    };
    // Without a handle there is no way to report.
    let Ok(handle) = register(NAME, handler) else { return };
    let reporter = Reporter(handle);
    reporter.report(ServiceState::StartPending, START_HINT, ServiceExitCode::NO_ERROR);
    let exit_code = match serve(stop, reporter) {
        Ok(()) => ServiceExitCode::NO_ERROR,
        Err(error) => {
            tracing::error!("{}", serve::words(&error));
            ServiceExitCode::ServiceSpecific(serve::exit_code(&error).into())
        }
    };
    reporter.report(ServiceState::Stopped, Duration::ZERO, exit_code);
    // Everything is closed. Somebody who waited for the stop may want to replace or remove the program at once, which
    // is impossible while it runs, and returning through the service manager's dispatcher takes time.
    std::process::exit(0);
}

fn serve(stop: CancellationToken, reporter: Reporter) -> anyhow::Result<()> {
    let cli = COMMAND_LINE.lock().unwrap_or_else(PoisonError::into_inner).take();
    let cli = cli.context("the command line is gone")?;
    // The log first, so that it says what is wrong with the settings.
    let folder = cli.data(serve::variable)?.value;
    logging::start_in(&folder, serve::variable(logging::VARIABLE).as_deref())?;
    let settings = serve::settings(cli)?;
    let stopping = stop.clone();
    serve::serve(settings, stop, move |banner| {
        banner.lines().for_each(|line| tracing::info!("{line}"));
        reporter.report(ServiceState::Running, Duration::ZERO, ServiceExitCode::NO_ERROR);
        tokio::spawn(async move {
            stopping.cancelled().await;
            reporter.report(ServiceState::StopPending, STOP_HINT, ServiceExitCode::NO_ERROR);
        });
        Ok(())
    })
}

/// Reports the state of the service to the service manager.
#[derive(Clone, Copy)]
struct Reporter(ServiceStatusHandle);

impl Reporter {
    fn report(self, current_state: ServiceState, wait_hint: Duration, exit_code: ServiceExitCode) {
        let controls_accepted = match current_state {
            ServiceState::Running => ServiceControlAccept::STOP | ServiceControlAccept::SHUTDOWN,
            _ => ServiceControlAccept::empty(),
        };
        let status = ServiceStatus {
            service_type: ServiceType::OWN_PROCESS,
            current_state,
            controls_accepted,
            exit_code,
            checkpoint: 0,
            wait_hint,
            process_id: None,
        };
        if let Err(error) = self.0.set_service_status(status) {
            tracing::warn!(%error, "the service manager does not hear that the service is {current_state:?}");
        }
    }
}
