//! Signing in and out, the three connections, and coming back after a loss.

mod world;

use desk::{Connection, DeskState, Event, Order, Session, SessionCheck, SignInProblem, Tab};
use softphone::{Fact, Registration, RegistrationProblem};
use timing::Duration;
use world::{World, line};

#[test]
fn signing_in_opens_the_events_and_asks_for_the_phone() {
    let mut world = World::new();
    world.apply(Event::SigningIn);
    assert_eq!(world.desk.session(), &Session::SigningIn);
    assert_eq!(world.desk.state().0, DeskState::SignedOut);
    world.apply(Event::SignedIn { login: "alice".into(), ttl: None });
    assert_eq!(world.desk.session(), &Session::SignedIn { login: "alice".into() });
    assert_eq!(
        world.orders(),
        [Order::ClaimPhone { login: "alice".into(), steal: false }, Order::OpenEvents]
    );
    world.cti(cti::Event::LoggedOn);
    let asked: Vec<_> = world.orders();
    assert_eq!(
        asked,
        [
            Order::Cti(cti::Command::GetConfig { object: cti::ConfigObject::Line }),
            Order::Cti(cti::Command::GetIceConfig),
            Order::Cti(cti::Command::GetCurrentCallsPhoneEvents),
        ]
    );
}

#[test]
fn a_wrong_password_is_told_and_nothing_is_opened() {
    let mut world = World::new();
    world.apply(Event::SigningIn);
    world.apply(Event::SignInFailed(SignInProblem::WrongPassword));
    assert_eq!(world.desk.session(), &Session::SignedOut { problem: Some(SignInProblem::WrongPassword) });
    assert_eq!(world.orders(), []);
    assert_eq!(world.desk.state().0, DeskState::SignedOut);
}

#[test]
fn the_phone_starts_when_both_the_line_and_the_tab_are_known() {
    let mut world = World::signed_in();
    assert_eq!(world.orders(), []);
    world.apply(Event::Tab(Tab::Owner));
    let orders = world.orders();
    let [Order::Phone(softphone::Command::Start(account))] = &orders[..] else { panic!("{orders:?}") };
    assert_eq!((account.name.as_str(), account.domain.as_str()), ("k3v9xq", "default"));
    assert_eq!(account.display_name, "Alice Martin");
}

#[test]
fn what_is_broken_is_named_separately() {
    let mut world = World::ready();
    let connections = world.desk.connections();
    assert_eq!(
        (connections.events, connections.phone, connections.audio),
        (Connection::Up, Connection::Up, Connection::Off)
    );
    assert_eq!(world.desk.state().0, DeskState::Ready);

    let waiting = Registration::Waiting { retry_at: world.now, problem: RegistrationProblem::NoConnection };
    world.phone(Fact::RegistrationChanged(waiting));
    assert_eq!(world.desk.connections().phone.slug(), "down");
    assert!(world.desk.connections().events.is_up());
    assert_eq!(world.desk.state().0, DeskState::PhoneLost);

    world.apply(Event::EventsClosed);
    assert_eq!(world.desk.connections().events.slug(), "down");
    assert!(world.desk.outage().is_some_and(|outage| outage.retry_at.is_some()));
}

#[test]
fn after_a_server_restart_the_session_is_checked_and_all_is_asked_for_again() {
    let mut world = World::ready();
    world.apply(Event::EventsClosed);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.orders(), [Order::CheckSession]);
    world.apply(Event::SessionChecked(SessionCheck::Unreachable));
    assert_eq!(world.desk.connections().events.slug(), "down");
    world.pass(Duration::from_secs(2));
    assert_eq!(world.orders(), [Order::CheckSession]);
    world.apply(Event::SessionChecked(SessionCheck::Valid { ttl: Some(3600) }));
    assert_eq!(world.orders(), [Order::OpenEvents]);
    world.cti(cti::Event::LoggedOn);
    assert_eq!(world.orders().len(), 3);
    assert!(world.desk.connections().events.is_up());
    // The line is told again; a running registration is not started twice by the softphone, as it is the same.
    world.cti(cti::Event::LineConfig(line()));
    assert!(matches!(&world.orders()[..], [Order::Phone(softphone::Command::Start(_))]));
}

#[test]
fn a_session_that_no_longer_holds_ends_with_a_word() {
    let mut world = World::ready();
    world.apply(Event::EventsClosed);
    world.pass(Duration::from_secs(1));
    world.apply(Event::SessionChecked(SessionCheck::Expired));
    assert_eq!(world.desk.session(), &Session::SignedOut { problem: Some(SignInProblem::SessionExpired) });
    let orders = world.orders();
    assert!(orders.contains(&Order::ForgetSession), "{orders:?}");
    assert!(orders.contains(&Order::Phone(softphone::Command::Stop)), "{orders:?}");
    assert!(orders.contains(&Order::ReleasePhone), "{orders:?}");
}

#[test]
fn a_token_is_renewed_before_it_ends() {
    let mut world = World::ready();
    let renewed = |world: &mut World| world.orders().contains(&Order::CheckSession);
    world.pass(Duration::from_secs(1799));
    assert!(!renewed(&mut world));
    world.pass(Duration::from_secs(1));
    assert!(renewed(&mut world));
    world.apply(Event::SessionChecked(SessionCheck::Valid { ttl: Some(3600) }));
    assert!(!renewed(&mut world), "and not again at once");
}

#[test]
fn a_reloaded_page_takes_up_its_session() {
    let mut world = World::new();
    world.apply(Event::SessionFound { login: "alice".into(), calls: Vec::new() });
    assert!(world.orders().contains(&Order::CheckSession));
    world.apply(Event::SessionChecked(SessionCheck::Valid { ttl: None }));
    assert_eq!(world.orders(), [Order::OpenEvents]);
}

#[test]
fn a_user_without_a_line_is_told() {
    let mut world = World::ready();
    world.cti(cti::Event::LineConfig(cti::LineConfig::missing()));
    world.phone(Fact::RegistrationChanged(Registration::Off));
    assert_eq!(world.desk.connections().phone.reason(), Some("You have no phone line."));
    assert_eq!(world.desk.can_dial().reason(), "You have no phone in the browser.");
}

#[test]
fn what_has_not_begun_is_not_called_broken() {
    let mut world = World::new();
    let state = |world: &World| world.desk.state().0;
    world.apply(Event::SessionFound { login: "alice".into(), calls: Vec::new() });
    assert_eq!(state(&world), DeskState::Connecting);
    world.apply(Event::SessionChecked(SessionCheck::Valid { ttl: None }));
    world.apply(Event::Tab(Tab::Owner));
    world.cti(cti::Event::LoggedOn);
    world.cti(cti::Event::LineConfig(line()));
    world.phone(Fact::RegistrationChanged(Registration::Connecting));
    assert_eq!(state(&world), DeskState::Connecting);
    world.phone(Fact::RegistrationChanged(Registration::Registered));
    assert_eq!(state(&world), DeskState::Ready);
}

#[test]
fn a_server_that_is_away_from_the_start_is_called_broken_at_the_first_failure() {
    let mut world = World::new();
    world.apply(Event::SessionFound { login: "alice".into(), calls: Vec::new() });
    world.apply(Event::SessionChecked(SessionCheck::Unreachable));
    assert_eq!(world.desk.state().0, DeskState::PhoneLost);
}

#[test]
fn an_outage_stands_still_while_an_attempt_runs() {
    let mut world = World::ready();
    let problem = RegistrationProblem::NoConnection;
    world.apply(Event::EventsClosed);
    world.phone(Fact::RegistrationChanged(Registration::Waiting { retry_at: world.now, problem }));
    world.pass(Duration::from_secs(1));
    world.phone(Fact::RegistrationChanged(Registration::Connecting));
    let outage = world.desk.outage().expect("still broken");
    assert_eq!(outage.text(world.now), "The server does not answer. Trying now.");
    assert_eq!(world.desk.connections().phone.slug(), "down");
    assert_eq!(world.desk.state().0, DeskState::PhoneLost);
    world.phone(Fact::RegistrationChanged(Registration::Registered));
    world.apply(Event::SessionChecked(SessionCheck::Valid { ttl: None }));
    world.cti(cti::Event::LoggedOn);
    assert_eq!(world.desk.outage(), None);
}

#[test]
fn a_login_that_is_not_answered_ends_with_a_word_and_leaves_nothing_behind() {
    let mut world = World::new();
    world.apply(Event::SigningIn);
    world.pass(Duration::from_secs(10));
    assert_eq!(world.desk.session(), &Session::SignedOut { problem: Some(SignInProblem::Unreachable) });
    world.apply(Event::SignedIn { login: "alice".into(), ttl: None });
    assert_eq!(world.orders(), [Order::ForgetSession]);
    assert!(!matches!(world.desk.session(), Session::SignedIn { .. }));
}

#[test]
fn a_desk_phone_and_no_line_have_their_own_words() {
    let mut world = World::ready();
    world.cti(cti::Event::LineConfig(cti::LineConfig { web_rtc: false, has_device: true, ..line() }));
    world.phone(Fact::RegistrationChanged(Registration::Off));
    assert_eq!(world.desk.state().0, DeskState::DeskPhone);
    assert_eq!(world.desk.connections().phone.slug(), "elsewhere");
    world.apply(Event::EventsClosed);
    assert_eq!(world.desk.state().0, DeskState::ServerLost);

    let mut world = World::ready();
    world.cti(cti::Event::LineConfig(cti::LineConfig::missing()));
    world.phone(Fact::RegistrationChanged(Registration::Off));
    assert_eq!(world.desk.state().0, DeskState::NoLine);
}
