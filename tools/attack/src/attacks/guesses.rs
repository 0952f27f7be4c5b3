//! Which names there are, and what their passwords may be (faults A6, A7).

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::Effort;
use crate::phone::{Phone, number};
use crate::report::Report;
use crate::rules::{self, Verdict};
use crate::target::{Target, source};
use crate::wire::{Line, Request, Response};

const KNOWN: &str = "1003";
const UNKNOWN: &str = "7003";
/// From one source; more would be turned away for that alone.
const BY_ONE_SOURCE: u32 = 15;
/// Wrong passwords before the right one.
const WRONG: u32 = 60;

/// Sweeps names first, then guesses.
///
/// # Errors
/// If a program for it is missing, or the phone cannot register whose password is guessed.
pub fn run(target: &mut Target, effort: &Effort, report: &mut Report) -> Result<()> {
    println!("== guesses");
    names(target, effort, report);
    let mut owner = Phone::register(target, KNOWN, source(3))?;
    let granted = guess(target);
    let tried = usize::try_from(WRONG + 1)?;
    report.check("guesses: the right password after sixty wrong ones", rules::none_granted(tried, &granted));
    let refreshed = owner.refresh().is_some_and(|answer| answer.status == 200);
    report.check(
        "guesses: the phone itself is not shut out",
        refreshed.then(|| "it registers as ever".to_owned()).ok_or("its registration is refused".to_owned()),
    );
    report.check("guesses: svcrack finds no password", svcrack(target)?);
    report.check("guesses: svwar finds no name", svwar(target)?);
    Ok(())
}

/// Asks for a known and an unknown name in turns, without and with a wrong password.
fn names(target: &Target, effort: &Effort, report: &mut Report) {
    let (mut told, mut taken) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    let mut line = None;
    for round in 0..effort.rounds {
        if round % 50 == 0 {
            line = Line::tcp(source(200 + round / 50), target.sip).ok();
        }
        let Some(line) = &mut line else { continue };
        for (which, name) in [KNOWN, UNKNOWN].into_iter().enumerate() {
            let mut request = register(name, target);
            let began = Instant::now();
            let Some(answer) = line.ask(&request) else { continue };
            taken[which].push(began.elapsed());
            told[which].push(shape(&answer, name));
            if round < 8 {
                request.call_id.push('p');
                let wrong = format!("wrong{round}");
                told[which].extend(line.ask_proven(&mut request, name, &wrong).map(|a| shape(&a, name)));
            }
        }
    }
    // each kind of question has its own answer; known and unknown are compared kind by kind
    let kinds = |status: &str| {
        let of = |told: &[String]| {
            told.iter().filter(|answer| answer.starts_with(status)).cloned().collect::<Vec<_>>()
        };
        (of(&told[0]), of(&told[1]))
    };
    let (known, unknown) = (&told[0], &told[1]);
    let statuses = |told: &[String]| told.iter().map(|a| a[..3].to_owned()).collect::<Vec<_>>();
    let same_order = statuses(known) == statuses(unknown);
    let verdict = if same_order {
        let (known, unknown) = kinds("401");
        let challenged = rules::same_answers(&known, &unknown);
        let (known, unknown) = kinds("403");
        challenged
            .and_then(|said| rules::same_answers(&known, &unknown).map(|wrong| format!("{said}; {wrong}")))
    } else {
        Err("a known name is told another status than an unknown one".into())
    };
    report.check("names: known and unknown are told the same", verdict);
    report.check("names: known and unknown take the same time", rules::same_time(&taken[0], &taken[1]));
}

fn register(name: &str, target: &Target) -> Request {
    let aor = format!("sip:{name}@{}", target.sip);
    let mut request = Request::new("REGISTER", number(), &aor, &format!("sip:{}", target.sip));
    request.to = format!("<{aor}>");
    request.headers = "Expires: 60\r\n".into();
    request
}

/// An answer without what is different each time, and without the name that was asked for.
fn shape(answer: &Response, name: &str) -> String {
    let mut lines = vec![answer.status.to_string()];
    for line in answer.text.replace(name, "NAME").lines() {
        let header = line.split(':').next().unwrap_or_default();
        match header {
            "Via" | "From" | "Call-ID" | "CSeq" | "Date" => lines.push(header.to_owned()),
            "To" => lines.push(line.split(";tag=").next().unwrap_or_default().to_owned()),
            _ => lines.push(without_nonce(line)),
        }
    }
    lines.join("\n")
}

fn without_nonce(line: &str) -> String {
    match line.split_once("nonce=\"") {
        Some((before, rest)) => {
            let after = rest.split_once('"').map_or("", |(_, after)| after);
            format!("{before}nonce=\"\"{after}")
        }
        None => line.to_owned(),
    }
}

/// Wrong passwords and then the right one, from many sources.
fn guess(target: &Target) -> Vec<String> {
    let mut granted = Vec::new();
    let mut line = None;
    for round in 0..=WRONG {
        if round % BY_ONE_SOURCE == 0 {
            line = Line::tcp(source(400 + round / BY_ONE_SOURCE), target.sip).ok();
        }
        let password = if round == WRONG { target.password.clone() } else { format!("guess{round}") };
        let answer =
            line.as_mut().and_then(|line| line.ask_proven(&mut register(KNOWN, target), KNOWN, &password));
        granted.extend(answer.filter(|answer| answer.status == 200).map(|_| password));
    }
    granted
}

/// The words before the right one in a cracker's list: as many as are checked, and few enough that it does not give
/// up before, being refused again and again.
const WORDS_BEFORE: usize = 10;

/// SIPVicious goes through a list of words, of which one is right.
fn svcrack(target: &Target) -> Result<Verdict> {
    let folder = tempfile::tempdir()?;
    let list = folder.path().join("words");
    let mut words: Vec<String> = (0..100).map(|number| format!("word{number}")).collect();
    words.insert(WORDS_BEFORE, target.password.clone());
    std::fs::write(&list, words.join("\n") + "\n")?;
    let relay = Relay::start(target.sip)?;
    let mut command = Command::new("svcrack");
    command.arg("-u").arg("1004").arg("-d").arg(&list).args(["-p", &relay.address.port().to_string()]);
    let printed = sipvicious(command, relay.address)?;
    let tried = usize::try_from(relay.proofs.load(Ordering::Relaxed))?;
    if tried <= WORDS_BEFORE {
        return Ok(Err(format!("it has tried {tried} words only: {}", printed.trim())));
    }
    let found = printed.lines().find(|line| line.contains("1004") && line.contains(&target.password));
    Ok(rules::none_granted(tried, &found.map(|line| line.trim().to_owned()).into_iter().collect::<Vec<_>>()))
}

/// SIPVicious goes through numbers, among which there are four that exist.
fn svwar(target: &Target) -> Result<Verdict> {
    let mut command = Command::new("svwar");
    command.args(["-e", "1000-1030", "-m", "REGISTER", "-p", &target.sip.port().to_string()]);
    let printed = sipvicious(command, target.sip)?;
    // it sees that also what cannot exist is asked for a password, and gives up
    let gave_up = printed.contains("authentication request for an unknown extension");
    Ok(if gave_up { Ok("all numbers look alike to it".into()) } else { Err(printed.trim().to_owned()) })
}

/// Stands between a cracker that knows MD5 and UDP alone and the server: the cracker sees no better challenge, and
/// no limit of datagrams is in its way, so that what stops it is the count of its guesses.
struct Relay {
    address: SocketAddr,
    proofs: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Relay {
    fn start(server: SocketAddr) -> Result<Relay> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(Duration::from_millis(2)))?;
        let (address, mut line) = (socket.local_addr()?, Line::tcp(source(500), server)?);
        let (proofs, stop): (Arc<AtomicU64>, Arc<AtomicBool>) = (Arc::default(), Arc::default());
        let (counted, stopped) = (proofs.clone(), stop.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 8_192];
            let mut cracker = None;
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    cracker = Some(from);
                    let text = String::from_utf8_lossy(&buffer[..length]);
                    counted.fetch_add(u64::from(text.contains("Authorization:")), Ordering::Relaxed);
                    let _ = line.send(&buffer[..length]);
                }
                while let Some(answer) = line.hear(Duration::from_millis(1)) {
                    let old = answer.lines().filter(|line| !line.contains("algorithm=SHA-256"));
                    let old: String = old.map(|line| format!("{line}\r\n")).collect();
                    let _ = cracker.map(|cracker| socket.send_to(old.as_bytes(), cracker));
                }
            }
        });
        Ok(Relay { address, proofs, stop })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn sipvicious(mut command: Command, address: SocketAddr) -> Result<String> {
    let folder = tempfile::tempdir()?;
    // it keeps its sessions in the home folder
    command.env("HOME", folder.path()).env("COLUMNS", "120").arg(address.ip().to_string());
    let began = Instant::now();
    let output = command.output().context("SIPVicious is missing: install the package sipvicious")?;
    println!("   {command:?} took {:?}", Duration::from_millis(u64::try_from(began.elapsed().as_millis())?));
    let printed = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&printed).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_differ_by_nonce_and_name_alone_have_one_shape() {
        let answer = |name: &str, nonce: &str, status: u16| Response {
            status,
            text: format!(
                "SIP/2.0 {status} No\r\nVia: x;branch={nonce}\r\nTo: <sip:{name}@h>;tag={nonce}\r\n\
                 WWW-Authenticate: Digest realm=\"h\", nonce=\"{nonce}\", qop=\"auth\"\r\n\r\n"
            ),
        };
        let one = shape(&answer("1003", "aaa", 401), "1003");
        assert_eq!(one, shape(&answer("7003", "bbb", 401), "7003"));
        assert_ne!(one, shape(&answer("7003", "bbb", 404), "7003"));
        assert!(one.contains("realm=\"h\", nonce=\"\", qop"), "{one}");
    }
}
