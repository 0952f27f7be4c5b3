//! REFER and `Replaces`: a peer asks us to call somebody in its stead (RFC 3515, RFC 3891).

mod world;

use sip::{Event, ReferId, Replaces, Transport};
use timing::Duration;
use world::by_hand::{ByHand, body_of, header, tag_of};
use world::{ANSWER, End, FLOW, World, invitation};

/// The REFER that the desk has told last.
fn referred(peer: &mut ByHand) -> (ReferId, String, Option<Replaces>) {
    match peer.events().pop() {
        Some(Event::Refer { refer, target, replaces, .. }) => (refer, target, replaces),
        other => panic!("no REFER: {other:?}"),
    }
}

#[test]
fn a_transfer_is_accepted_and_told_until_it_is_done() {
    let mut peer = ByHand::new(Transport::Ws);
    let dialog = peer.established("");
    peer.request(
        "REFER",
        "Refer-To: \"Bo\" <sip:300@example.org>\r\nReferred-By: <sip:anna@example.org>\r\n",
        "",
    );
    let told = peer.events();
    let [Event::Refer { dialog: of, refer, target, target_user, target_host, replaces: None, referred_by }] =
        &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!((*of, target.as_str()), (dialog, "sip:300@example.org"));
    assert_eq!((target_user.as_str(), target_host.as_str()), ("300", "example.org"));
    assert_eq!(referred_by.as_deref(), Some("<sip:anna@example.org>"));
    assert_eq!(peer.unread().len(), 0, "the application decides");

    peer.desk.accept_refer(dialog, *refer, peer.now);
    assert!(header(&peer.next("SIP/2.0 202 Accepted"), "Contact").is_some(), "RFC 6665 §4.2.1.1");
    for (status, state, body) in [
        (100, "active", "SIP/2.0 100 Trying\r\n"),
        (180, "active", "SIP/2.0 180 Ringing\r\n"),
        (200, "terminated;reason=noresource", "SIP/2.0 200 OK\r\n"),
    ] {
        if status > 100 {
            peer.desk.notify_refer(dialog, *refer, status, peer.now);
        }
        let notify = peer.next("NOTIFY");
        assert_eq!(header(&notify, "Event").as_deref(), Some("refer"));
        assert!(header(&notify, "Subscription-State").unwrap().starts_with(state), "{notify}");
        assert_eq!(header(&notify, "Content-Type").as_deref(), Some("message/sipfrag;version=2.0"));
        assert_eq!(body_of(&notify), body);
        peer.reply(&notify, 200, "", "");
    }
    peer.desk.notify_refer(dialog, *refer, 486, peer.now);
    peer.desk.accept_refer(dialog, *refer, peer.now);
    assert_eq!(peer.unread().len(), 0, "there was a last word");
    assert!(peer.desk.dialog(dialog).is_some(), "the call itself goes on");
}

#[test]
fn a_second_transfer_of_one_call_has_its_number_in_the_event() {
    let mut peer = ByHand::new(Transport::Ws);
    let dialog = peer.established("");
    for event in ["refer", "refer;id=3"] {
        peer.request("REFER", "r: <sip:300@example.org>\r\n", "");
        let (refer, ..) = referred(&mut peer);
        peer.desk.accept_refer(dialog, refer, peer.now);
        let notify = peer.next("NOTIFY");
        assert_eq!(header(&notify, "Event").as_deref(), Some(event));
        peer.reply(&notify, 200, "", "");
        peer.desk.notify_refer(dialog, refer, 503, peer.now);
        assert_eq!(body_of(&peer.next("NOTIFY")), "SIP/2.0 503 Service Unavailable\r\n");
    }
}

#[test]
fn an_attended_transfer_names_the_call_that_is_replaced() {
    let mut peer = ByHand::new(Transport::Ws);
    let first = peer.established("");
    let (call_id, tag) = (peer.call_id.clone(), peer.desk_tag.clone());
    // the consultation, another call of the same phone to the same desk
    (peer.call_id, peer.desk_tag, peer.our_tag) = ("consultation".into(), String::new(), "second".into());
    let second = peer.established("");
    let (tag_of_second, ours) = (peer.desk_tag.clone(), peer.our_tag.clone());
    (peer.call_id, peer.desk_tag, peer.our_tag) = (call_id, tag, "hand".into());

    let escaped = format!("consultation%3Bto-tag%3D{tag_of_second}%3Bfrom-tag%3D{ours}");
    peer.request(
        "REFER",
        &format!("Refer-To: <sip:300@example.org?Replaces={escaped}&Require=replaces>\r\n"),
        "",
    );
    let (_, target, replaces) = referred(&mut peer);
    assert_eq!(target, "sip:300@example.org", "no header of the URI reaches a new call");
    let replaces = replaces.expect("the URI names a dialog");
    assert_eq!(peer.desk.dialog_by(&replaces), Some(second));
    let swapped =
        Replaces { to_tag: replaces.from_tag.clone(), from_tag: replaces.to_tag.clone(), ..replaces.clone() };
    assert_eq!(peer.desk.dialog_by(&swapped), None);
    assert_eq!(peer.desk.dialog_by(&Replaces { from_tag: "guessed".into(), ..replaces.clone() }), None);
    assert_eq!(peer.desk.dialog_by(&Replaces { sip_call_id: "other".into(), ..replaces.clone() }), None);
    peer.desk.bye(second, None, peer.now);
    assert_eq!(peer.desk.dialog_by(&replaces), None, "it is over");
    assert!(peer.desk.dialog(first).is_some());
}

#[test]
fn what_names_nobody_to_call_is_refused_without_a_word_to_the_application() {
    for (lines, status) in [
        ("", 400),
        ("Refer-To: <sip:1@example.org>\r\nRefer-To: <sip:2@example.org>\r\n", 400),
        ("Refer-To: nonsense\r\n", 400),
        ("Refer-To: <http://example.org>\r\n", 416),
        ("Refer-To: <sip:1@example.org;method=BYE>\r\n", 603),
        ("Refer-To: <sip:1@example.org?Replaces=a>\r\n", 400),
        ("Refer-To: <sip:1@example.org?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2&Replaces=b>\r\n", 400),
    ] {
        let mut peer = ByHand::new(Transport::Ws);
        peer.established("");
        peer.request("REFER", lines, "");
        peer.next(&format!("SIP/2.0 {status} "));
        assert_eq!(peer.events(), [], "{lines}");
    }
    let mut stranger = ByHand::new(Transport::Ws);
    stranger.request("REFER", "Refer-To: <sip:1@example.org>\r\n", "");
    stranger.next("SIP/2.0 403 ");
}

#[test]
fn a_telephone_number_may_be_referred_to() {
    let mut peer = ByHand::new(Transport::Ws);
    peer.established("");
    peer.request("REFER", "Refer-To: <tel:+33123456789;ext=5>\r\n", "");
    let told = peer.events();
    let Some(Event::Refer { target_user, target_host, .. }) = told.last() else { panic!("{told:?}") };
    assert_eq!((target_user.as_str(), target_host.as_str()), ("+33123456789", ""));
}

#[test]
fn a_refused_transfer_leaves_nothing_behind() {
    let mut peer = ByHand::new(Transport::Ws);
    let dialog = peer.established("");
    peer.request("REFER", "Refer-To: <sip:1@example.org>\r\n", "");
    let (refer, ..) = referred(&mut peer);
    peer.desk.refuse_refer(dialog, refer, 200, peer.now);
    peer.next("SIP/2.0 603 ");
    peer.desk.refuse_refer(dialog, refer, 403, peer.now);
    peer.desk.notify_refer(dialog, refer, 200, peer.now);
    assert_eq!(peer.unread().len(), 0);
}

#[test]
fn a_transfer_that_the_application_forgets_is_refused_in_the_end() {
    let mut peer = ByHand::new(Transport::Ws);
    let dialog = peer.established("");
    peer.request("REFER", "Refer-To: <sip:1@example.org>\r\n", "");
    let (refer, ..) = referred(&mut peer);
    peer.run(Duration::from_secs(33));
    peer.next("SIP/2.0 503 ");
    peer.desk.accept_refer(dialog, refer, peer.now);
    assert_eq!(peer.unread().len(), 0, "too late");
}

#[test]
fn a_peer_that_wants_no_news_gets_none() {
    let mut peer = ByHand::new(Transport::Ws);
    let dialog = peer.established("");
    peer.request("REFER", "Refer-To: <sip:1@example.org>\r\nRefer-Sub: false\r\n", "");
    let (refer, ..) = referred(&mut peer);
    peer.desk.accept_refer(dialog, refer, peer.now);
    assert_eq!(header(&peer.next("SIP/2.0 202"), "Refer-Sub").as_deref(), Some("false"));
    peer.desk.notify_refer(dialog, refer, 200, peer.now);
    assert_eq!(peer.unread().len(), 0);
}

#[test]
fn a_peer_that_hangs_up_is_told_the_rest_and_a_deaf_one_is_left_alone() {
    let mut peer = ByHand::new(Transport::Ws);
    let dialog = peer.established("");
    peer.request("REFER", "Refer-To: <sip:1@example.org>\r\n", "");
    let (refer, ..) = referred(&mut peer);
    peer.desk.accept_refer(dialog, refer, peer.now);
    let trying = peer.next("NOTIFY");
    peer.reply(&trying, 200, "", "");
    peer.request("BYE", "", "");
    peer.desk.notify_refer(dialog, refer, 180, peer.now);
    let ringing = peer.next("NOTIFY");
    peer.reply(&ringing, 481, "", "");
    peer.desk.notify_refer(dialog, refer, 200, peer.now);
    assert_eq!(peer.unread().len(), 0, "it knows nothing of the subscription any more");
    peer.run(Duration::from_secs(100));
    assert_eq!(peer.desk.held(), (0, 0));
}

#[test]
fn a_transfer_accepted_while_its_peer_is_away_is_told_of_on_the_next_flow() {
    let mut peer = ByHand::new(Transport::Ws);
    let dialog = peer.established("");
    peer.request("REFER", "Refer-To: <sip:1@example.org>\r\n", "");
    let (refer, ..) = referred(&mut peer);
    peer.desk.close_flow(FLOW, peer.now);
    let back = sip::FlowId(2);
    peer.desk.open_flow(back, Transport::Ws, world::anna(), peer.now);
    peer.desk.rebind(dialog, back);
    peer.desk.accept_refer(dialog, refer, peer.now);
    assert_eq!(body_of(&peer.next("NOTIFY")), "SIP/2.0 100 Trying\r\n");
}

#[test]
fn a_notify_that_finds_nobody_ends_no_call() {
    let mut peer = ByHand::new(Transport::Udp);
    let dialog = peer.established("");
    peer.request("REFER", "Refer-To: <sip:1@example.org>\r\n", "");
    let (refer, ..) = referred(&mut peer);
    peer.desk.accept_refer(dialog, refer, peer.now);
    peer.run(Duration::from_secs(40));
    assert_eq!(peer.events(), []);
    assert!(peer.desk.dialog(dialog).is_some());
}

#[test]
fn an_invite_may_name_the_call_whose_place_it_takes() {
    let mut world = World::of_servers(Transport::Ws);
    let (at_phone, at_desk) = world.established();
    let info = world.phone.dialog(at_phone).unwrap().clone();
    let replaces = Replaces {
        sip_call_id: info.sip_call_id,
        to_tag: info.remote_tag.unwrap(),
        from_tag: info.local_tag,
        early_only: false,
    };
    let headers =
        vec![("Replaces".to_owned(), replaces.to_string()), ("Require".to_owned(), "replaces".to_owned())];
    world.phone.invite(sip::OutboundInvite { headers, ..invitation() }, world.now);
    world.settle();
    let Some(Event::Invite(invite)) = world.events(End::Desk).pop() else { panic!("no call") };
    assert_eq!(invite.replaces.as_ref(), Some(&replaces));
    assert_eq!(world.desk.dialog_by(&replaces), Some(at_desk));
    world.desk.answer(invite.dialog, ANSWER.into(), world.now).expect("it rings");
    world.desk.bye(at_desk, None, world.now);
    world.settle();
    assert!(world.desk.dialog(invite.dialog).is_some() && world.desk.dialog(at_desk).is_none());
}

#[test]
fn an_early_call_is_found_too_and_two_names_are_one_too_many() {
    let mut peer = ByHand::new(Transport::Ws);
    let (dialog, invite) = peer.called(invitation());
    peer.reply(&invite, 180, "", "");
    let replaces = Replaces::parse(&format!(
        "{};to-tag={};from-tag=hand;early-only",
        peer.call_id,
        tag_of(&invite, "From")
    ))
    .unwrap();
    assert_eq!(peer.desk.dialog_by(&replaces), Some(dialog));

    let mut peer = ByHand::new(Transport::Ws);
    peer.request("INVITE", &format!("Replaces: {replaces}\r\nReplaces: {replaces}\r\n"), "");
    peer.next("SIP/2.0 400 ");
    let mut phone = world::user_agent(4, Transport::Ws, false);
    phone.open_flow(FLOW, Transport::Ws, world::anna(), peer.now);
    let invite = peer.draft("INVITE", "Require: replaces\r\n", "");
    phone.handle_message(FLOW, invite.as_bytes(), peer.now);
    assert!(phone.poll_transmit().unwrap().bytes.starts_with(b"SIP/2.0 420 "), "a phone replaces nothing");
}
