//! Header lines of a call that comes in, passed on to another leg as a back-to-back user agent does.
#![no_main]

use hotdesk_fuzz::{Desk, FLOW, SDP, all_harmless, request};
use libfuzzer_sys::fuzz_target;
use sip::{Event, OutboundInvite, Reason, Transport};

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let _ = Reason::cause_in(&text, "Q.850");
    let (kind, body) = text.split_once('\n').unwrap_or((&text, ""));
    let _ = sip::dtmf::parse(kind, body.as_bytes());

    let mut desk = Desk::new(Transport::Udp, &[0]);
    desk.hear(&request("INVITE", b"sip:*55@192.0.2.1", input, b""));
    let events = desk.told();
    all_harmless(&events);
    for event in events {
        let Event::Invite(invite) = event else { continue };
        let headers: Vec<_> = invite.headers.iter().take(100).cloned().collect();
        pass_on(&mut desk, &invite.from_name, &invite.from_user, headers);
    }
    desk.nothing_is_left();
});

fn pass_on(desk: &mut Desk, name: &Option<String>, user: &str, headers: Vec<(String, String)>) {
    let plain = lines_of(desk, Some("Anna".into()), "anna", Vec::new());
    let extra = headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("Max-Forwards")).count();
    let copied = lines_of(desk, name.clone().or(Some(String::new())), user, headers);
    assert!(
        copied <= plain + extra,
        "a value made a line of its own: {copied} lines, {plain} + {extra} meant"
    );
}

/// How many lines the head of an INVITE has that carries these, for whoever takes a bare CR or LF for a line end.
fn lines_of(desk: &mut Desk, name: Option<String>, user: &str, headers: Vec<(String, String)>) -> usize {
    let invite = OutboundInvite {
        flow: FLOW,
        target: "sip:bruno@192.0.2.50".into(),
        from_user: user.to_owned(),
        from_name: name,
        from_host: "192.0.2.1".into(),
        to_user: "bruno".into(),
        to_host: "192.0.2.50".into(),
        sdp: SDP.into(),
        headers,
        ..OutboundInvite::default()
    };
    let dialog = desk.agent.invite(invite, desk.now);
    let sent = desk.agent.poll_transmit().expect("an INVITE").bytes;
    desk.agent.cancel(dialog, desk.now);
    let head = sent.windows(4).position(|w| w == b"\r\n\r\n").expect("a head has an end");
    let ends = |at: usize| sent[at] == b'\n' || (sent[at] == b'\r' && sent[at + 1] != b'\n');
    (0..head).filter(|&at| ends(at)).count()
}
