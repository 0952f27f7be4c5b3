//! Calls without an offer in the INVITE, UPDATE without one, and where a 3xx points to.

mod world;

use sip::{EndedBy, Event, OutboundInvite, Transport};
use timing::Duration;
use world::by_hand::{ByHand, body_of, header};
use world::{ANSWER, End, OFFER, World, invitation};

fn without_offer() -> OutboundInvite {
    OutboundInvite { sdp: String::new(), ..invitation() }
}

#[test]
fn the_callee_offers_and_the_ack_brings_our_answer() {
    let mut world = World::of_servers(Transport::Udp);
    let at_phone = world.phone.invite(without_offer(), world.now);
    world.settle();
    let Some(Event::Invite(invite)) = world.desk.poll_event() else { panic!("no call") };
    assert_eq!(invite.sdp, None);
    world.desk.answer(invite.dialog, OFFER.into(), world.now).expect("it rings");
    world.run(Duration::from_millis(700));
    assert_eq!(world.events(End::Phone), [Event::Answered { dialog: at_phone, sdp: Some(OFFER.into()) }]);
    assert!(world.sent(End::Desk, "SIP/2.0 200") > 1, "the 2xx has come again meanwhile");
    assert_eq!((world.sent(End::Phone, "ACK"), world.sent(End::Phone, "BYE")), (0, 0));

    world.phone.ack(at_phone, ANSWER, world.now);
    world.phone.ack(at_phone, "v=1\r\n", world.now);
    world.settle();
    let dialog = invite.dialog;
    assert_eq!(
        world.events(End::Desk),
        [Event::Confirmed { dialog }, Event::OfferAnswered { dialog, sdp: ANSWER.into() }]
    );
    assert_eq!(world.sent(End::Phone, "ACK"), 1);
    world.phone.bye(at_phone, None, world.now);
    world.nothing_is_left();
}

#[test]
fn a_call_that_ends_before_our_answer_is_acknowledged_without_one() {
    for by_caller in [true, false] {
        let mut world = World::of_servers(Transport::Ws);
        let at_phone = world.phone.invite(without_offer(), world.now);
        world.settle();
        let Some(Event::Invite(invite)) = world.desk.poll_event() else { panic!("no call") };
        world.desk.answer(invite.dialog, OFFER.into(), world.now).expect("it rings");
        world.settle();
        if by_caller {
            world.phone.bye(at_phone, None, world.now);
        } else {
            world.desk.bye(invite.dialog, None, world.now);
            world.run(Duration::from_secs(33));
        }
        world.settle();
        assert_eq!(world.sent(End::Phone, "ACK"), 1, "{by_caller}");
        world.phone.ack(at_phone, ANSWER, world.now);
        assert_eq!(world.sent(End::Phone, "ACK"), 1, "{by_caller}");
        world.nothing_is_left();
    }
}

#[test]
fn a_reinvite_may_ask_for_an_offer_too() {
    let mut world = World::of_servers(Transport::Ws);
    let (at_phone, at_desk) = world.established();
    world.desk.reinvite(at_desk, String::new(), vec![], world.now).expect("the call is up");
    world.settle();
    assert_eq!(world.events(End::Phone), [Event::Offer { dialog: at_phone, sdp: None }]);
    world.phone.answer_offer(at_phone, OFFER.into(), world.now);
    world.settle();
    assert_eq!(world.events(End::Desk), [Event::OfferAnswered { dialog: at_desk, sdp: OFFER.into() }]);
    assert!(world.desk.reinvite(at_desk, OFFER.into(), vec![], world.now).is_err(), "ours is open");
    world.desk.ack(at_desk, ANSWER, world.now);
    world.settle();
    assert_eq!(world.events(End::Phone), [Event::OfferAnswered { dialog: at_phone, sdp: ANSWER.into() }]);
    assert!(world.desk.reinvite(at_desk, OFFER.into(), vec![], world.now).is_ok());
}

#[test]
fn headers_travel_with_a_reinvite_and_with_an_update() {
    let mut peer = ByHand::new(Transport::Ws);
    let dialog = peer.established("Allow: INVITE, UPDATE\r\n");
    let headers = || vec![("P-Asserted-Identity".to_owned(), "<sip:300@example.org>".to_owned())];
    peer.desk.reinvite(dialog, OFFER.into(), headers(), peer.now).expect("the call is up");
    let reinvite = peer.next("INVITE");
    assert_eq!(header(&reinvite, "P-Asserted-Identity").as_deref(), Some("<sip:300@example.org>"));
    peer.reply(&reinvite, 200, "Content-Type: application/sdp\r\n", ANSWER);
    assert!(peer.desk.update(dialog, headers(), peer.now));
    let update = peer.next("UPDATE");
    assert_eq!(header(&update, "P-Asserted-Identity").as_deref(), Some("<sip:300@example.org>"));
    assert_eq!(body_of(&update), "");
    peer.reply(&update, 500, "", "");
    assert_eq!(peer.events(), [Event::OfferAnswered { dialog, sdp: ANSWER.into() }]);
    assert!(peer.desk.update(dialog, headers(), peer.now));
    let update = peer.next("UPDATE");
    peer.reply(&update, 481, "", "");
    let told = peer.events();
    assert!(matches!(told[..], [Event::Ended { by: EndedBy::Remote, .. }]), "{told:?}");
}

#[test]
fn a_peer_that_does_not_list_update_gets_none() {
    let mut peer = ByHand::new(Transport::Ws);
    let dialog = peer.established("Allow: INVITE, ACK, BYE\r\n");
    assert!(!peer.desk.update(dialog, vec![], peer.now));
    assert_eq!(peer.unread().len(), 0);
}

#[test]
fn a_redirection_says_where_to_in_the_order_of_wishes() {
    let mut peer = ByHand::new(Transport::Ws);
    let (dialog, invite) = peer.called(invitation());
    let reply = "Contact: <sip:later@example.org>;q=0.2, \"Bo\" <sip:first@example.org>\r\n\
                 Contact: <sip:second@example.org>;q=0.7\r\n";
    peer.reply(&invite, 302, reply, "");
    let told = peer.events();
    let [Event::Ended { dialog: ended, by: EndedBy::Refused { status: 302, contacts, .. }, .. }] = &told[..]
    else {
        panic!("{told:?}")
    };
    let expected = [
        "sip:anna@x.invalid;transport=ws",
        "sip:first@example.org",
        "sip:second@example.org",
        "sip:later@example.org",
    ];
    assert_eq!((*ended, &contacts[..]), (dialog, &expected.map(str::to_owned)[..]));
}
