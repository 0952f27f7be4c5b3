//! INVITE, and never a word again (faults F3).

use std::time::Duration;

use anyhow::Result;

use super::{Effort, still_well};
use crate::crowd;
use crate::mutate::SDP;
use crate::phone::{Phone, number};
use crate::probe::Prober;
use crate::report::Report;
use crate::rules;
use crate::target::{CROWD, Target, source};
use crate::wire::{Line, Request};

/// INVITEs by one connection; then the next one is used.
const BY_ONE_CONNECTION: u64 = 100;
/// Every so many has a valid proof, and is answered by the echo test.
const PROVEN_EVERY: u64 = 20;

/// Sends them, by UDP from a known address and by TCP from strangers.
///
/// # Errors
/// If the attacker cannot register.
pub fn run(target: &mut Target, prober: &mut Prober, effort: &Effort, report: &mut Report) -> Result<()> {
    println!("== vanishing callers: {}", effort.vanishing);
    let before = target.memory_kib().unwrap_or(0);
    let mut phone = Phone::register(target, "1004", source(4))?;
    let mut tcp: Option<Line> = None;
    for count in 0..effort.vanishing {
        if count % PROVEN_EVERY == 0 {
            phone.be(&crowd::name(u32::try_from(count / PROVEN_EVERY).unwrap_or(0) % CROWD));
            let mut invite = phone.request("INVITE", &phone.uri("*55"));
            invite.body = SDP.to_owned();
            if phone.prove(&mut invite).is_ok() {
                let text = invite.text(&phone.line);
                let _ = phone.line.send(text.as_bytes());
            }
        } else if count % 2 == 0 {
            let invite = phone.request("INVITE", &phone.uri("1003"));
            let text = invite.text(&phone.line);
            let _ = phone.line.send(text.as_bytes());
        } else {
            let from = source(u32::try_from(count / BY_ONE_CONNECTION).unwrap_or(0) + 10);
            if count % BY_ONE_CONNECTION == 1 {
                tcp = Line::tcp(from, target.sip).ok();
            }
            let uri = format!("sip:1003@{}", target.sip);
            let mut invite = Request::new("INVITE", number(), "sip:x@attack.invalid", &uri);
            invite.body = SDP.to_owned();
            if let Some(tcp) = &mut tcp {
                let text = invite.text(tcp);
                let _ = tcp.send(text.as_bytes());
                while tcp.hear(Duration::from_micros(1)).is_some() {}
            }
        }
        while phone.line.hear(Duration::from_micros(1)).is_some() {}
        if count % 100 == 0 {
            prober.probe();
            if !target.is_alive() {
                break;
            }
        }
    }
    let answered = target.metric("hotdesk_calls").unwrap_or(0.0);
    println!("   {answered} calls are up that nobody confirms");
    let after = target.memory_kib().unwrap_or(u64::MAX);
    report.check("vanishing callers: memory stays", rules::memory(before, after));
    still_well(target, prober, report, "vanishing callers");
    Ok(())
}
