//! A call from its first ring to its end, on a flow that loses nothing.

mod world;

use sip::{DialogState, Direction, EndedBy, Event, OutboundInvite, Reason, Transport, dtmf};
use timing::Duration;
use world::{ANSWER, End, Fate, OFFER, World, ends, invitation};

#[test]
fn a_call_rings_is_answered_and_ends_by_the_caller() {
    let mut world = World::new(Transport::Ws);
    let (at_phone, invite) = world.call(End::Phone);
    assert_eq!((invite.request_user.as_str(), invite.request_host.as_str()), ("200", "example.org"));
    assert_eq!((invite.from_user.as_str(), invite.from_name.as_deref()), ("anna", Some("Anna \"A\" Å")));
    assert_eq!((invite.sdp.as_deref(), invite.max_forwards), (Some(OFFER), 70));
    assert_eq!(invite.header("user-agent"), Some("phone/1"));

    world.desk.progress(invite.dialog, 180, None, world.now);
    world.settle();
    assert_eq!(world.events(End::Phone), [Event::Progress { dialog: at_phone, status: 180, sdp: None }]);
    assert_eq!(world.phone.dialog(at_phone).unwrap().state, DialogState::Early);

    world.desk.answer(invite.dialog, ANSWER.into(), world.now).expect("it rings");
    world.settle();
    let answered = Event::Answered { dialog: at_phone, sdp: Some(ANSWER.into()) };
    assert_eq!(world.events(End::Phone), [answered]);
    assert_eq!(world.events(End::Desk), [Event::Confirmed { dialog: invite.dialog }]);
    let (phone, desk) = (world.phone.dialog(at_phone).unwrap(), world.desk.dialog(invite.dialog).unwrap());
    assert_eq!((phone.direction, desk.direction), (Direction::Outbound, Direction::Inbound));
    assert_eq!((phone.state, desk.state), (DialogState::Confirmed, DialogState::Confirmed));
    assert_eq!((&phone.sip_call_id, Some(&phone.local_tag)), (&desk.sip_call_id, desk.remote_tag.as_ref()));
    assert_eq!((phone.remote_user.as_str(), desk.remote_user.as_str()), ("200", "anna"));

    let reason = Reason { protocol: "Q.850".into(), cause: 16, text: Some("bye\r\nEvil: 1".into()) };
    world.phone.bye(at_phone, Some(reason), world.now);
    world.settle();
    let local = Event::Ended { dialog: at_phone, by: EndedBy::Local, status: None, reason_header: None };
    assert_eq!(world.events(End::Phone), [local]);
    let reason = Some("Q.850;cause=16;text=\"byeEvil: 1\"".to_owned());
    let remote =
        Event::Ended { dialog: invite.dialog, by: EndedBy::Remote, status: None, reason_header: reason };
    assert_eq!(world.events(End::Desk), [remote]);
    assert!(world.phone.dialog(at_phone).is_none() && world.desk.dialog(invite.dialog).is_none());
    assert_eq!(world.sent(End::Desk, "SIP/2.0 200"), 2, "no 2xx is repeated once its ACK is in");
    world.nothing_is_left();
}

#[test]
fn the_callee_may_hang_up_too() {
    let mut world = World::new(Transport::Wss);
    let (at_phone, at_desk) = world.established();
    world.desk.bye(at_desk, None, world.now);
    world.settle();
    let remote = Event::Ended { dialog: at_phone, by: EndedBy::Remote, status: None, reason_header: None };
    assert_eq!(world.events(End::Phone), [remote]);
    assert_eq!(world.events(End::Desk).len(), 1);
    world.nothing_is_left();
}

#[test]
fn byes_that_cross_end_the_call_once_on_both_sides() {
    let mut world = World::new(Transport::Ws);
    let (at_phone, at_desk) = world.established();
    world.phone.bye(at_phone, None, world.now);
    world.desk.bye(at_desk, None, world.now);
    world.settle();
    assert_eq!(world.events(End::Phone).iter().filter(|e| ends(e)).count(), 1);
    assert_eq!(world.events(End::Desk).iter().filter(|e| ends(e)).count(), 1);
    assert_eq!((world.sent(End::Phone, "SIP/2.0 200"), world.sent(End::Desk, "SIP/2.0 481")), (1, 0));
    world.nothing_is_left();
}

#[test]
fn a_desk_calls_a_phone_that_answers_by_itself() {
    let mut world = World::new(Transport::Ws);
    let invite = OutboundInvite {
        auto_answer: true,
        headers: vec![("X-Call".into(), "7".into()), ("Max-Forwards".into(), "12".into())],
        ..invitation()
    };
    world.desk.invite(invite, world.now);
    world.settle();
    let Some(Event::Invite(invite)) = world.phone.poll_event() else { panic!("no call") };
    assert!(invite.auto_answer);
    assert_eq!(invite.alert_info.as_deref(), Some("xivo-autoanswer"));
    assert_eq!((invite.header("x-call"), invite.max_forwards), (Some("7"), 12));
}

#[test]
fn a_busy_callee_refuses_and_both_learn_the_status() {
    let mut world = World::new(Transport::Ws);
    let (at_phone, invite) = world.call(End::Phone);
    world.desk.refuse(invite.dialog, 486, None, world.now);
    world.settle();
    let by = EndedBy::Refused { status: 486, reason: "Busy Here".into(), contacts: vec![] };
    let refused = Event::Ended { dialog: at_phone, by, status: Some(486), reason_header: None };
    assert_eq!(world.events(End::Phone), [refused]);
    let local =
        Event::Ended { dialog: invite.dialog, by: EndedBy::Local, status: Some(486), reason_header: None };
    assert_eq!(world.events(End::Desk), [local]);
    assert!(world.desk.answer(invite.dialog, ANSWER.into(), world.now).is_err(), "too late");
    world.nothing_is_left();
}

#[test]
fn a_call_given_up_while_it_rings_is_cancelled() {
    let mut world = World::new(Transport::Ws);
    let (at_phone, invite) = world.call(End::Phone);
    world.desk.progress(invite.dialog, 180, None, world.now);
    world.settle();
    world.events(End::Phone);
    world.phone.cancel(at_phone, world.now);
    world.settle();
    let by = EndedBy::Cancelled;
    let at_caller = Event::Ended { dialog: at_phone, by: by.clone(), status: Some(487), reason_header: None };
    assert_eq!(world.events(End::Phone), [at_caller]);
    let at_callee = Event::Ended { dialog: invite.dialog, by, status: Some(487), reason_header: None };
    assert_eq!(world.events(End::Desk), [at_callee]);
    world.nothing_is_left();
}

#[test]
fn a_call_given_up_before_any_response_is_cancelled_as_soon_as_one_comes() {
    let mut world = World::new(Transport::Ws);
    let dialog = world.phone.invite(invitation(), world.now);
    let reason = Reason { protocol: "SIP".into(), cause: 200, text: None };
    world.phone.bye(dialog, Some(reason), world.now);
    world.run(Duration::from_millis(5));
    assert_eq!(world.sent(End::Phone, "CANCEL"), 0, "RFC 3261 §9.1: not yet");
    world.settle();
    assert_eq!(world.sent(End::Phone, "CANCEL"), 1);
    assert_eq!(world.events(End::Phone).len(), 1);
    let Event::Ended { by: EndedBy::Cancelled, reason_header, .. } = &world.events(End::Desk)[1] else {
        panic!("not cancelled")
    };
    assert_eq!(reason_header.as_deref(), Some("SIP;cause=200"), "the reason has waited too");
    world.nothing_is_left();
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_ended() {
    let mut world = World::new(Transport::Ws);
    let (at_phone, invite) = world.call(End::Phone);
    world.desk.answer(invite.dialog, ANSWER.into(), world.now).expect("it rings");
    world.phone.cancel(at_phone, world.now);
    world.settle();
    assert_eq!((world.sent(End::Phone, "ACK"), world.sent(End::Phone, "BYE")), (1, 1));
    let events = world.events(End::Phone);
    assert!(matches!(events[..], [Event::Ended { by: EndedBy::Cancelled, .. }]), "{events:?}");
    let events = world.events(End::Desk);
    let dialog = invite.dialog;
    assert_eq!(events[0], Event::Confirmed { dialog });
    assert!(matches!(events[1..], [Event::Ended { by: EndedBy::Remote, .. }]), "{events:?}");
    world.nothing_is_left();
}

#[test]
fn a_callee_that_hangs_up_before_the_ack_waits_for_it_with_the_bye() {
    let mut world = World::new(Transport::Ws);
    let (_, invite) = world.call(End::Phone);
    world.desk.answer(invite.dialog, ANSWER.into(), world.now).expect("it rings");
    world.desk.bye(invite.dialog, None, world.now);
    world.run(Duration::from_millis(5));
    assert_eq!(world.sent(End::Desk, "BYE"), 0, "RFC 3261 §15");
    world.settle();
    assert_eq!(world.sent(End::Desk, "BYE"), 1);
    let events = world.events(End::Desk);
    assert!(matches!(events[..], [Event::Ended { by: EndedBy::Local, .. }]), "{events:?}");
    assert!(matches!(world.events(End::Phone)[..], [Event::Answered { .. }, Event::Ended { .. }]));
    world.nothing_is_left();
}

#[test]
fn without_an_ack_the_answer_is_repeated_and_the_call_ended_after_32_seconds() {
    let mut world = World::new(Transport::Wss);
    let (_, invite) = world.call(End::Phone);
    world.weather(|_, text| if text.starts_with("ACK") { Fate::IsLost } else { Fate::Arrives });
    world.desk.answer(invite.dialog, ANSWER.into(), world.now).expect("it rings");
    world.run(Duration::from_secs(31));
    assert_eq!(world.events(End::Desk), []);
    assert!(world.sent(End::Desk, "SIP/2.0 200 OK") >= 9, "every 4 s at last");
    assert_eq!(
        world.sent(End::Phone, "ACK"),
        world.sent(End::Desk, "SIP/2.0 200 OK"),
        "each 2xx has its ACK"
    );
    world.run(Duration::from_secs(2));
    let no_ack =
        Event::Ended { dialog: invite.dialog, by: EndedBy::NoAck, status: None, reason_header: None };
    assert_eq!(world.events(End::Desk), [no_ack]);
    assert_eq!(world.sent(End::Desk, "BYE"), 1);
    assert_eq!(world.events(End::Phone).iter().filter(|e| ends(e)).count(), 1);
    world.nothing_is_left();
}

#[test]
fn a_call_that_nobody_picks_up_the_invite_of_times_out() {
    let mut world = World::new(Transport::Ws);
    world.weather(|_, _| Fate::IsLost);
    let dialog = world.phone.invite(invitation(), world.now);
    world.run(Duration::from_secs(33));
    let timeout = Event::Ended { dialog, by: EndedBy::Timeout, status: Some(408), reason_header: None };
    assert_eq!(world.events(End::Phone), [timeout]);
    world.nothing_is_left();
}

#[test]
fn a_call_that_cannot_be_sent_ends_at_once() {
    let mut world = World::new(Transport::Ws);
    for (invite, expected) in [
        (OutboundInvite { target: "no uri".into(), ..invitation() }, 400),
        (OutboundInvite { from_host: "a b\r\n".into(), ..invitation() }, 400),
        (OutboundInvite { flow: sip::FlowId(99), ..invitation() }, 503),
    ] {
        let dialog = world.phone.invite(invite, world.now);
        match world.events(End::Phone).as_slice() {
            [Event::Ended { dialog: ended, by: EndedBy::Refused { status, .. }, .. }] => {
                assert_eq!((*ended, *status), (dialog, expected));
            }
            other => panic!("{other:?}"),
        }
    }
    world.nothing_is_left();
}

#[test]
fn keys_travel_by_info_both_ways() {
    let mut world = World::new(Transport::Ws);
    let (at_phone, at_desk) = world.established();
    world.phone.info(at_phone, "application/dtmf-relay", &dtmf::relay_body('5', 120), world.now);
    world.desk.info(at_desk, "application/dtmf", "#", world.now);
    world.settle();
    for (end, dialog, key) in [(End::Desk, at_desk, '5'), (End::Phone, at_phone, '#')] {
        match world.events(end).as_slice() {
            [Event::Info { dialog: of, content_type, body }] => {
                assert_eq!((*of, dtmf::parse(content_type, body)), (dialog, Some(key)));
            }
            other => panic!("{other:?}"),
        }
    }
}
