//! What is done to the server. Each attack adds its checks to the report.

pub mod big;
pub mod fraud;
pub mod guesses;
pub mod mutants;
pub mod resets;
pub mod vanish;

use std::time::Duration;

use anyhow::Result;

use crate::call::EchoCall;
use crate::phone::Phone;
use crate::probe::Prober;
use crate::report::Report;
use crate::rules;
use crate::target::{Target, source};

/// How hard to try.
#[derive(Clone, Debug)]
pub struct Effort {
    /// Mutants on the wire (faults P).
    pub mutants: u64,
    /// INVITEs whose senders vanish (F3).
    pub vanishing: u64,
    /// Big INVITEs of strangers by each connection (F1).
    pub big: u64,
    /// Connections that are reset, at each step of a call (F8).
    pub resets_per_step: u32,
    /// Rounds of telling a known name from an unknown one (A6).
    pub rounds: u32,
    /// Which mutants these are.
    pub seed: u64,
    /// Folder with further messages to begin with.
    pub corpus: Option<std::path::PathBuf>,
    /// How long what was begun may take to end.
    pub patience: Duration,
}

impl Effort {
    /// What the continuous integration does.
    pub fn usual() -> Effort {
        Effort {
            mutants: 20_000,
            vanishing: 5_000,
            big: 250,
            resets_per_step: 100,
            rounds: 1_000,
            seed: 1,
            corpus: None,
            patience: Duration::from_secs(150),
        }
    }
}

/// All of it, one attack after the other, beside a call that goes on.
///
/// # Errors
/// If the target cannot even be called.
pub fn all(target: &mut Target, effort: &Effort, report: &mut Report) -> Result<()> {
    let mut prober = Prober::new(target)?;
    let call = EchoCall::start(Phone::register(target, "1002", source(2))?)?;
    prober.probe();
    report.check("before: valid requests are answered", rules::probes(&prober.taken()));

    mutants::run(target, &mut prober, effort, report)?;
    vanish::run(target, &mut prober, effort, report)?;
    big::run(target, &mut prober, effort, report)?;
    resets::run(target, &mut prober, effort, report)?;
    let (sent, heard) = call.finish();
    report.check("a call that was up all the time kept its sound", rules::sound(sent, heard));
    nothing_is_left(target, effort, report);

    fraud::run(target, report)?;
    guesses::run(target, effort, report)?;
    still_well(target, &mut prober, report, "after everything");
    Ok(())
}

/// What was begun has ended, once everybody is silent.
pub fn nothing_is_left(target: &Target, effort: &Effort, report: &mut Report) {
    for what in ["calls", "sip_transactions", "sip_dialogs"] {
        let left = target.wait_for(&format!("hotdesk_{what}"), 0.0, effort.patience);
        report.check(&format!("afterwards: no {what} are left"), rules::back_to(0.0, left));
    }
}

/// What must hold after every attack.
fn still_well(target: &mut Target, prober: &mut Prober, report: &mut Report, when: &str) {
    prober.probe();
    report.check(&format!("{when}: valid requests are answered"), rules::probes(&prober.taken()));
    let panics = target.metric("hotdesk_panics_total").unwrap_or(0.0);
    let verdict = rules::alive(target.is_alive(), panics, &target.log());
    report.check(&format!("{when}: it lives"), verdict);
}
