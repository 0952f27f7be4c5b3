//! Log lines for people or programs, with secrets taken out of every one of them.
//!
//! Nobody in this house logs a token, a password or a key. The writer here is the second lock on that door: it also
//! blackens what a dependency or a careless line lets through.

use std::io::{self, IsTerminal as _, Write};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{Log, LogFormat};

/// Lines that may wait to be written; further ones are dropped and counted, so a full pipe never holds up a call.
const BACKLOG: usize = 10_000;
/// How long the end of the program waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Opens the log on standard error. The last lines are written when the answer is dropped.
///
/// # Errors
/// If the filter cannot be understood, or a log is open already.
pub fn open(log: &Log) -> anyhow::Result<OpenLog> {
    let filter = EnvFilter::try_new(&log.filter).with_context(|| format!("log.filter: {:?}", log.filter))?;
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
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let opened = match log.format {
        LogFormat::Pretty => builder.with_ansi(io::stderr().is_terminal()).with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).try_init(),
    };
    opened.map_err(|error| anyhow::anyhow!("cannot open the log: {error}"))?;
    Ok(OpenLog { lines })
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
        let line = match std::str::from_utf8(bytes) {
            Ok(text) => blacken(text).into_bytes(),
            Err(_) => bytes.to_vec(),
        };
        if let Err(TrySendError::Full(_)) = self.0.try_send(Item::Line(line)) {
            metrics::counter!("hotdesk_log_lines_dropped_total").increment(1);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const BLACK: &str = "[hidden]";

/// What comes right before a secret, in lower case.
const BEFORE_SECRETS: [&str; 9] = [
    "token=",
    "bearer ",
    "password=",
    "password\":\"",
    "password\\\":\\\"",
    "response=\"",
    "a=ice-pwd:",
    "inline:",
    "ticket=",
];
/// How each of our tokens, and any other JSON Web Token, begins.
const TOKEN_BEGINS: &str = "eyj";

/// The text without tokens, passwords and keys.
fn blacken(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut clean = String::with_capacity(text.len());
    let mut done = 0;
    while let Some((start, secret)) = next_secret(&lower, done) {
        clean.push_str(&text[done..start]);
        clean.push_str(BLACK);
        done = secret;
    }
    clean.push_str(&text[done..]);
    clean
}

/// Where the next secret from `from` on begins and ends. Both ends lie next to ASCII, so slicing there is safe.
fn next_secret(lower: &str, from: usize) -> Option<(usize, usize)> {
    let after = |mark: &str| lower[from..].find(mark).map(|at| from + at + mark.len());
    let marked = BEFORE_SECRETS.iter().filter_map(|mark| after(mark));
    let bare = after(TOKEN_BEGINS).map(|end| end - TOKEN_BEGINS.len());
    let is_part =
        |c: char| !c.is_whitespace() && !matches!(c, '"' | '\'' | '&' | ',' | ';' | ')' | '}' | '<' | '\\');
    let start = marked.chain(bare).min()?;
    let length = lower[start..].find(|c| !is_part(c)).unwrap_or(lower.len() - start);
    if length == 0 {
        return next_secret(lower, start);
    }
    Some((start, start + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_blackened_wherever_they_stand() {
        for (line, clean) in [
            (
                "GET /xuc/api/2.0/cti?token=abc.def-_1&x=1 HTTP",
                "GET /xuc/api/2.0/cti?token=[hidden]&x=1 HTTP",
            ),
            ("Authorization: Bearer eyJ0.eyJ1.sig", "Authorization: Bearer [hidden]"),
            (r#"{"login":"a","password":"hotdesk"}"#, r#"{"login":"a","password":"[hidden]"}"#),
            (r#"{"m":"{\"password\":\"hotdesk\"}"}"#, r#"{"m":"{\"password\":\"[hidden]\"}"}"#),
            ("got eyJ0eXAi.eyJs.x, then eyJ0eXAi.b", "got [hidden], then [hidden]"),
            ("a=ice-pwd:secret\r\na=x", "a=ice-pwd:[hidden]\r\na=x"),
            ("TOKEN=abc", "TOKEN=[hidden]"),
            ("token= and é token=é", "token= and é token=[hidden]"),
            ("nothing here", "nothing here"),
        ] {
            assert_eq!(blacken(line), clean);
        }
    }
}
