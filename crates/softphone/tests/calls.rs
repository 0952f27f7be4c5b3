//! Calls out and in, from the first ring to the end.

mod world;

use sip::{EndedBy, Event};
use softphone::{CallDirection, CallEnd, CallState, Command, Direction, Fact, MediaFailure, Order, Refusal};
use timing::Duration;
use world::{World, sdp};

#[test]
fn an_outgoing_call_rings_is_answered_and_ended() {
    let mut world = World::registered();
    let (id, dialog) = world.dial("1002");
    let call = world.call(id);
    assert_eq!((call.state, call.direction), (CallState::Alerting, CallDirection::Outgoing));
    assert!(call.sip_call_id.is_some());

    world.pass(Duration::from_secs(5));
    world.server.answer(dialog, sdp(1, Direction::SendRecv), world.now).unwrap();
    world.settle();
    let call = world.call(id);
    assert_eq!((call.state, call.answered), (CallState::Established, Some(world.now)));
    assert!(world.orders.iter().any(|order| matches!(order, Order::SetAnswer { provisional: false, .. })));

    world.command(Command::HangUp { call: id }).unwrap();
    assert_eq!(world.ended(), [CallEnd::HungUp]);
    assert!(!world.server_knows(dialog));
    assert_eq!(world.orders.last(), Some(&Order::ClosePeer { call: id }));
}

#[test]
fn an_unanswered_call_is_given_up() {
    let mut world = World::registered();
    let (id, dialog) = world.dial("1002");
    world.command(Command::HangUp { call: id }).unwrap();
    assert!(
        matches!(world.heard.back(), Some(Event::Ended { by: EndedBy::Cancelled, .. })),
        "{:?}",
        world.heard
    );
    assert!(!world.server_knows(dialog));
    assert_eq!(world.ended(), [CallEnd::HungUp]);
}

#[test]
fn a_refused_call_tells_its_status() {
    let mut world = World::registered();
    for status in [404, 486, 603] {
        let (_, dialog) = world.dial("1002");
        world.server.refuse(dialog, status, None, world.now);
        world.settle();
        assert_eq!(world.ended().last(), Some(&CallEnd::Refused(status)));
        assert_eq!(world.phone.calls().count(), 0);
    }
}

#[test]
fn an_incoming_call_is_answered_and_the_other_side_hangs_up() {
    let mut world = World::registered();
    let (id, dialog) = world.ring("1002", false);
    let call = world.call(id);
    assert_eq!((call.state, call.remote_user.as_str()), (CallState::Ringing, "1002"));
    assert_eq!(call.remote_name.as_deref(), Some("Bruno"));
    assert!(matches!(world.heard.pop_front(), Some(Event::Progress { status: 180, .. })));

    world.command(Command::Answer { call: id }).unwrap();
    assert_eq!(world.call(id).state, CallState::Established);
    world.server.bye(dialog, None, world.now);
    world.settle();
    assert_eq!(world.ended(), [CallEnd::RemoteHungUp]);
}

#[test]
fn a_declined_call_is_refused_with_603() {
    let mut world = World::registered();
    let (id, _) = world.ring("1002", false);
    world.command(Command::Decline { call: id }).unwrap();
    assert!(
        matches!(world.heard.back(), Some(Event::Ended { by: EndedBy::Refused { status: 603, .. }, .. })),
        "{:?}",
        world.heard
    );
    assert_eq!(world.ended(), [CallEnd::HungUp]);
}

#[test]
fn a_caller_who_gives_up_leaves_no_call() {
    let mut world = World::registered();
    let (_, dialog) = world.ring("1002", false);
    world.server.cancel(dialog, world.now);
    world.settle();
    assert_eq!(world.ended(), [CallEnd::Cancelled]);
}

#[test]
fn the_server_may_ask_the_phone_to_answer_by_itself() {
    let mut world = World::registered();
    let (first, _) = world.talk("1003");
    let (second, _) = world.ring("1002", true);
    assert!(world.call(second).auto_answer);
    assert_eq!(world.call(second).state, CallState::Established);
    assert_eq!(world.agree(), Direction::SendOnly);
    assert_eq!(world.call(first).state, CallState::Held);
}

#[test]
fn a_third_call_finds_the_line_busy() {
    let mut world = World::registered();
    world.talk("1003");
    world.ring("1002", false);
    assert_eq!(world.command(Command::Dial { number: "1004".into() }), Err(Refusal::TooManyCalls));
    world.ring("1004", false);
    assert_eq!(world.phone.calls().count(), 2);
    assert!(matches!(
        world.heard.back(),
        Some(Event::Ended { by: EndedBy::Refused { status: 486, .. }, .. })
    ));
}

#[test]
fn what_is_no_number_is_not_dialled() {
    let mut world = World::registered();
    for number in ["", "+", "sip:x@evil.example", "10 01", "1;ext=2", "１００１"] {
        assert_eq!(
            world.command(Command::Dial { number: number.into() }),
            Err(Refusal::NotANumber),
            "{number:?}"
        );
    }
    let mut unregistered = World::new();
    assert_eq!(unregistered.command(Command::Dial { number: "1002".into() }), Err(Refusal::NotRegistered));
}

#[test]
fn star_and_hash_reach_the_server() {
    let mut world = World::registered();
    world.command(Command::Dial { number: "#21*55".into() }).unwrap();
    let Some(Event::Invite(invite)) = world.heard.pop_back() else { panic!("no INVITE") };
    assert_eq!(invite.request_user, "#21*55");
    assert_eq!(invite.from_name.as_deref(), Some("Alice Martin"));
}

#[test]
fn a_refused_microphone_leaves_the_incoming_call_ringing() {
    let mut world = World::registered();
    world.browser_works = false;
    let (id, _) = world.ring("1002", false);
    world.command(Command::Answer { call: id }).unwrap();
    world.phone.media_failed(id, MediaFailure::MicrophoneRefused, world.now);
    world.settle();
    assert_eq!(world.call(id).state, CallState::Ringing);
    assert!(world.facts.contains(&Fact::MediaFailed { call: id, failure: MediaFailure::MicrophoneRefused }));

    world.browser_works = true;
    world.command(Command::Answer { call: id }).unwrap();
    assert_eq!(world.call(id).state, CallState::Established);
}

#[test]
fn without_a_microphone_no_call_is_made() {
    let mut world = World::registered();
    world.browser_works = false;
    world.command(Command::Dial { number: "1002".into() }).unwrap();
    let id = world.only_call().id;
    world.phone.media_failed(id, MediaFailure::MicrophoneMissing, world.now);
    world.settle();
    assert_eq!(world.ended(), [CallEnd::MediaFailed(MediaFailure::MicrophoneMissing)]);
    assert!(world.heard.is_empty(), "the server never heard of it");
}

#[test]
fn a_call_taken_by_another_phone_says_so() {
    let mut world = World::registered();
    let (_, dialog) = world.ring("1002", false);
    let reason =
        sip::Reason { protocol: "SIP".into(), cause: 200, text: Some("Call completed elsewhere".into()) };
    world.server.bye(dialog, Some(reason), world.now);
    world.settle();
    assert_eq!(world.ended(), [CallEnd::AnsweredElsewhere]);
}

#[test]
fn keys_go_as_sound_and_as_info_where_that_fails() {
    let mut world = World::registered();
    let (id, _) = world.talk("1002");
    assert_eq!(world.command(Command::SendDtmf { call: id, key: 'x' }), Err(Refusal::NotAKey));
    world.command(Command::SendDtmf { call: id, key: '#' }).unwrap();
    assert_eq!(world.orders.last(), Some(&Order::SendTone { call: id, key: '#' }));
    world.phone.tone_failed(id, '#', world.now);
    world.settle();
    let Some(Event::Info { content_type, body, .. }) = world.heard.pop_back() else { panic!("no INFO") };
    assert_eq!(content_type, "application/dtmf-relay");
    assert_eq!(body, b"Signal=#\r\nDuration=120\r\n");
}
