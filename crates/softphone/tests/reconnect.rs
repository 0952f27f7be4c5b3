//! The socket goes and comes back; the calls stay.

mod world;

use softphone::{CallEnd, CallState, Command, Direction, MediaState, Order, Pending, Registration};
use timing::Duration;
use world::World;

fn reoffers(world: &World) -> Vec<bool> {
    let restart = |order: &Order| match order {
        Order::CreateReoffer { restart_ice, .. } => Some(*restart_ice),
        _ => None,
    };
    world.orders.iter().filter_map(restart).collect()
}

#[test]
fn a_call_lives_on_and_its_dialog_follows_to_the_new_socket() {
    let mut world = World::registered();
    let (id, dialog) = world.talk("1002");
    world.phone.media_up(id);
    world.cut();
    assert_eq!(world.call(id).state, CallState::Established);
    world.pass(Duration::from_secs(2));
    assert_eq!(reoffers(&world), [false], "the sound was never lost");
    assert_eq!(world.agree(), Direction::SendRecv);

    // The server's hang-up finds the phone on its new socket.
    world.server.bye(dialog, None, world.now);
    world.settle();
    assert_eq!(world.ended(), [CallEnd::RemoteHungUp]);
}

#[test]
fn sound_that_was_lost_with_the_socket_is_negotiated_anew() {
    let mut world = World::registered();
    let (id, _) = world.talk("1002");
    world.phone.media_up(id);
    world.reachable = false;
    world.cut();
    world.phone.media_lost(id, world.now);
    world.settle();
    assert!(reoffers(&world).is_empty(), "not before the line is back");
    world.reachable = true;
    world.pass(Duration::from_secs(15));
    assert_eq!(reoffers(&world), [true]);
    world.agree();
    world.phone.media_up(id);
    assert_eq!(world.call(id).media, MediaState::Up);
}

#[test]
fn sound_alone_is_repaired_at_once() {
    let mut world = World::registered();
    let (id, _) = world.talk("1002");
    world.phone.media_up(id);
    world.phone.media_lost(id, world.now);
    world.settle();
    assert_eq!(reoffers(&world), [true]);
}

#[test]
fn a_new_network_restarts_the_sound_of_each_call() {
    let mut world = World::registered();
    let (id, _) = world.talk("1002");
    world.phone.media_up(id);
    world.phone.handle_network_change(world.now);
    world.settle();
    assert_eq!(reoffers(&world), [true]);
    assert_eq!(world.call(id).media, MediaState::Up, "only the browser knows that the path is gone");
    world.agree();
    assert_eq!(world.call(id).state, CallState::Established);
    world.phone.media_lost(id, world.now);
    world.settle();
    assert_eq!(reoffers(&world), [true, true]);
}

#[test]
fn a_new_network_without_a_socket_restarts_the_sound_once_the_line_is_back() {
    let mut world = World::registered();
    let (id, _) = world.talk("1002");
    world.phone.media_up(id);
    world.reachable = false;
    world.cut();
    world.phone.handle_network_change(world.now);
    world.settle();
    assert!(reoffers(&world).is_empty());
    world.reachable = true;
    world.pass(Duration::from_secs(15));
    assert_eq!(reoffers(&world), [true]);
}

#[test]
fn a_hold_clicked_without_a_socket_is_done_when_it_is_back() {
    let mut world = World::registered();
    let (id, _) = world.talk("1002");
    world.cut();
    world.command(Command::Hold { call: id }).unwrap();
    assert_eq!(world.call(id).pending, Some(Pending::Hold));
    world.pass(Duration::from_secs(2));
    assert_eq!(world.agree(), Direction::SendOnly);
    assert_eq!(world.call(id).state, CallState::Held);
}

#[test]
fn a_call_ended_without_a_socket_is_ended_at_the_server_later() {
    let mut world = World::registered();
    let (id, dialog) = world.talk("1002");
    world.reachable = false;
    world.cut();
    world.command(Command::HangUp { call: id }).unwrap();
    assert_eq!(world.ended(), [CallEnd::HungUp]);
    assert!(world.server_knows(dialog));
    world.reachable = true;
    world.pass(Duration::from_secs(15));
    assert!(!world.server_knows(dialog));
}

#[test]
fn a_call_ended_before_the_line_is_registered_again_is_ended_at_the_server_then() {
    let mut world = World::registered();
    let (id, dialog) = world.talk("1002");
    world.lose_socket();
    world.registrar_waits = true;
    world.pass(Duration::from_secs(2));
    assert_eq!(world.phone.registration(), Registration::Connecting, "the socket is open");
    world.command(Command::HangUp { call: id }).unwrap();
    assert!(world.server_knows(dialog), "the server may not take a word before the registration");
    world.registrar_answers();
    assert!(!world.server_knows(dialog));
}

#[test]
fn stopping_ends_at_the_server_what_was_ended_here() {
    for is_registered in [true, false] {
        let mut world = World::registered();
        let (id, dialog) = world.talk("1002");
        world.cut();
        world.command(Command::HangUp { call: id }).unwrap();
        world.registrar_waits = !is_registered;
        world.pass(Duration::from_secs(2));
        world.command(Command::Stop).unwrap();
        assert!(!world.server_knows(dialog), "registered: {is_registered}");
    }
}

#[test]
fn a_restarted_server_knows_no_old_calls_and_they_end() {
    let mut world = World::registered();
    world.talk("1002");
    world.cut();
    world.server = World::new().server;
    world.pass(Duration::from_secs(2));
    assert_eq!(world.phone.calls().count(), 0);
    assert_eq!(world.ended(), [CallEnd::RemoteHungUp]);
}
