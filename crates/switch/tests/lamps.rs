//! A phone's lamps: it subscribes to other lines and is told how they are.

use softphone::Command as PhoneCommand;
use testkit::World;
use timing::Duration;

fn office() -> World {
    let mut world = World::new().line("alice", "1001").line("bruno", "1002").line("carla", "1003");
    world.opens_page("alice");
    world.opens_page("bruno");
    world.plugs_in("lamps", 9, "carla");
    world
}

fn notices(world: &mut World) -> Vec<String> {
    world.desk_phone("lamps").notices.clone()
}

fn last(world: &mut World) -> String {
    notices(world).pop().unwrap_or_default()
}

#[test]
fn a_lamp_shows_how_a_line_is() {
    let mut world = office();
    assert_eq!(world.desk_phone_subscribes("lamps", "1002", "dialog"), 200);
    assert!(last(&mut world).contains("</dialog-info>") && !last(&mut world).contains("<state>"));
    world.dials("alice", "1002");
    world.run_until(|world| world.state("bruno").is_some());
    world.run_for(Duration::from_millis(50));
    assert!(last(&mut world).contains("<state>early</state>"));
    world.acts("bruno", |call| PhoneCommand::Answer { call });
    world.run_until(|world| world.hears("bruno", "alice"));
    world.run_for(Duration::from_millis(50));
    assert!(last(&mut world).contains("<state>confirmed</state>"));
    world.acts("bruno", |call| PhoneCommand::HangUp { call });
    world.run_until(|world| world.state("alice").is_none());
    world.run_for(Duration::from_millis(50));
    assert!(!last(&mut world).contains("<state>"));
    let version = |notice: &String| -> u64 {
        let after = notice.rsplit("version=\"").next().and_then(|rest| rest.split('"').next());
        after.and_then(|number| number.parse().ok()).expect("a version")
    };
    let versions: Vec<u64> = notices(&mut world).iter().map(version).collect();
    assert!(versions.windows(2).all(|pair| pair[0] < pair[1]), "each is later than the last: {versions:?}");
}

#[test]
fn a_mailbox_says_that_nothing_waits() {
    let mut world = office();
    assert_eq!(world.desk_phone_subscribes("lamps", "acc-carla", "message-summary"), 200);
    assert!(last(&mut world).contains("Messages-Waiting: no\r\n"));
}

#[test]
fn what_is_not_there_has_no_lamp() {
    let mut world = office();
    assert_eq!(world.desk_phone_subscribes("lamps", "4711", "dialog"), 404);
    assert_eq!(world.desk_phone_subscribes("lamps", "acc-alice", "dialog"), 404, "no page by its account");
    assert_eq!(world.desk_phone_subscribes("lamps", "1002", "presence"), 489);
    assert!(notices(&mut world).is_empty());
}

#[test]
fn a_phone_that_knows_nothing_of_its_lamp_any_more_is_told_nothing_more() {
    let mut world = office();
    world.desk_phone_subscribes("lamps", "1002", "dialog");
    world.desk_phone("lamps").answers_notices_with = 481;
    world.dials("alice", "1002");
    world.run_until(|world| world.state("bruno").is_some());
    world.run_for(Duration::from_millis(50));
    let so_far = notices(&mut world).len();
    world.acts("alice", |call| PhoneCommand::HangUp { call });
    world.run_until(|world| world.state("bruno").is_none());
    assert_eq!(notices(&mut world).len(), so_far);
}
