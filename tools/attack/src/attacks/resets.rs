//! Calls by TCP whose connection is reset, at every step (faults F8).

use std::time::Duration;

use anyhow::Result;

use super::{Effort, still_well};
use crate::crowd;
use crate::mutate::SDP;
use crate::phone::{in_dialog, number};
use crate::probe::Prober;
use crate::report::Report;
use crate::rules;
use crate::target::{CROWD, Target, source};
use crate::wire::{Line, Request, proof};

/// How far a call gets before the reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Connected,
    HalfAnInvite,
    Invited,
    Challenged,
    Acknowledged,
    InvitedWithProof,
    Answered,
    Confirmed,
    ChangesTheSession,
    HangsUp,
}

use Step::{
    Acknowledged, Answered, Challenged, ChangesTheSession, Confirmed, Connected, HalfAnInvite, HangsUp,
    Invited, InvitedWithProof,
};

const STEPS: [Step; 10] = [
    Connected,
    HalfAnInvite,
    Invited,
    Challenged,
    Acknowledged,
    InvitedWithProof,
    Answered,
    Confirmed,
    ChangesTheSession,
    HangsUp,
];

/// Every step so many times.
///
/// # Errors
/// None of its own.
pub fn run(target: &mut Target, prober: &mut Prober, effort: &Effort, report: &mut Report) -> Result<()> {
    println!("== resets: {} at each of {} steps", effort.resets_per_step, STEPS.len());
    let before = target.memory_kib().unwrap_or(0);
    let (mut reached, mut count) = (0, 0);
    for round in 0..effort.resets_per_step {
        for step in STEPS {
            if let Ok(mut line) = Line::tcp(source(100 + round % 50), target.sip) {
                // no line has more calls than it may have, for those that are lost end late
                count += u32::from(step >= InvitedWithProof);
                let caller = crowd::name(CROWD - 1 - count / 2 % CROWD);
                reached += u32::from(go(&mut line, step, &caller, target).is_some());
                line.reset();
            }
        }
        if round % 10 == 0 {
            prober.probe();
        }
    }
    let wanted = effort.resets_per_step * u32::try_from(STEPS.len()).unwrap_or(0);
    // what fails to get there has not been tried
    let got_there = if reached * 10 >= wanted * 9 { Ok(()) } else { Err(()) };
    let said = format!("{reached} of {wanted} calls got as far as they should");
    report.check("resets: calls can be made", got_there.map(|()| said.clone()).map_err(|()| said));
    let after = target.memory_kib().unwrap_or(u64::MAX);
    report.check("resets: memory stays", rules::memory(before, after));
    still_well(target, prober, report, "resets");
    Ok(())
}

/// Goes as far as `last`.
fn go(line: &mut Line, last: Step, caller: &str, target: &Target) -> Option<()> {
    const SOON: Duration = Duration::from_millis(20);
    let uri = format!("sip:*55@{}", target.sip);
    let mut invite = Request::new("INVITE", number(), &format!("sip:{caller}@{}", target.sip), &uri);
    invite.body = SDP.to_owned();
    if last == Connected {
        return Some(());
    }
    let text = invite.text(line);
    if last == HalfAnInvite {
        return line.send(&text.as_bytes()[..text.len() / 2]).ok();
    }
    if last == Invited {
        return line.send(text.as_bytes()).ok();
    }
    let challenge = line.ask(&invite)?;
    if last == Challenged {
        return Some(());
    }
    line.acknowledge(&invite, &challenge);
    if last == Acknowledged {
        return Some(());
    }
    invite.headers.push_str(&proof(&challenge, "INVITE", &uri, caller, &target.password)?);
    invite.cseq += 1;
    if last == InvitedWithProof {
        let text = invite.text(line);
        line.send(text.as_bytes()).ok()?;
        let _ = line.hear(SOON);
        return Some(());
    }
    let answer = line.ask(&invite).filter(|answer| answer.status == 200)?;
    if last == Answered {
        return Some(());
    }
    let ack = in_dialog(&invite, &answer, "ACK").text(line);
    line.send(ack.as_bytes()).ok()?;
    let further = match last {
        ChangesTheSession => Request { body: SDP.to_owned(), ..in_dialog(&invite, &answer, "INVITE") },
        HangsUp => in_dialog(&invite, &answer, "BYE"),
        _ => return Some(()),
    };
    let text = further.text(line);
    line.send(text.as_bytes()).ok()
}
