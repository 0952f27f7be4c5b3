//! Broken and odd messages by every way in, with a valid request after every ten (faults P).

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Effort, still_well};
use crate::crowd;
use crate::mutate::{self, Dice, SDP, mutant};
use crate::phone::Phone;
use crate::probe::Prober;
use crate::report::Report;
use crate::rules;
use crate::target::{CROWD, Target, source};
use crate::wire::Line;

/// One mutant of a call that the server would take comes with so many others.
const CALL_EVERY: u64 = 100;

/// Sends them all.
///
/// # Errors
/// If the attacker cannot even register.
pub fn run(target: &mut Target, prober: &mut Prober, effort: &Effort, report: &mut Report) -> Result<()> {
    println!("== mutants: {} with seed {}", effort.mutants, effort.seed);
    let mut bases: Vec<_> =
        mutate::bases(&target.sip.to_string()).into_iter().map(String::into_bytes).collect();
    if let Some(folder) = &effort.corpus {
        bases.extend(kept(folder)?);
    }
    let before = target.memory_kib().unwrap_or(0);
    let mut sender = Sender::new(target)?;
    let mut dice = Dice::new(effort.seed);
    for number in 0..effort.mutants {
        if number % CALL_EVERY == CALL_EVERY - 1 {
            sender.call(number / CALL_EVERY, &mut dice);
        } else {
            sender.send(&mutant(&bases, number, &mut dice), number);
        }
        if number % 10 == 9 {
            prober.probe();
            if !target.is_alive() {
                break;
            }
        }
    }
    let after = target.memory_kib().unwrap_or(u64::MAX);
    report.check("mutants: memory stays", rules::memory(before, after));
    still_well(target, prober, report, "mutants");
    Ok(())
}

/// The messages of the fuzz targets' corpus, without the five bytes that set the target up.
fn kept(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let mut messages = Vec::new();
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let bytes = std::fs::read(entry?.path())?;
        let text = bytes.get(5..).unwrap_or_default();
        messages.push(text.to_vec());
    }
    messages.sort();
    Ok(messages)
}

/// The ways in: a phone with an account, a stranger by TCP, and strangers by UDP.
struct Sender {
    phone: Phone,
    tcp: Option<Line>,
    to: SocketAddr,
}

impl Sender {
    fn new(target: &Target) -> Result<Sender> {
        Ok(Sender { phone: Phone::register(target, "1004", source(4))?, tcp: None, to: target.sip })
    }

    fn send(&mut self, bytes: &[u8], number: u64) {
        match number % 8 {
            0..4 => drop(self.phone.line.send(bytes)),
            4 => {
                let from = source(u32::try_from(number % 5_000).unwrap_or(0) + 1_000);
                if let Ok(mut stranger) = Line::udp(from, self.to) {
                    let _ = stranger.send(bytes);
                }
            }
            _ => {
                // a stream that was broken is closed by the server: that is its right
                let held = self.tcp.take().or_else(|| Line::tcp(source(5), self.to).ok());
                self.tcp = held.and_then(|mut tcp| tcp.send(bytes).is_ok().then_some(tcp));
                if let Some(tcp) = &mut self.tcp {
                    while tcp.hear(Duration::from_micros(50)).is_some() {}
                }
            }
        }
        while self.phone.line.hear(Duration::from_micros(1)).is_some() {}
    }

    /// A call with a valid proof, and something wrong with it all the same.
    fn call(&mut self, number: u64, dice: &mut Dice) {
        self.phone.be(&crowd::name(u32::try_from(number % u64::from(CROWD)).unwrap_or(0)));
        let mut invite = self.phone.request("INVITE", &self.phone.uri("*55"));
        invite.body = SDP.to_owned();
        if self.phone.prove(&mut invite).is_err() {
            return;
        }
        let text = invite.text(&self.phone.line).into_bytes();
        let broken = mutant(&[text], 0, dice);
        let _ = self.phone.line.send(&broken);
    }
}
