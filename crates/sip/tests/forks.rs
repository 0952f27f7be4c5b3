//! One INVITE of ours that a proxy gives to several phones (RFC 3261 §12.1, §13.2.2.4).

mod world;

use sip::{DialogState, Event, Replaces, Transport};
use timing::Duration;
use world::by_hand::{ByHand, body_of, header, tag_of};
use world::{ANSWER, invitation};

/// `branch` answers the INVITE, as it were by a proxy.
fn reply(peer: &mut ByHand, branch: &str, invite: &str, status: u16, more: &str, body: &str) {
    peer.our_tag = branch.into();
    let contact = format!("Contact: <sip:{branch}@10.0.0.1>\r\nRecord-Route: <sip:proxy.example.org;lr>\r\n");
    let mut text = format!("SIP/2.0 {status} Forked\r\n");
    for name in ["Via", "From", "Call-ID", "CSeq"] {
        text.push_str(&format!("{name}: {}\r\n", header(invite, name).expect("every request has it")));
    }
    let to = header(invite, "To").expect("every request has it");
    text.push_str(&format!(
        "To: {to};tag={branch}\r\n{contact}{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    peer.send(&text);
}

#[test]
fn each_branch_is_acknowledged_where_it_is_and_the_first_to_answer_has_the_call() {
    let mut peer = ByHand::new(Transport::Udp);
    let (dialog, invite) = peer.called(invitation());
    let reliable = |number: u32| format!("Require: 100rel\r\nRSeq: {number}\r\n");
    for (branch, number) in [("one", 10), ("two", 77), ("one", 11)] {
        reply(&mut peer, branch, &invite, 180, &reliable(number), "");
        let prack = peer.next(&format!("PRACK sip:{branch}@10.0.0.1 SIP/2.0\r\n"));
        assert_eq!(tag_of(&prack, "To"), branch);
        assert_eq!(header(&prack, "RAck").unwrap(), format!("{number} 1 INVITE"));
        assert_eq!(header(&prack, "Route").as_deref(), Some("<sip:proxy.example.org;lr>"));
        peer.reply(&prack, 200, "", "");
    }
    reply(&mut peer, "two", &invite, 180, &reliable(79), "");
    assert_eq!(peer.unread().len(), 0, "each branch counts for itself");
    assert_eq!(peer.events().len(), 3);
    for branch in ["one", "two"] {
        let replaces = Replaces {
            sip_call_id: peer.call_id.clone(),
            to_tag: tag_of(&invite, "From"),
            from_tag: branch.into(),
            early_only: true,
        };
        assert_eq!(peer.desk.dialog_by(&replaces), Some(dialog), "{branch}");
    }

    let sdp = "Content-Type: application/sdp\r\n";
    reply(&mut peer, "two", &invite, 200, sdp, ANSWER);
    assert_eq!(tag_of(&peer.next("ACK sip:two@10.0.0.1"), "To"), "two");
    assert_eq!(peer.events(), [Event::Answered { dialog, sdp: Some(ANSWER.into()) }]);
    reply(&mut peer, "one", &invite, 200, sdp, ANSWER);
    assert_eq!(tag_of(&peer.next("ACK sip:one@10.0.0.1"), "To"), "one");
    let bye = peer.next("BYE sip:one@10.0.0.1");
    assert_eq!(tag_of(&bye, "To"), "one");
    peer.reply(&bye, 200, "", "");
    assert_eq!(peer.events(), []);
    let info = peer.desk.dialog(dialog).expect("the call is up");
    assert_eq!((info.remote_tag.as_deref(), info.state), (Some("two"), DialogState::Confirmed));
}

#[test]
fn branches_speak_for_themselves_while_the_call_rings() {
    let mut peer = ByHand::new(Transport::Udp);
    let (dialog, invite) = peer.called(invitation());
    reply(&mut peer, "one", &invite, 180, "", "");
    reply(&mut peer, "two", &invite, 180, "", "");
    peer.events();
    // each counts its requests from its own beginning
    for (branch, cseq, status) in [("one", 40, 200), ("two", 7, 200), ("one", 40, 500), ("three", 1, 481)] {
        (peer.our_tag, peer.cseq) = (branch.into(), cseq - 1);
        peer.request("INFO", "Content-Type: application/dtmf\r\n", "5");
        peer.next(&format!("SIP/2.0 {status} "));
    }
    assert_eq!(peer.events().len(), 2);
    // a branch that hangs up is no end while another rings
    (peer.our_tag, peer.cseq) = ("two".into(), 10);
    peer.request("BYE", "", "");
    peer.next("SIP/2.0 200 ");
    assert_eq!(peer.events(), []);
    reply(&mut peer, "one", &invite, 200, "Content-Type: application/sdp\r\n", ANSWER);
    assert_eq!(peer.events(), [Event::Answered { dialog, sdp: Some(ANSWER.into()) }]);
    peer.next("ACK");
    // the number of the chosen branch goes on from 40
    (peer.our_tag, peer.cseq) = ("one".into(), 39);
    peer.request("INFO", "Content-Type: application/dtmf\r\n", "6");
    peer.next("SIP/2.0 500 ");
    peer.cseq = 40;
    peer.request("INFO", "Content-Type: application/dtmf\r\n", "6");
    peer.next("SIP/2.0 200 ");
}

#[test]
fn the_early_media_of_a_branch_is_not_the_answer_of_another() {
    let mut peer = ByHand::new(Transport::Udp);
    let (dialog, invite) = peer.called(invitation());
    let early = "v=0\r\ns=announcement\r\n";
    let sdp = "Content-Type: application/sdp\r\n";
    reply(&mut peer, "one", &invite, 183, &format!("Require: 100rel\r\nRSeq: 1\r\n{sdp}"), early);
    reply(&mut peer, "two", &invite, 180, "", "");
    reply(&mut peer, "one", &invite, 199, "", "");
    peer.events();
    reply(&mut peer, "two", &invite, 200, sdp, ANSWER);
    assert_eq!(peer.events(), [Event::Answered { dialog, sdp: Some(ANSWER.into()) }]);
}

#[test]
fn giving_up_cancels_the_one_invite_and_all_that_answer_nevertheless_are_sent_home() {
    let mut peer = ByHand::new(Transport::Udp);
    let (dialog, invite) = peer.called(invitation());
    for branch in ["one", "two"] {
        reply(&mut peer, branch, &invite, 180, "", "");
    }
    peer.desk.cancel(dialog, peer.now);
    let cancel = peer.next("CANCEL");
    assert!(!header(&cancel, "To").unwrap().contains("tag="));
    peer.reply(&cancel, 200, "", "");
    for branch in ["one", "two"] {
        reply(&mut peer, branch, &invite, 200, "Content-Type: application/sdp\r\n", ANSWER);
        assert_eq!(tag_of(&peer.next("ACK"), "To"), branch);
        let bye = peer.next("BYE");
        assert_eq!((tag_of(&bye, "To").as_str(), body_of(&bye)), (branch, ""));
        peer.our_tag = branch.into();
        peer.reply(&bye, 200, "", "");
    }
    let ended = peer.events().iter().filter(|event| world::ends(event)).count();
    assert_eq!(ended, 1);
    peer.run(Duration::from_secs(100));
    assert_eq!(peer.desk.held(), (0, 0));
}

#[test]
fn a_flood_of_branches_takes_a_little_room_only() {
    let mut peer = ByHand::new(Transport::Udp);
    let (dialog, invite) = peer.called(invitation());
    for number in 0..500 {
        let branch = format!("b{number}");
        reply(&mut peer, &branch, &invite, 180, "Require: 100rel\r\nRSeq: 1\r\n", "");
    }
    let acknowledged = peer.unread().iter().filter(|text| text.starts_with("PRACK")).count();
    assert_eq!((acknowledged, peer.events().len()), (32, 32));
    reply(&mut peer, "b499", &invite, 200, "Content-Type: application/sdp\r\n", ANSWER);
    assert_eq!(peer.events(), [Event::Answered { dialog, sdp: Some(ANSWER.into()) }]);
}
