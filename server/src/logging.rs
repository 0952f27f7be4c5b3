//! Log lines for people or programs, with secrets taken out of every one of them.
//!
//! Nobody in this house logs a token, a password or a key. The writer here is the second lock on that door: it also
//! blackens what a dependency or a careless line lets through.

use std::io::{self, IsTerminal as _, Write};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Log, LogFormat};

mod blacken;
use blacken::blacken;

/// Lines that may wait to be written; further ones are dropped and counted, so a full pipe never holds up a call.
const BACKLOG: usize = 10_000;
/// How long the end of the program waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Opens the log on standard error. The last lines are written when the answer is dropped.
///
/// # Errors
/// If the filter cannot be understood, or a log is open already.
pub fn open(log: &Log) -> anyhow::Result<OpenLog> {
    let filter = EnvFilter::try_new(&log.filter).context("log.filter")?;
    let (lines, waiting) = mpsc::sync_channel::<Item>(BACKLOG);
    thread::Builder::new().name("log".into()).spawn(move || {
        for item in waiting {
            match item {
                // Nobody reads any more: nothing can be done, and nobody can be told.
                Item::Line(line) => drop(io::stderr().write_all(&line)),
                Item::Flush(done) => drop(done.send(())),
            }
        }
    })?;
    let writer = Blackened { lines: lines.clone() };
    let registry = tracing_subscriber::registry().with(open_hearted()).with(filter);
    let lines_of = fmt::layer().with_writer(writer);
    let opened = match log.format {
        LogFormat::Pretty => {
            registry.with(lines_of.with_ansi(io::stderr().is_terminal()).with_target(false)).try_init()
        }
        LogFormat::Json => {
            registry.with(lines_of.json().flatten_event(true).with_current_span(true)).try_init()
        }
    };
    opened.map_err(|error| anyhow::anyhow!("cannot open the log: {error}"))?;
    Ok(OpenLog { lines })
}

/// Keeps the lines away, whatever the settings ask for, in which a dependency shows what it carries: a WebSocket
/// its frames, in hexadecimal too, and ICE its credentials.
fn open_hearted() -> Targets {
    let quiet = ["tungstenite", "tokio_tungstenite", "is"].map(|target| (target, LevelFilter::INFO));
    Targets::new().with_default(LevelFilter::TRACE).with_targets(quiet)
}

enum Item {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// The open log.
pub struct OpenLog {
    lines: SyncSender<Item>,
}

impl Drop for OpenLog {
    fn drop(&mut self) {
        let (done, flushed) = mpsc::sync_channel(1);
        if self.lines.try_send(Item::Flush(done)).is_ok() {
            let _ = flushed.recv_timeout(LAST_LINES);
        }
    }
}

/// Gets one whole line per write.
struct Blackened {
    lines: SyncSender<Item>,
}

struct Line<'a>(&'a SyncSender<Item>);

impl<'a> MakeWriter<'a> for Blackened {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.lines)
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = blacken(&String::from_utf8_lossy(bytes)).into_bytes();
        if let Err(TrySendError::Full(_)) = self.0.try_send(Item::Line(line)) {
            metrics::counter!("hotdesk_log_lines_dropped_total").increment(1);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn what_dependencies_carry_is_never_shown() {
        let targets = open_hearted();
        for target in ["tungstenite::protocol::frame", "tokio_tungstenite::compat", "is", "is::agent"] {
            assert!(!targets.would_enable(target, &Level::DEBUG), "{target}");
            assert!(targets.would_enable(target, &Level::WARN), "{target}");
        }
        assert!(targets.would_enable("server::auth", &Level::TRACE));
    }
}
