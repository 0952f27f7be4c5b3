//! Requests of the extensions, damaged at random, inside of a call: whatever comes, a valid request is answered.

mod world;

use proptest::prelude::*;
use sip::{Event, SubscriptionState, Transport};
use timing::Duration;
use world::by_hand::{ByHand, header, tag_of};
use world::{ANSWER, FLOW, OFFER};

const MIXED: &str = "--x\r\nContent-Type: application/ISUP\r\n\r\n\u{1}\r\n--x\r\nContent-Type: application/sdp\r\n\r\n\
                     v=0\r\n--x--\r\n";

/// A call that is up, a call that rings with early media, and a subscription, all of one peer.
fn busy_desk() -> (ByHand, Vec<String>) {
    let mut peer = ByHand::new(Transport::Udp);
    let dialog = peer.established("Supported: timer, 100rel\r\nSession-Expires: 90\r\n");
    let timer = "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\nMin-SE: 90\r\n";
    let sdp = "Content-Type: application/sdp\r\n";
    let replaces = format!("Replaces: by-hand;to-tag={};from-tag=hand;early-only\r\n", peer.desk_tag);
    let escaped = format!("by-hand%3Bto-tag%3D{}%3Bfrom-tag%3Dhand", peer.desk_tag);
    let mut seeds = vec![
        peer.draft(
            "REFER",
            &format!("Refer-To: \"B\" <sip:300@example.org;method=INVITE?Replaces={escaped}>\r\n"),
            "",
        ),
        peer.draft("REFER", "Refer-To: <tel:+33123>\r\nRefer-Sub: false\r\nReferred-By: <sip:a@b>\r\n", ""),
        peer.draft("UPDATE", timer, ""),
        peer.draft("UPDATE", &format!("{timer}{sdp}"), OFFER),
        peer.draft("INVITE", &format!("{timer}{sdp}"), OFFER),
        peer.draft("MESSAGE", "Content-Type: text/plain\r\n", "hello"),
    ];
    let known = std::mem::take(&mut peer.desk_tag);
    peer.call_id = "ringing".into();
    let ringing = peer.calls("Require: 100rel\r\n").dialog;
    peer.desk.progress(ringing, 183, Some(ANSWER.into()), peer.now);
    let progress = peer.next("SIP/2.0 183");
    let rack = format!("RAck: {} {} INVITE\r\n", header(&progress, "RSeq").expect("reliable"), peer.cseq);
    peer.desk_tag = tag_of(&progress, "To");
    seeds.push(peer.draft("PRACK", &format!("{rack}{sdp}"), OFFER));
    peer.desk_tag = String::new();
    peer.call_id = "replacing".into();
    seeds.push(peer.draft("INVITE", &format!("{replaces}{timer}{sdp}"), OFFER));
    peer.call_id = "mixed".into();
    seeds.push(peer.draft("INVITE", "Content-Type: multipart/mixed;boundary=x\r\n", MIXED));
    peer.call_id = "lamp".into();
    let subscribe = "Event: dialog;id=7\r\nExpires: 600\r\nAccept: application/dialog-info+xml\r\n";
    seeds.push(peer.draft("SUBSCRIBE", subscribe, ""));
    peer.request("SUBSCRIBE", subscribe, "");
    let Some(Event::Subscribe(asked)) = peer.events().pop() else { panic!("no SUBSCRIBE") };
    let id = peer.desk.accept_subscription(asked.request, 600, peer.now);
    peer.desk_tag = tag_of(&peer.next("SIP/2.0 200"), "To");
    seeds.push(peer.draft("SUBSCRIBE", subscribe, ""));
    peer.desk.notify(id, SubscriptionState::Active, "a/b", "c", peer.now);
    peer.desk_tag = known;
    assert!(peer.desk.dialog(dialog).is_some() && seeds.len() == 11);
    peer.unread();
    (peer, seeds)
}

/// An application that says yes to everything.
fn agree(peer: &mut ByHand) {
    for event in peer.events() {
        let now = peer.now;
        match event {
            Event::Invite(invite) => {
                if let Some(replaced) = invite.replaces.and_then(|replaces| peer.desk.dialog_by(&replaces)) {
                    peer.desk.bye(replaced, None, now);
                }
                peer.desk.progress(invite.dialog, 183, Some(ANSWER.into()), now);
                let _ = peer.desk.answer(invite.dialog, ANSWER.into(), now);
            }
            Event::Offer { dialog, .. } => peer.desk.answer_offer(dialog, ANSWER.into(), now),
            Event::Refer { dialog, refer, .. } => {
                peer.desk.accept_refer(dialog, refer, now);
                peer.desk.notify_refer(dialog, refer, 200, now);
            }
            Event::Message(message) => peer.desk.respond(message.request, 200, vec![], b"", now),
            Event::Register(register) => peer.desk.respond(register.request, 200, vec![], b"", now),
            Event::Subscribe(subscribe) => {
                let id = peer.desk.accept_subscription(subscribe.request, 60, now);
                peer.desk.notify(id, SubscriptionState::Active, "a/b", "c", now);
            }
            _ => {}
        }
    }
}

#[test]
fn undamaged_each_is_taken() {
    let (mut peer, seeds) = busy_desk();
    let mut statuses = Vec::new();
    for seed in &seeds {
        peer.send(seed);
        agree(&mut peer);
        let method = seed.split(' ').next().expect("a method");
        let answers = peer.unread();
        let answer = answers.iter().rfind(|text| {
            text.starts_with("SIP/") && header(text, "CSeq").is_some_and(|c| c.ends_with(method))
        });
        statuses.push(answer.and_then(|text| text[8..11].parse().ok()).unwrap_or(0));
    }
    assert_eq!(statuses, [202, 202, 200, 200, 200, 200, 200, 200, 200, 200, 200]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_none_stops_the_desk(
        which in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..8),
    ) {
        let (mut peer, seeds) = busy_desk();
        for which in which {
            let mut bytes = which.get(&seeds).clone().into_bytes();
            for (at, byte, is_cut) in &edits {
                let at = at.index(bytes.len());
                let kept = if *is_cut { &[][..] } else { &[*byte][..] };
                bytes.splice(at..=at, kept.iter().copied());
            }
            peer.desk.handle_message(FLOW, &bytes, peer.now);
            agree(&mut peer);
            peer.run(Duration::from_secs(3));
        }
        for text in peer.unread() {
            let (head, _) = text.split_once("\r\n\r\n").expect("a whole message");
            prop_assert!(head.split("\r\n").all(|line| !line.contains(['\r', '\n', '\0'])), "{head:?}");
        }
        (peer.call_id, peer.desk_tag, peer.cseq) = ("probe".into(), String::new(), 900);
        peer.request("OPTIONS", "", "");
        peer.next("SIP/2.0 200 OK");
        peer.desk.close_flow(FLOW, peer.now);
        peer.run(Duration::from_secs(2_000));
        prop_assert_eq!(peer.desk.held().1, 0);
    }
}
