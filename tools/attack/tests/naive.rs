//! Every attack finds what it looks for in a server that has no defence against it.
#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

use std::time::Duration;

use attack::attacks::{self, Effort, big, fraud, guesses, mutants, resets, vanish};
use attack::call::EchoCall;
use attack::naive;
use attack::phone::Phone;
use attack::probe::Prober;
use attack::target::source;
use attack::{Report, rules};

fn little() -> Effort {
    Effort {
        mutants: 1_000,
        vanishing: 200,
        big: 4,
        resets_per_step: 3,
        rounds: 20,
        seed: 1,
        corpus: None,
        patience: Duration::from_millis(300),
    }
}

fn found(report: &Report, rules: &[&str]) {
    for rule in rules {
        assert!(report.defects().contains(rule), "{rule} held; not: {:?}", report.defects());
    }
}

#[test]
fn a_server_that_a_message_kills_is_found_out() {
    let mut target = naive::start().unwrap();
    let mut prober = Prober::new(&target).unwrap();
    let mut report = Report::default();
    mutants::run(&mut target, &mut prober, &little(), &mut report).unwrap();
    found(&report, &["mutants: valid requests are answered", "mutants: it lives"]);
}

#[test]
fn a_server_that_forgets_nothing_is_found_out() {
    let mut target = naive::start().unwrap();
    let mut prober = Prober::new(&target).unwrap();
    let mut report = Report::default();
    vanish::run(&mut target, &mut prober, &little(), &mut report).unwrap();
    found(&report, &["vanishing callers: memory stays"]);
    big::run(&mut target, &mut prober, &little(), &mut report).unwrap();
    found(&report, &["big strangers: memory stays"]);
    resets::run(&mut target, &mut prober, &little(), &mut report).unwrap();
    found(&report, &["resets: calls can be made"]);
    attacks::nothing_is_left(&target, &little(), &mut report);
    found(
        &report,
        &["calls", "sip_transactions", "sip_dialogs"]
            .map(|what| Box::leak(format!("afterwards: no {what} are left").into_boxed_str()) as &str),
    );
}

#[test]
fn a_server_without_sound_is_found_out() {
    let target = naive::start().unwrap();
    let call = EchoCall::start(Phone::register(&target, "1002", source(2)).unwrap()).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let (sent, heard) = call.finish();
    assert!(rules::sound(sent, heard).is_err(), "{sent} {heard}");
}

#[test]
fn a_server_that_grants_everything_is_found_out() {
    let target = naive::start().unwrap();
    let mut report = Report::default();
    fraud::run(&target, &mut report).unwrap();
    found(
        &report,
        &[
            "fraud: calls of strangers",
            "fraud: requests of strangers",
            "fraud: forged names",
            "fraud: calls to hosts elsewhere",
            "fraud: dialling hosts by CTI",
            "fraud: transfers",
            "fraud: no host that others name is called",
        ],
    );
}

#[test]
fn a_server_that_lets_passwords_be_guessed_is_found_out() {
    let mut target = naive::start().unwrap();
    let mut report = Report::default();
    guesses::run(&mut target, &little(), &mut report).unwrap();
    found(
        &report,
        &[
            "names: known and unknown are told the same",
            "names: known and unknown take the same time",
            "guesses: the right password after sixty wrong ones",
            "guesses: svcrack finds no password",
            "guesses: svwar finds no name",
        ],
    );
}
