//! What became of each call.

mod world;

use cti::EventType;
use desk::{Command, Event, KeptCall};
use softphone::{CallDirection, CallEnd, CallState, MediaFailure, PhoneCall, PhoneCallId};
use timing::{Duration, Instant};
use world::{World, incoming, outgoing, phone_call, phone_event};

#[test]
fn each_ending_has_its_word() {
    let word = |call: PhoneCall, end: CallEnd| {
        let mut world = World::ready();
        world.call_changed(&call);
        world.call_ended(&call, end);
        world.last().0.to_owned()
    };
    let ringing = || incoming(CallState::Ringing);
    for (end, expected) in [
        (CallEnd::Cancelled, "Missed"),
        (CallEnd::NoResponse, "Missed"),
        (CallEnd::HungUp, "Declined"),
        (CallEnd::AnsweredElsewhere, "Answered elsewhere"),
        (CallEnd::MediaFailed(MediaFailure::Negotiation), "Not connected"),
    ] {
        assert_eq!(word(ringing(), end), expected, "{end:?}");
    }
    let out = || outgoing(CallState::Alerting);
    for (end, expected) in [
        (CallEnd::Refused(486), "Busy"),
        (CallEnd::Refused(404), "Unknown number"),
        (CallEnd::Refused(603), "Declined"),
        (CallEnd::Refused(480), "Not answered"),
        (CallEnd::Refused(503), "Not connected"),
        (CallEnd::HungUp, "Not answered"),
        (CallEnd::NoResponse, "Not connected"),
    ] {
        assert_eq!(word(out(), end), expected, "{end:?}");
    }
}

#[test]
fn a_talk_is_kept_with_its_length_and_the_servers_name() {
    let mut world = World::ready();
    let call = PhoneCall { answered: Some(Instant::ORIGIN), ..outgoing(CallState::Established) };
    world.call_changed(&call);
    world.cti(cti::Event::PhoneEvent(phone_event(1, EventType::Established)));
    world.pass(Duration::from_secs(61));
    world.cti(cti::Event::PhoneEvent(phone_event(1, EventType::Released)));
    assert_eq!(world.card().name, "Bruno Petit", "the server has let go first");
    world.call_ended(&call, CallEnd::RemoteHungUp);
    assert_eq!(world.last(), ("Outgoing", Some(Duration::from_secs(61))));
    assert_eq!(world.desk.recent()[0].name, "Bruno Petit");
    world.cti(cti::Event::PhoneEvent(phone_event(1, EventType::Released)));
    assert_eq!(world.desk.recent().len(), 1);
}

#[test]
fn a_call_taken_at_another_phone_stays_one_call() {
    let mut world = World::ready();
    let call = incoming(CallState::Ringing);
    world.call_changed(&call);
    world.cti(cti::Event::PhoneEvent(phone_event(1, EventType::Ringing)));
    let id = world.id();
    world.call_ended(&call, CallEnd::AnsweredElsewhere);
    let mut event = phone_event(1, EventType::Established);
    event.user_data.insert(cti::PhoneEvent::SIP_CALL_ID.to_owned(), "the-winner".to_owned());
    world.cti(cti::Event::PhoneEvent(event.clone()));
    assert_eq!((world.id(), world.card().is_here()), (id, false));
    event.event_type = EventType::Released;
    world.cti(cti::Event::PhoneEvent(event));
    assert!(world.desk.calls().is_empty());
    assert_eq!((world.desk.recent().len(), world.last().0), (1, "Answered elsewhere"));
}

#[test]
fn a_mirror_knows_what_it_declined_itself() {
    let word = |declines: bool| {
        let mut world = World::mirror();
        let mut event = phone_event(1, EventType::Ringing);
        event.direction = cti::CallDirection::Incoming;
        world.cti(cti::Event::PhoneEvent(event.clone()));
        if declines {
            world.click(Command::Decline(world.id())).expect("taken");
        }
        event.event_type = EventType::Released;
        world.cti(cti::Event::PhoneEvent(event));
        world.last().0.to_owned()
    };
    assert_eq!((word(true).as_str(), word(false).as_str()), ("Declined", "Missed"));
}

#[test]
fn a_call_that_the_server_no_longer_lists_is_over() {
    let mut world = World::mirror();
    world.cti(cti::Event::PhoneEvent(phone_event(1, EventType::Established)));
    world.pass(Duration::from_secs(9));
    world.listed(&[]);
    assert_eq!(world.last(), ("Outgoing", Some(Duration::from_secs(9))));
}

#[test]
fn a_reload_in_a_call_leaves_no_false_entry_and_its_time_goes_on() {
    let mut world = World::ready();
    let call = PhoneCall { answered: Some(Instant::ORIGIN), ..outgoing(CallState::Established) };
    world.call_changed(&call);
    world.cti(cti::Event::PhoneEvent(phone_event(1, EventType::Established)));
    let kept = world.desk.kept_calls().expect("the calls are known");
    let started =
        KeptCall { unique_id: "unique-1".into(), started: Instant::ORIGIN, answered: Some(Instant::ORIGIN) };
    assert_eq!(kept, [started]);

    let mut world = World::new();
    world.now = Instant::ORIGIN + Duration::from_secs(90);
    world.apply(Event::SessionFound { login: "alice".into(), calls: kept });
    assert_eq!(world.desk.kept_calls(), None, "what was kept is not thrown away before the server has told");
    world.listed(&[phone_event(1, EventType::Established)]);
    let back = PhoneCall {
        auto_answer: true,
        started: world.now,
        answered: Some(world.now),
        ..phone_call(5, CallDirection::Incoming, CallState::Established)
    };
    world.call_changed(&back);
    let mut event = phone_event(1, EventType::Established);
    event.user_data.insert(cti::PhoneEvent::SIP_CALL_ID.to_owned(), "call-5".to_owned());
    world.cti(cti::Event::PhoneEvent(event));
    assert_eq!((world.card().phone, world.card().answered), (Some(PhoneCallId(5)), Some(Instant::ORIGIN)));
    assert!(world.desk.recent().is_empty());
}
