//! Lamps and mailboxes: SUBSCRIBE and NOTIFY (RFC 6665).

mod world;

use sip::{
    Event, FlowId, SubscribeRequest, SubscriptionId, SubscriptionReason, SubscriptionState, Transport,
};
use timing::Duration;
use world::by_hand::{ByHand, body_of, header, tag_of};
use world::{FLOW, anna, mallory};

const KIND: &str = "application/dialog-info+xml";
use SubscriptionState::{Active, Pending};

/// What the desk is asked, by a SUBSCRIBE with these lines.
fn asked(peer: &mut ByHand, more: &str) -> SubscribeRequest {
    peer.request("SUBSCRIBE", more, "");
    match peer.events().pop() {
        Some(Event::Subscribe(subscribe)) => subscribe,
        other => panic!("no SUBSCRIBE: {other:?}"),
    }
}

/// A subscription of the peer that has been told one state.
fn subscribed(transport: Transport, expires: u32) -> (ByHand, SubscriptionId) {
    let mut peer = ByHand::new(transport);
    let subscribe =
        asked(&mut peer, "Event: dialog;id=7\r\nExpires: 600\r\nAccept: application/dialog-info+xml\r\n");
    let id = peer.desk.accept_subscription(subscribe.request, expires, peer.now);
    let accepted = peer.next("SIP/2.0 200");
    assert_eq!(header(&accepted, "Expires"), Some(expires.to_string()));
    peer.desk_tag = tag_of(&accepted, "To");
    peer.desk.notify(id, Active, KIND, "<idle/>", peer.now);
    let notify = peer.next("NOTIFY");
    assert_eq!(header(&notify, "Event").as_deref(), Some("dialog;id=7"));
    assert_eq!(header(&notify, "Subscription-State"), Some(format!("active;expires={expires}")));
    assert_eq!((header(&notify, "Content-Type").as_deref(), body_of(&notify)), (Some(KIND), "<idle/>"));
    assert_eq!(
        (tag_of(&notify, "To"), tag_of(&notify, "From")),
        (peer.our_tag.clone(), peer.desk_tag.clone())
    );
    peer.reply(&notify, 200, "", "");
    (peer, id)
}

#[test]
fn a_lamp_is_told_every_change_in_order() {
    let (mut peer, id) = subscribed(Transport::Udp, 600);
    peer.desk.notify(id, Active, KIND, "<early/>", peer.now);
    let early = peer.next("NOTIFY");
    peer.desk.notify(id, Active, KIND, "<confirmed/>", peer.now);
    peer.desk.notify(id, Active, KIND, "<terminated/>", peer.now);
    assert_eq!(peer.unread().len(), 0, "one after the other");
    peer.reply(&early, 200, "", "");
    let last = peer.next("NOTIFY");
    assert_eq!(body_of(&last), "<terminated/>", "and only the newest state");
    peer.reply(&last, 200, "", "");
    assert!(peer.unread().is_empty() && peer.events().is_empty());
}

#[test]
fn what_the_peer_asks_is_told_to_the_application() {
    let mut peer = ByHand::new(Transport::Ws);
    let subscribe =
        asked(&mut peer, "o: Message-Summary\r\nExpires: 3600\r\nAccept: text/plain, application/*\r\n");
    assert_eq!((subscribe.event.as_str(), subscribe.expires), ("message-summary", Some(3600)));
    assert_eq!((subscribe.from_user.as_str(), subscribe.to_user.as_str()), ("anna", "200"));
    assert_eq!((subscribe.request_uri.as_str(), subscribe.flow), ("sip:200@example.org", FLOW));
    assert_eq!(subscribe.accept, ["text/plain", "application/*"]);
    assert_eq!(subscribe.sip_call_id, "by-hand");
    let challenge = vec![("WWW-Authenticate".to_owned(), "Digest realm=\"r\", nonce=\"n\"".to_owned())];
    peer.desk.respond(subscribe.request.clone(), 401, challenge, b"", peer.now);
    peer.next("SIP/2.0 401 ");
    let id = peer.desk.accept_subscription(subscribe.request, 600, peer.now);
    assert_eq!(peer.events(), [Event::SubscriptionEnded { id }], "it was refused already");
    assert_eq!(peer.unread().len(), 0);
}

#[test]
fn unknown_packages_are_refused_with_those_we_know() {
    for more in ["", "Event: presence\r\n", "Event: ;id=1\r\n"] {
        let mut peer = ByHand::new(Transport::Ws);
        peer.request("SUBSCRIBE", more, "");
        let refused = peer.next("SIP/2.0 489 Bad Event");
        assert_eq!(header(&refused, "Allow-Events").as_deref(), Some("dialog, message-summary"));
        assert_eq!(peer.events(), []);
    }
}

#[test]
fn a_refresh_is_granted_and_told_and_a_farewell_gets_its_last_word() {
    let (mut peer, id) = subscribed(Transport::Ws, 60);
    peer.run(Duration::from_secs(50));
    peer.request("SUBSCRIBE", "Event: dialog;id=7\r\nExpires: 90000\r\n", "");
    assert_eq!(header(&peer.next("SIP/2.0 200"), "Expires").as_deref(), Some("3600"));
    assert_eq!(peer.events(), [Event::SubscriptionRefreshed { id }]);
    peer.run(Duration::from_secs(3_000));
    peer.desk.notify(id, Pending, KIND, "", peer.now);
    let notify = peer.next("NOTIFY");
    assert_eq!(header(&notify, "Subscription-State").as_deref(), Some("pending;expires=600"));
    assert_eq!(header(&notify, "Content-Type"), None);
    peer.request("SUBSCRIBE", "Event: dialog;id=7\r\nExpires: 0\r\n", "");
    assert_eq!(header(&peer.next("SIP/2.0 200"), "Expires").as_deref(), Some("0"));
    let last = peer.next("NOTIFY");
    assert_eq!(header(&last, "Subscription-State").as_deref(), Some("terminated;reason=timeout"));
    assert_eq!(peer.events(), [Event::SubscriptionEnded { id }]);
    peer.reply(&last, 200, "", "");
    peer.run(Duration::from_secs(100));
    assert_eq!(peer.desk.held(), (0, 0));
}

#[test]
fn a_subscription_that_nobody_refreshes_expires() {
    let (mut peer, id) = subscribed(Transport::Ws, 60);
    peer.run(Duration::from_secs(59));
    assert_eq!(peer.events(), []);
    peer.run(Duration::from_secs(2));
    let last = peer.next("NOTIFY");
    assert_eq!(header(&last, "Subscription-State").as_deref(), Some("terminated;reason=timeout"));
    assert_eq!(peer.events(), [Event::SubscriptionEnded { id }]);
    peer.desk.notify(id, Active, KIND, "<late/>", peer.now);
    peer.desk.end_subscription(id, SubscriptionReason::Rejected, peer.now);
    assert!(peer.unread().is_empty() && peer.events().is_empty());
}

#[test]
fn the_application_may_end_it_with_a_reason() {
    for (reason, token) in [
        (SubscriptionReason::Deactivated, "deactivated"),
        (SubscriptionReason::Rejected, "rejected"),
        (SubscriptionReason::GiveUp, "giveup"),
        (SubscriptionReason::NoResource, "noresource"),
    ] {
        let (mut peer, id) = subscribed(Transport::Ws, 600);
        peer.desk.end_subscription(id, reason, peer.now);
        let last = peer.next("NOTIFY");
        assert_eq!(header(&last, "Subscription-State"), Some(format!("terminated;reason={token}")));
        assert_eq!(peer.events(), [Event::SubscriptionEnded { id }]);
    }
}

#[test]
fn a_notify_that_is_refused_or_finds_nobody_ends_the_subscription() {
    for status in [Some(481), Some(500), Some(403), None] {
        let (mut peer, id) = subscribed(Transport::Udp, 600);
        peer.desk.notify(id, Active, KIND, "<early/>", peer.now);
        peer.desk.notify(id, Active, KIND, "<confirmed/>", peer.now);
        let notify = peer.next("NOTIFY");
        match status {
            Some(status) => peer.reply(&notify, status, "", ""),
            None => peer.run(Duration::from_secs(33)),
        }
        assert_eq!(peer.events(), [Event::SubscriptionEnded { id }], "{status:?}");
        let after = peer.unread().iter().filter(|text| text.contains("<confirmed/>")).count();
        assert_eq!(after, 0);
    }
}

#[test]
fn who_asks_once_is_told_once() {
    let mut peer = ByHand::new(Transport::Ws);
    let subscribe = asked(&mut peer, "Event: dialog\r\nExpires: 0\r\n");
    assert_eq!(subscribe.expires, Some(0));
    let id = peer.desk.accept_subscription(subscribe.request, 0, peer.now);
    assert_eq!(header(&peer.next("SIP/2.0 200"), "Expires").as_deref(), Some("0"));
    peer.desk.notify(id, Active, KIND, "<idle/>", peer.now);
    let notify = peer.next("NOTIFY");
    assert_eq!(header(&notify, "Subscription-State").as_deref(), Some("terminated;reason=timeout"));
    assert_eq!(body_of(&notify), "<idle/>");
    assert_eq!(peer.events(), [Event::SubscriptionEnded { id }]);
}

#[test]
fn strangers_and_stragglers_change_nothing() {
    let (mut peer, id) = subscribed(Transport::Ws, 600);
    let good = peer.draft("SUBSCRIBE", "Event: dialog;id=7\r\nExpires: 0\r\n", "");
    let thief = FlowId(2);
    peer.desk.open_flow(thief, Transport::Ws, mallory(), peer.now);
    peer.desk.handle_message(thief, good.as_bytes(), peer.now);
    peer.next("SIP/2.0 481 ");
    for (from, to) in [
        (";tag=hand", ";tag=other"),
        ("Call-ID: by-hand", "Call-ID: other"),
        ("Event: dialog;id=7", "Event: dialog"),
        ("Event: dialog;id=7", "Event: message-summary;id=7"),
    ] {
        let text = good.replace(from, to).replace("z9hG4bKh", &format!("z9hG4bK{}", to.len()));
        peer.send(&text);
        let status = if to.starts_with("Event") { "SIP/2.0 489 " } else { "SIP/2.0 481 " };
        let refused = peer.unread();
        assert!(
            refused.len() == 1 && (refused[0].starts_with(status) || refused[0].starts_with("SIP/2.0 500 ")),
            "{refused:?}"
        );
    }
    peer.cseq = 0;
    peer.request("SUBSCRIBE", "Event: dialog;id=7\r\nExpires: 0\r\n", "");
    peer.next("SIP/2.0 500 ");
    assert_eq!(peer.events(), []);
    // the same phone on a new flow is followed
    let back = FlowId(3);
    peer.desk.open_flow(back, Transport::Ws, anna(), peer.now);
    peer.cseq = 20;
    let refresh = peer.draft("SUBSCRIBE", "Event: dialog;id=7\r\nExpires: 300\r\n", "");
    peer.desk.handle_message(back, refresh.as_bytes(), peer.now);
    assert_eq!(peer.events(), [Event::SubscriptionRefreshed { id }]);
    peer.desk.close_flow(FLOW, peer.now);
    assert!(peer.events().is_empty() && peer.desk.lives_on(back));
    peer.desk.close_flow(back, peer.now);
    assert_eq!(peer.events(), [Event::SubscriptionEnded { id }]);
}

#[test]
fn a_flow_has_room_for_so_many_and_makes_room_again() {
    let mut peer = ByHand::new(Transport::Ws);
    let mut ids = Vec::new();
    for number in 0..2_000 {
        peer.call_id = format!("lamp-{number}");
        let subscribe = asked(&mut peer, "Event: dialog\r\nExpires: 600\r\n");
        ids.push(peer.desk.accept_subscription(subscribe.request, 600, peer.now));
    }
    peer.unread();
    peer.call_id = "one-more".into();
    peer.request("SUBSCRIBE", "Event: dialog\r\nExpires: 600\r\n", "");
    assert!(header(&peer.next("SIP/2.0 503 "), "Retry-After").is_some());
    assert_eq!(peer.events(), []);
    peer.desk.end_subscription(ids[0], SubscriptionReason::NoResource, peer.now);
    peer.events();
    asked(&mut peer, "Event: dialog\r\nExpires: 600\r\n");
}

#[test]
fn an_answer_that_the_application_forgets_is_given_in_the_end() {
    let mut peer = ByHand::new(Transport::Ws);
    let subscribe = asked(&mut peer, "Event: dialog\r\n");
    assert_eq!(subscribe.expires, None);
    peer.run(Duration::from_secs(33));
    peer.next("SIP/2.0 503 ");
    let id = peer.desk.accept_subscription(subscribe.request, 600, peer.now);
    assert_eq!(peer.events(), [Event::SubscriptionEnded { id }]);
}
