//! Each event of the wire: the text that is sent, and that it is read back.

use std::collections::BTreeMap;

use cti::{
    CallDirection, CtiStatus, Event, EventType, Forward, IceConfig, LineConfig, List, LoggedOnError,
    Malformed, PhoneEvent, PhoneStatus, Preference, Profile, RightProfile, StatusAction, StunConfig,
    TurnConfig, UserConfigUpdate, UserStatus, VoiceMailStatus, WebRtcCommand, session,
};
use model::{AgentId, LineId, UserId};

#[track_caller]
fn travels(event: Event, json: &str) {
    assert_eq!(event.to_json(), json);
    assert_eq!(Event::parse(json), Ok(event));
}

#[track_caller]
fn read(json: &str) -> Event {
    Event::parse(json).expect("understood")
}

#[test]
fn session() {
    travels(Event::Ping, r#"{"claz":"ping"}"#);
    travels(Event::LoggedOn, r#"{"msgType":"LoggedOn","ctiMessage":{}}"#);
    travels(
        Event::LoggedOnError(LoggedOnError::Timeout),
        r#"{"msgType":"LoggedOnError","ctiMessage":{"Error":"loggedOnTimeout"}}"#,
    );
    travels(
        Event::LoggedOnError(LoggedOnError::Failed),
        r#"{"msgType":"LoggedOnError","ctiMessage":{"Error":"loggedOnFailed"}}"#,
    );
    travels(
        Event::Error { error: "Directory service did not answer".into() },
        r#"{"msgType":"Error","ctiMessage":{"Error":"Directory service did not answer"}}"#,
    );
    travels(
        session::throttled(),
        r#"{"msgType":"Error","ctiMessage":{"Error":"Maximum throttle throughput exceeded."}}"#,
    );
}

#[test]
fn rights() {
    travels(
        Event::RightProfile(RightProfile {
            profile: Profile::Supervisor,
            rights: vec!["recording".into(), "dissuasion".into()],
        }),
        r#"{"msgType":"RightProfile","ctiMessage":{"profile":"Supervisor","rights":["recording","dissuasion"]}}"#,
    );
    let ordinary = Event::RightProfile(RightProfile { profile: Profile::NoRight, rights: vec![] });
    assert_eq!(read(r#"{"msgType":"RightProfile","ctiMessage":{"profile":"Gardener"}}"#), ordinary);
}

#[test]
fn settings_in_full() {
    let update = UserConfigUpdate {
        full_name: Some("Amélie Roche".into()),
        first_name: Some("Amélie".into()),
        last_name: Some("Roche".into()),
        mobile_number: Some("0655501122".into()),
        line_ids: Some(vec![LineId(44)]),
        agent_id: Some(AgentId(31)),
        voice_mail_id: Some(12),
        voice_mail_enabled: Some(true),
        dnd_enabled: Some(false),
        no_answer_forward: Some(Forward { enabled: true, destination: "2499".into() }),
        unconditional_forward: Some(Forward::default()),
        busy_forward: Some(Forward::default()),
        ..UserConfigUpdate::of(UserId(57))
    };
    travels(
        Event::UserConfigUpdate(update),
        concat!(
            r#"{"msgType":"UserConfigUpdate","ctiMessage":{"userId":57,"fullName":"Amélie Roche","#,
            r#""firstName":"Amélie","lastName":"Roche","mobileNumber":"0655501122","lineIds":[44],"agentId":31,"#,
            r#""voiceMailId":12,"voiceMailEnabled":true,"dndEnabled":false,"naFwdEnabled":true,"#,
            r#""naFwdDestination":"2499","uncFwdEnabled":false,"uncFwdDestination":"","busyFwdEnabled":false,"#,
            r#""busyFwdDestination":""}}"#
        ),
    );
}

#[test]
fn settings_in_full_of_a_user_who_is_no_agent() {
    let update = UserConfigUpdate { full_name: Some("Dave".into()), ..UserConfigUpdate::of(UserId(4)) };
    travels(
        Event::UserConfigUpdate(update.clone()),
        r#"{"msgType":"UserConfigUpdate","ctiMessage":{"userId":4,"fullName":"Dave","agentId":null,"voiceMailId":null}}"#,
    );
    let zero = r#"{"msgType":"UserConfigUpdate","ctiMessage":{"userId":"4","fullName":"Dave","agentId":0}}"#;
    assert_eq!(read(zero), Event::UserConfigUpdate(update));
}

#[test]
fn settings_in_part() {
    let update = UserConfigUpdate { dnd_enabled: Some(true), ..UserConfigUpdate::of(UserId(57)) };
    travels(
        Event::UserConfigUpdate(update.clone()),
        r#"{"msgType":"UserConfigUpdate","ctiMessage":{"userId":57,"dndEnabled":true}}"#,
    );
    let nulls = concat!(
        r#"{"msgType":"UserConfigUpdate","ctiMessage":{"userId":57,"fullName":null,"dndEnabled":true,"#,
        r#""naFwdEnabled":true,"naFwdDestination":null}}"#
    );
    assert_eq!(read(nulls), Event::UserConfigUpdate(update), "a forward to null is unchanged");
}

#[test]
fn presence() {
    travels(
        Event::UsersStatuses(vec![UserStatus {
            name: "training".into(),
            color: "#aa3366".into(),
            long_name: "In training".into(),
            actions: vec![StatusAction { name: "queuepause_all".into(), parameters: "true".into() }],
        }]),
        concat!(
            r##"{"msgType":"UsersStatuses","ctiMessage":[{"name":"training","color":"#aa3366","##,
            r#""longName":"In training","actions":[{"name":"queuepause_all","parameters":"true"}]}]}"#
        ),
    );
    travels(
        Event::CtiStatuses(vec![
            CtiStatus { name: "present".into(), display_name: "Present".into(), pause: false },
            CtiStatus { name: "training".into(), display_name: "In training".into(), pause: true },
        ]),
        concat!(
            r#"{"msgType":"CtiStatuses","ctiMessage":[{"name":"present","displayName":"Present","status":0},"#,
            r#"{"name":"training","displayName":"In training","status":1}]}"#
        ),
    );
    travels(
        Event::UserStatusUpdate { status: Some("training".into()) },
        r#"{"msgType":"UserStatusUpdate","ctiMessage":{"status":"training"}}"#,
    );
    travels(
        Event::UserStatusUpdate { status: None },
        r#"{"msgType":"UserStatusUpdate","ctiMessage":{"status":null}}"#,
    );
}

#[test]
fn preferences() {
    let preference =
        |value: &str, value_type: &str| Preference { value: value.into(), value_type: value_type.into() };
    let preferences = Event::UserPreference(BTreeMap::from([
        ("NB_MISSED_CALL".to_owned(), preference("3", "Int")),
        ("PREFERRED_DEVICE".to_owned(), preference("WebApp", "String")),
    ]));
    travels(
        preferences.clone(),
        concat!(
            r#"{"msgType":"UserPreference","ctiMessage":{"NB_MISSED_CALL":{"value":"3","value_type":"Int"},"#,
            r#""PREFERRED_DEVICE":{"value":"WebApp","value_type":"String"}}}"#
        ),
    );
    let array = concat!(
        r#"{"msgType":"UserPreference","ctiMessage":[{"key":"PREFERRED_DEVICE","value":"WebApp","#,
        r#""value_type":"String"},{"key":"NB_MISSED_CALL","value":3,"value_type":"Int"}]}"#
    );
    assert_eq!(read(array), preferences);
}

#[test]
fn names_and_voicemail() {
    travels(
        Event::UserDisplayName { user_name: "ldupin".into(), display_name: "Loïc Dupin".into() },
        r#"{"msgType":"UserDisplayName","ctiMessage":{"userName":"ldupin","displayName":"Loïc Dupin"}}"#,
    );
    let status = VoiceMailStatus { voice_mail_id: 12, new_messages: 2, waiting_messages: 2, old_messages: 5 };
    travels(
        Event::VoiceMailStatusUpdate(status),
        concat!(
            r#"{"msgType":"VoiceMailStatusUpdate","ctiMessage":{"voiceMailId":12,"newMessages":2,"#,
            r#""waitingMessages":2,"oldMessages":5}}"#
        ),
    );
}

#[test]
fn phone_status() {
    for status in PhoneStatus::ALL {
        let json =
            format!(r#"{{"msgType":"PhoneStatusUpdate","ctiMessage":{{"status":{}}}}}"#, status.number());
        travels(Event::PhoneStatusUpdate { status: Some(status) }, &json);
    }
    travels(
        Event::PhoneStatusUpdate { status: None },
        r#"{"msgType":"PhoneStatusUpdate","ctiMessage":{"status":null}}"#,
    );
    assert_eq!(
        read(r#"{"msgType":"PhoneStatusUpdate","ctiMessage":{"status":"77"}}"#),
        Event::PhoneStatusUpdate { status: Some(PhoneStatus::Error) }
    );
}

fn ringing() -> PhoneEvent {
    let user_data = [
        ("XIVO_USERID", "57"),
        ("XIVO_CONTEXT", "default"),
        ("SIPCALLID", "5f7a11c2@10.20.0.5"),
        ("USR_CASE", "A-77"),
    ];
    PhoneEvent {
        event_type: EventType::Ringing,
        dn: "2417".into(),
        other_dn: "0144500210".into(),
        other_dname: "Garage Morel".into(),
        linked_id: "1893456012.318".into(),
        unique_id: "1893456012.319".into(),
        queue_name: Some("breakdown".into()),
        direction: CallDirection::Incoming,
        username: None,
        user_data: user_data.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    }
}

#[test]
fn phone_event() {
    assert_eq!(ringing().sip_call_id(), Some("5f7a11c2@10.20.0.5"));
    travels(
        Event::PhoneEvent(ringing()),
        concat!(
            r#"{"msgType":"PhoneEvent","ctiMessage":{"eventType":"EventRinging","DN":"2417","#,
            r#""otherDN":"0144500210","otherDName":"Garage Morel","linkedId":"1893456012.318","#,
            r#""uniqueId":"1893456012.319","queueName":"breakdown","callDirection":"Incoming","#,
            r#""userData":{"SIPCALLID":"5f7a11c2@10.20.0.5","USR_CASE":"A-77","XIVO_CONTEXT":"default","#,
            r#""XIVO_USERID":"57"}}}"#
        ),
    );
}

#[test]
fn phone_event_of_a_sparing_server() {
    let json =
        r#"{"msgType":"PhoneEvent","ctiMessage":{"eventType":"EventReleased","DN":2417,"linkedId":"1"}}"#;
    let Event::PhoneEvent(event) = read(json) else { panic!("a phone event") };
    assert_eq!(event.dn, "2417");
    assert_eq!(
        (event.other_dn.as_str(), event.queue_name, event.direction),
        ("", None, CallDirection::Unknown)
    );
    let json = r#"{"msgType":"PhoneEvent","ctiMessage":{"eventType":"EventTeleported"}}"#;
    let expected = "a known event type";
    assert_eq!(Event::parse(json), Err(Malformed::Wrong { field: "eventType", expected }));
}

#[test]
fn current_calls() {
    travels(
        Event::CurrentCallsPhoneEvents { events: vec![] },
        r#"{"msgType":"CurrentCallsPhoneEvents","ctiMessage":{"events":[]}}"#,
    );
    let event = PhoneEvent {
        event_type: EventType::Established,
        dn: "2417".into(),
        other_dn: "2451".into(),
        other_dname: "Loïc Dupin".into(),
        linked_id: "1893456099.402".into(),
        unique_id: "1893456099.403".into(),
        queue_name: None,
        direction: CallDirection::Outgoing,
        username: Some("ldupin".into()),
        user_data: BTreeMap::new(),
    };
    travels(
        Event::CurrentCallsPhoneEvents { events: vec![event] },
        concat!(
            r#"{"msgType":"CurrentCallsPhoneEvents","ctiMessage":{"events":[{"eventType":"EventEstablished","#,
            r#""DN":"2417","otherDN":"2451","otherDName":"Loïc Dupin","linkedId":"1893456099.402","#,
            r#""uniqueId":"1893456099.403","callDirection":"Outgoing","username":"ldupin","userData":{}}]}}"#
        ),
    );
}

#[test]
fn line() {
    let line = LineConfig {
        id: "44".into(),
        number: "2417".into(),
        name: "k3v9xq".into(),
        password: "p7-not-real".into(),
        xivo_ip: "192.0.2.14".into(),
        web_rtc: true,
        ..LineConfig::missing()
    };
    assert!(!line.is_missing());
    travels(
        Event::LineConfig(line),
        concat!(
            r#"{"msgType":"LineConfig","ctiMessage":{"id":"44","number":"2417","name":"k3v9xq","#,
            r#""password":"p7-not-real","xivoIp":"192.0.2.14","hasDevice":false,"webRtc":true,"ua":false,"#,
            r#""mobileApp":false,"vendor":null,"sipProxyName":"default","sipPort":null}}"#
        ),
    );
    let older =
        r#"{"msgType":"LineConfig","ctiMessage":{"id":44,"name":"k","sipPort":5060,"vendor":"Snom"}}"#;
    let Event::LineConfig(line) = read(older) else { panic!("a line") };
    assert_eq!(
        (line.id.as_str(), line.sip_port.as_deref(), line.vendor.as_deref()),
        ("44", Some("5060"), Some("Snom"))
    );
    assert_eq!(line.sip_proxy_name, "default");
}

#[test]
fn no_line() {
    assert!(LineConfig::missing().is_missing());
    travels(
        Event::LineConfig(LineConfig::missing()),
        concat!(
            r#"{"msgType":"LineConfig","ctiMessage":{"id":"-","number":"","name":"","password":"","xivoIp":"","#,
            r#""hasDevice":false,"webRtc":false,"ua":false,"mobileApp":false,"vendor":null,"#,
            r#""sipProxyName":"default","sipPort":null}}"#
        ),
    );
}

#[test]
fn ice() {
    travels(Event::IceConfig(IceConfig::default()), r#"{"msgType":"IceConfig","ctiMessage":{}}"#);
    let stun = Some(StunConfig { urls: vec!["stun:edge.example.net:3478".into()] });
    travels(
        Event::IceConfig(IceConfig { stun: stun.clone(), turn: None }),
        r#"{"msgType":"IceConfig","ctiMessage":{"stunConfig":{"urls":["stun:edge.example.net:3478"]}}}"#,
    );
    let turn = Some(TurnConfig {
        urls: vec![
            "turn:edge.example.net:3478?transport=udp".into(),
            "turn:edge.example.net:3478?transport=tcp".into(),
        ],
        username: "1893459600:aroche".into(),
        credential: "bm90LXJlYWw=".into(),
        ttl: 7200,
    });
    travels(
        Event::IceConfig(IceConfig { stun, turn }),
        concat!(
            r#"{"msgType":"IceConfig","ctiMessage":{"stunConfig":{"urls":["stun:edge.example.net:3478"]},"#,
            r#""turnConfig":{"urls":["turn:edge.example.net:3478?transport=udp","#,
            r#""turn:edge.example.net:3478?transport=tcp"],"username":"1893459600:aroche","#,
            r#""credential":"bm90LXJlYWw=","ttl":7200}}}"#
        ),
    );
}

#[test]
fn browser_phone() {
    let sip_call_id = || Some("5f7a11c2@10.20.0.5".to_owned());
    for (command, json) in [
        (
            WebRtcCommand::Answer { sip_call_id: sip_call_id() },
            r#""Answer","sipCallId":"5f7a11c2@10.20.0.5""#,
        ),
        (WebRtcCommand::Hold { sip_call_id: sip_call_id() }, r#""Hold","sipCallId":"5f7a11c2@10.20.0.5""#),
        (WebRtcCommand::SendDtmf { sip_call_id: None, key: '#' }, r##""SendDtmf","key":"#""##),
        (WebRtcCommand::ToggleMicrophone { sip_call_id: None }, r#""ToggleMicrophone""#),
        (WebRtcCommand::Unknown { name: "Dance".into() }, r#""Dance""#),
    ] {
        let json = format!(r#"{{"msgType":"WebRTCCmd","ctiMessage":{{"command":{json}}}}}"#);
        travels(Event::WebRtcCmd(command), &json);
    }
}

#[test]
fn empty_lists() {
    for (list, msg_type) in [
        (List::Queue, "QueueList"),
        (List::Agent, "AgentList"),
        (List::QueueMember, "QueueMemberList"),
        (List::BaseQueueMember, "UsersQueueDefaultMembership"),
        (List::AgentGroup, "AgentGroupList"),
        (List::Meetme, "ConferenceList"),
    ] {
        travels(Event::EmptyList(list), &format!(r#"{{"msgType":"{msg_type}","ctiMessage":[]}}"#));
    }
    assert_eq!(
        Event::EmptyList(List::Other("toaster".into())).to_json(),
        r#"{"msgType":"Error","ctiMessage":{"Error":"unknown objectType"}}"#
    );
}

#[test]
fn what_is_not_known_is_named_and_dropped() {
    for (json, msg_type) in [
        (r#"{"msgType":"QueueStatistics","ctiMessage":{"queueId":3}}"#, "QueueStatistics"),
        (r#"{"msgType":"QueueList","ctiMessage":[{"id":3}]}"#, "QueueList"),
        (r#"{"msgType":"Novelty"}"#, "Novelty"),
        (r#"{"pong":1}"#, ""),
    ] {
        assert_eq!(read(json), Event::Other { msg_type: msg_type.into() });
    }
}

#[test]
fn what_cannot_be_understood_is_refused() {
    for (json, text) in [
        ("null", "frame must be an object"),
        (r#"{"msgType":"PhoneEvent"}"#, "PhoneEvent must be an object"),
        (r#"{"msgType":"LineConfig","ctiMessage":{}}"#, "id is missing"),
        (r#"{"msgType":"CtiStatuses","ctiMessage":{}}"#, "ctiMessage must be an array"),
        (r#"{"msgType":"UserConfigUpdate","ctiMessage":{"dndEnabled":true}}"#, "userId is missing"),
        (
            r#"{"msgType":"UserConfigUpdate","ctiMessage":{"userId":1,"dndEnabled":7}}"#,
            "dndEnabled must be true or false",
        ),
    ] {
        assert_eq!(Event::parse(json).expect_err("refused").to_string(), text, "{json}");
    }
}
