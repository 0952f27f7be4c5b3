//! What every form of the store must do.

use std::collections::{BTreeMap, BTreeSet};

use model::{AgentId, CallClass, EndCause, Forward, LineId, PhoneNumber, Role, UserId, UserServices};

use crate::{
    CallDirection, CallRecord, Device, Line, NewLine, NewUser, NumberEntry, Store, StoreError, TrunkEntry,
    User,
};

/// Holds an empty store to the port's promises. It leaves users, lines, records and settings behind.
///
/// # Panics
/// At the first promise that is broken, naming it.
pub async fn run(store: &dyn Store) {
    an_empty_store_is_healthy_and_knows_nobody(store).await;
    users_are_found_as_they_were_added(store).await;
    logins_and_agents_are_unique(store).await;
    password_hashes_change_for_one_user(store).await;
    lines_are_found_by_user_name_and_number(store).await;
    lines_are_unique_and_have_an_owner(store).await;
    devices_belong_to_lines(store).await;
    services_are_kept_by_user(store).await;
    call_records_are_kept_once(store).await;
    call_records_come_latest_first_and_limited(store).await;
    call_records_keep_extremes(store).await;
    call_records_name_known_users_only(store).await;
    settings_are_replaced(store).await;
    odd_texts_are_kept(store).await;
    trunks_and_numbers_are_replaced_and_forgotten(store).await;
    permissions_are_said_of_users(store).await;
    store.health().await.expect("a store that was written to is healthy");
}

/// A record of an answered internal call of one minute, for tests.
///
/// `started_at` is in milliseconds since 1970.
pub fn record(id: &str, caller: Option<UserId>, callee: Option<UserId>, started_at: i64) -> CallRecord {
    CallRecord {
        id: id.to_owned(),
        linked_id: format!("linked-{id}"),
        direction: CallDirection::Internal,
        caller_number: "1001".to_owned(),
        caller_name: "Anna Roche".to_owned(),
        callee_number: "1002".to_owned(),
        callee_name: String::new(),
        caller_user: caller,
        callee_user: callee,
        started_at,
        answered_at: started_at.checked_add(2_000),
        ended_at: started_at.saturating_add(60_000),
        duration_ms: 60_000,
        cause: EndCause::Normal,
    }
}

async fn an_empty_store_is_healthy_and_knows_nobody(store: &dyn Store) {
    store.health().await.expect("an empty store is healthy");
    assert_eq!(store.users().await.expect("users"), [], "the suite needs an empty store");
    assert_eq!(store.user_by_login("nobody").await.expect("user_by_login"), None);
    assert_eq!(store.user(UserId(-1)).await.expect("user"), None);
    assert_eq!(store.line_of(UserId(-1)).await.expect("line_of"), None);
    assert_eq!(store.line_by_name("nobody").await.expect("line_by_name"), None);
    assert_eq!(store.line_by_number(&number("999")).await.expect("line_by_number"), None);
    assert_eq!(store.call_records_of(UserId(-1), 10).await.expect("call_records_of"), []);
    assert_eq!(store.setting("nothing").await.expect("setting"), None);
}

async fn trunks_and_numbers_are_replaced_and_forgotten(store: &dyn Store) {
    assert_eq!(store.trunks().await.expect("trunks"), []);
    assert_eq!(store.numbers().await.expect("numbers"), []);
    let trunk = |name: &str, settings: &str| TrunkEntry { name: name.into(), settings: settings.into() };
    for entry in [trunk("b", "old"), trunk("a", "address = \"x\"\n# é"), trunk("b", "new")] {
        store.set_trunk(&entry).await.expect("set_trunk");
    }
    let kept = store.trunks().await.expect("trunks");
    assert_eq!(kept, [trunk("a", "address = \"x\"\n# é"), trunk("b", "new")], "by name, the last word");
    store.remove_trunk("b").await.expect("remove_trunk");
    store.remove_trunk("nothing").await.expect("what is not there is gone");
    assert_eq!(store.trunks().await.expect("trunks").len(), 1);

    let did = |digits, to: &str| NumberEntry { number: number(digits), to: to.into() };
    for entry in [did("+332", "user:anna"), did("+331", "echo"), did("+332", "line:1001")] {
        store.set_number(&entry).await.expect("set_number");
    }
    let kept = store.numbers().await.expect("numbers");
    assert_eq!(kept, [did("+331", "echo"), did("+332", "line:1001")]);
    store.remove_number(&number("+331")).await.expect("remove_number");
    assert_eq!(store.numbers().await.expect("numbers"), [did("+332", "line:1001")]);
}

async fn permissions_are_said_of_users(store: &dyn Store) {
    assert_eq!(store.permissions().await.expect("permissions"), BTreeMap::new());
    let anna = add(store, "permissions-anna", Role::Agent).await;
    let bruno = add(store, "permissions-bruno", Role::Agent).await;
    let classes = BTreeSet::from(CallClass::ALL);
    store.set_permissions(anna.id, Some(&BTreeSet::new())).await.expect("nothing at all");
    store.set_permissions(bruno.id, Some(&BTreeSet::new())).await.expect("nothing at all");
    store.set_permissions(bruno.id, Some(&classes)).await.expect("everything");
    let kept = store.permissions().await.expect("permissions");
    assert_eq!(kept, BTreeMap::from([(anna.id, BTreeSet::new()), (bruno.id, classes)]));
    store.set_permissions(anna.id, None).await.expect("as everybody");
    store.set_permissions(anna.id, None).await.expect("again");
    assert_eq!(store.permissions().await.expect("permissions").len(), 1);
    for classes in [Some(&BTreeSet::new()), None] {
        let refused = store.set_permissions(UserId(-7), classes).await;
        assert!(matches!(refused, Err(StoreError::UnknownUser(UserId(-7)))), "{refused:?}");
    }
}

async fn users_are_found_as_they_were_added(store: &dyn Store) {
    let new = NewUser {
        first_name: "Amélie".to_owned(),
        last_name: "Roche".to_owned(),
        password_hash: "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA".to_owned(),
        enabled: false,
        mobile_number: Some(number("+33 6 55 50 11 22")),
        agent_id: Some(AgentId(31)),
        ..NewUser::of("amelie", Role::Supervisor)
    };
    let amelie = store.add_user(new.clone()).await.expect("add_user");
    assert_eq!(amelie, new.with_id(amelie.id), "a user comes back as added");
    assert_eq!(store.user(amelie.id).await.expect("user").as_ref(), Some(&amelie));
    assert_eq!(store.user_by_login("amelie").await.expect("user_by_login").as_ref(), Some(&amelie));
    assert_eq!(
        store.user_by_login("AMELIE").await.expect("user_by_login"),
        None,
        "logins differ by letter case"
    );
    for role in [Role::User, Role::Agent, Role::Administrator] {
        let user = add(store, role.as_str(), role).await;
        assert_eq!(store.user(user.id).await.expect("user"), Some(user), "{role:?}");
    }
    let users = store.users().await.expect("users");
    assert_eq!(users.len(), 4);
    assert!(users.is_sorted_by_key(|user| user.id), "users come by id");
}

async fn logins_and_agents_are_unique(store: &dyn Store) {
    let before = store.users().await.expect("users");
    let refused = store.add_user(NewUser::of("amelie", Role::User)).await;
    assert!(matches!(refused, Err(StoreError::Taken { what: "login" })), "{refused:?}");
    let double = NewUser { agent_id: Some(AgentId(31)), ..NewUser::of("double", Role::Agent) };
    let refused = store.add_user(double).await;
    assert!(matches!(refused, Err(StoreError::Taken { what: "agent_id" })), "{refused:?}");
    assert_eq!(store.users().await.expect("users"), before, "a refusal changes nothing");
}

async fn password_hashes_change_for_one_user(store: &dyn Store) {
    let anna = add(store, "hash-anna", Role::Agent).await;
    let other = add(store, "hash-other", Role::Agent).await;
    store.set_password_hash(anna.id, "new").await.expect("set_password_hash");
    let changed = store.user(anna.id).await.expect("user").expect("still there");
    assert_eq!(changed, User { password_hash: "new".to_owned(), ..anna });
    assert_eq!(store.user(other.id).await.expect("user"), Some(other));
    let refused = store.set_password_hash(UserId(-7), "x").await;
    assert!(matches!(refused, Err(StoreError::UnknownUser(UserId(-7)))), "{refused:?}");
}

async fn lines_are_found_by_user_name_and_number(store: &dyn Store) {
    let user = add(store, "lines-anna", Role::Agent).await;
    assert_eq!(store.line_of(user.id).await.expect("line_of"), None, "a user may have no line");
    let new = NewLine { user_id: user.id, number: number("1001"), name: "k3v9xq".to_owned(), webrtc: true };
    let line = store.add_line(new.clone()).await.expect("add_line");
    assert_eq!(line, new.with_id(line.id), "a line comes back as added");
    let second =
        NewLine { user_id: user.id, number: number("+33*1"), name: "desk".to_owned(), webrtc: false };
    let second = store.add_line(second).await.expect("a second line");
    assert_eq!(store.line_of(user.id).await.expect("line_of").as_ref(), Some(&line), "the oldest line");
    assert_eq!(store.line_by_name("k3v9xq").await.expect("line_by_name").as_ref(), Some(&line));
    assert_eq!(
        store.line_by_name("K3V9XQ").await.expect("line_by_name"),
        None,
        "accounts differ by letter case"
    );
    assert_eq!(store.line_by_number(&number("10-01")).await.expect("line_by_number"), Some(line));
    assert_eq!(store.line_by_number(&number("+33*1")).await.expect("line_by_number"), Some(second));
}

async fn lines_are_unique_and_have_an_owner(store: &dyn Store) {
    let user = add(store, "lines-bruno", Role::Agent).await;
    let line = |digits, name: &str| NewLine {
        user_id: user.id,
        number: number(digits),
        name: name.to_owned(),
        webrtc: true,
    };
    let refused = store.add_line(line("1001", "free")).await;
    assert!(matches!(refused, Err(StoreError::Taken { what: "number" })), "{refused:?}");
    let refused = store.add_line(line("1002", "k3v9xq")).await;
    assert!(matches!(refused, Err(StoreError::Taken { what: "name" })), "{refused:?}");
    let refused = store.add_line(NewLine { user_id: UserId(-7), ..line("1003", "orphan") }).await;
    assert!(matches!(refused, Err(StoreError::UnknownUser(UserId(-7)))), "{refused:?}");
    assert_eq!(store.line_of(user.id).await.expect("line_of"), None::<Line>, "a refusal changes nothing");
}

async fn devices_belong_to_lines(store: &dyn Store) {
    assert_eq!(store.devices().await.expect("devices"), []);
    let lines = store.lines().await.expect("lines");
    assert!(lines.len() >= 2 && lines.is_sorted_by_key(|line| line.id), "{lines:?}");
    let device = |name: &str, line_id, hash: &str| Device {
        name: name.to_owned(),
        line_id,
        ha1_md5: format!("md5-{hash}"),
        ha1_sha256: format!("sha256-{hash}"),
    };
    let (first, second) = (device("phone-b", lines[0].id, "x"), device("phone-a", lines[0].id, "y"));
    store.put_device(first.clone()).await.expect("put_device");
    store.put_device(second.clone()).await.expect("a second device of one line");
    assert_eq!(store.devices().await.expect("devices"), [second.clone(), first], "by name");
    let moved = device("phone-b", lines[1].id, "z");
    store.put_device(moved.clone()).await.expect("another line and password");
    assert_eq!(store.devices().await.expect("devices"), [second, moved.clone()]);

    let refused = store.put_device(device("orphan", LineId(-7), "x")).await;
    assert!(matches!(refused, Err(StoreError::UnknownLine(LineId(-7)))), "{refused:?}");
    let refused = store.put_device(device(&lines[0].name, lines[0].id, "x")).await;
    assert!(matches!(refused, Err(StoreError::Taken { what: "name" })), "a line has the name: {refused:?}");
    let line = NewLine {
        user_id: lines[0].user_id,
        number: number("77001"),
        name: "phone-a".to_owned(),
        webrtc: false,
    };
    let refused = store.add_line(line).await;
    assert!(matches!(refused, Err(StoreError::Taken { what: "name" })), "a device has the name: {refused:?}");

    assert!(store.remove_device("phone-a").await.expect("remove_device"));
    assert!(!store.remove_device("phone-a").await.expect("it is gone"));
    assert_eq!(store.devices().await.expect("devices"), [moved]);
}

async fn services_are_kept_by_user(store: &dyn Store) {
    assert_eq!(store.services().await.expect("services"), [], "nobody has chosen anything");
    let anna = add(store, "services-anna", Role::User).await.id;
    let bruno = add(store, "services-bruno", Role::User).await.id;
    let forward = |enabled, to: &str| Forward { enabled, destination: to.parse().ok() };
    let chosen = UserServices {
        do_not_disturb: true,
        call_waiting: true,
        unconditional: forward(true, "1002"),
        busy: forward(false, "+33144500210"),
        no_answer: forward(false, ""),
    };
    store.set_services(bruno, &UserServices::default()).await.expect("set_services");
    store.set_services(anna, &chosen).await.expect("set_services");
    let expected = [(anna, chosen.clone()), (bruno, UserServices::default())];
    assert_eq!(store.services().await.expect("services"), expected);
    let changed = UserServices { do_not_disturb: false, ..chosen };
    store.set_services(anna, &changed).await.expect("set_services");
    assert_eq!(store.services().await.expect("services")[0], (anna, changed));
    let refused = store.set_services(UserId(-7), &UserServices::default()).await;
    assert!(matches!(refused, Err(StoreError::UnknownUser(UserId(-7)))), "{refused:?}");
}

async fn call_records_are_kept_once(store: &dyn Store) {
    let user = add(store, "records-anna", Role::Agent).await;
    let first = record("once", Some(user.id), Some(user.id), 1_000);
    store.add_call_record(first.clone()).await.expect("add_call_record");
    store.add_call_record(first.clone()).await.expect("the same record again is taken");
    let changed = CallRecord { cause: EndCause::Busy, ..first.clone() };
    store.add_call_record(changed).await.expect("the same id again is taken");
    let kept = store.call_records_of(user.id, 10).await.expect("call_records_of");
    assert_eq!(kept, [first], "one record, as first written, though the user is on both sides");
}

async fn call_records_come_latest_first_and_limited(store: &dyn Store) {
    let anna = add(store, "history-anna", Role::Agent).await.id;
    let bruno = add(store, "history-bruno", Role::Agent).await.id;
    for (id, caller, callee, started_at) in [
        ("h2", Some(anna), None, 20),
        ("h4", Some(bruno), Some(anna), 40),
        ("h1", None, Some(anna), 10),
        ("h3b", Some(anna), Some(bruno), 30),
        ("h3a", None, Some(anna), 30),
        ("h5", Some(bruno), None, 50),
    ] {
        store.add_call_record(record(id, caller, callee, started_at)).await.expect("add_call_record");
    }
    assert_eq!(ids(store, anna, 10).await, ["h4", "h3b", "h3a", "h2", "h1"]);
    assert_eq!(ids(store, anna, 2).await, ["h4", "h3b"]);
    assert_eq!(ids(store, anna, 0).await, [""; 0]);
    assert_eq!(ids(store, bruno, u32::MAX).await, ["h5", "h4", "h3b"]);
}

async fn call_records_keep_extremes(store: &dyn Store) {
    let user = add(store, "extremes", Role::Agent).await.id;
    let after_2038 = 1_i64 << 42;
    let mut expected = Vec::new();
    for (index, cause) in EndCause::ALL.into_iter().enumerate() {
        let started_at = after_2038 - i64::try_from(index).expect("few causes");
        let missed = CallRecord {
            answered_at: None,
            ended_at: started_at,
            duration_ms: 0,
            caller_number: String::new(),
            direction: [CallDirection::Internal, CallDirection::Inbound, CallDirection::Outbound][index % 3],
            cause,
            ..record(&format!("x-{}", cause.as_str()), None, Some(user), started_at)
        };
        expected.push(missed);
    }
    expected.push(CallRecord { duration_ms: i64::MAX, ..record("x-past", Some(user), None, i64::MIN) });
    for record in expected.iter().rev() {
        store.add_call_record(record.clone()).await.expect("add_call_record");
    }
    assert_eq!(store.call_records_of(user, 100).await.expect("call_records_of"), expected);
}

async fn call_records_name_known_users_only(store: &dyn Store) {
    for stranger in [record("s1", Some(UserId(-7)), None, 0), record("s2", None, Some(UserId(-7)), 0)] {
        let refused = store.add_call_record(stranger).await;
        assert!(matches!(refused, Err(StoreError::UnknownUser(UserId(-7)))), "{refused:?}");
    }
    store.add_call_record(record("s3", None, None, 0)).await.expect("two strangers, as between two trunks");
    assert_eq!(store.call_records_of(UserId(-7), 10).await.expect("call_records_of"), []);
}

async fn settings_are_replaced(store: &dyn Store) {
    store.set_setting("colour", "green").await.expect("set_setting");
    store.set_setting("Colour", "blue").await.expect("set_setting");
    store.set_setting("colour", "").await.expect("set_setting");
    assert_eq!(store.setting("colour").await.expect("setting").as_deref(), Some(""));
    assert_eq!(store.setting("Colour").await.expect("setting").as_deref(), Some("blue"));
}

async fn odd_texts_are_kept(store: &dyn Store) {
    for text in ["Robert'); DROP TABLE users;--", "100%_\\", "\u{202e}😀", "a\u{0}b", "1001.0", "0x10", " 7 "]
    {
        store.set_setting(text, text).await.expect("set_setting");
        assert_eq!(store.setting(text).await.expect("setting").as_deref(), Some(text));
        let user = add(store, text, Role::User).await;
        assert_eq!(store.user_by_login(text).await.expect("user_by_login"), Some(user));
    }
    assert_eq!(store.user_by_login("%").await.expect("user_by_login"), None);
}

async fn add(store: &dyn Store, login: &str, role: Role) -> User {
    store.add_user(NewUser::of(login, role)).await.expect("add_user")
}

async fn ids(store: &dyn Store, user: UserId, limit: u32) -> Vec<String> {
    let records = store.call_records_of(user, limit).await.expect("call_records_of");
    records.into_iter().map(|record| record.id).collect()
}

fn number(text: &str) -> PhoneNumber {
    text.parse().expect("a number")
}
