//! Where words go: standard output, standard error, and the bar that gives way to both. Owns buffering, and what happens
//! when nobody reads any more.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, Write};

use super::paint::{Color, Paint, Tone};
use super::told::bar::Bar;

/// Gathered before it is written, where standard output is no terminal.
const BUFFER_BYTES: usize = 64 * 1024;

/// Both streams of the process.
pub struct Output {
    stdout: Box<dyn Write + Send>,
    stderr: Box<dyn Write + Send>,
    /// For standard output.
    pub paint: Paint,
    /// For standard error.
    pub alarm: Paint,
    bar: Option<Bar>,
    failure: Option<io::Error>,
}

impl Output {
    /// The streams of this process.
    pub fn standard(color: Color) -> Output {
        let stdout = io::stdout();
        let paint = Paint::new(color, &stdout);
        let writer: Box<dyn Write + Send> = if stdout.is_terminal() {
            Box::new(stdout)
        } else {
            Box::new(BufWriter::with_capacity(BUFFER_BYTES, stdout))
        };
        let stderr = io::stderr();
        let alarm = Paint::new(color, &stderr);
        Output { stdout: writer, stderr: Box::new(stderr), paint, alarm, bar: None, failure: None }
    }

    /// The same with a bar.
    pub fn with_bar(self) -> Output {
        Output { bar: Some(Bar::default()), ..self }
    }

    /// The bar, where there is one.
    pub fn bar(&mut self) -> Option<&mut Bar> {
        self.bar.as_mut()
    }

    /// Takes the bar away for good.
    pub fn end_bar(&mut self) {
        self.give_way();
        self.bar = None;
    }

    /// One line on standard output.
    pub fn line(&mut self, text: impl fmt::Display) {
        self.give_way();
        let written = writeln!(self.stdout, "{text}");
        self.note(written);
    }

    /// What follows replaces what stands on a terminal; elsewhere a blank line sets it apart.
    pub fn fresh(&mut self) {
        let terminal = io::stdout().is_terminal();
        self.bytes(if terminal { b"\x1b[H\x1b[2J" } else { b"\n" });
    }

    /// Raw bytes on standard output.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.give_way();
        let written = self.stdout.write_all(bytes);
        self.note(written);
    }

    /// One line on standard error. Where even that fails there is nobody left to tell.
    pub fn complain(&mut self, text: impl fmt::Display) {
        self.give_way();
        let _ = writeln!(self.stderr, "{text}");
    }

    /// `error: text` on standard error.
    pub fn error(&mut self, text: impl fmt::Display) {
        let label = self.alarm.tone(Tone::Error, "error");
        self.complain(format_args!("{label}: {text}"));
    }

    /// Sends what is buffered.
    pub fn flush(&mut self) {
        let written = self.stdout.flush();
        self.note(written);
    }

    /// Why standard output cannot be written, once it cannot.
    pub fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref()
    }

    fn give_way(&mut self) {
        if let Some(bar) = &mut self.bar {
            bar.clear();
        }
    }

    fn note(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.failure.get_or_insert(error);
            // What comes later goes nowhere: the first failure is the one that is told.
            self.stdout = Box::new(io::sink());
        }
    }
}

#[cfg(test)]
pub mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Keeps what is written, for tests to look at.
    #[derive(Clone, Default)]
    pub struct Page(Arc<Mutex<Vec<u8>>>);

    impl Page {
        pub fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("no test panics while it writes").clone()).expect("text")
        }
    }

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no test panics while it writes").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// An output into two pages.
    pub fn pages() -> (Output, Page, Page) {
        let (out, err) = (Page::default(), Page::default());
        let plain = Paint::new(Color::Never, &io::stdout());
        let output = Output {
            stdout: Box::new(out.clone()),
            stderr: Box::new(err.clone()),
            paint: plain,
            alarm: plain,
            bar: None,
            failure: None,
        };
        (output, out, err)
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    #[test]
    fn the_first_failure_is_kept_and_later_lines_go_nowhere() {
        let (mut output, _, _) = pages();
        output.stdout = Box::new(Closed);
        output.line("one");
        output.line("two");
        output.flush();
        assert_eq!(output.failure().map(io::Error::kind), Some(io::ErrorKind::BrokenPipe));
    }
}
