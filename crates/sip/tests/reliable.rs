//! Provisional responses that must arrive: 100rel and PRACK (RFC 3262).

mod world;

use sip::{EndedBy, Event, OutboundInvite, Transport};
use timing::Duration;
use world::by_hand::{ByHand, body_of, header, tag_of};
use world::{ANSWER, End, Fate, OFFER, World, ends, invitation};

const EARLY: &str = "v=0\r\ns=early\r\n";

fn rseq(text: &str) -> u32 {
    header(text, "RSeq").expect("an RSeq").parse().expect("a number")
}

/// The peer acknowledges what the desk has sent.
fn prack(peer: &mut ByHand, rseq: u32, cseq: u32, more: &str, body: &str) {
    peer.request("PRACK", &format!("RAck: {rseq} {cseq} INVITE\r\n{more}"), body);
}

#[test]
fn early_media_arrives_over_a_lossy_flow_and_the_answer_waits_for_it() {
    let mut world = World::of_servers(Transport::Udp);
    let (at_phone, invite) = world.call(End::Phone);
    let mut lost = 2;
    world.weather(move |_, text| {
        let is_first = text.starts_with("SIP/2.0 183") && lost > 0;
        lost -= usize::from(is_first);
        if is_first { Fate::IsLost } else { Fate::Arrives }
    });
    world.desk.progress(invite.dialog, 183, Some(EARLY.into()), world.now);
    world.desk.answer(invite.dialog, EARLY.into(), world.now).expect("it rings");
    assert!(world.desk.answer(invite.dialog, ANSWER.into(), world.now).is_err(), "once");
    world.run(Duration::from_millis(400));
    assert_eq!(world.sent(End::Desk, "SIP/2.0 200"), 0, "RFC 3262 §3: not before the PRACK");
    world.run(Duration::from_secs(3));
    assert_eq!(world.sent(End::Desk, "SIP/2.0 183"), 3);
    assert_eq!(
        world.events(End::Phone),
        [
            Event::Progress { dialog: at_phone, status: 183, sdp: Some(EARLY.into()) },
            Event::Answered { dialog: at_phone, sdp: Some(EARLY.into()) },
        ]
    );
    assert_eq!(world.sent(End::Phone, "PRACK"), 1);
    let (_, answer) = world
        .wire
        .iter()
        .find(|(_, text)| text.contains("CSeq: 1 INVITE") && text.starts_with("SIP/2.0 200"))
        .unwrap();
    assert_eq!(body_of(answer), "", "the session is agreed upon already");
    assert_eq!(world.events(End::Desk), [Event::Confirmed { dialog: invite.dialog }]);
    world.fair_weather();
    world.phone.bye(at_phone, None, world.now);
    world.nothing_is_left();
}

#[test]
fn plain_ringing_needs_no_acknowledgement_unless_the_caller_requires_it() {
    for (line, reliable) in
        [("Supported: timer,100REL\r\n", false), ("Require: 100rel\r\n", true), ("", false)]
    {
        let mut peer = ByHand::new(Transport::Ws);
        let dialog = peer.calls(line).dialog;
        peer.desk.progress(dialog, 180, None, peer.now);
        let ringing = peer.next("SIP/2.0 180");
        assert_eq!(header(&ringing, "RSeq").is_some(), reliable, "{line}");
        assert_eq!(header(&ringing, "Require").as_deref() == Some("100rel"), reliable, "{line}");
    }
    let mut peer = ByHand::new(Transport::Ws);
    let dialog = peer.calls("").dialog;
    peer.desk.progress(dialog, 183, Some(EARLY.into()), peer.now);
    assert_eq!(header(&peer.next("SIP/2.0 183"), "RSeq"), None, "nobody would acknowledge it");
}

#[test]
fn each_response_is_repeated_until_its_own_prack_and_the_next_waits_for_that() {
    let mut peer = ByHand::new(Transport::Ws);
    let dialog = peer.calls("Require: 100rel\r\n").dialog;
    let invite = peer.cseq;
    peer.desk.progress(dialog, 180, None, peer.now);
    peer.desk.progress(dialog, 183, Some(EARLY.into()), peer.now);
    let ringing = peer.next("SIP/2.0 180");
    peer.desk_tag = tag_of(&ringing, "To");
    let first = rseq(&ringing);
    assert!((1..=0x7fff_ffff).contains(&first));
    peer.run(Duration::from_millis(3_600));
    let repeated = peer.unread();
    assert_eq!(repeated.len(), 3, "after 0.5, 1.5 and 3.5 seconds");
    assert!(repeated.iter().all(|text| *text == ringing));

    for (number, cseq, method) in
        [(first + 1, invite, "INVITE"), (first, invite + 1, "INVITE"), (first, invite, "BYE")]
    {
        peer.request("PRACK", &format!("RAck: {number} {cseq} {method}\r\n"), "");
        peer.next("SIP/2.0 481 ");
    }
    peer.request("PRACK", "RAck: x\r\n", "");
    peer.next("SIP/2.0 400 ");
    peer.request("PRACK", "", "");
    peer.next("SIP/2.0 400 ");
    assert_eq!(peer.unread().len(), 0, "nothing was acknowledged");

    prack(&mut peer, first, invite, "", "");
    peer.next("SIP/2.0 200 ");
    let progress = peer.next("SIP/2.0 183 ");
    assert_eq!((rseq(&progress), body_of(&progress)), (first + 1, EARLY));
    prack(&mut peer, first, invite, "", "");
    peer.next("SIP/2.0 481 ");
    prack(&mut peer, first + 1, invite, "", "");
    peer.next("SIP/2.0 200 ");
    peer.run(Duration::from_secs(40));
    assert_eq!(peer.unread().len(), 0, "nothing is repeated once acknowledged");
    assert_eq!(peer.events(), []);
}

#[test]
fn a_caller_that_never_acknowledges_loses_its_call() {
    let mut peer = ByHand::new(Transport::Udp);
    let dialog = peer.calls("Require: 100rel\r\n").dialog;
    peer.desk.progress(dialog, 180, None, peer.now);
    peer.run(Duration::from_secs(31));
    assert_eq!(peer.events(), []);
    peer.run(Duration::from_secs(2));
    peer.next("SIP/2.0 504 ");
    assert_eq!(
        peer.events(),
        [Event::Ended { dialog, by: EndedBy::NoAck, status: Some(504), reason_header: None }]
    );
    peer.run(Duration::from_secs(100));
    assert_eq!(peer.desk.held(), (0, 0));
}

#[test]
fn a_refusal_and_a_plain_answer_wait_for_nothing() {
    for answered in [true, false] {
        let mut peer = ByHand::new(Transport::Ws);
        let dialog = peer.calls("Require: 100rel\r\n").dialog;
        let invite = peer.cseq;
        peer.desk.progress(dialog, 180, None, peer.now);
        let ringing = peer.next("SIP/2.0 180");
        peer.desk_tag = tag_of(&ringing, "To");
        if answered {
            peer.desk.answer(dialog, ANSWER.into(), peer.now).expect("it rings");
            assert_eq!(body_of(&peer.next("SIP/2.0 200 ")), ANSWER);
        } else {
            peer.desk.refuse(dialog, 486, None, peer.now);
            peer.next("SIP/2.0 486 ");
        }
        prack(&mut peer, rseq(&ringing), invite, "", "");
        peer.next(if answered { "SIP/2.0 200 " } else { "SIP/2.0 481 " });
        peer.run(Duration::from_secs(10));
        let ringing = peer.unread().iter().filter(|text| text.starts_with("SIP/2.0 180")).count();
        assert_eq!(ringing, 0);
    }
}

#[test]
fn a_cancel_finds_the_call_though_its_answer_waits() {
    let mut peer = ByHand::new(Transport::Ws);
    let dialog = peer.calls("Supported: 100rel\r\n").dialog;
    peer.desk.progress(dialog, 183, Some(EARLY.into()), peer.now);
    peer.desk.answer(dialog, EARLY.into(), peer.now).expect("it rings");
    peer.request("CANCEL", "", "");
    peer.next("SIP/2.0 487 ");
    let told = peer.events();
    assert!(matches!(told[..], [Event::Ended { by: EndedBy::Cancelled, .. }]), "{told:?}");
    peer.run(Duration::from_secs(100));
    assert_eq!(peer.desk.held(), (0, 0));
}

#[test]
fn our_offer_in_a_provisional_response_is_answered_by_the_prack() {
    let mut peer = ByHand::new(Transport::Ws);
    peer.request("INVITE", "Supported: 100rel\r\n", "");
    let Some(Event::Invite(invite)) = peer.events().pop() else { panic!("no call") };
    let (dialog, cseq) = (invite.dialog, peer.cseq);
    peer.desk.progress(dialog, 183, Some(OFFER.into()), peer.now);
    let progress = peer.next("SIP/2.0 183 ");
    peer.desk_tag = tag_of(&progress, "To");
    peer.desk.answer(dialog, OFFER.into(), peer.now).expect("it rings");
    prack(&mut peer, rseq(&progress), cseq, "Content-Type: application/sdp\r\n", ANSWER);
    peer.next("SIP/2.0 200 ");
    assert_eq!(peer.events(), [Event::OfferAnswered { dialog, sdp: ANSWER.into() }]);
    assert_eq!(body_of(&peer.next("SIP/2.0 200 ")), "", "no second offer");
    peer.cseq = cseq;
    peer.request("ACK", "", "");
    assert_eq!(peer.events(), [Event::Confirmed { dialog }], "and no second answer is waited for");
}

#[test]
fn a_prack_may_bring_a_new_offer() {
    let mut peer = ByHand::new(Transport::Ws);
    let dialog = peer.calls("Supported: 100rel\r\n").dialog;
    let cseq = peer.cseq;
    peer.desk.progress(dialog, 183, Some(EARLY.into()), peer.now);
    let progress = peer.next("SIP/2.0 183 ");
    peer.desk_tag = tag_of(&progress, "To");
    prack(&mut peer, rseq(&progress), cseq, "Content-Type: application/sdp\r\n", "v=0\r\ns=more\r\n");
    assert_eq!(peer.events(), [Event::Offer { dialog, sdp: Some("v=0\r\ns=more\r\n".into()) }]);
    peer.desk.answer_offer(dialog, ANSWER.into(), peer.now);
    let accepted = peer.next("SIP/2.0 200 ");
    assert!(header(&accepted, "CSeq").unwrap().ends_with("PRACK"));
    assert_eq!(body_of(&accepted), ANSWER);
}

#[test]
fn we_acknowledge_in_order_once_and_nothing_that_comes_too_early() {
    let mut peer = ByHand::new(Transport::Ws);
    let (dialog, invite) = peer.called(invitation());
    assert!(header(&invite, "Supported").unwrap().contains("100rel"));
    let progress = |number: u32| format!("Require: 100rel\r\nRSeq: {number}\r\n");
    peer.reply(&invite, 180, &progress(5), "");
    let first = peer.next("PRACK");
    assert_eq!(header(&first, "RAck").as_deref(), Some("5 1 INVITE"));
    assert_eq!(tag_of(&first, "To"), "hand");
    peer.reply(&invite, 180, &progress(5), "");
    peer.reply(&invite, 182, &progress(7), "");
    assert_eq!(peer.unread().len(), 0, "RFC 3262 §4: discarded");
    peer.reply(&first, 200, "", "");
    peer.reply(&invite, 183, &(progress(6) + "Content-Type: application/sdp\r\n"), EARLY);
    assert_eq!(header(&peer.next("PRACK"), "RAck").as_deref(), Some("6 1 INVITE"));
    assert_eq!(
        peer.events(),
        [
            Event::Progress { dialog, status: 180, sdp: None },
            Event::Progress { dialog, status: 183, sdp: Some(EARLY.into()) },
        ]
    );
    // the first description was the answer, whatever the 2xx says (RFC 3261 §13.2.1)
    peer.reply(&invite, 200, "Content-Type: application/sdp\r\n", ANSWER);
    assert_eq!(peer.events(), [Event::Answered { dialog, sdp: Some(EARLY.into()) }]);
    assert_eq!(header(&peer.next("ACK"), "CSeq").as_deref(), Some("1 ACK"), "the number of the INVITE");
}

#[test]
fn a_call_without_an_offer_does_not_ask_for_one_in_a_provisional_response() {
    let mut peer = ByHand::new(Transport::Ws);
    let (_, invite) = peer.called(OutboundInvite { sdp: String::new(), ..invitation() });
    assert_eq!(header(&invite, "Supported").as_deref(), Some("timer, replaces"));
}

#[test]
fn a_phone_neither_offers_nor_takes_what_it_has_not() {
    let mut world = World::new(Transport::Ws);
    let (at_phone, invite) = world.call(End::Phone);
    assert_eq!(invite.header("Supported"), None);
    world.desk.progress(invite.dialog, 183, Some(EARLY.into()), world.now);
    world.settle();
    assert_eq!(world.sent(End::Phone, "PRACK"), 0);
    assert_eq!(
        world.events(End::Phone),
        [Event::Progress { dialog: at_phone, status: 183, sdp: Some(EARLY.into()) }]
    );

    let require = vec![("Require".to_owned(), "100rel".to_owned())];
    let refused = world.desk.invite(OutboundInvite { headers: require, ..invitation() }, world.now);
    world.settle();
    let told = world.events(End::Desk);
    let Some(Event::Ended { dialog, by: EndedBy::Refused { status: 420, .. }, .. }) = told.last() else {
        panic!("{told:?}")
    };
    assert_eq!(*dialog, refused);
    let (_, refusal) = world.wire.iter().find(|(_, text)| text.starts_with("SIP/2.0 420")).unwrap();
    assert_eq!(header(refusal, "Unsupported").as_deref(), Some("100rel"));
}

#[test]
fn a_callee_that_wants_an_extension_we_lack_ends_the_call() {
    let mut peer = ByHand::new(Transport::Ws);
    let (_, invite) = peer.called(invitation());
    peer.reply(&invite, 421, "Require: precondition\r\n", "");
    let told = peer.events();
    assert!(told.len() == 1 && ends(&told[0]), "{told:?}");
    peer.next("ACK");
    assert_eq!(peer.unread().len(), 0, "nothing is tried again");
}

#[test]
fn a_caller_whose_flow_is_gone_is_waited_for_however_long_it_takes() {
    let mut peer = ByHand::new(Transport::Ws);
    let dialog = peer.calls("Require: 100rel\r\n").dialog;
    peer.desk.progress(dialog, 180, None, peer.now);
    peer.desk.close_flow(world::FLOW, peer.now);
    peer.run(Duration::from_secs(24 * 3_600));
    assert_eq!(peer.events(), [], "neither the response nor its PRACK could arrive");
    let back = sip::FlowId(2);
    peer.desk.open_flow(back, Transport::Ws, world::anna(), peer.now);
    peer.desk.rebind(dialog, back);
    peer.unread();
    peer.run(Duration::from_secs(5));
    peer.next("SIP/2.0 180");
    peer.run(Duration::from_secs(26));
    assert_eq!(peer.events(), []);
    peer.run(Duration::from_secs(10));
    let told = peer.events();
    assert!(matches!(told[..], [Event::Ended { by: EndedBy::NoAck, .. }]), "{told:?}");
}
