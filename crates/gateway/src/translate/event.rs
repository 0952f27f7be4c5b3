use std::collections::BTreeMap;

use cti::{
    CallDirection, CtiStatus, Event, EventType, Forward, IceConfig, LineConfig, PhoneEvent, PhoneStatus,
    RightProfile, StatusAction, StunConfig, TurnConfig, UserConfigUpdate, UserStatus, WebRtcCommand,
};
use model::{UserId, UserServices};
use switch::{LineStatus, PhoneAct, PhoneFact, PhoneFactKind};

use crate::profile::{IceServers, LineProfile, Profile};

/// What a session is told right after `LoggedOn` (§2.1).
pub(crate) fn greeting(profile: &Profile, chosen: &UserServices, status: LineStatus) -> Vec<Event> {
    vec![
        Event::LoggedOn,
        Event::UserConfigUpdate(UserConfigUpdate {
            full_name: Some(profile.full_name()),
            first_name: Some(profile.first_name.clone()),
            last_name: Some(profile.last_name.clone()),
            mobile_number: Some(profile.mobile_number.clone()),
            line_ids: Some(profile.line.iter().map(|line| line.id).collect()),
            agent_id: profile.agent,
            voice_mail_enabled: Some(false),
            ..services(profile.user, chosen)
        }),
        Event::UsersStatuses(vec![UserStatus {
            name: "available".into(),
            color: "#1a7f37".into(),
            long_name: "Available".into(),
            actions: vec![StatusAction { name: "queueunpause_all".into(), parameters: "true".into() }],
        }]),
        Event::CtiStatuses(vec![CtiStatus {
            name: "available".into(),
            display_name: "Available".into(),
            pause: false,
        }]),
        Event::UserStatusUpdate { status: Some("available".into()) },
        Event::PhoneStatusUpdate { status: profile.line.as_ref().map(|_| phone_status(status)) },
        Event::RightProfile(RightProfile { profile: profile.role.into(), rights: Vec::new() }),
        Event::UserPreference(BTreeMap::new()),
    ]
}

/// What a user has chosen to happen to his calls.
pub(crate) fn services(user: UserId, chosen: &UserServices) -> UserConfigUpdate {
    let forward = |forward: &model::Forward| {
        let destination = forward.destination.as_ref().map(ToString::to_string).unwrap_or_default();
        Some(Forward { enabled: forward.enabled, destination })
    };
    UserConfigUpdate {
        dnd_enabled: Some(chosen.do_not_disturb),
        no_answer_forward: forward(&chosen.no_answer),
        unconditional_forward: forward(&chosen.unconditional),
        busy_forward: forward(&chosen.busy),
        ..UserConfigUpdate::of(user)
    }
}

pub(crate) fn phone_status(status: LineStatus) -> PhoneStatus {
    match status {
        LineStatus::Unavailable => PhoneStatus::Unavailable,
        LineStatus::Available => PhoneStatus::Available,
        LineStatus::Calling => PhoneStatus::Calling,
        LineStatus::Ringing => PhoneStatus::Ringing,
        LineStatus::CallingAndRinging => PhoneStatus::BusyAndRinging,
        LineStatus::OnHold => PhoneStatus::OnHold,
    }
}

pub(crate) fn phone_event(fact: &PhoneFact) -> PhoneEvent {
    let mut user_data = fact.variables.clone();
    user_data.insert("XIVO_USERID".into(), fact.user.to_string());
    if let Some(sip_call_id) = &fact.sip_call_id {
        user_data.insert(PhoneEvent::SIP_CALL_ID.into(), sip_call_id.clone());
    }
    PhoneEvent {
        event_type: match fact.kind {
            PhoneFactKind::Dialling => EventType::Dialing,
            PhoneFactKind::Ringing => EventType::Ringing,
            PhoneFactKind::Established => EventType::Established,
            PhoneFactKind::OnHold => EventType::OnHold,
            PhoneFactKind::Released(_) => EventType::Released,
        },
        dn: fact.number.to_string(),
        other_dn: fact.other_number.clone(),
        other_dname: fact.other_name.clone(),
        linked_id: fact.linked_id.clone(),
        unique_id: fact.unique_id.clone(),
        queue_name: None,
        direction: match fact.direction {
            switch::CallDirection::Incoming => CallDirection::Incoming,
            switch::CallDirection::Outgoing => CallDirection::Outgoing,
        },
        username: None,
        user_data,
    }
}

pub(crate) fn phone_act(sip_call_id: String, act: PhoneAct) -> Event {
    let sip_call_id = Some(sip_call_id);
    Event::WebRtcCmd(match act {
        PhoneAct::Answer => WebRtcCommand::Answer { sip_call_id },
        PhoneAct::ToggleHold => WebRtcCommand::Hold { sip_call_id },
        PhoneAct::ToggleMicrophone => WebRtcCommand::ToggleMicrophone { sip_call_id },
        PhoneAct::SendDtmf(key) => WebRtcCommand::SendDtmf { sip_call_id, key },
    })
}

/// A user without a line gets one with the id `-`: pages block on the answer (§8.1, §11.1).
pub(crate) fn line_config(line: Option<&LineProfile>, domain: &str) -> LineConfig {
    LineConfig {
        id: line.map_or_else(|| "-".to_owned(), |line| line.id.to_string()),
        number: line.map(|line| line.number.to_string()).unwrap_or_default(),
        name: line.map(|line| line.account.clone()).unwrap_or_default(),
        password: line.map(|line| line.password.clone()).unwrap_or_default(),
        xivo_ip: line.map(|line| line.host.clone()).unwrap_or_default(),
        has_device: false,
        web_rtc: line.is_some(),
        ua: false,
        mobile_app: false,
        vendor: None,
        sip_proxy_name: domain.to_owned(),
        sip_port: None,
    }
}

pub(crate) fn ice_config(servers: &IceServers) -> IceConfig {
    IceConfig {
        stun: (!servers.stun.is_empty()).then(|| StunConfig { urls: servers.stun.clone() }),
        turn: servers.turn.as_ref().map(|turn| TurnConfig {
            urls: turn.urls.clone(),
            username: turn.username.clone(),
            credential: turn.credential.clone(),
            ttl: turn.ttl.into(),
        }),
    }
}
