//! Hold, resume, glare and the rest of RFC 3261 §14 and RFC 3311.

mod world;

use sip::{DialogState, Event, OutboundInvite, Transport};
use timing::Duration;
use world::{ANSWER, End, FLOW, LATENCY, World, ends, invitation};

const HOLD: &str = "v=0\r\na=sendonly\r\n";
const HELD: &str = "v=0\r\na=recvonly\r\n";

#[test]
fn a_phone_holds_and_resumes() {
    let mut world = World::new(Transport::Ws);
    let (at_phone, at_desk) = world.established();
    for (offer, answer) in [(HOLD, HELD), ("v=0\r\na=sendrecv\r\n", ANSWER)] {
        world.phone.reinvite(at_phone, offer.into(), vec![], world.now).expect("the call is up");
        assert!(world.phone.reinvite(at_phone, offer.into(), vec![], world.now).is_err(), "one at a time");
        world.settle();
        assert_eq!(world.events(End::Desk), [Event::Offer { dialog: at_desk, sdp: Some(offer.into()) }]);
        world.desk.answer_offer(at_desk, answer.into(), world.now);
        world.settle();
        let answered = Event::OfferAnswered { dialog: at_phone, sdp: answer.into() };
        assert_eq!(world.events(End::Phone), [answered]);
    }
    world.phone.bye(at_phone, None, world.now);
    world.nothing_is_left();
}

#[test]
fn a_refused_offer_leaves_the_call_as_it_was() {
    let mut world = World::new(Transport::Ws);
    let (at_phone, at_desk) = world.established();
    world.desk.reinvite(at_desk, HOLD.into(), vec![], world.now).expect("the call is up");
    world.settle();
    assert_eq!(world.events(End::Phone).len(), 1);
    world.phone.refuse_offer(at_phone, 488, world.now);
    world.settle();
    assert_eq!(world.events(End::Desk), [Event::OfferRefused { dialog: at_desk, status: 488 }]);
    assert_eq!(world.desk.dialog(at_desk).unwrap().state, DialogState::Confirmed);
    assert!(world.desk.reinvite(at_desk, HOLD.into(), vec![], world.now).is_ok(), "and another may follow");
}

#[test]
fn offers_that_cross_are_both_refused_and_made_again_at_different_times() {
    let mut world = World::new(Transport::Ws);
    let (at_phone, at_desk) = world.established();
    world.phone.reinvite(at_phone, HOLD.into(), vec![], world.now).expect("the call is up");
    world.desk.reinvite(at_desk, HELD.into(), vec![], world.now).expect("the call is up");
    world.run(LATENCY * 3);
    assert_eq!((world.sent(End::Phone, "SIP/2.0 491"), world.sent(End::Desk, "SIP/2.0 491")), (1, 1));
    assert_eq!((world.events(End::Phone), world.events(End::Desk)), (vec![], vec![]), "nobody is told");

    world.run(Duration::from_secs(2));
    assert_eq!(world.events(End::Phone), [Event::Offer { dialog: at_phone, sdp: Some(HELD.into()) }]);
    assert_eq!(world.events(End::Desk), [], "the owner of the Call-ID waits longer");
    world.phone.answer_offer(at_phone, ANSWER.into(), world.now);
    world.run(Duration::from_secs(3));
    let answered = Event::OfferAnswered { dialog: at_desk, sdp: ANSWER.into() };
    let offered = Event::Offer { dialog: at_desk, sdp: Some(HOLD.into()) };
    assert_eq!(world.events(End::Desk), [answered, offered]);
    world.desk.answer_offer(at_desk, ANSWER.into(), world.now);
    world.settle();
    let answered = Event::OfferAnswered { dialog: at_phone, sdp: ANSWER.into() };
    assert_eq!(world.events(End::Phone), [answered]);
}

#[test]
fn an_offer_made_before_the_ack_is_in_waits_for_it() {
    let mut world = World::new(Transport::Ws);
    let (at_phone, invite) = world.call(End::Phone);
    world.desk.answer(invite.dialog, ANSWER.into(), world.now).expect("it rings");
    world.desk.reinvite(invite.dialog, HOLD.into(), vec![], world.now).expect("it is answered");
    world.settle();
    let events = world.events(End::Phone);
    assert_eq!(events[1], Event::Offer { dialog: at_phone, sdp: Some(HOLD.into()) });
}

#[test]
fn a_call_without_an_offer_gets_ours_and_owes_an_answer_in_the_ack() {
    let mut world = World::new(Transport::Ws);
    let at_phone = world.phone.invite(OutboundInvite { sdp: String::new(), ..invitation() }, world.now);
    world.settle();
    let Some(Event::Invite(invite)) = world.desk.poll_event() else { panic!("no call") };
    assert_eq!(invite.sdp, None);
    world.desk.answer(invite.dialog, "v=0\r\ns=ours\r\n".into(), world.now).expect("it rings");
    world.settle();
    // This phone hangs up, with an ACK that has not the answer that it owes.
    world.phone.bye(at_phone, None, world.now);
    world.settle();
    let dialog = invite.dialog;
    let told = world.events(End::Desk);
    assert_eq!(told[..2], [Event::Confirmed { dialog }, Event::OfferRefused { dialog, status: 488 }]);
    assert!(told.len() == 3 && ends(&told[2]), "{told:?}");
}

#[test]
fn a_bye_ends_a_pending_offer_with_it() {
    let mut world = World::new(Transport::Ws);
    let (at_phone, at_desk) = world.established();
    world.phone.reinvite(at_phone, HOLD.into(), vec![], world.now).expect("the call is up");
    world.settle();
    world.desk.bye(at_desk, None, world.now);
    world.settle();
    world.desk.answer_offer(at_desk, HELD.into(), world.now);
    assert_eq!(world.sent(End::Desk, "SIP/2.0 487"), 1);
    let events = world.events(End::Phone);
    assert!(events.len() == 1 && ends(&events[0]), "{events:?}");
    world.nothing_is_left();
}

#[test]
fn an_update_refreshes_without_a_word_and_offers_with_one() {
    let mut world = World::new(Transport::Ws);
    let (at_phone, at_desk) = world.established();
    let info = world.phone.dialog(at_phone).unwrap().clone();
    let update = |cseq: u32, sdp: &str| {
        let content = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "UPDATE sip:200@desk.example.org SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bKu{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:anna@example.org>;tag={}\r\nTo: <sip:200@example.org>;tag={}\r\n\
             Call-ID: {}\r\nCSeq: {cseq} UPDATE\r\nContact: <sip:anna@x.invalid>\r\nSession-Expires: 90\r\n\
             {content}Content-Length: {}\r\n\r\n{sdp}",
            info.local_tag,
            info.remote_tag.as_ref().unwrap(),
            info.sip_call_id,
            sdp.len(),
        )
    };
    world.desk.handle_message(FLOW, update(10, "").as_bytes(), world.now);
    let response = world.desk.poll_transmit().expect("a response");
    assert!(response.bytes.starts_with(b"SIP/2.0 200 OK\r\n"));
    assert_eq!(world.desk.poll_event(), None);

    world.desk.handle_message(FLOW, update(11, HOLD).as_bytes(), world.now);
    assert_eq!(world.desk.poll_event(), Some(Event::Offer { dialog: at_desk, sdp: Some(HOLD.into()) }));
    world.desk.answer_offer(at_desk, HELD.into(), world.now);
    let response = String::from_utf8(world.desk.poll_transmit().expect("a response").bytes).unwrap();
    assert!(response.starts_with("SIP/2.0 200 OK\r\n") && response.ends_with(HELD), "{response}");

    for stale in [5, 11] {
        let mut again = update(stale, HOLD);
        again = again.replace("z9hG4bKu", "z9hG4bKv");
        world.desk.handle_message(FLOW, again.as_bytes(), world.now);
        let response = world.desk.poll_transmit().expect("a response");
        assert!(response.bytes.starts_with(b"SIP/2.0 500 "), "out of order: RFC 3261 §12.2.2");
    }
    assert_eq!(world.desk.poll_event(), None);
}

#[test]
fn an_offer_that_the_peer_sits_on_is_cancelled_and_the_call_goes_on() {
    let mut world = World::new(Transport::Ws);
    let (at_phone, at_desk) = world.established();
    world.phone.reinvite(at_phone, HOLD.into(), vec![], world.now).expect("the call is up");
    world.run(Duration::from_secs(33));
    assert_eq!(world.sent(End::Phone, "CANCEL"), 1);
    assert_eq!(world.events(End::Phone), [Event::OfferRefused { dialog: at_phone, status: 487 }]);
    world.desk.answer_offer(at_desk, HELD.into(), world.now);
    world.phone.reinvite(at_phone, HOLD.into(), vec![], world.now).expect("the call is still up");
    world.settle();
    world.desk.answer_offer(at_desk, HELD.into(), world.now);
    world.settle();
    let answered = Event::OfferAnswered { dialog: at_phone, sdp: HELD.into() };
    assert_eq!(world.events(End::Phone), [answered]);
}
