//! The line registers, stays registered, and comes back.

mod world;

use softphone::{Command, Order, Registration, RegistrationProblem};
use timing::Duration;
use world::{World, account};

#[test]
fn a_registration_of_a_minute_is_renewed_each_half_minute() {
    let mut world = World::registered();
    assert_eq!(world.registrations, 1);
    world.pass(Duration::from_secs(95));
    assert_eq!(world.registrations, 4);
    assert_eq!(world.phone.registration(), Registration::Registered);
}

#[test]
fn the_same_account_again_changes_nothing() {
    let mut world = World::registered();
    world.command(Command::Start(account())).unwrap();
    assert_eq!(world.registrations, 1);
    assert_eq!(world.orders, [Order::OpenSocket]);
}

#[test]
fn a_lost_socket_is_opened_again_and_again_until_the_server_is_back() {
    let mut world = World::registered();
    world.reachable = false;
    world.cut();
    world.pass(Duration::from_secs(60));
    let tries = world.orders.iter().filter(|order| **order == Order::OpenSocket).count();
    assert!((6..=20).contains(&tries), "{tries} tries in a minute");
    let Registration::Waiting { retry_at, problem } = world.phone.registration() else {
        panic!("{:?}", world.phone.registration())
    };
    assert_eq!(problem, RegistrationProblem::NoConnection);
    assert!(retry_at <= world.now + Duration::from_secs(15));

    world.reachable = true;
    world.pass(Duration::from_secs(15));
    assert_eq!(world.phone.registration(), Registration::Registered);
}

#[test]
fn who_hears_of_a_new_network_does_not_wait() {
    let mut world = World::registered();
    world.reachable = false;
    world.cut();
    world.pass(Duration::from_secs(60));
    world.reachable = true;
    world.phone.handle_network_change(world.now);
    world.settle();
    assert_eq!(world.phone.registration(), Registration::Registered);
}

#[test]
fn a_refused_line_says_so_and_tries_again() {
    let mut world = World::new();
    world.register_status = 403;
    world.command(Command::Start(account())).unwrap();
    let registration = world.phone.registration();
    assert!(
        matches!(registration, Registration::Waiting { problem: RegistrationProblem::Refused(403), .. }),
        "{registration:?}"
    );
    assert!(world.orders.contains(&Order::CloseSocket));
    world.register_status = 200;
    world.pass(Duration::from_secs(15));
    assert_eq!(world.phone.registration(), Registration::Registered);
}

#[test]
fn a_server_that_says_nothing_is_noticed() {
    let mut world = World::registered();
    // The socket stays open, but nothing that is sent arrives: renewal after half a minute, then RFC 3261's timer F.
    world.flow = None;
    world.pass(Duration::from_secs(30 + 31));
    assert!(!world.orders.contains(&Order::CloseSocket));
    world.pass(Duration::from_secs(2));
    assert!(world.orders.contains(&Order::CloseSocket));
    world.pass(Duration::from_secs(15));
    assert_eq!(world.phone.registration(), Registration::Registered);
}

#[test]
fn stopping_takes_the_registration_back_before_the_socket_closes() {
    let mut world = World::registered();
    world.talk("*55");
    world.command(Command::Stop).unwrap();
    assert_eq!(world.phone.registration(), Registration::Off);
    assert_eq!(world.phone.calls().count(), 0);
    assert!(world.heard.iter().any(|event| matches!(event, sip::Event::Ended { .. })), "the BYE was sent");
    assert_eq!(world.orders.last(), Some(&Order::CloseSocket));
    world.pass(Duration::from_secs(120));
    assert_eq!(world.phone.registration(), Registration::Off);
    world.command(Command::Start(account())).unwrap();
    assert_eq!(world.phone.registration(), Registration::Registered);
}
