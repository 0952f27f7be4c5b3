//! Messages that are lost, doubled, late or come by another flow.

mod world;

use sip::{EndedBy, Event, FlowId, Transport};
use timing::Duration;
use world::{ANSWER, End, FLOW, Fate, OFFER, World, anna, ends, mallory};

#[test]
fn on_a_flow_that_doubles_everything_each_event_comes_once() {
    let mut world = World::new(Transport::Udp);
    world.weather(|_, _| Fate::ArrivesTwice);
    let (at_phone, invite) = world.call(End::Phone);
    world.desk.progress(invite.dialog, 180, None, world.now);
    world.settle();
    world.desk.answer(invite.dialog, ANSWER.into(), world.now).expect("it rings");
    world.settle();
    world.phone.info(at_phone, "application/dtmf", "1", world.now);
    world.settle();
    world.phone.reinvite(at_phone, OFFER.into(), vec![], world.now).expect("the call is up");
    world.settle();
    world.desk.answer_offer(invite.dialog, ANSWER.into(), world.now);
    world.settle();
    world.desk.bye(invite.dialog, None, world.now);
    world.settle();
    let at_desk = world.events(End::Desk);
    assert!(
        matches!(
            at_desk[..],
            [Event::Confirmed { .. }, Event::Info { .. }, Event::Offer { .. }, Event::Ended { .. }]
        ),
        "{at_desk:?}"
    );
    let events = world.events(End::Phone);
    let answered = events.iter().filter(|event| matches!(event, Event::Answered { .. })).count();
    let offers = events.iter().filter(|event| matches!(event, Event::OfferAnswered { .. })).count();
    assert_eq!((answered, offers, events.iter().filter(|e| ends(e)).count()), (1, 1, 1), "{events:?}");
    world.nothing_is_left();
}

#[test]
fn a_call_comes_through_when_every_first_copy_is_lost() {
    let mut world = World::new(Transport::Udp);
    let mut seen = std::collections::HashSet::new();
    world.weather(move |_, text| if seen.insert(text.to_owned()) { Fate::IsLost } else { Fate::Arrives });
    let at_phone = world.phone.invite(world::invitation(), world.now);
    world.run(Duration::from_secs(2));
    let Some(Event::Invite(invite)) = world.desk.poll_event() else { panic!("no call") };
    world.desk.answer(invite.dialog, ANSWER.into(), world.now).expect("it rings");
    world.run(Duration::from_secs(5));
    assert!(
        world.events(End::Phone).contains(&Event::Answered { dialog: at_phone, sdp: Some(ANSWER.into()) })
    );
    assert_eq!(world.events(End::Desk), [Event::Confirmed { dialog: invite.dialog }]);
    world.phone.bye(at_phone, None, world.now);
    world.run(Duration::from_secs(5));
    assert_eq!(world.events(End::Desk).len(), 1);
    world.nothing_is_left();
}

#[test]
fn in_any_weather_each_call_ends_exactly_once_on_each_side_and_leaves_nothing() {
    for seed in 1..=200_u64 {
        let mut world = World::new(Transport::Udp);
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut dice = move |bound: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % bound
        };
        let mut weather = {
            let mut dice = dice;
            move || match dice(10) {
                0..=2 => Fate::IsLost,
                3 => Fate::ArrivesTwice,
                4 => Fate::TakesLong(Duration::from_millis(40 * dice(50))),
                _ => Fate::Arrives,
            }
        };
        world.weather(move |_, _| weather());
        let at_phone = world.phone.invite(world::invitation(), world.now);
        let (mut phone, mut desk) = (Vec::new(), Vec::new());
        let mut at_desk = None;
        for _ in 0..12 {
            world.run(Duration::from_millis(100 * dice(40)));
            let new = world.events(End::Desk);
            at_desk = at_desk.or_else(|| {
                new.iter().find_map(|event| match event {
                    Event::Invite(invite) => Some(invite.dialog),
                    _ => None,
                })
            });
            desk.extend(new);
            phone.extend(world.events(End::Phone));
            let now = world.now;
            match (dice(8), at_desk) {
                (0, Some(dialog)) => world.desk.progress(dialog, 180, None, now),
                (1 | 2, Some(dialog)) => drop(world.desk.answer(dialog, ANSWER.into(), now)),
                (3, _) => drop(world.phone.reinvite(at_phone, OFFER.into(), vec![], now)),
                (4, Some(dialog)) => drop(world.desk.reinvite(dialog, OFFER.into(), vec![], now)),
                (5, Some(dialog)) => world.desk.answer_offer(dialog, ANSWER.into(), now),
                (6, _) => world.phone.answer_offer(at_phone, ANSWER.into(), now),
                (7, Some(dialog)) if seed % 3 == 0 => world.desk.bye(dialog, None, now),
                _ => {}
            }
        }
        world.phone.bye(at_phone, None, world.now);
        world.run(Duration::from_secs(40));
        desk.extend(world.events(End::Desk));
        phone.extend(world.events(End::Phone));
        // The last BYE may have been lost eleven times; then only the application can know.
        if let Some(dialog) = at_desk {
            world.desk.bye(dialog, None, world.now);
        }
        desk.extend(world.events(End::Desk));
        assert_eq!(phone.iter().filter(|e| ends(e)).count(), 1, "seed {seed}: {phone:?}");
        assert!(ends(phone.last().unwrap()), "seed {seed}: {phone:?}");
        assert_eq!(
            desk.iter().filter(|e| ends(e)).count(),
            usize::from(at_desk.is_some()),
            "seed {seed}: {desk:?}"
        );
        world.nothing_is_left();
    }
}

#[test]
fn a_dialog_outlives_its_flow_and_goes_on_over_another() {
    let mut world = World::new(Transport::Ws);
    let (at_phone, at_desk) = world.established();
    world.phone.reinvite(at_phone, OFFER.into(), vec![], world.now).expect("the call is up");
    world.phone.close_flow(FLOW, world.now);
    world.desk.close_flow(FLOW, world.now);
    assert_eq!(world.events(End::Phone), [Event::OfferRefused { dialog: at_phone, status: 503 }]);
    assert!(world.phone.dialog(at_phone).is_some() && world.desk.dialog(at_desk).is_some());
    world.desk.info(at_desk, "application/dtmf", "1", world.now);

    let second = FlowId(2);
    world.phone.open_flow(second, Transport::Ws, anna(), world.now);
    world.desk.open_flow(second, Transport::Ws, anna(), world.now);
    world.phone.rebind(at_phone, second);
    while world.phone.poll_transmit().is_some() {}
    world.phone.reinvite(at_phone, OFFER.into(), vec![], world.now).expect("the call is up");
    let invite = world.phone.poll_transmit().expect("a re-INVITE");
    assert_eq!(invite.flow, second);
    world.desk.handle_message(second, &invite.bytes, world.now);
    let moved = Event::Moved { dialog: at_desk, flow: second };
    assert_eq!(world.events(End::Desk), [moved, Event::Offer { dialog: at_desk, sdp: Some(OFFER.into()) }]);
    assert_eq!(world.desk.dialog(at_desk).unwrap().flow, second, "the dialog has followed its peer");
}

#[test]
fn a_phone_that_is_back_before_its_loss_was_noticed_is_followed_and_a_stranger_never() {
    for noticed in [false, true] {
        let mut world = World::new(Transport::Ws);
        let (at_phone, at_desk) = world.established();
        if noticed {
            world.desk.close_flow(FLOW, world.now);
        }
        let (second, stranger) = (FlowId(2), FlowId(3));
        world.desk.open_flow(second, Transport::Ws, anna(), world.now);
        world.desk.open_flow(stranger, Transport::Ws, mallory(), world.now);
        world.phone.info(at_phone, "application/dtmf", "1", world.now);
        let info = world.phone.poll_transmit().expect("an INFO").bytes;

        world.desk.handle_message(stranger, &info, world.now);
        assert!(world.desk.poll_transmit().unwrap().bytes.starts_with(b"SIP/2.0 481 "));
        let stale = String::from_utf8(info.clone()).unwrap().replace("CSeq: 2 ", "CSeq: 1 ");
        world.desk.handle_message(second, stale.replace("z9hG4bK", "z9hG4bKx").as_bytes(), world.now);
        assert!(world.desk.poll_transmit().unwrap().bytes.starts_with(b"SIP/2.0 500 "));
        assert_eq!(world.desk.dialog(at_desk).unwrap().flow, FLOW, "not by what was refused");

        world.desk.handle_message(second, &info, world.now);
        let events = world.events(End::Desk);
        assert_eq!(events[0], Event::Moved { dialog: at_desk, flow: second });
        assert!(matches!(events[1], Event::Info { .. }));
        world.desk.bye(at_desk, None, world.now);
        let bye = std::iter::from_fn(|| world.desk.poll_transmit()).last().expect("a BYE");
        assert_eq!(bye.flow, second);
    }
}

#[test]
fn an_answer_that_does_not_fit_moves_no_dialog() {
    let mut world = World::new(Transport::Ws);
    let dialog = world.desk.invite(world::invitation(), world.now);
    let invite = String::from_utf8(world.desk.poll_transmit().unwrap().bytes).unwrap();
    let answer = invite
        .replacen("INVITE sip:200@example.org SIP/2.0", "SIP/2.0 200 OK", 1)
        .replace("To: <sip:200@example.org>", "To: <sip:200@example.org>;tag=x");
    let second = FlowId(2);
    world.desk.open_flow(second, Transport::Ws, anna(), world.now);
    let call_id = world.desk.dialog(dialog).unwrap().sip_call_id.clone();
    for wrong in [answer.replace(&call_id, "another"), answer.replace("CSeq: 1", "CSeq: 7")] {
        world.desk.handle_message(second, wrong.as_bytes(), world.now);
        assert_eq!((world.desk.poll_event(), world.desk.dialog(dialog).unwrap().flow), (None, FLOW));
    }
    world.desk.handle_message(second, answer.as_bytes(), world.now);
    let events = world.events(End::Desk);
    assert_eq!(events[0], Event::Moved { dialog, flow: second });
    assert!(matches!(events[1], Event::Answered { .. }), "{events:?}");
}

#[test]
fn a_probe_tells_whether_the_peer_still_knows_the_dialog() {
    let mut world = World::new(Transport::Ws);
    let (at_phone, at_desk) = world.established();
    world.desk.probe(at_desk, world.now);
    world.settle();
    assert_eq!(world.events(End::Desk), [Event::Alive { dialog: at_desk }]);

    world.weather(|_, _| Fate::IsLost);
    world.desk.probe(at_desk, world.now);
    world.phone.bye(at_phone, None, world.now);
    world.run(Duration::from_secs(40));
    assert_eq!(world.events(End::Desk), [], "silence proves nothing");

    world.fair_weather();
    world.desk.probe(at_desk, world.now);
    world.settle();
    let gone = Event::Ended { dialog: at_desk, by: EndedBy::Remote, status: None, reason_header: None };
    assert_eq!(world.events(End::Desk), [gone]);
    world.nothing_is_left();
}

#[test]
fn an_ack_lost_with_its_flow_is_waited_for_until_the_peer_is_back() {
    let mut world = World::new(Transport::Ws);
    let (at_phone, at_desk) = world.established();
    world.phone.reinvite(at_phone, OFFER.into(), vec![], world.now).expect("the call is up");
    world.settle();
    world.weather(|_, text| if text.starts_with("ACK") { Fate::IsLost } else { Fate::Arrives });
    world.desk.answer_offer(at_desk, ANSWER.into(), world.now);
    world.settle();
    world.desk.close_flow(FLOW, world.now);
    world.events(End::Desk);
    world.run(Duration::from_secs(50));
    assert_eq!(world.events(End::Desk), [], "the call waits for its phone");

    world.fair_weather();
    world.desk.open_flow(FLOW, Transport::Ws, anna(), world.now);
    world.run(Duration::from_secs(40));
    assert_eq!(world.events(End::Desk), []);
    assert!(world.desk.dialog(at_desk).is_some());
    world.desk.bye(at_desk, None, world.now);
    world.nothing_is_left();
}

#[test]
fn nobody_speaks_for_a_phone_whose_flow_is_up() {
    let mut world = World::new(Transport::Ws);
    let (at_phone, at_desk) = world.established();
    world.phone.bye(at_phone, None, world.now);
    let bye = world.phone.poll_transmit().expect("a BYE");
    let stranger = FlowId(7);
    world.desk.open_flow(stranger, Transport::Ws, mallory(), world.now);
    world.desk.handle_message(stranger, &bye.bytes, world.now);
    let answer = world.desk.poll_transmit().expect("an answer");
    assert_eq!(answer.flow, stranger);
    assert!(answer.bytes.starts_with(b"SIP/2.0 481 "));
    assert!(world.desk.dialog(at_desk).is_some());
    world.desk.handle_message(FLOW, &bye.bytes, world.now);
    let events = world.events(End::Desk);
    assert!(matches!(events[..], [Event::Ended { by: EndedBy::Remote, .. }]), "{events:?}");
}

#[test]
fn an_answer_lost_with_the_callers_flow_arrives_over_the_next() {
    let mut world = World::new(Transport::Ws);
    let (at_phone, invite) = world.call(End::Phone);
    world.phone.close_flow(FLOW, world.now);
    world.desk.close_flow(FLOW, world.now);
    world.desk.answer(invite.dialog, ANSWER.into(), world.now).expect("it rings");
    let second = FlowId(2);
    world.phone.open_flow(second, Transport::Ws, anna(), world.now);
    world.desk.open_flow(second, Transport::Ws, anna(), world.now);
    world.phone.rebind(at_phone, second);
    world.desk.rebind(invite.dialog, second);
    world.desk.handle_timeout(world.now + Duration::from_secs(1));
    let repeated = world.desk.poll_transmit().expect("the 200 once more");
    world.phone.handle_message(second, &repeated.bytes, world.now);
    let answered = Event::Answered { dialog: at_phone, sdp: Some(ANSWER.into()) };
    assert_eq!(world.events(End::Phone), [answered]);
    let ack = world.phone.poll_transmit().expect("an ACK");
    world.desk.handle_message(second, &ack.bytes, world.now);
    assert_eq!(world.events(End::Desk), [Event::Confirmed { dialog: invite.dialog }]);
}

#[test]
fn a_fork_that_answers_second_is_acknowledged_and_ended() {
    let mut world = World::new(Transport::Ws);
    let (at_phone, invite) = world.call(End::Phone);
    world.desk.answer(invite.dialog, ANSWER.into(), world.now).expect("it rings");
    let ours = world.desk.dialog(invite.dialog).unwrap().local_tag.clone();
    world.settle();
    let (_, answer) = world.wire.iter().find(|(_, text)| text.starts_with("SIP/2.0 200")).unwrap().clone();
    let fork = answer.replace(&ours, "anotherfork");
    let before = (world.sent(End::Phone, "ACK"), world.sent(End::Phone, "BYE"));
    world.phone.handle_message(FLOW, fork.as_bytes(), world.now);
    world.phone.handle_message(FLOW, fork.as_bytes(), world.now);
    let sent: Vec<String> = std::iter::from_fn(|| world.phone.poll_transmit())
        .map(|transmit| String::from_utf8(transmit.bytes).unwrap())
        .collect();
    assert_eq!(before, (1, 0));
    let methods: Vec<&str> = sent.iter().map(|text| &text[..3]).collect();
    assert_eq!(methods, ["ACK", "BYE", "ACK"]);
    assert!(sent.iter().all(|text| text.contains("tag=anotherfork")));
    assert_eq!(world.events(End::Phone), [Event::Answered { dialog: at_phone, sdp: Some(ANSWER.into()) }]);
    assert!(world.phone.dialog(at_phone).is_some(), "the first answer stands");
}
