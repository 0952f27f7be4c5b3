//! What was not answered when the socket went is over for both sides; nothing of it stays on the page.

mod world;

use softphone::{CallEnd, CallState, Command, Order};
use timing::Duration;
use world::World;

type Deed = fn(&mut World);

/// Each way in which one call may stand unanswered, by its name.
const UNANSWERED: [(&str, Deed); 5] = [
    ("the offer is being made", |world| {
        world.browser_works = false;
        world.command(Command::Dial { number: "1002".into() }).expect("it may dial");
    }),
    ("dialling", |world| {
        world.command(Command::Dial { number: "1002".into() }).expect("it may dial");
    }),
    ("alerting", |world| {
        world.dial("1002");
    }),
    ("ringing", |world| {
        world.ring("1002", false);
    }),
    ("the answer is being made", |world| {
        world.browser_works = false;
        let (call, _) = world.ring("1002", false);
        world.command(Command::Answer { call }).expect("it rings");
        assert_eq!(world.call(call).state, CallState::Connecting);
    }),
];

#[test]
fn an_unanswered_call_is_over_when_its_socket_is_gone() {
    for (state, bring_about) in UNANSWERED {
        for (loss, lose) in [
            ("cut", World::cut as Deed),
            ("restart", World::restart),
            ("loss that the server has not noticed", World::lose_socket),
        ] {
            let mut world = World::registered();
            bring_about(&mut world);
            let id = world.only_call().id;
            lose(&mut world);
            assert_eq!(world.ended(), [CallEnd::NoResponse], "{state}, {loss}");
            assert!(world.orders.contains(&Order::ClosePeer { call: id }), "{state}, {loss}");
            world.pass(Duration::from_secs(40));
            assert_eq!(world.phone.calls().count(), 0, "{state}, {loss}");
            assert_eq!(world.ended().len(), 1, "{state}, {loss}");
        }
    }
}

/// The phone has answered, but its answer was lost with the socket.
fn answer_is_lost(world: &mut World) -> softphone::PhoneCallId {
    let (call, _) = world.ring("1002", false);
    world.flow = None;
    world.command(Command::Answer { call }).expect("it rings");
    world.phone.socket_closed(world.now);
    world.settle();
    assert_eq!(world.call(call).state, CallState::Connecting);
    call
}

#[test]
fn an_answer_lost_with_the_socket_arrives_by_the_next() {
    let mut world = World::registered();
    let call = answer_is_lost(&mut world);
    world.pass(Duration::from_secs(5));
    assert_eq!(world.call(call).state, CallState::Established);
}

#[test]
fn an_answer_to_a_server_that_was_restarted_is_soon_known_to_be_for_nobody() {
    let mut world = World::registered();
    answer_is_lost(&mut world);
    world.server = World::new().server;
    world.pass(Duration::from_secs(2));
    assert_eq!(world.phone.calls().count(), 0);
    assert_eq!(world.ended(), [CallEnd::RemoteHungUp]);
}

#[test]
fn an_answer_that_comes_for_a_call_that_is_over_is_ended_at_once() {
    let mut world = World::registered();
    let (_, dialog) = world.dial("1002");
    world.lose_socket();
    world.server.answer(dialog, world::sdp(1, softphone::Direction::SendRecv), world.now).expect("it rings");
    world.pass(Duration::from_secs(2));
    let flow = world.flow.expect("the socket is back");
    world.server.rebind(dialog, flow);
    world.pass(Duration::from_secs(5));
    assert!(!world.server_knows(dialog), "its 200 found nobody");
    assert_eq!(world.ended(), [CallEnd::NoResponse]);
}
