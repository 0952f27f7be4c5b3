//! Calls that others would have to pay for, and who they seem to come from (faults T, A14).

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::mutate::SDP;
use crate::phone::{Phone, in_dialog, number};
use crate::report::Report;
use crate::rules;
use crate::target::{Target, source};
use crate::wire::{Line, Request, reply, value_of};

/// A number that only a thief would dial.
const PREMIUM: &str = "0033899700000";
/// What none may make others believe.
const FORGED: &str = "33999123";

/// Tries them all.
///
/// # Errors
/// If the phones of the play cannot register.
pub fn run(target: &Target, report: &mut Report) -> Result<()> {
    println!("== fraud");
    // none of it may make the server call a host that the attacker names
    let trap = UdpSocket::bind((source(666), 0))?;
    let trapped = trap.local_addr()?;
    strangers_calls(target, trapped, report)?;
    strangers_requests(target, report)?;
    forged_names(target, report)?;
    calls_elsewhere(target, trapped, report)?;
    transfers(target, trapped, report)?;
    trap.set_nonblocking(true)?;
    let caught = trap.recv(&mut [0; 2_000]).is_ok();
    let verdict = if caught { Err("the server called it".into()) } else { Ok("it heard nothing".into()) };
    report.check("fraud: no host that others name is called", verdict);
    Ok(())
}

/// INVITE without a password (T1).
fn strangers_calls(target: &Target, trap: SocketAddr, report: &mut Report) -> Result<()> {
    let mut granted = Vec::new();
    let mut tried = 0;
    let targets = [
        format!("sip:{PREMIUM}@{}", target.sip),
        format!("sip:+33899700000@{}", target.sip),
        format!("tel:{PREMIUM}"),
        format!("sip:1001@{}", target.sip),
        format!("sip:*55@{}", target.sip),
        format!("sip:thief@{trap}"),
    ];
    let senders = ["sip:1001@", "sip:trunk@", "sip:+331@", "sip:anonymous@anonymous.invalid"];
    for (count, uri) in targets.iter().enumerate() {
        let from = source(700 + u32::try_from(count)?);
        for mut line in [Line::udp(from, target.sip)?, Line::tcp(from, target.sip)?] {
            for sender in senders {
                let sender =
                    if sender.ends_with('@') { format!("{sender}{}", target.sip) } else { sender.into() };
                let mut invite = Request::new("INVITE", number(), &sender, uri);
                invite.body = SDP.to_owned();
                invite.headers = format!("P-Asserted-Identity: <sip:1001@{}>\r\n", target.sip);
                tried += 1;
                granted.extend(got_somewhere(&mut line, &invite));
            }
        }
    }
    report.check("fraud: calls of strangers", rules::none_granted(tried, &granted));
    Ok(())
}

/// The response by which a call rings or is answered, if one comes.
fn got_somewhere(line: &mut Line, invite: &Request) -> Option<String> {
    let text = invite.text(line);
    line.send(text.as_bytes()).ok()?;
    let until = Instant::now() + Duration::from_millis(600);
    while let Some(text) = line.hear(until.saturating_duration_since(Instant::now())) {
        let Some(response) = crate::wire::Response::read(&text) else { continue };
        if response.header("Call-ID") != Some(&invite.call_id) {
            continue;
        }
        match response.status {
            100 => {}
            101..300 => return Some(format!("{} to {}", response.status, invite.uri)),
            _ => {
                line.acknowledge(invite, &response);
                return None;
            }
        }
    }
    None
}

/// Other requests without a password (A14).
fn strangers_requests(target: &Target, report: &mut Report) -> Result<()> {
    let mut granted = Vec::new();
    let uri = format!("sip:1001@{}", target.sip);
    let methods = ["MESSAGE", "SUBSCRIBE", "PUBLISH", "INFO", "REFER", "UPDATE", "NOTIFY", "BYE", "PRACK"];
    for (count, method) in methods.into_iter().enumerate() {
        let mut line = Line::tcp(source(720 + u32::try_from(count)?), target.sip)?;
        let mut request = Request::new(method, number(), "sip:1002@attack.invalid", &uri);
        request.headers = match method {
            "SUBSCRIBE" | "PUBLISH" => "Event: dialog\r\nExpires: 60\r\n".into(),
            "NOTIFY" => "Event: message-summary\r\nSubscription-State: active\r\n".into(),
            "REFER" => format!("Refer-To: <sip:{PREMIUM}@{}>\r\n", target.sip),
            "PRACK" => "RAck: 1 1 INVITE\r\n".into(),
            _ => String::new(),
        };
        let answer = line.ask(&request);
        granted.extend(answer.filter(|a| a.status < 300).map(|a| format!("{} to {method}", a.status)));
    }
    report.check("fraud: requests of strangers", rules::none_granted(methods.len(), &granted));
    Ok(())
}

/// Who the caller says he is, is not passed on (T4).
fn forged_names(target: &Target, report: &mut Report) -> Result<()> {
    let mut caller = Phone::register(target, "1004", source(4))?;
    let mut called = Phone::register(target, "1003", source(3))?;
    let mut delivered = Vec::new();
    let forged = format!("<sip:{FORGED}@bank.example>");
    let headers = [
        "P-Asserted-Identity",
        "P-Preferred-Identity",
        "Remote-Party-ID",
        "Diversion",
        "History-Info",
        "X-Caller",
        "Call-Info",
        "Identity",
    ];
    let plays = headers.iter().map(|header| format!("{header}: {forged}\r\n")).chain([String::new()]);
    let mut arrived = 0;
    for (count, header) in plays.enumerate() {
        let mut invite = caller.request("INVITE", &caller.uri("1003"));
        if header.is_empty() {
            invite.from = format!("\"Bank\" <sip:{FORGED}@{}>;tag=x{count}", target.sip);
        }
        invite.headers = header.clone();
        invite.body = SDP.to_owned();
        // a server that asks for no proof has passed it on already
        if caller.prove(&mut invite).is_ok() {
            let text = invite.text(&caller.line);
            caller.line.send(text.as_bytes())?;
        }
        if let Some(text) = called.invited() {
            arrived += 1;
            if text.contains(FORGED) {
                let line = text.lines().find(|line| line.contains(FORGED)).unwrap_or_default();
                delivered.push(line.to_owned());
            }
        }
        let end = Instant::now() + Duration::from_secs(2);
        while let Some(text) = caller.line.hear(end.saturating_duration_since(Instant::now())) {
            let refusal = crate::wire::Response::read(&text).filter(|response| response.status >= 300);
            if let Some(refusal) =
                refusal.filter(|refusal| refusal.header("Call-ID") == Some(&invite.call_id))
            {
                caller.line.acknowledge(&invite, &refusal);
                break;
            }
        }
    }
    report.check("fraud: forged names", rules::none_granted(arrived, &delivered));
    Ok(())
}

impl Phone {
    /// The INVITE that comes in, refused as busy; what else comes is answered.
    fn invited(&mut self) -> Option<String> {
        let until = Instant::now() + Duration::from_millis(1_500);
        while let Some(text) = self.line.hear(until.saturating_duration_since(Instant::now())) {
            if text.starts_with("INVITE ") {
                let _ = self.line.send(reply(&text, 486, "").as_bytes());
                return Some(text);
            }
            if !text.starts_with("SIP/2.0") && !text.starts_with("ACK ") {
                let _ = self.line.send(reply(&text, 200, "").as_bytes());
            }
        }
        None
    }
}

/// A phone or an agent asks for a host of its own choice (T10).
fn calls_elsewhere(target: &Target, trap: SocketAddr, report: &mut Report) -> Result<()> {
    let mut phone = Phone::register(target, "1004", source(4))?;
    let mut granted = Vec::new();
    let elsewhere = [
        format!("sip:x@{trap}"),
        "sip:x@evil.example".to_owned(),
        "sip:root@127.0.0.1:22".to_owned(),
        format!("sip:{PREMIUM}@{trap};transport=udp"),
    ];
    for uri in &elsewhere {
        let mut invite = phone.request("INVITE", uri);
        invite.body = SDP.to_owned();
        match phone.prove(&mut invite) {
            Ok(()) => granted.extend(got_somewhere(&mut phone.line, &invite)),
            Err(answer) => granted.extend(
                answer
                    .filter(|answer| answer.status < 300)
                    .map(|answer| format!("{} to {uri}", answer.status)),
            ),
        }
    }
    report.check("fraud: calls to hosts elsewhere", rules::none_granted(elsewhere.len(), &granted));
    report.check("fraud: dialling hosts by CTI", by_cti(target, &elsewhere));
    Ok(())
}

/// The same wishes on the CTI socket of the user 1004 is the line of.
fn by_cti(target: &Target, wishes: &[String]) -> rules::Verdict {
    let answer = target
        .post("/xuc/api/2.0/auth/login", r#"{"login":"dave","password":"hotdesk"}"#)
        .ok_or("no answer to a login")?;
    let token = answer
        .split_once("\"token\":\"")
        .and_then(|(_, rest)| rest.split('"').next())
        .ok_or("the login is refused")?;
    let url = format!("ws://{}/xuc/api/2.0/cti?token={token}", target.http);
    let (mut socket, _) = tungstenite::connect(url).map_err(|error| error.to_string())?;
    let before = target.metric("hotdesk_calls").unwrap_or(0.0);
    for wish in wishes {
        let command = serde_json::json!({ "claz": "web", "command": "dial", "destination": wish });
        socket.send(Message::text(command.to_string())).map_err(|error| error.to_string())?;
    }
    std::thread::sleep(Duration::from_millis(500));
    let after = target.metric("hotdesk_calls").unwrap_or(0.0);
    rules::back_to(before, after).map(|said| format!("{} wishes, calls: {said}", wishes.len()))
}

/// REFER out of a call of one's own: to a number that costs, to a host, and to take over a call of others (T5).
fn transfers(target: &Target, trap: SocketAddr, report: &mut Report) -> Result<()> {
    let mut phone = Phone::register(target, "1004", source(4))?;
    let mut granted = Vec::new();
    let wishes = [
        format!("<sip:{PREMIUM}@{}>", target.sip),
        format!("<sip:x@{trap}>"),
        format!("<sip:1003@{}?Replaces=someone%3Bto-tag%3Da%3Bfrom-tag%3Db>", target.sip),
    ];
    for wish in &wishes {
        let mut invite = phone.request("INVITE", &phone.uri("*55"));
        invite.body = SDP.to_owned();
        let Some(answer) = phone.ask(&mut invite).filter(|answer| answer.status == 200) else { continue };
        let ack = in_dialog(&invite, &answer, "ACK").text(&phone.line);
        phone.line.send(ack.as_bytes())?;
        let mut refer = in_dialog(&invite, &answer, "REFER");
        refer.headers = format!("Refer-To: {wish}\r\n");
        let accepted = phone.line.ask(&refer).is_some_and(|answer| answer.status < 300);
        // who has accepted it may still tell that it came to nothing
        if accepted && let Some(good) = phone.told_of_success() {
            granted.push(format!("{wish}: {good}"));
        }
        let mut bye = in_dialog(&invite, &answer, "BYE");
        bye.cseq += 1;
        let _ = phone.line.ask(&bye);
    }
    report.check("fraud: transfers", rules::none_granted(wishes.len(), &granted));
    Ok(())
}

impl Phone {
    /// Waits for the NOTIFY that ends a transfer: the status line in it, if that is a good one or none comes.
    fn told_of_success(&mut self) -> Option<String> {
        let until = Instant::now() + Duration::from_secs(3);
        while let Some(text) = self.line.hear(until.saturating_duration_since(Instant::now())) {
            if text.starts_with("SIP/2.0") || text.starts_with("ACK ") {
                continue;
            }
            let _ = self.line.send(reply(&text, 200, "").as_bytes());
            let fragment = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            let is_final = value_of(&text, "Subscription-State").is_some_and(|s| s.starts_with("terminated"));
            if text.starts_with("NOTIFY ") && is_final {
                return fragment.starts_with("SIP/2.0 2").then(|| fragment.trim().to_owned());
            }
        }
        Some("accepted, and nothing said of its failure".into())
    }
}
