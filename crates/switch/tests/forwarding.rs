//! Calls that go elsewhere: forwards, do not disturb, call waiting, 3xx, pickup, and the codes for them.

use std::collections::BTreeMap;

use model::{EndCause, Forward};
use softphone::{CallState, Command as PhoneCommand};
use switch::{Command, Fact, Refusal, ServiceChange};
use testkit::World;
use timing::Duration;

fn office() -> World {
    let mut world = World::new().line("alice", "1001").line("bruno", "1002").line("carla", "1003");
    for name in ["alice", "bruno"] {
        world.opens_page(name);
    }
    world.plugs_in_sip_phone("carla", 3);
    world
}

fn to(number: &str) -> Forward {
    Forward { enabled: true, destination: number.parse().ok() }
}

fn chooses(world: &mut World, name: &str, change: ServiceChange) -> Result<(), Refusal> {
    let user = world.user(name);
    world.command(Command::ChangeServices { user, change })
}

fn cause(world: &World) -> EndCause {
    world.records().last().expect("a call has ended").cause
}

#[test]
fn all_calls_go_on_to_another_number() {
    let mut world = office();
    chooses(&mut world, "bruno", ServiceChange::Unconditional(to("1003"))).unwrap();
    world.dials("alice", "1002");
    world.run_until(|world| world.sip_phone_rings("desk-carla"));
    assert_eq!(world.state("bruno"), None);
    world.sip_phone_answers("desk-carla");
    world.run_until(|world| world.hears("alice", "desk-carla") && world.hears("desk-carla", "alice"));
}

#[test]
fn a_call_that_nobody_answers_goes_on_and_rings_no_more() {
    let mut world = office();
    chooses(&mut world, "bruno", ServiceChange::NoAnswer(to("1003"))).unwrap();
    world.dials("alice", "1002");
    world.run_until(|world| world.state("bruno") == Some(CallState::Ringing));
    world.run_until(|world| world.sip_phone_rings("desk-carla"));
    assert_eq!(world.state("bruno"), None);
    world.sip_phone_answers("desk-carla");
    world.run_until(|world| world.hears("alice", "desk-carla"));
}

#[test]
fn a_forward_that_leads_nowhere_by_now_lets_the_phone_ring_on() {
    let mut world = office();
    chooses(&mut world, "bruno", ServiceChange::NoAnswer(to("1003"))).unwrap();
    world.dials("alice", "1002");
    world.run_until(|world| world.state("bruno") == Some(CallState::Ringing));
    let user = world.user("bruno");
    let nowhere = model::UserServices { no_answer: to("4711"), ..model::UserServices::default() };
    world.switch.set_services([(user, nowhere)]);
    world.run_for(Duration::from_secs(40));
    assert_eq!(world.state("bruno"), Some(CallState::Ringing), "longer than until a forward");
    world.acts("bruno", |call| PhoneCommand::Answer { call });
    world.run_until(|world| world.hears("alice", "bruno"));
}

#[test]
fn a_user_without_a_phone_counts_as_one_who_does_not_answer() {
    let mut world = office();
    chooses(&mut world, "bruno", ServiceChange::NoAnswer(to("1003"))).unwrap();
    world.closes_page("bruno");
    world.dials("alice", "1002");
    world.run_until(|world| world.sip_phone_rings("desk-carla"));
}

#[test]
fn a_busy_user_and_one_who_declines_forward_where_they_want() {
    let mut world = office();
    chooses(&mut world, "bruno", ServiceChange::Busy(to("1003"))).unwrap();
    world.dials("alice", "1002");
    world.run_until(|world| world.state("bruno") == Some(CallState::Ringing));
    world.acts("bruno", |call| PhoneCommand::Decline { call });
    world.run_until(|world| world.sip_phone_rings("desk-carla"));
    world.acts("alice", |call| PhoneCommand::HangUp { call });
    world.run_until(|world| !world.sip_phone_rings("desk-carla"));

    chooses(&mut world, "bruno", ServiceChange::DoNotDisturb(true)).unwrap();
    world.dials("alice", "1002");
    world.run_until(|world| world.sip_phone_rings("desk-carla"));
    assert_eq!(world.state("bruno"), None, "he is not disturbed");
}

#[test]
fn forwards_in_a_ring_come_to_an_end() {
    let mut world = office();
    chooses(&mut world, "bruno", ServiceChange::Unconditional(to("1003"))).unwrap();
    chooses(&mut world, "carla", ServiceChange::Unconditional(to("1002"))).unwrap();
    world.dials("alice", "1002");
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.records().len() + usize::from(world.state("alice").is_some()), 1);
}

#[test]
fn whom_nobody_may_disturb_is_busy() {
    let mut world = office();
    chooses(&mut world, "bruno", ServiceChange::DoNotDisturb(true)).unwrap();
    world.dials("alice", "1002");
    world.run_until(|world| world.state("alice").is_none());
    assert_eq!(cause(&world), EndCause::Busy);
    chooses(&mut world, "bruno", ServiceChange::DoNotDisturb(false)).unwrap();
    world.dials("alice", "1002");
    world.run_until(|world| world.state("bruno") == Some(CallState::Ringing));
}

#[test]
fn forwards_to_nowhere_and_to_oneself_are_refused() {
    let mut world = office();
    let refused = chooses(&mut world, "bruno", ServiceChange::Unconditional(to("4711")));
    assert_eq!(refused, Err(Refusal::UnknownNumber));
    let refused = chooses(&mut world, "bruno", ServiceChange::Busy(to("1002")));
    assert_eq!(refused, Err(Refusal::OwnNumber));
    let refused =
        chooses(&mut world, "bruno", ServiceChange::Busy(Forward { enabled: true, destination: None }));
    assert_eq!(refused, Err(Refusal::UnknownNumber));
    assert!(!world.facts.iter().any(|fact| matches!(fact, Fact::ServicesChanged { .. })));
}

#[test]
fn every_way_on_takes_one_hop() {
    let mut world = office();
    let hops = |world: &mut World| {
        let invite = world.sip_phone("desk-carla").events.iter().rev().find_map(|event| match event {
            sip::Event::Invite(invite) => Some(invite.max_forwards),
            _ => None,
        });
        invite.expect("a call has come")
    };
    chooses(&mut world, "bruno", ServiceChange::Unconditional(to("1003"))).unwrap();
    world.plugs_in_sip_phone("alice", 1);
    for (dialled, left) in [("1003", 4), ("1002", 4)] {
        let headers = vec![("Max-Forwards".to_owned(), "5".to_owned())];
        let credentials = Some(testkit::credentials("desk-alice"));
        let dialog = world.sip_phone_invites("desk-alice", dialled, credentials, headers, true);
        world.run_until(|world| world.sip_phone_rings("desk-carla"));
        assert_eq!(hops(&mut world), left, "{dialled}");
        world.sip_phone_hangs_up("desk-alice", dialog);
        world.run_until(|world| world.sip_phone_rests("desk-carla"));
    }
}

#[test]
fn a_second_call_rings_for_who_wants_it() {
    let mut world = office();
    world.dials("alice", "1002");
    world.run_until(|world| world.state("bruno") == Some(CallState::Ringing));
    world.acts("bruno", |call| PhoneCommand::Answer { call });
    world.run_until(|world| world.hears("alice", "bruno"));
    world.sip_phone_dials("desk-carla", "1002");
    assert_eq!(world.sip_phone("desk-carla").refusals(), [Some(486)]);
    chooses(&mut world, "bruno", ServiceChange::CallWaiting(true)).unwrap();
    world.sip_phone_dials("desk-carla", "1002");
    world.run_until(|world| world.browser("bruno").calls().len() == 2);
}

#[test]
fn codes_do_what_commands_do_and_say_so_by_a_tone() {
    let mut world = office();
    let carla = world.user("carla");
    let chosen = |world: &World| {
        world.facts.iter().rev().find_map(|fact| match fact {
            Fact::ServicesChanged { user, services } if *user == carla => Some(services.clone()),
            _ => None,
        })
    };
    world.sip_phone_dials("desk-carla", "*211002");
    world.run_until(|world| world.hears_a_sound("desk-carla"));
    assert_eq!(chosen(&world).unwrap().unconditional, to("1002"));
    world.run_until(|world| world.sip_phone_rests("desk-carla"));
    world.dials("alice", "1003");
    world.run_until(|world| world.state("bruno") == Some(CallState::Ringing));
    world.acts("alice", |call| PhoneCommand::HangUp { call });

    world.sip_phone_dials("desk-carla", "*25");
    world.run_until(|world| world.sip_phone_rests("desk-carla"));
    assert!(chosen(&world).unwrap().do_not_disturb);
    world.sip_phone_dials("desk-carla", "*20");
    world.run_until(|world| world.sip_phone_rests("desk-carla"));
    let now = chosen(&world).unwrap();
    assert_eq!(now.unconditional, Forward { enabled: false, destination: "1002".parse().ok() });
    world.sip_phone_dials("desk-carla", "*214711");
    assert_eq!(world.sip_phone("desk-carla").refusals().last(), Some(&Some(404)));
}

#[test]
fn a_phone_sends_its_caller_elsewhere_by_302_within_the_rules() {
    let mut world = office();
    world.dials("alice", "1003");
    world.run_until(|world| world.sip_phone_rings("desk-carla"));
    let (ringing, now) = (world.sip_phone("desk-carla").dialogs()[0], world.now);
    let contact = vec![("Contact".to_owned(), "<sip:1002@default>".to_owned())];
    world.sip_phone("desk-carla").agent.refuse_with(ringing, 302, None, contact, now);
    world.run_until(|world| world.state("bruno") == Some(CallState::Ringing));
    world.acts("alice", |call| PhoneCommand::HangUp { call });
    world.run_until(|world| world.state("bruno").is_none());

    world.dials("alice", "1003");
    world.run_until(|world| world.sip_phone_rings("desk-carla"));
    let (ringing, now) = (world.sip_phone("desk-carla").dialogs()[0], world.now);
    let contact = vec![("Contact".to_owned(), "<sip:0900123456@evil.example>".to_owned())];
    world.sip_phone("desk-carla").agent.refuse_with(ringing, 302, None, contact, now);
    world.run_until(|world| world.state("alice").is_none());
}

#[test]
fn a_call_that_rings_elsewhere_is_picked_up() {
    let mut world = office();
    world.dials("alice", "1002");
    world.run_until(|world| world.state("bruno") == Some(CallState::Ringing));
    world.sip_phone_dials("desk-carla", "*81002");
    world.run_until(|world| world.hears("alice", "desk-carla") && world.hears("desk-carla", "alice"));
    assert_eq!(world.state("bruno"), None, "it rings there no more");
    assert_eq!(world.phone_facts("alice").last().unwrap().other_number, "1003");
    let again = world.sip_phone_dials("desk-carla", "*81002");
    assert_eq!(world.sip_phone("desk-carla").refusals().last(), Some(&Some(404)), "{again:?}");
}

#[test]
fn a_call_is_picked_up_by_command_too() {
    let mut world = office();
    world.dials("alice", "1002");
    world.run_until(|world| world.state("bruno") == Some(CallState::Ringing));
    let (user, destination) = (world.user("carla"), "*81002".parse().unwrap());
    world.command(Command::Dial { user, destination, variables: BTreeMap::new() }).unwrap();
    world.run_until(|world| world.hears("alice", "desk-carla") && world.hears("desk-carla", "alice"));
    assert_eq!(world.state("bruno"), None, "it rings there no more");
}

#[test]
fn a_pickup_that_comes_to_nothing_leaves_the_call_ringing() {
    for (with_offer, media_is_overloaded, status) in [(false, false, 488), (true, true, 503)] {
        let mut world = office();
        world.dials("alice", "1002");
        world.run_until(|world| world.state("bruno") == Some(CallState::Ringing));
        world.media_is_overloaded = media_is_overloaded;
        let credentials = Some(testkit::credentials("desk-carla"));
        world.sip_phone_invites("desk-carla", "*81002", credentials, Vec::new(), with_offer);
        world.run_for(Duration::from_secs(1));
        assert_eq!(world.sip_phone("desk-carla").refusals().last(), Some(&Some(status)));
        world.media_is_overloaded = false;
        world.acts("bruno", |call| PhoneCommand::Answer { call });
        world.run_until(|world| world.hears("alice", "bruno") && world.hears("bruno", "alice"));
    }
}

#[test]
fn codes_are_for_ones_own_dialling_alone() {
    let mut world = office();
    let evil = "*211003";
    let refused = chooses(&mut world, "bruno", ServiceChange::Unconditional(to(evil)));
    assert_eq!(refused, Err(Refusal::UnknownNumber), "or his callers would forward their own calls");
    world.sip_phone_dials("desk-carla", "*21*211002");
    assert_eq!(world.sip_phone("desk-carla").refusals().last(), Some(&Some(404)));

    world.dials("alice", "1003");
    world.run_until(|world| world.sip_phone_rings("desk-carla"));
    let (ringing, now) = (world.sip_phone("desk-carla").dialogs()[0], world.now);
    let contact = vec![("Contact".to_owned(), format!("<sip:{evil}@default>"))];
    world.sip_phone("desk-carla").agent.refuse_with(ringing, 302, None, contact, now);
    world.run_until(|world| world.state("alice").is_none());

    world.dials("alice", "1002");
    world.run_until(|world| world.state("bruno") == Some(CallState::Ringing));
    world.acts("bruno", |call| PhoneCommand::Answer { call });
    world.run_until(|world| world.hears("alice", "bruno"));
    let user = world.user("bruno");
    let transfer = Command::DirectTransfer { user, destination: evil.parse().unwrap() };
    assert_eq!(world.command(transfer), Err(Refusal::UnknownNumber));
    assert!(!world.facts.iter().any(|fact| matches!(fact, Fact::ServicesChanged { .. })));
}
