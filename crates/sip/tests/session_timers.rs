//! Whether both sides still know of a call: RFC 4028. A lapse is told, and ends nothing by itself.

mod world;

use sip::{DialogId, EndedBy, Event, Transport};
use timing::Duration;
use world::by_hand::{ByHand, body_of, header};
use world::{ANSWER, End, Fate, OFFER, World, invitation};

const SDP: &str = "Content-Type: application/sdp\r\n";

fn is_stale(told: &[Event], dialog: DialogId) -> bool {
    told == [Event::Stale { dialog }]
}

#[test]
fn two_servers_agree_and_refresh_for_hours_without_a_word_to_the_application() {
    let mut world = World::of_servers(Transport::Tcp);
    let (at_phone, at_desk) = world.established();
    let (_, answer) = world.wire.iter().find(|(_, text)| text.starts_with("SIP/2.0 200")).unwrap();
    assert_eq!(header(answer, "Session-Expires").as_deref(), Some("1800;refresher=uas"));
    assert_eq!(header(answer, "Require").as_deref(), Some("timer"));
    world.run(Duration::from_secs(4 * 3_600 + 10));
    assert_eq!(world.sent(End::Desk, "UPDATE"), 16, "at half the interval, by who answered");
    assert_eq!(world.sent(End::Phone, "UPDATE") + world.sent(End::Phone, "INVITE"), 1);
    assert_eq!((world.events(End::Phone), world.events(End::Desk)), (vec![], vec![]));
    world.phone.bye(at_phone, None, world.now);
    let _ = at_desk;
    world.nothing_is_left();
}

#[test]
fn the_caller_may_ask_to_refresh_and_is_held_to_it() {
    let mut peer = ByHand::new(Transport::Ws);
    let dialog =
        peer.calls("Supported: timer\r\nSession-Expires: 120;refresher=uac\r\nAllow: UPDATE\r\n").dialog;
    peer.desk.answer(dialog, ANSWER.into(), peer.now).expect("it rings");
    let answer = peer.next("SIP/2.0 200");
    assert_eq!(header(&answer, "Session-Expires").as_deref(), Some("120;refresher=uac"));
    assert_eq!(header(&answer, "Require").as_deref(), Some("timer"));
    peer.desk_tag = world::by_hand::tag_of(&answer, "To");
    peer.request("ACK", "", "");
    peer.events();
    peer.run(Duration::from_secs(87));
    peer.request("UPDATE", "Supported: timer\r\nSession-Expires: 120;refresher=uac\r\n", "");
    let refreshed = peer.next("SIP/2.0 200");
    assert_eq!(header(&refreshed, "Session-Expires").as_deref(), Some("120;refresher=uac"));
    peer.run(Duration::from_secs(87));
    assert_eq!(peer.events(), []);
    peer.run(Duration::from_secs(3));
    assert!(is_stale(&peer.events(), dialog), "RFC 4028 §10: min(32, 120 / 3) seconds before the end");
    peer.run(Duration::from_secs(600));
    assert_eq!(peer.events(), [], "told once");
    assert!(peer.desk.dialog(dialog).is_some() && peer.unread().is_empty(), "and the call goes on");

    // late, but here: then the next lapse is another one
    peer.request("UPDATE", "Supported: timer\r\nSession-Expires: 120;refresher=uac\r\n", "");
    peer.next("SIP/2.0 200");
    peer.run(Duration::from_secs(89));
    assert!(is_stale(&peer.events(), dialog));
}

#[test]
fn an_interval_too_small_is_refused_inside_of_calls_and_before_them() {
    let mut peer = ByHand::new(Transport::Ws);
    peer.request(
        "INVITE",
        "Supported: timer\r\nSession-Expires: 60\r\nContent-Type: application/sdp\r\n",
        OFFER,
    );
    assert_eq!(header(&peer.next("SIP/2.0 422 "), "Min-SE").as_deref(), Some("90"));
    assert_eq!(peer.events(), []);
    let dialog = peer.established("Supported: timer\r\nSession-Expires: 90\r\n");
    for (method, body) in [("UPDATE", ""), ("UPDATE", OFFER), ("INVITE", OFFER)] {
        peer.request(method, &format!("Supported: timer\r\nSession-Expires: 10\r\n{SDP}"), body);
        assert_eq!(header(&peer.next("SIP/2.0 422 "), "Min-SE").as_deref(), Some("90"));
    }
    assert!(peer.events().is_empty() && peer.desk.dialog(dialog).is_some());
}

#[test]
fn a_caller_without_the_extension_gets_no_timer() {
    for lines in ["", "Session-Expires: 10\r\n", "Session-Expires: nonsense\r\nSupported: replaces\r\n"] {
        let mut peer = ByHand::new(Transport::Ws);
        let dialog = peer.calls(lines).dialog;
        peer.desk.answer(dialog, ANSWER.into(), peer.now).expect("it rings");
        assert_eq!(header(&peer.next("SIP/2.0 200"), "Session-Expires"), None, "{lines}");
    }
}

#[test]
fn a_huge_interval_is_cut_down() {
    let mut peer = ByHand::new(Transport::Ws);
    let dialog = peer.calls("Supported: timer\r\nSession-Expires: 18446744073709551615\r\n").dialog;
    peer.desk.answer(dialog, ANSWER.into(), peer.now).expect("it rings");
    let answer = peer.next("SIP/2.0 200");
    assert_eq!(header(&answer, "Session-Expires").as_deref(), Some("86400;refresher=uas"));
}

/// The desk calls, and is to refresh every 45 seconds; `allow` says what the peer takes.
fn refreshed_by_desk(allow: &str) -> (ByHand, DialogId) {
    let mut peer = ByHand::new(Transport::Ws);
    let (dialog, invite) = peer.called(invitation());
    assert_eq!(header(&invite, "Session-Expires").as_deref(), Some("1800"));
    assert_eq!(header(&invite, "Min-SE").as_deref(), Some("90"));
    let more = format!("Require: timer\r\nSession-Expires: 90;refresher=uac\r\nAllow: {allow}\r\n{SDP}");
    peer.reply(&invite, 200, &more, ANSWER);
    peer.next("ACK");
    peer.events();
    (peer, dialog)
}

#[test]
fn without_update_the_session_is_said_again_as_it_was_and_wishes_of_the_application_wait() {
    let (mut peer, dialog) = refreshed_by_desk("INVITE, ACK");
    peer.run(Duration::from_secs(46));
    let refresh = peer.next("INVITE");
    assert_eq!(header(&refresh, "Session-Expires").as_deref(), Some("90;refresher=uac"));
    assert_eq!(body_of(&refresh), OFFER, "what we have described last");
    let hold = "v=0\r\na=sendonly\r\n";
    peer.desk.reinvite(dialog, hold.into(), vec![], peer.now).expect("it waits for the refresh");
    assert!(peer.desk.reinvite(dialog, hold.into(), vec![], peer.now).is_err(), "one at a time");
    assert_eq!(peer.unread().len(), 0);
    let more = format!("Session-Expires: 90;refresher=uac\r\n{SDP}");
    peer.reply(&refresh, 200, &more, ANSWER);
    peer.next("ACK");
    let held = peer.next("INVITE");
    assert_eq!(body_of(&held), hold);
    assert_eq!(peer.events(), []);
    peer.reply(&held, 200, &more, ANSWER);
    peer.next("ACK");
    assert_eq!(peer.events(), [Event::OfferAnswered { dialog, sdp: ANSWER.into() }]);
    peer.run(Duration::from_secs(46));
    assert_eq!(body_of(&peer.next("INVITE")), hold, "the hold is not undone by a refresh");
}

#[test]
fn a_peer_that_takes_no_update_after_all_gets_a_reinvite() {
    let (mut peer, dialog) = refreshed_by_desk("INVITE, UPDATE");
    peer.run(Duration::from_secs(46));
    let update = peer.next("UPDATE");
    peer.reply(&update, 405, "", "");
    let refresh = peer.next("INVITE");
    peer.reply(&refresh, 200, &format!("Session-Expires: 90;refresher=uac\r\n{SDP}"), ANSWER);
    peer.next("ACK");
    assert!(peer.events().is_empty() && peer.desk.dialog(dialog).is_some());
}

#[test]
fn a_refresh_without_an_answer_is_a_lapse_and_is_tried_again() {
    let (mut peer, dialog) = refreshed_by_desk("UPDATE");
    peer.run(Duration::from_secs(80));
    assert!(is_stale(&peer.events(), dialog));
    peer.run(Duration::from_secs(200));
    assert_eq!(peer.events(), [], "told once");
    let tries = peer.unread().iter().filter(|text| text.starts_with("UPDATE")).count();
    assert!(tries >= 2, "{tries}");
    peer.run(Duration::from_secs(40));
    let update = peer.next("UPDATE");
    peer.reply(&update, 408, "", "");
    assert_eq!(peer.events(), []);
    peer.run(Duration::from_secs(40));
    let update = peer.next("UPDATE");
    peer.reply(&update, 200, "Session-Expires: 90;refresher=uac\r\n", "");
    peer.run(Duration::from_secs(80));
    assert!(is_stale(&peer.events(), dialog), "a new lapse");
}

#[test]
fn a_peer_that_knows_nothing_of_the_call_ends_it() {
    let (mut peer, _) = refreshed_by_desk("UPDATE");
    peer.run(Duration::from_secs(46));
    let update = peer.next("UPDATE");
    peer.reply(&update, 481, "", "");
    let told = peer.events();
    assert!(matches!(told[..], [Event::Ended { by: EndedBy::Remote, .. }]), "{told:?}");
}

#[test]
fn a_way_that_wants_longer_intervals_gets_them() {
    let mut peer = ByHand::new(Transport::Ws);
    let (dialog, invite) = peer.called(invitation());
    peer.reply(&invite, 422, "Min-SE: 3600\r\n", "");
    let again = peer.next("INVITE");
    assert_eq!(header(&again, "Session-Expires").as_deref(), Some("3600"));
    assert_eq!(header(&again, "Min-SE").as_deref(), Some("3600"));
    assert_eq!(header(&again, "CSeq").as_deref(), Some("2 INVITE"));
    peer.reply(
        &again,
        200,
        &format!("Session-Expires: 3600;refresher=uac\r\nAllow: UPDATE\r\n{SDP}"),
        ANSWER,
    );
    assert_eq!(header(&peer.next("ACK"), "CSeq").as_deref(), Some("2 ACK"));
    assert_eq!(peer.events(), [Event::Answered { dialog, sdp: Some(ANSWER.into()) }]);
    peer.run(Duration::from_secs(1_801));
    let update = peer.next("UPDATE");
    peer.reply(&update, 422, "Min-SE: 7200\r\n", "");
    assert_eq!(header(&peer.next("UPDATE"), "Session-Expires").as_deref(), Some("7200;refresher=uac"));
}

#[test]
fn a_422_that_helps_nothing_ends_the_call() {
    for more in ["", "Min-SE: 10\r\n", "Min-SE: 99999999\r\n"] {
        let mut peer = ByHand::new(Transport::Ws);
        let (_, invite) = peer.called(invitation());
        peer.reply(&invite, 422, more, "");
        let told = peer.events();
        assert!(
            matches!(told[..], [Event::Ended { by: EndedBy::Refused { status: 422, .. }, .. }]),
            "{told:?}"
        );
    }
}

#[test]
fn a_callee_without_the_extension_is_not_refreshed() {
    let mut peer = ByHand::new(Transport::Ws);
    let (_, invite) = peer.called(invitation());
    peer.reply(&invite, 200, &format!("Allow: UPDATE\r\n{SDP}"), ANSWER);
    peer.next("ACK");
    peer.run(Duration::from_secs(4_000));
    assert_eq!(peer.unread().len(), 0);
}

#[test]
fn an_offer_of_the_peer_refreshes_what_was_stale() {
    let mut world = World::of_servers(Transport::Udp);
    let (at_phone, at_desk) = world.established();
    world.weather(|_, text| if text.starts_with("UPDATE") { Fate::IsLost } else { Fate::Arrives });
    world.run(Duration::from_secs(900 + 33));
    assert_eq!(world.events(End::Desk), [Event::Stale { dialog: at_desk }]);
    world.fair_weather();
    world.phone.reinvite(at_phone, OFFER.into(), vec![], world.now).expect("the call is up");
    world.settle();
    assert_eq!(world.events(End::Desk), [Event::Offer { dialog: at_desk, sdp: Some(OFFER.into()) }]);
    world.desk.answer_offer(at_desk, ANSWER.into(), world.now);
    world.run(Duration::from_secs(60));
    assert_eq!(world.events(End::Phone), [Event::OfferAnswered { dialog: at_phone, sdp: ANSWER.into() }]);
    world.run(Duration::from_secs(1_800));
    assert_eq!((world.events(End::Phone), world.events(End::Desk)), (vec![], vec![]));
}

#[test]
fn a_refresh_that_meets_an_offer_of_the_peer_is_said_again_and_nobody_is_told() {
    let (mut peer, dialog) = refreshed_by_desk("INVITE, ACK");
    peer.run(Duration::from_secs(46));
    let refresh = peer.next("INVITE");
    peer.request("INVITE", SDP, "v=0\r\na=sendonly\r\n");
    peer.next("SIP/2.0 491 ");
    peer.reply(&refresh, 491, "", "");
    peer.next("ACK");
    assert_eq!(peer.events(), [], "both were early");
    peer.run(Duration::from_millis(2_000));
    assert!(peer.unread().is_empty(), "who has begun the call waits longer (RFC 3261 §14.1)");
    peer.run(Duration::from_millis(2_100));
    let again = peer.next("INVITE");
    assert_eq!((body_of(&again), header(&again, "CSeq").as_deref()), (OFFER, Some("3 INVITE")));
    peer.reply(&again, 200, &format!("Session-Expires: 90;refresher=uac\r\n{SDP}"), ANSWER);
    peer.next("ACK");
    assert!(peer.events().is_empty() && peer.desk.dialog(dialog).is_some());
}

#[test]
fn a_refresh_that_waits_out_glare_is_not_needed_once_the_peer_has_offered() {
    let wishes = [("INVITE", "v=0\r\na=sendonly\r\n"), ("UPDATE", "v=0\r\na=sendonly\r\n"), ("UPDATE", "")];
    for (method, offer) in wishes {
        let (mut peer, dialog) = refreshed_by_desk("INVITE, ACK");
        peer.run(Duration::from_secs(46));
        let refresh = peer.next("INVITE");
        peer.reply(&refresh, 491, "", "");
        peer.next("ACK");
        let held = "v=0\r\na=recvonly\r\n";
        peer.request(method, if offer.is_empty() { "" } else { SDP }, offer);
        if !offer.is_empty() {
            assert_eq!(peer.events(), [Event::Offer { dialog, sdp: Some(offer.into()) }]);
            peer.desk.answer_offer(dialog, held.into(), peer.now);
        }
        let answer = peer.next("SIP/2.0 200");
        assert_eq!(header(&answer, "Session-Expires").as_deref(), Some("90;refresher=uas"), "{method}");
        if method == "INVITE" {
            peer.request("ACK", "", "");
        }
        peer.run(Duration::from_secs(10));
        assert_eq!(peer.unread(), Vec::<String>::new(), "{method}: what was offered before the hold");
        peer.run(Duration::from_secs(36));
        let described = if offer.is_empty() { OFFER } else { held };
        assert_eq!(body_of(&peer.next("INVITE")), described, "{method}");
    }
}

#[test]
fn a_refresh_lost_with_its_flow_says_nothing_of_the_peer() {
    let (mut peer, dialog) = refreshed_by_desk("UPDATE");
    peer.run(Duration::from_secs(46));
    peer.next("UPDATE");
    peer.desk.close_flow(world::FLOW, peer.now);
    let back = sip::FlowId(2);
    peer.desk.open_flow(back, Transport::Ws, world::anna(), peer.now);
    peer.desk.rebind(dialog, back);
    peer.run(Duration::from_secs(30));
    assert_eq!(peer.events(), []);
    let update = peer.next("UPDATE");
    let answer = "SIP/2.0 200 OK\r\nSession-Expires: 90;refresher=uac\r\n";
    let copied: String = ["Via", "From", "To", "Call-ID", "CSeq"]
        .iter()
        .map(|name| format!("{name}: {}\r\n", header(&update, name).expect("every request has it")))
        .collect();
    peer.desk.handle_message(back, format!("{answer}{copied}\r\n").as_bytes(), peer.now);
    peer.run(Duration::from_secs(40));
    assert_eq!(peer.events(), []);
}
