//! What a person hears and is heard by: the microphone, the browser's silence, and the path of a call.

mod world;

use desk::{CallMicrophone, Command, Connection, Event, Level, Microphone, Order, Voice};
use softphone::{CallDirection, CallEnd, CallState, MediaFailure, MediaState, PhoneCall, PhoneCallId};
use timing::Duration;
use world::{World, incoming, outgoing, phone_call};

const FIRST: PhoneCallId = PhoneCallId(1);

#[test]
fn a_microphone_problem_blocks_the_audio_and_says_what_to_do() {
    let mut world = World::ready();
    for microphone in [Microphone::Refused, Microphone::Missing, Microphone::Busy] {
        world.apply(Event::Microphone(microphone));
        assert_eq!(world.desk.connections().audio.reason(), microphone.problem());
        assert_eq!(world.said().first().copied(), microphone.problem());
        assert!(world.desk.can_dial().enabled(), "it may have been put right meanwhile");
    }
    world.apply(Event::Microphone(Microphone::Insecure));
    assert!(!world.desk.can_dial().enabled(), "only another address helps");
    world.apply(Event::Microphone(Microphone::Ready));
    assert_eq!(world.desk.connections().audio, Connection::Off);
}

/// Alice, talking.
fn talking() -> World {
    let mut world = World::ready();
    world.call_changed(&PhoneCall { media: MediaState::Up, ..outgoing(CallState::Established) });
    world.microphone(CallMicrophone::Open);
    world
}

impl World {
    fn microphone(&mut self, microphone: CallMicrophone) {
        self.apply(Event::CallMicrophone { call: FIRST, microphone });
    }

    fn note(&self) -> Option<&'static str> {
        self.card().note(self.now).map(|(_, text)| text)
    }
}

#[test]
fn a_microphone_pulled_out_in_a_call_costs_the_voice_and_not_the_call() {
    let mut world = talking();
    world.microphone(CallMicrophone::Lost(MediaFailure::MicrophoneMissing));
    assert_eq!(world.orders(), [], "the call goes on");
    assert_eq!((world.card().voice, world.desk.microphone()), (Voice::Lost, Microphone::Missing));
    assert_eq!(world.note(), Some("They cannot hear you – plug a microphone in."));
    assert_eq!(world.said().len(), 1);

    world.apply(Event::DevicesChanged { allowed: Some(true), present: true });
    assert_eq!(world.orders(), [Order::ReopenMicrophone { call: FIRST }]);
    world.microphone(CallMicrophone::Lost(MediaFailure::MicrophoneMissing));
    assert_eq!(world.said().len(), 1, "an attempt in vain is no news");

    assert_eq!(world.click(Command::TryMicrophone), Ok(vec![Order::ReopenMicrophone { call: FIRST }]));
    world.microphone(CallMicrophone::Changed { label: "Jabra\u{202e} 65".into() });
    assert_eq!(world.said()[0], "Now using Jabra 65.");
    assert_eq!((world.card().voice, world.desk.microphone()), (Voice::Open, Microphone::Ready));
    assert_eq!(world.note(), None);
}

#[test]
fn a_microphone_switched_off_at_its_own_switch_is_told() {
    let mut world = talking();
    world.microphone(CallMicrophone::Silent);
    let (level, text) = world.card().note(world.now).expect("a note");
    assert_eq!(level, Level::Error);
    assert!(text.starts_with("They cannot hear you"), "{text}");
    world.microphone(CallMicrophone::Open);
    assert_eq!(world.note(), None);
}

#[test]
fn a_question_of_the_browser_is_pointed_at() {
    let mut world = World::ready();
    world.call_changed(&outgoing(CallState::Dialling));
    world.microphone(CallMicrophone::Asked);
    assert_eq!(world.note(), None, "mostly it opens at once");
    world.pass(Duration::from_secs(1));
    assert_eq!(world.note(), Some("Allow the microphone in the browser's question."));
    world.microphone(CallMicrophone::Open);
    assert_eq!(world.note(), None);
}

#[test]
fn the_card_tells_how_its_sound_stands() {
    let mut world = talking();
    let with = |media| PhoneCall { media, ..outgoing(CallState::Established) };
    world.call_changed(&with(MediaState::Lost));
    assert_eq!(world.note(), Some("The sound is interrupted – repairing."));
    world.call_changed(&with(MediaState::Connecting));
    assert_eq!(world.note(), None);
    world.pass(Duration::from_secs(2));
    assert_eq!(world.note(), Some("Connecting the sound…"));
}

#[test]
fn meters_and_muted_belong_to_the_call_that_is_heard() {
    let mut world = World::ready();
    world.call_changed(&PhoneCall { muted: true, ..outgoing(CallState::Held) });
    world.call_changed(&phone_call(2, CallDirection::Outgoing, CallState::Established));
    let sound: Vec<bool> = world.desk.calls().iter().map(desk::CallCard::has_sound).collect();
    assert_eq!(sound, [false, true]);
    assert!(!world.desk.muted(), "the muted call is on hold");
    world.call_changed(&PhoneCall {
        muted: true,
        ..phone_call(2, CallDirection::Outgoing, CallState::Established)
    });
    assert!(world.desk.muted());
}

#[test]
fn a_microphone_problem_goes_when_its_cause_goes() {
    let mut world = World::ready();
    let devices = |allowed, present| Event::DevicesChanged { allowed, present };
    world.apply(Event::Microphone(Microphone::Missing));
    world.apply(devices(None, false));
    assert_eq!(world.desk.microphone(), Microphone::Missing);
    world.apply(devices(None, true));
    assert_eq!(world.desk.microphone(), Microphone::Unknown);
    world.apply(devices(Some(false), true));
    assert_eq!(world.desk.microphone(), Microphone::Refused, "lost before the next call needs it");
    assert_eq!(world.click(Command::TryMicrophone), Ok(vec![Order::TryMicrophone]));
    world.apply(Event::Microphone(Microphone::Ready));
    assert_eq!(world.said()[0], "The microphone works.");
    world.apply(devices(Some(true), true));
    assert_eq!(world.desk.microphone(), Microphone::Ready);
}

#[test]
fn a_silent_bell_and_a_silent_caller_are_two_things() {
    let mut world = World::ready();
    world.apply(Event::BellBlocked(true));
    assert_eq!(world.desk.sound_blocked(), Some("Calls would ring silently."));
    assert_eq!(world.desk.connections().audio.slug(), "blocked");
    let call = incoming(CallState::Established);
    world.call_changed(&call);
    world.apply(Event::VoiceBlocked(false));
    assert_eq!(world.desk.sound_blocked(), Some("Calls would ring silently."), "the bell still is");
    world.apply(Event::VoiceBlocked(true));
    world.apply(Event::BellBlocked(false));
    assert_eq!(world.desk.sound_blocked(), Some("You cannot hear the caller."));
    world.call_ended(&call, CallEnd::RemoteHungUp);
    assert_eq!(world.desk.sound_blocked(), None);
}

#[test]
fn a_call_goes_on_in_an_outage_only_while_it_is_heard() {
    let mut world = talking();
    world.apply(Event::EventsClosed);
    let goes_on = |world: &World| world.desk.outage().map(|outage| outage.call_goes_on);
    assert_eq!(goes_on(&world), Some(true));
    world.call_changed(&PhoneCall { media: MediaState::Lost, ..outgoing(CallState::Established) });
    assert_eq!(goes_on(&world), Some(false));
    world.call_changed(&PhoneCall { media: MediaState::Up, ..outgoing(CallState::Alerting) });
    assert_eq!(goes_on(&world), Some(false), "nobody has answered yet");
}
