//! What the job's thread, the ticker and the interrupt share: the form, the streams and the counters.

use std::io;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use super::form::Form;
use super::progress::Progress;
use crate::cli::output::Output;
use crate::model::plan::Totals;
use crate::sync::report::Gauges;

/// Shared by the threads of a session.
pub struct Desk {
    writer: Mutex<Writer>,
    gauges: OnceLock<Gauges>,
    started: Instant,
}

/// Writes; one thread at a time.
pub struct Writer {
    /// How things are said.
    pub form: Box<dyn Form>,
    /// Where they are said.
    pub output: Output,
    /// What there is to do, once that is known.
    pub totals: Option<Totals>,
}

impl Desk {
    /// A desk at which nothing has been said yet.
    pub fn new(form: Box<dyn Form>, output: Output) -> Desk {
        let writer = Mutex::new(Writer { form, output, totals: None });
        Desk { writer, gauges: OnceLock::new(), started: Instant::now() }
    }

    /// Takes the counters of the job. A job has one set: a second one is not looked at.
    pub fn watch(&self, gauges: &Gauges) {
        let _ = self.gauges.set(gauges.clone());
    }

    /// Asks the job to stop. False where there is no job yet.
    pub fn stop(&self) -> bool {
        let gauges = self.gauges.get();
        if let Some(gauges) = gauges {
            gauges.left.stop();
            gauges.right.stop();
        }
        gauges.is_some()
    }

    /// Says something, and stops the job where nobody reads any more.
    pub fn say(&self, words: impl FnOnce(&mut dyn Form, &mut Output)) {
        let mut writer = self.lock();
        let Writer { form, output, .. } = &mut *writer;
        words(form.as_mut(), output);
        let broken = writer.output.failure().map(io::Error::kind) == Some(io::ErrorKind::BrokenPipe);
        drop(writer);
        if broken {
            self.stop();
        }
    }

    /// Says something unless another thread is speaking: for the interrupt, which must never wait.
    pub fn say_now(&self, text: &str) {
        if let Ok(mut writer) = self.writer.try_lock() {
            writer.output.complain(text);
        }
    }

    /// Takes note of what there is to do.
    pub fn plan(&self, totals: &Totals) {
        self.lock().totals = Some(*totals);
    }

    /// Shows how far the job is, and sends on what is buffered.
    pub fn tick(&self) {
        let Some(gauges) = self.gauges.get() else { return };
        let mut writer = self.lock();
        let progress = Progress::read(gauges, writer.totals.as_ref());
        let Writer { form, output, .. } = &mut *writer;
        form.progress(output, &progress);
        output.flush();
        if let Some(bar) = output.bar() {
            bar.show(self.started.elapsed(), &progress);
        }
    }

    /// The time since the start, in seconds.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// The writer. A thread that panicked while it wrote left at worst half a line.
    pub fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
