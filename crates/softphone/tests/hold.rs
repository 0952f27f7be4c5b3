//! Hold, resume, mute, and two calls at a time.

mod world;

use sip::Event;
use softphone::{CallState, Command, Direction, Fact, Order, Pending, Refusal};
use world::{World, sdp};

#[test]
fn hold_is_pending_until_the_server_agrees_and_so_is_resume() {
    let mut world = World::registered();
    let (id, _) = world.talk("1002");
    world.command(Command::Hold { call: id }).unwrap();
    assert_eq!((world.call(id).state, world.call(id).pending), (CallState::Established, Some(Pending::Hold)));
    assert!(world.orders.contains(&Order::SetMicrophone { call: id, on: false }), "silent at once");
    assert_eq!(world.agree(), Direction::SendOnly);
    assert_eq!((world.call(id).state, world.call(id).pending), (CallState::Held, None));

    world.orders.clear();
    world.command(Command::Resume { call: id }).unwrap();
    assert_eq!(world.call(id).pending, Some(Pending::Resume));
    assert!(
        !world.orders.contains(&Order::SetMicrophone { call: id, on: true }),
        "not heard before both agree"
    );
    assert_eq!(world.agree(), Direction::SendRecv);
    assert_eq!((world.call(id).state, world.call(id).pending), (CallState::Established, None));
    assert_eq!(world.orders.last(), Some(&Order::SetMicrophone { call: id, on: true }));
}

#[test]
fn a_hold_that_is_refused_leaves_the_microphone_off_and_says_so() {
    let mut world = World::registered();
    let (id, dialog) = world.talk("1002");
    world.command(Command::Hold { call: id }).unwrap();
    world.server.refuse_offer(dialog, 488, world.now);
    world.settle();
    assert!(world.facts.contains(&Fact::HoldFailed { call: id }));
    let call = world.call(id);
    assert_eq!((call.state, call.pending, call.muted), (CallState::Established, None, true));
    assert!(world.orders.contains(&Order::RollBack { call: id }));
    assert!(!world.orders.contains(&Order::SetMicrophone { call: id, on: true }));
}

#[test]
fn a_second_call_puts_the_first_on_hold_and_resuming_swaps_them() {
    let mut world = World::registered();
    let (first, _) = world.talk("1002");
    world.command(Command::Dial { number: "1003".into() }).unwrap();
    assert_eq!(world.agree(), Direction::SendOnly);
    let Some(Event::Invite(invite)) = world.heard.pop_back() else { panic!("no INVITE: {:?}", world.heard) };
    world.server.answer(invite.dialog, sdp(1, Direction::SendRecv), world.now).unwrap();
    world.settle();
    let second = world.phone.calls().last().unwrap().id;
    assert_eq!(world.call(first).state, CallState::Held);
    assert_eq!(world.call(second).state, CallState::Established);

    world.command(Command::Resume { call: first }).unwrap();
    let mut directions = [world.agree(), world.agree()];
    directions.sort_by_key(|direction| direction.as_str());
    assert_eq!(directions, [Direction::SendOnly, Direction::SendRecv]);
    assert_eq!(world.call(first).state, CallState::Established);
    assert_eq!(world.call(second).state, CallState::Held);
}

#[test]
fn muting_is_ours_alone_and_outlives_a_hold() {
    let mut world = World::registered();
    let (id, _) = world.talk("1002");
    world.heard.clear();
    world.command(Command::Mute { call: id, on: true }).unwrap();
    assert!(world.heard.is_empty(), "nothing travels");
    assert_eq!(world.orders.last(), Some(&Order::SetMicrophone { call: id, on: false }));
    world.command(Command::Hold { call: id }).unwrap();
    world.agree();
    world.command(Command::Resume { call: id }).unwrap();
    world.agree();
    assert!(world.call(id).muted);
    assert!(!world.orders.contains(&Order::SetMicrophone { call: id, on: true }));
    world.command(Command::Mute { call: id, on: false }).unwrap();
    assert_eq!(world.orders.last(), Some(&Order::SetMicrophone { call: id, on: true }));
}

#[test]
fn the_other_side_may_hold_us_too() {
    let mut world = World::registered();
    let (id, dialog) = world.talk("1002");
    world.server.reinvite(dialog, sdp(3, Direction::SendOnly), vec![], world.now).unwrap();
    world.settle();
    assert!(world.call(id).remote_held);
    assert!(matches!(world.heard.back(), Some(Event::OfferAnswered { .. })));
    world.server.reinvite(dialog, sdp(4, Direction::SendRecv), vec![], world.now).unwrap();
    world.settle();
    assert!(!world.call(id).remote_held);
}

#[test]
fn a_click_during_an_exchange_is_done_after_it() {
    let mut world = World::registered();
    let (id, _) = world.talk("1002");
    world.command(Command::Hold { call: id }).unwrap();
    world.command(Command::Resume { call: id }).unwrap();
    assert_eq!(world.agree(), Direction::SendOnly);
    assert_eq!(world.agree(), Direction::SendRecv);
    assert_eq!((world.call(id).state, world.call(id).pending), (CallState::Established, None));
}

#[test]
fn what_is_not_answered_cannot_be_held() {
    let mut world = World::registered();
    let (id, _) = world.ring("1002", false);
    assert_eq!(world.command(Command::Hold { call: id }), Err(Refusal::WrongState));
}
