//! Ctrl-C and SIGTERM: the first one stops the job at the next file, the second one ends the process at once.

use std::sync::Arc;
use std::{process, thread};

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::exit::Exit;
use super::told::desk::Desk;

const STOPPING: &str = "interrupted: stopping after the files in flight; once more stops at once";

/// Watches for interrupts until the process ends. Where that cannot be done a Ctrl-C ends the process, as by default:
/// what is on disk is whole at every instant.
pub fn watch(desk: Arc<Desk>) {
    let _ = thread::Builder::new().name("interrupt".into()).spawn(move || {
        if let Ok(runtime) = runtime::Builder::new_current_thread().enable_io().build() {
            let _ = runtime.block_on(wait(&desk));
        }
    });
}

async fn wait(desk: &Desk) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut stopping = false;
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if stopping || !desk.stop() {
            process::exit(Exit::Interrupted.code().into());
        }
        stopping = true;
        desk.say_now(STOPPING);
    }
}
