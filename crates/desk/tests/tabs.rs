//! One user, two tabs: one has the phone, the other mirrors it.

mod world;

use cti::EventType;
use desk::{Command, Connection, DeskState, Event, Order, Refusal, SessionCheck, Tab, Waiting};
use softphone::{CallState, Command as Phone};
use timing::Duration;
use world::{World, outgoing, phone_event};

#[test]
fn the_second_tab_says_where_the_phone_is_and_may_take_it() {
    let mut world = World::mirror();
    let elsewhere = Connection::Elsewhere { reason: "The phone is in another tab." };
    assert_eq!(world.desk.connections().phone, elsewhere);
    assert_eq!(world.desk.state().0, DeskState::Ready);
    assert_eq!(
        world.click(Command::TakePhone),
        Ok(vec![Order::ClaimPhone { login: "alice".into(), steal: true }])
    );
    world.apply(Event::Tab(Tab::Owner));
    assert!(matches!(&world.orders()[..], [Order::Phone(Phone::Start(_))]));
    assert_eq!(world.click(Command::TakePhone), Err(Refusal::HasThePhone));
}

#[test]
fn the_tab_that_loses_the_phone_stops_it_and_says_so() {
    let mut world = World::ready();
    world.apply(Event::Tab(Tab::Other));
    assert_eq!(world.orders(), [Order::Phone(Phone::Stop)]);
    assert_eq!(world.said(), ["The phone is now in another tab."]);
}

#[test]
fn a_mirror_shows_and_steers_the_other_tabs_call_through_the_server() {
    let mut world = World::mirror();
    assert!(matches!(
        &world.click(Command::Dial("*55".into())).unwrap()[..],
        [Order::Cti(cti::Command::Dial { destination, .. })] if destination == "*55"
    ));
    world.cti(cti::Event::PhoneEvent(phone_event(1, EventType::Established)));
    let (id, unique_id) = (world.id(), Some("unique-1".to_owned()));
    assert!(!world.card().is_here());
    assert_eq!(
        world.click(Command::ToggleHold(id)),
        Ok(vec![Order::Cti(cti::Command::Hold { unique_id: unique_id.clone() })])
    );
    assert_eq!(world.click(Command::ToggleMute(id)), Err(Refusal::OtherTab));
    assert_eq!(world.click(Command::TakePhone), Err(Refusal::OtherTabTalks));
    world.cti(cti::Event::PhoneEvent(phone_event(1, EventType::OnHold)));
    assert!(world.card().is_held());
    assert_eq!(world.click(Command::End(id)), Ok(vec![Order::Cti(cti::Command::Hangup { unique_id })]));
    assert_eq!(world.click(Command::End(id)), Err(Refusal::Waiting));
    world.cti(cti::Event::PhoneEvent(phone_event(1, EventType::Released)));
    assert!(world.desk.calls().is_empty());
}

#[test]
fn a_mirror_without_events_cannot_do_anything() {
    let mut world = World::mirror();
    world.apply(Event::EventsClosed);
    assert_eq!(world.click(Command::Dial("1002".into())), Err(Refusal::EventsLost));
    assert_eq!(world.desk.state().0, DeskState::ServerLost, "and does not know whether calls come");
}

#[test]
fn the_phone_is_not_taken_from_a_tab_of_which_nothing_is_known() {
    let mut world = World::mirror();
    world.apply(Event::EventsClosed);
    assert_eq!(world.click(Command::TakePhone), Err(Refusal::EventsLost));
    world.pass(Duration::from_secs(1));
    world.apply(Event::SessionChecked(SessionCheck::Valid { ttl: None }));
    world.cti(cti::Event::LoggedOn);
    assert_eq!(world.click(Command::TakePhone), Err(Refusal::Waiting), "there may be a call");
    world.listed(&[phone_event(1, EventType::Established)]);
    assert_eq!(world.click(Command::TakePhone), Err(Refusal::OtherTabTalks));
    world.listed(&[]);
    world.orders();
    assert!(world.click(Command::TakePhone).is_ok());
}

#[test]
fn a_mirror_waits_for_the_server_but_not_for_ever() {
    let mut world = World::mirror();
    world.cti(cti::Event::PhoneEvent(phone_event(1, EventType::Established)));
    let id = world.id();
    world.click(Command::ToggleHold(id)).expect("taken");
    assert_eq!((world.card().waiting, world.card().is_held()), (Some(Waiting::Hold), true));
    assert_eq!(world.click(Command::ToggleHold(id)), Err(Refusal::Waiting), "a second click would resume");
    world.cti(cti::Event::PhoneEvent(phone_event(1, EventType::OnHold)));
    assert_eq!(world.card().waiting, None);

    world.click(Command::ToggleHold(id)).expect("taken");
    assert_eq!(world.card().waiting, Some(Waiting::Resume));
    world.pass(Duration::from_secs(5));
    assert_eq!((world.card().waiting, world.card().is_held()), (None, true));
    assert_eq!(world.said(), ["The server did not confirm."]);

    world.click(Command::End(id)).expect("taken");
    assert_eq!(world.click(Command::End(id)), Err(Refusal::Waiting));
    world.pass(Duration::from_secs(5));
    assert!(world.click(Command::End(id)).is_ok());
}

#[test]
fn calls_that_the_server_no_longer_lists_are_gone_unless_their_sound_is_here() {
    let mut world = World::ready();
    world.call_changed(&outgoing(CallState::Established));
    world.cti(cti::Event::PhoneEvent(phone_event(7, EventType::Established)));
    assert_eq!(world.desk.calls().len(), 2);
    world.cti(cti::Event::CurrentCallsPhoneEvents { events: Vec::new() });
    assert!(world.card().is_here());
}
