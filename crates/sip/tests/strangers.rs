//! What anybody may send to an open port, and what it gets.

mod world;

use proptest::prelude::*;
use sip::{Event, FlowId, Owner, Transport, UserAgent};
use timing::{Duration, Instant};
use world::{FLOW, anna, mallory, user_agent};

const NOW: Instant = Instant::ORIGIN;

fn desk(transport: Transport) -> UserAgent {
    let mut desk = user_agent(3, transport, true);
    desk.open_flow(FLOW, transport, anna(), NOW);
    desk
}

/// What `desk` answers to `message`: the last message, its status alone, or nothing.
fn answer(desk: &mut UserAgent, message: &str) -> Option<(u16, String)> {
    desk.handle_message(FLOW, message.as_bytes(), NOW);
    let text = std::iter::from_fn(|| desk.poll_transmit()).last()?.bytes;
    let text = String::from_utf8(text).expect("ASCII");
    Some((text.split(' ').nth(1)?.parse().ok()?, text))
}

fn status(message: &str) -> Option<u16> {
    answer(&mut desk(Transport::Ws), message).map(|(status, _)| status)
}

fn request(method: &str, more: &str) -> String {
    format!(
        "{method} sip:200@example.org SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK77\r\nMax-Forwards: 70\r\n\
         From: <sip:anna@example.org>;tag=1\r\nTo: <sip:200@example.org>\r\nCall-ID: c1\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:anna@x.invalid;transport=ws>\r\n{more}\r\n"
    )
}

#[test]
fn each_wrong_request_gets_the_status_that_the_standard_names() {
    let with_body =
        |kind: &str| request("INVITE", &format!("Content-Type: {kind}\r\nContent-Length: 4\r\n")) + "v=0\n";
    let mixed = |more: &str| {
        let body = format!(
            "--x\r\nContent-Type: application/ISUP\r\n{more}\r\n\u{1}\r\n--x\r\n\
             Content-Type: application/sdp\r\n\r\nv=0\r\n\r\n--x--\r\n"
        );
        let lines =
            format!("Content-Type: multipart/mixed;boundary=\"x\"\r\nContent-Length: {}\r\n", body.len());
        request("INVITE", &lines) + &body
    };
    let in_dialog =
        |method: &str| request(method, "").replace("200@example.org>\r\n", "200@example.org>;tag=no\r\n");
    for (message, expected) in [
        (request("OPTIONS", ""), Some(200)),
        (request("INVITE", ""), Some(100)),
        (request("INVITE", "").replace("Contact: <sip", "Contact: <tel"), Some(400)),
        (request("INVITE", "").replace("Contact: <sip", "Contact: sip"), Some(400)),
        (request("INVITE", "").replace("Max-Forwards: 70", "Max-Forwards: 0"), Some(483)),
        (request("INVITE", "").replace("Max-Forwards: 70\r\n", ""), Some(100)),
        (request("OPTIONS", "").replace("Max-Forwards: 70", "Max-Forwards: 0"), Some(200)),
        (request("INVITE", "Require: 100rel\r\n"), Some(100)),
        (request("INVITE", "Require: precondition\r\n"), Some(420)),
        (request("OPTIONS", "Require: nothingSupportsThis\r\n"), Some(420)),
        (with_body("application/sdp"), Some(100)),
        (with_body("text/plain"), Some(415)),
        (with_body("multipart/mixed"), Some(400)),
        (with_body("multipart/mixed;boundary=x"), Some(400)),
        (mixed(""), Some(100)),
        (mixed("Content-Disposition: signal;handling=required\r\n"), Some(415)),
        (request("INVITE", "").replace("INVITE sip:200@", "INVITE foo:200@"), Some(416)),
        (request("INVITE", "Authorization: Digest nonsense\r\n"), Some(400)),
        (request("INVITE", "Authorization: Basic abc\r\n"), Some(100)),
        (request("REGISTER", "Authorization: Digest username=\"a\", nc=zz\r\n"), Some(400)),
        (request("REGISTER", "Contact: *\r\nExpires: 0\r\n"), Some(400)),
        (request("REGISTER", "Contact: nonsense\r\n"), Some(400)),
        (request("REGISTER", &"Contact: <sip:a@b>\r\n".repeat(500)), Some(400)),
        (request("REGISTER", &"Contact: <sip:a@b>\r\n".repeat(11)), Some(403)),
        (request("BYE", ""), Some(481)),
        (request("INFO", ""), Some(481)),
        (request("UPDATE", ""), Some(481)),
        (request("CANCEL", ""), Some(481)),
        (request("MESSAGE", ""), None),
        (request("SUBSCRIBE", ""), Some(489)),
        (request("SUBSCRIBE", "Event: presence\r\n"), Some(489)),
        (request("SUBSCRIBE", "Event: dialog\r\n"), None),
        (request("SUBSCRIBE", "Event: dialog\r\nAuthorization: Digest x\r\n"), Some(400)),
        (request("REFER", ""), Some(403)),
        (request("PUBLISH", ""), Some(405)),
        (request("FROBNICATE", ""), Some(501)),
        (in_dialog("INVITE"), Some(481)),
        (in_dialog("BYE"), Some(481)),
        (in_dialog("ACK"), None),
        (request("ACK", ""), None),
        (request("OPTIONS", "").replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"), Some(505)),
        (request("OPTIONS", "").replace("CSeq: 1 OPTIONS", "CSeq: 1 INVITE"), Some(400)),
        (request("OPTIONS", "").replace("CSeq: 1", "CSeq: 2147483648"), Some(400)),
        (request("OPTIONS", "").replace("Call-ID: c1\r\n", ""), Some(400)),
        (request("OPTIONS", "Content-Length: 99\r\n"), Some(400)),
        (request("OPTIONS", "Content-Length: -1\r\n"), Some(400)),
        (request("OPTIONS", "Content-Length: 0\r\nContent-Length: 1\r\n"), Some(400)),
        (request("OPTIONS", &"Via: SIP/2.0/WS y;branch=z9hG4bK1\r\n".repeat(71)), Some(400)),
        (request("OPTIONS", &format!("Subject: {}\r\n", "x".repeat(9_000))), Some(400)),
        (request("OPTIONS", &format!("Subject: {}\r\n", "x".repeat(70_000))), Some(513)),
        (request("OPTIONS", "").replace("OPTIONS sip:", "OPTIONS  sip:"), Some(400)),
        (request("OPTIONS", "Sub\x01ject: x\r\n"), Some(400)),
        ("SIP/2.0 200 OK\r\n\r\n".to_owned(), None),
        ("hello".to_owned(), None),
        (String::new(), None),
        ("\r\n".to_owned(), None),
    ] {
        assert_eq!(status(&message), expected, "{}", message.get(..400).unwrap_or(&message));
    }
}

#[test]
fn a_phone_is_no_registrar() {
    let mut phone = user_agent(4, Transport::Ws, false);
    phone.open_flow(FLOW, Transport::Ws, anna(), NOW);
    assert_eq!(answer(&mut phone, &request("REGISTER", "")).unwrap().0, 405);
}

#[test]
fn refusals_say_what_would_have_been_taken() {
    let mut desk = desk(Transport::Ws);
    let (_, text) = answer(&mut desk, &request("PUBLISH", "")).unwrap();
    assert!(
        text.contains(
            "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE, REFER, MESSAGE, SUBSCRIBE\r\n"
        ),
        "{text}"
    );
    let (_, text) = answer(&mut desk, &request("OPTIONS", "Require: a\r\nRequire: b, c\r\n")).unwrap();
    assert!(text.contains("Unsupported: a, b, c\r\n"), "{text}");
}

#[test]
fn keep_alives_are_answered_and_other_noise_is_not() {
    let mut ws = desk(Transport::Ws);
    for (noise, pong) in [("\r\n\r\n", Some(&b"\r\n"[..])), ("\r\n", None), ("\0", None), ("", None)] {
        ws.handle_message(FLOW, noise.as_bytes(), NOW);
        assert_eq!(ws.poll_transmit().map(|t| t.bytes).as_deref(), pong);
    }
    ws.handle_message(FlowId(44), request("OPTIONS", "").as_bytes(), NOW);
    assert_eq!(ws.poll_transmit(), None, "a flow that was never opened");
}

#[test]
fn compact_names_and_folded_lines_are_the_same_request() {
    let mut desk = desk(Transport::Wss);
    let invite = "INVITE sip:*55@example.org SIP/2.0\r\nv:SIP/2.0/WSS\r\n  df7jal23ls0d.invalid;branch=z9hG4bKab\r\n\
                  MAX-FORWARDS :  0068\r\nf: \"Anna\"<sip:%61nna%0d%0a@example.org>;tag=1\r\nt: sip:*55@example.org\r\n\
                  i: c9\r\ncseq: 0009\r\n INVITE\r\nm: <sips:anna@df7jal23ls0d.invalid;rtcweb-breaker=no;transport=wss>\
                  ;+sip.ice;click2call=no\r\nc: application/SDP;charset=utf-8\r\n\r\nv=0\r\n";
    assert_eq!(answer(&mut desk, invite).map(|(status, _)| status), Some(100));
    let Some(Event::Invite(invite)) = desk.poll_event() else { panic!("no call") };
    assert_eq!((invite.request_user.as_str(), invite.to_user.as_str()), ("*55", "*55"));
    assert_eq!((invite.from_user.as_str(), invite.from_name.as_deref()), ("anna", Some("Anna")));
    assert_eq!((invite.sdp.as_deref(), invite.max_forwards), (Some("v=0\r\n"), 68));
    assert_eq!(invite.header("Call-ID"), Some("c9"));
}

#[test]
fn the_same_invite_by_two_ways_is_a_loop_and_once_more_by_the_same_is_not() {
    let mut desk = desk(Transport::Udp);
    let invite = request("INVITE", "");
    assert_eq!(answer(&mut desk, &invite).unwrap().0, 100);
    assert_eq!(answer(&mut desk, &invite).unwrap().0, 100, "a retransmission");
    assert_eq!(answer(&mut desk, &invite.replace("z9hG4bK77", "z9hG4bK78")).unwrap().0, 482);
    let calls = std::iter::from_fn(|| desk.poll_event()).count();
    assert_eq!(calls, 1);
}

#[test]
fn an_old_phone_without_a_branch_is_served() {
    let mut desk = desk(Transport::Udp);
    let invite = request("INVITE", "").replace(";branch=z9hG4bK77", "");
    assert_eq!(answer(&mut desk, &invite).unwrap().0, 100);
    let cancel = invite.replace("INVITE sip", "CANCEL sip").replace("1 INVITE", "1 CANCEL");
    assert_eq!(answer(&mut desk, &cancel).unwrap().0, 487);
}

#[test]
fn a_stranger_cannot_cancel_or_answer_for_another_flow() {
    let mut desk = desk(Transport::Ws);
    answer(&mut desk, &request("INVITE", ""));
    let stranger = FlowId(2);
    desk.open_flow(stranger, Transport::Ws, mallory(), NOW);
    let cancel = request("CANCEL", "");
    desk.handle_message(stranger, cancel.as_bytes(), NOW);
    assert!(desk.poll_transmit().unwrap().bytes.starts_with(b"SIP/2.0 481 "));

    let call = desk.invite(world::invitation(), NOW);
    let invite = String::from_utf8(desk.poll_transmit().unwrap().bytes).unwrap();
    let forged = invite
        .replacen("INVITE sip:200@example.org SIP/2.0", "SIP/2.0 200 OK", 1)
        .replace("To: <sip:200@example.org>", "To: <sip:200@example.org>;tag=x");
    desk.handle_message(stranger, forged.as_bytes(), NOW);
    desk.poll_event();
    assert_eq!(desk.poll_event(), None);
    assert!(desk.dialog(call).is_some());
}

#[test]
fn refused_calls_take_their_room_until_they_are_forgotten_also_when_each_is_acknowledged() {
    let mut desk = desk(Transport::Ws);
    let with_number = |text: String, number: u32| {
        text.replace("z9hG4bK77", &format!("z9hG4bK{number}")).replace("c1", &format!("c{number}"))
    };
    let mut refused = 0;
    for number in 0..2_000 {
        if answer(&mut desk, &with_number(request("INVITE", ""), number)).is_some_and(|(code, _)| code == 503)
        {
            refused += 1;
            continue;
        }
        let Some(Event::Invite(invite)) = desk.poll_event() else { panic!("no call") };
        desk.refuse(invite.dialog, 403, None, NOW);
        let (_, text) = answer(&mut desk, "").unwrap_or_default();
        assert!(text.starts_with("SIP/2.0 403 "), "{text}");
        let tag = text.split("To: ").nth(1).and_then(|to| to.lines().next()).expect("a To");
        let ack = request("ACK", "").replace("To: <sip:200@example.org>", &format!("To: {tag}"));
        desk.handle_message(FLOW, with_number(ack, number).as_bytes(), NOW);
        while desk.poll_event().is_some() {}
    }
    let (dialogs, transactions) = desk.held();
    assert_eq!((dialogs, transactions, refused), (1_024, 0, 976));
    for _ in 0..3 {
        desk.handle_timeout(NOW + Duration::from_secs(40));
    }
    assert_eq!(desk.held(), (0, 0));
    assert_eq!(answer(&mut desk, &request("INVITE", "")).unwrap().0, 100);
}

#[test]
fn a_flood_is_refused_without_memory_and_passes() {
    let mut desk = desk(Transport::Ws);
    let mut refused = 0;
    for number in 0..3_000 {
        let invite = request("INVITE", "")
            .replace("z9hG4bK77", &format!("z9hG4bK{number}"))
            .replace("c1", &format!("c{number}"));
        if let Some((503, text)) = answer(&mut desk, &invite) {
            assert!(text.contains("Retry-After: "));
            refused += 1;
        }
        if let Some(Event::Invite(invite)) = desk.poll_event() {
            desk.refuse(invite.dialog, 403, None, NOW);
        }
    }
    assert!(refused >= 1_900, "{refused}");
    assert!(desk.held().1 <= 1_024);
    for _ in 0..3 {
        desk.handle_timeout(NOW + Duration::from_secs(40));
    }
    while desk.poll_event().is_some() {}
    assert_eq!(desk.held(), (0, 0));
    let later = request("INVITE", "");
    while desk.poll_transmit().is_some() {}
    assert_eq!(answer(&mut desk, &later).unwrap().0, 100);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_name_or_number_breaks_out_of_its_header(name in ".*", user in ".{1,40}", extra in ".*") {
        let mut phone = user_agent(5, Transport::Ws, false);
        phone.open_flow(FLOW, Transport::Ws, anna(), NOW);
        phone.invite(
            sip::OutboundInvite {
                from_name: Some(name),
                from_user: user.clone(),
                to_user: user.clone(),
                headers: vec![("X-Extra".into(), extra)],
                ..world::invitation()
            },
            NOW,
        );
        if let Some(sent) = phone.poll_transmit() {
            let mut desk = desk(Transport::Ws);
            desk.handle_message(FLOW, &sent.bytes, NOW);
            let Some(Event::Invite(invite)) = desk.poll_event() else { panic!("no call") };
            prop_assert_eq!(invite.headers.len(), 12);
            let shown: String = user.chars().filter(|c| !c.is_control()).collect();
            prop_assert_eq!(invite.from_user, shown);
        }
    }
}

/// The `number`th INVITE, so many bytes long.
fn invite_of(number: usize, length: usize) -> String {
    let body = "v".repeat(length);
    let lines = format!("Content-Type: application/sdp\r\nContent-Length: {length}\r\n");
    let text = request("INVITE", &lines).replace("z9hG4bK77", &format!("z9hG4bK{number}"));
    text.replace("Call-ID: c1", &format!("Call-ID: c{number}")) + &body
}

/// Challenges all who call.
fn challenge(desk: &mut UserAgent) {
    while let Some(event) = desk.poll_event() {
        if let Event::Invite(invite) = event {
            desk.refuse(invite.dialog, 401, None, NOW);
        }
    }
}

fn open_to_all(transport: Transport) -> UserAgent {
    let mut desk = user_agent(3, transport, true);
    desk.open_flow(FLOW, transport, Owner::Unproved, NOW);
    desk
}

#[test]
fn a_stranger_is_challenged_without_a_memory_of_it() {
    for transport in [Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Udp] {
        let mut desk = open_to_all(transport);
        for number in 0..100 {
            let message = invite_of(number, 60_000)
                .replace("SIP/2.0/WS", &format!("SIP/2.0/{}", transport.via_token()));
            desk.handle_message(FLOW, message.as_bytes(), NOW);
            challenge(&mut desk);
            let told: Vec<_> = std::iter::from_fn(|| desk.poll_transmit()).collect();
            assert!(
                told.last().expect("a challenge").bytes.starts_with(b"SIP/2.0 401 "),
                "{transport:?} {number}"
            );
            assert_eq!(desk.held(), (0, 0), "{transport:?} {number}");
        }
        assert_eq!(desk.poll_timeout(), None);
    }
}

#[test]
fn challenges_by_udp_are_repeated_while_they_are_few_and_small() {
    let mut desk = open_to_all(Transport::Udp);
    for flow in 0..80 {
        desk.open_flow(FlowId(100 + flow), Transport::Udp, Owner::Unproved, NOW);
        for number in 0..30 {
            let message = invite_of(usize::try_from(flow).unwrap() * 30 + number, 500);
            desk.handle_message(FlowId(100 + flow), message.as_bytes(), NOW);
            challenge(&mut desk);
        }
    }
    assert_eq!(desk.held(), (2_048, 2_048), "of all strangers together");
    while desk.poll_transmit().is_some() {}
    desk.handle_message(FlowId(100), invite_of(0, 500).as_bytes(), NOW);
    assert!(desk.poll_event().is_none(), "it is known");
    assert!(desk.poll_transmit().expect("the same again").bytes.starts_with(b"SIP/2.0 401 "));
    let later = NOW + Duration::from_secs(40);
    desk.handle_timeout(later);
    assert_eq!(desk.held(), (0, 0));
    desk.handle_message(FLOW, invite_of(9_000, 500).as_bytes(), later);
    challenge(&mut desk);
    assert_eq!(desk.held(), (1, 1), "there is room again");
}

#[test]
fn a_stranger_has_little_room_and_who_was_let_in_has_much() {
    let mut desk = open_to_all(Transport::Tcp);
    let mut statuses = Vec::new();
    for number in 0..100 {
        desk.handle_message(FLOW, invite_of(number, 10).replace("SIP/2.0/WS", "SIP/2.0/TCP").as_bytes(), NOW);
        let told = desk.poll_transmit().expect("an answer").bytes;
        statuses.push(String::from_utf8_lossy(&told[8..11]).into_owned());
    }
    assert_eq!(statuses.iter().filter(|status| *status == "100").count(), 64);
    assert!(statuses[64..].iter().all(|status| status == "503"), "{statuses:?}");

    let Some(Event::Invite(first)) = desk.poll_event() else { panic!("no call") };
    desk.progress(first.dialog, 180, None, NOW);
    for number in 100..200 {
        desk.handle_message(FLOW, invite_of(number, 10).replace("SIP/2.0/WS", "SIP/2.0/TCP").as_bytes(), NOW);
    }
    let told: Vec<_> = std::iter::from_fn(|| desk.poll_transmit()).collect();
    assert_eq!(told.iter().filter(|message| message.bytes.starts_with(b"SIP/2.0 503")).count(), 0);
    assert_eq!(desk.held(), (164, 164));
    challenge(&mut desk);
    assert_eq!(desk.held(), (164, 164), "its refusals wait for their ACK");
}
