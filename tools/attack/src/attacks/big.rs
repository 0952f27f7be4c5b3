//! INVITEs as big as they may be, by a few connections of strangers (faults F1).

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Effort, still_well};
use crate::phone::number;
use crate::probe::Prober;
use crate::report::Report;
use crate::rules;
use crate::target::{Target, source};
use crate::wire::{Line, Request};

/// Connections at once.
const CONNECTIONS: u32 = 24;
/// A little less than the largest message.
const BODY: usize = 60_000;
/// For so long at most: a server may take them as slowly as it likes.
const SPAN: Duration = Duration::from_secs(6);

/// Sends them, and counts what they cost while nobody has hung up.
///
/// # Errors
/// If nobody can connect.
pub fn run(target: &mut Target, prober: &mut Prober, effort: &Effort, report: &mut Report) -> Result<()> {
    println!("== big strangers: {CONNECTIONS} connections with {} INVITEs each", effort.big);
    let before = target.memory_kib().unwrap_or(0);
    let until = Instant::now() + SPAN;
    let (sip, count) = (target.sip, effort.big);
    let senders: Vec<_> = (0..CONNECTIONS)
        .map(|connection| Ok(Line::tcp(source(200 + connection / 4), sip)?))
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .map(|line| thread::spawn(move || send(line, count, until)))
        .collect();
    while senders.iter().any(|sender| !sender.is_finished()) {
        prober.probe();
        thread::sleep(Duration::from_millis(100));
    }
    let held: Vec<_> = senders.into_iter().filter_map(|sender| sender.join().ok()).collect();
    let sent: u64 = held.iter().map(|(sent, _)| sent).sum();
    println!("   {sent} were sent");
    let after = target.memory_kib().unwrap_or(u64::MAX);
    report.check("big strangers: memory stays", rules::memory(before, after));
    drop(held);
    still_well(target, prober, report, "big strangers");
    Ok(())
}

/// Says how many have gone, and keeps the connection.
fn send(mut line: Line, count: u64, until: Instant) -> (u64, Line) {
    let uri = "sip:1003@attack.invalid";
    let mut sent = 0;
    while sent < count && Instant::now() < until {
        let mut invite = Request::new("INVITE", number(), "sip:x@attack.invalid", uri);
        invite.body = "v".repeat(BODY);
        let text = invite.text(&line);
        if line.send(text.as_bytes()).is_err() {
            break;
        }
        sent += 1;
        while line.hear(Duration::from_micros(1)).is_some() {}
    }
    // while it has more to say it has not taken all
    while line.hear(Duration::from_millis(500)).is_some() {}
    (sent, line)
}
