//! How a command speaks with the daemon, and what is told where that fails.

use super::exit::Exit;
use super::failure::Failure;
use super::output::Output;
use crate::daemon::config::{ConfigError, place};
use crate::daemon::control::status::Status;
use crate::daemon::control::{Answer, Ask, Client, ClientError, Refusal};
use crate::daemon::place::Place;

const START: &str = "`alike daemon` runs one; `alike daemon --print-unit` prints a unit for systemd";

const SAYS: &str = "the daemon's last lines say more: `journalctl --user -u alike` where systemd runs it";

/// Asks the daemon, and gives its answer. What it waits for meanwhile is told on standard error.
pub fn ask(ask: &Ask, output: &mut Output) -> Result<Answer, Failure> {
    let place = Place::from_environment().map_err(|error| failed(&ClientError::Place(error)))?;
    let mut client = Client::connect(&place).map_err(|error| failed(&error))?;
    client.answer(ask, &mut telling(output)).map_err(|error| failed(&error))
}

/// The next of several answers.
pub fn heard(client: &mut Client, output: &mut Output) -> Result<Option<Answer>, Failure> {
    client.next(&mut telling(output)).map_err(|error| failed(&error))
}

/// Tells what is waited for: once is enough, a person sees that it goes on.
fn telling(output: &mut Output) -> impl FnMut(&str) {
    let mut told = false;
    move |what: &str| {
        if !std::mem::replace(&mut told, true) {
            output.complain(format_args!("waiting for {what}"));
        }
    }
}

/// Tells a daemon that runs to read its configuration again; one that does not run reads it when it starts.
pub fn reload(output: &mut Output) -> Result<(), Failure> {
    let Ok(place) = Place::from_environment() else { return Ok(()) };
    match Client::connect(&place) {
        Err(ClientError::NotRunning) => Ok(()),
        _ => ask(&Ask::Reload, output).map(drop),
    }
}

/// Changes the configuration, and tells a daemon that runs.
pub fn configure(
    output: &mut Output,
    edit: impl FnOnce(&std::path::Path, &str) -> Result<String, ConfigError>,
) -> Result<(), Failure> {
    let edited = place::Place::from_environment().and_then(|place| place.edit(edit));
    edited.map_err(|error| misconfigured(&error))?;
    reload(output)
}

/// A configuration that cannot be used, in words.
pub fn misconfigured(error: &ConfigError) -> Failure {
    let exit = match error {
        ConfigError::Read { .. } | ConfigError::Write { .. } | ConfigError::NoPlace => Exit::Root,
        _ => Exit::Usage,
    };
    let failure = Failure::new(exit, error.to_string());
    let failure = match std::error::Error::source(error) {
        Some(source) => failure.caused_by(source),
        None => failure,
    };
    match error {
        ConfigError::Unknown(_) => failure.hint("`alike status` lists the shares"),
        ConfigError::Taken(_) => failure.hint("`--name NAME` gives the new one another name"),
        ConfigError::Nested { .. } => failure.hint("shares lie beside one another"),
        ConfigError::Tangled(_) => failure.hint("edit the file by hand, and tell the daemon by SIGHUP"),
        ConfigError::Nonsense { .. } => failure.hint("the form of the file is in the README"),
        ConfigError::Read { .. } | ConfigError::Write { .. } | ConfigError::NoPlace => failure,
    }
}

/// Why the daemon did not do it, in words.
pub fn failed(error: &ClientError) -> Failure {
    match error {
        ClientError::Refused(refusal) => refused(refusal),
        ClientError::NotRunning => Failure::new(Exit::Unreachable, error.to_string()).hint(START),
        ClientError::Silent => Failure::new(Exit::TimedOut, error.to_string()).hint(SAYS),
        ClientError::Place(place) => Failure::new(Exit::Root, place.to_string()),
        ClientError::Misunderstood(why) => Failure::new(Exit::Version, error.to_string())
            .caused_by(why)
            .hint("restart the daemon: it may be older than this command"),
        ClientError::Lost(why) => Failure::new(Exit::Lost, error.to_string()).caused_by(why).hint(SAYS),
    }
}

fn refused(refusal: &Refusal) -> Failure {
    let failure = Failure::new(Exit::from_code(refusal.exit), refusal.message.clone());
    let failure = refusal.causes.iter().fold(failure, |failure, cause| failure.because(cause));
    match &refusal.hint {
        Some(hint) => failure.hint(hint.as_str()),
        None => failure,
    }
}

/// A command that only asks something: tells the failure, or nothing.
pub fn ended(outcome: Result<Exit, Failure>, output: &mut Output) -> Exit {
    let exit = outcome.unwrap_or_else(|failure| failure.tell(output));
    output.flush();
    exit
}

/// How everything stands.
pub fn status(output: &mut Output) -> Result<Status, Failure> {
    match ask(&Ask::Status { watch: false }, output)? {
        Answer::Status(status) => Ok(*status),
        _ => Err(astray()),
    }
}

/// The daemon answered something that answers nothing.
pub fn astray() -> Failure {
    Failure::new(Exit::Version, "the daemon answered something else".into())
        .hint("restart the daemon: it may be older than this command")
}
