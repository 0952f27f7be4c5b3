//! Call cards: two views of one call, what can be clicked, and what is said when it is over.

mod world;

use cti::{EventType, WebRtcCommand};
use desk::{CardState, Command, DeskState, Direction, Order, Refusal, Waiting};
use softphone::{CallDirection, CallEnd, CallState, Command as Phone, MediaState, Pending, PhoneCallId};
use world::{World, incoming, outgoing, phone_call, phone_event};

const FIRST: PhoneCallId = PhoneCallId(1);

#[test]
fn what_was_typed_is_read_before_it_is_dialled() {
    let mut world = World::ready();
    assert_eq!(world.click(Command::Dial(" ".into())), Err(Refusal::NoNumber));
    assert_eq!(world.click(Command::Dial("anna".into())), Err(Refusal::NotANumber));
    assert_eq!(
        world.click(Command::Dial("+33 (0)1.44".into())),
        Ok(vec![Order::Phone(Phone::Dial { number: "+330144".into() })])
    );
}

#[test]
fn the_beginning_of_a_number_is_not_wrong_while_somebody_types() {
    let many = "1".repeat(32);
    for text in ["", "+", "(", "+(", "+33 (0)1 44-", "*", "1 ", &many] {
        assert_eq!(desk::Desk::check_typed(text), Ok(()), "{text}");
    }
    for text in ["a", "1+", "++", "10@", &format!("{many}1")] {
        assert_eq!(desk::Desk::check_typed(text), Err(Refusal::NotANumber), "{text}");
    }
}

#[test]
fn one_call_seen_from_two_sides_is_one_card_with_the_servers_name() {
    let mut world = World::ready();
    world.call_changed(&outgoing(CallState::Alerting));
    assert_eq!((world.card().name.as_str(), world.card().number.as_str()), ("1002", "1002"));
    world.cti(cti::Event::PhoneEvent(phone_event(1, EventType::Dialing)));
    let card = world.card();
    assert_eq!(
        (card.name.as_str(), card.state, card.direction),
        ("Bruno Petit", CardState::Alerting, Direction::Outgoing)
    );
    assert_eq!(world.desk.state().0, DeskState::Dialling);

    // The server's word comes late: the softphone's state counts.
    world.call_changed(&outgoing(CallState::Established));
    assert_eq!(world.card().state, CardState::OnCall);
    let id = world.id();
    world.call_ended(&outgoing(CallState::Established), CallEnd::RemoteHungUp);
    assert!(world.desk.calls().is_empty());
    world.cti(cti::Event::PhoneEvent(phone_event(1, EventType::Established)));
    assert!(world.desk.calls().is_empty(), "what comes after the end is no new call");
    assert_eq!(world.click(Command::End(id)), Err(Refusal::NoSuchCall));
}

#[test]
fn the_server_may_speak_first() {
    let mut world = World::ready();
    world.cti(cti::Event::PhoneEvent(phone_event(1, EventType::Ringing)));
    let id = world.id();
    assert!(!world.card().is_here());
    world.call_changed(&incoming(CallState::Ringing));
    assert_eq!(world.id(), id, "the card stays the same");
    assert!(world.card().is_here());
}

#[test]
fn a_call_that_rings_another_phone_too_is_one_card_and_answered_by_our_own() {
    let mut event = phone_event(1, EventType::Ringing);
    event.user_data.insert(cti::PhoneEvent::SIP_CALL_ID.to_owned(), "the other phone's".to_owned());
    for server_first in [true, false] {
        let mut world = World::ready();
        if server_first {
            world.cti(cti::Event::PhoneEvent(event.clone()));
        }
        world.call_changed(&incoming(CallState::Ringing));
        world.cti(cti::Event::PhoneEvent(event.clone()));
        let id = world.id();
        let answer = Order::Phone(Phone::Answer { call: FIRST });
        assert_eq!(world.click(Command::Answer(id)), Ok(vec![answer]), "{server_first}");
        world.call_changed(&incoming(CallState::Established));
        world.cti(cti::Event::PhoneEvent(phone_event(1, EventType::Established)));
        assert_eq!((world.id(), world.card().state), (id, CardState::OnCall));
    }
}

#[test]
fn a_call_brought_back_to_a_reloaded_page_is_one_card() {
    let mut world = World::ready();
    world.cti(cti::Event::CurrentCallsPhoneEvents { events: vec![phone_event(1, EventType::Established)] });
    let id = world.id();
    // The server calls the page in a new dialog, and then says which call that is.
    let brought_back = softphone::PhoneCall {
        auto_answer: true,
        ..phone_call(5, CallDirection::Incoming, CallState::Established)
    };
    world.call_changed(&brought_back);
    let mut event = phone_event(1, EventType::Established);
    event.user_data.insert(cti::PhoneEvent::SIP_CALL_ID.to_owned(), "call-5".to_owned());
    world.cti(cti::Event::PhoneEvent(event));
    let card = world.card();
    assert_eq!((card.id, card.phone, card.direction), (id, Some(PhoneCallId(5)), Direction::Outgoing));
}

#[test]
fn a_ringing_call_is_answered_or_declined_here() {
    let mut world = World::ready();
    world.call_changed(&incoming(CallState::Ringing));
    assert_eq!(world.desk.state().0, DeskState::Ringing);
    let id = world.id();
    assert_eq!(world.click(Command::End(id)), Err(Refusal::Ringing));
    assert_eq!(world.click(Command::Dial("1003".into())), Err(Refusal::Ringing));
    assert_eq!(world.click(Command::Decline(id)), Ok(vec![Order::Phone(Phone::Decline { call: FIRST })]));
    assert_eq!(world.click(Command::Answer(id)), Ok(vec![Order::Phone(Phone::Answer { call: FIRST })]));
    let connecting =
        softphone::PhoneCall { pending: Some(Pending::Answer), ..incoming(CallState::Connecting) };
    world.call_changed(&connecting);
    assert_eq!(world.card().state.word(), "Connecting…");
}

#[test]
fn hold_and_mute_follow_the_call() {
    let mut world = World::ready();
    world.call_changed(&outgoing(CallState::Established));
    let id = world.id();
    assert_eq!(world.click(Command::ToggleHold(id)), Ok(vec![Order::Phone(Phone::Hold { call: FIRST })]));
    let holding = softphone::PhoneCall { pending: Some(Pending::Hold), ..outgoing(CallState::Established) };
    world.call_changed(&holding);
    assert_eq!((world.card().waiting, world.card().is_held()), (Some(Waiting::Hold), true));
    assert_eq!(world.click(Command::ToggleHold(id)), Err(Refusal::Waiting));
    world.call_changed(&outgoing(CallState::Held));
    assert_eq!(world.desk.state().0, DeskState::OnHold);
    assert_eq!(world.click(Command::ToggleHold(id)), Ok(vec![Order::Phone(Phone::Resume { call: FIRST })]));
    assert_eq!(world.click(Command::SendDtmf(id, '1')), Err(Refusal::Held));

    let muted = softphone::PhoneCall { muted: true, ..outgoing(CallState::Established) };
    world.call_changed(&muted);
    assert_eq!(
        world.click(Command::ToggleMute(id)),
        Ok(vec![Order::Phone(Phone::Mute { call: FIRST, on: false })])
    );
}

#[test]
fn keys_are_shown_with_all_but_the_last_four_hidden() {
    let mut world = World::ready();
    world.call_changed(&outgoing(CallState::Established));
    let id = world.id();
    for key in "12345a".chars() {
        world.click(Command::SendDtmf(id, key)).expect("keys are taken");
    }
    assert_eq!(world.card().keys, "••345A");
    assert_eq!(world.click(Command::SendDtmf(id, 'x')), Err(Refusal::NotAKey));
}

#[test]
fn two_calls_are_the_most() {
    let mut world = World::ready();
    world.call_changed(&outgoing(CallState::Held));
    assert!(world.desk.can_dial().enabled(), "a second call puts the first on hold");
    world.call_changed(&phone_call(2, CallDirection::Outgoing, CallState::Alerting));
    assert_eq!(world.desk.can_dial().reason(), Refusal::Dialling.text());
    world.call_changed(&phone_call(2, CallDirection::Outgoing, CallState::Established));
    assert_eq!(world.desk.can_dial().reason(), Refusal::TwoCalls.text());
}

#[test]
fn an_ending_that_nobody_wished_is_said() {
    let said = |call: &softphone::PhoneCall, end: CallEnd| {
        let mut world = World::ready();
        world.call_changed(call);
        world.call_ended(call, end);
        world.said().first().map(|text| (*text).to_owned())
    };
    let out = outgoing(CallState::Alerting);
    assert_eq!(said(&out, CallEnd::Refused(404)).as_deref(), Some("1002 is not a known number."));
    assert_eq!(said(&out, CallEnd::Refused(486)).as_deref(), Some("1002 is busy."));
    assert_eq!(said(&out, CallEnd::Refused(603)).as_deref(), Some("1002 declined the call."));
    assert_eq!(said(&out, CallEnd::Refused(480)).as_deref(), Some("1002 cannot be reached right now."));
    assert_eq!(said(&out, CallEnd::HungUp), None);
    let ringing = incoming(CallState::Ringing);
    assert_eq!(said(&ringing, CallEnd::Cancelled).as_deref(), Some("You missed a call from 1002."));
    assert_eq!(
        said(&ringing, CallEnd::AnsweredElsewhere).as_deref(),
        Some("The call from 1002 was answered on another phone.")
    );
}

#[test]
fn the_audio_connection_follows_the_sound_of_the_call() {
    let mut world = World::ready();
    let mut call = outgoing(CallState::Established);
    for (media, slug) in
        [(MediaState::Connecting, "connecting"), (MediaState::Up, "up"), (MediaState::Lost, "down")]
    {
        call.media = media;
        world.call_changed(&call);
        assert_eq!(world.desk.connections().audio.slug(), slug);
    }
}

#[test]
fn the_server_may_click_for_the_person() {
    let mut world = World::ready();
    world.call_changed(&incoming(CallState::Ringing));
    let named = Some("call-1".to_owned());
    world.cti(cti::Event::WebRtcCmd(WebRtcCommand::Answer { sip_call_id: None }));
    assert_eq!(world.orders(), [Order::Phone(Phone::Answer { call: FIRST })]);
    world.call_changed(&incoming(CallState::Established));
    world.cti(cti::Event::WebRtcCmd(WebRtcCommand::Hold { sip_call_id: named.clone() }));
    world.cti(cti::Event::WebRtcCmd(WebRtcCommand::SendDtmf { sip_call_id: named.clone(), key: '5' }));
    world.cti(cti::Event::WebRtcCmd(WebRtcCommand::ToggleMicrophone { sip_call_id: named }));
    assert_eq!(
        world.orders(),
        [
            Order::Phone(Phone::Hold { call: FIRST }),
            Order::Phone(Phone::SendDtmf { call: FIRST, key: '5' }),
            Order::Phone(Phone::Mute { call: FIRST, on: true }),
        ]
    );
    world.cti(cti::Event::WebRtcCmd(WebRtcCommand::Hold { sip_call_id: Some("another".into()) }));
    assert_eq!(world.orders(), [], "what is not here is another tab's");
}

#[test]
fn the_heading_and_the_keys_mean_the_call_that_one_talks_in() {
    let mut world = World::ready();
    world.call_changed(&outgoing(CallState::Held));
    world.call_changed(&phone_call(2, CallDirection::Incoming, CallState::Established));
    let cards = world.desk.calls();
    assert_eq!(desk::in_hand(&cards).map(|card| card.id), Some(cards[1].id));
    assert_eq!(desk::heading(world.desk.state().0, &cards), "On call with 1003");
    world.call_changed(&phone_call(2, CallDirection::Incoming, CallState::Ringing));
    let cards = world.desk.calls();
    assert_eq!(desk::ringing(&cards).map(|card| card.id), Some(cards[1].id));
    assert_eq!(desk::in_hand(&cards).map(|card| card.id), Some(cards[0].id));
    assert_eq!(desk::heading(DeskState::Ringing, &cards), "Incoming call from 1003");
}

#[test]
fn names_from_outside_cannot_imitate_the_page() {
    let mut world = World::ready();
    let call = softphone::PhoneCall {
        remote_name: Some("\u{202e}<b>Boss</b>\u{200b}\r\n".into()),
        ..incoming(CallState::Ringing)
    };
    world.call_changed(&call);
    assert_eq!(world.card().name, "<b>Boss</b>");
}
