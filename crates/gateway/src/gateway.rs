use std::collections::{BTreeMap, VecDeque};

use cti::Event;
use model::{SessionId, UserId, UserServices};
use switch::{Command, Fact, Refusal};
use timing::{Deadline, Duration, Instant, Timers};

use crate::mirror::Mirror;
use crate::profile::{IceServers, Profile};
use crate::throttle::Throttle;
use crate::translate::{self, Meaning};

/// How the gateway is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// `LineConfig.sipProxyName`: the SIP domain.
    pub domain: String,
    /// What `getIceConfig` answers.
    pub ice: IceServers,
    /// A session that sent nothing for this long is closed. Pages ping every 5 s (§1.5 of the protocol), but
    /// browsers let a hidden tab's timers run once a minute: two of those may be missed.
    pub idle: Duration,
    /// Full names by login, for `displayNameLookup`.
    pub names: BTreeMap<String, String>,
    /// What users had chosen to happen to their calls when the gateway was made; facts tell of changes.
    pub services: BTreeMap<UserId, UserServices>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            domain: "default".into(),
            ice: IceServers::default(),
            idle: Duration::from_secs(180),
            names: BTreeMap::new(),
            services: BTreeMap::new(),
        }
    }
}

/// What leaves the gateway for a session's socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// One text frame.
    Frame(SessionId, String),
    /// Close the socket.
    Close(SessionId, CloseReason),
}

/// Why the gateway closes a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Nothing came for too long: close code 1001.
    Idle,
}

/// A wish of a session, for the switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Who asked; a [`Refusal`] goes back to it by [`Gateway::refused`].
    pub session: SessionId,
    /// What.
    pub command: Command,
}

/// All CTI sessions; see the crate's page.
pub struct Gateway {
    config: Config,
    sessions: BTreeMap<SessionId, Profile>,
    throttles: BTreeMap<UserId, Throttle>,
    mirror: Mirror,
    timers: Timers<SessionId>,
    transmits: VecDeque<Transmit>,
    orders: VecDeque<Order>,
    logs: VecDeque<(SessionId, String, String)>,
}

impl Gateway {
    /// A gateway without sessions.
    pub fn new(config: Config) -> Self {
        Gateway {
            config,
            sessions: BTreeMap::new(),
            throttles: BTreeMap::new(),
            mirror: Mirror::default(),
            timers: Timers::default(),
            transmits: VecDeque::new(),
            orders: VecDeque::new(),
            logs: VecDeque::new(),
        }
    }

    /// A socket with a good token is open: it is told who its user is and how his phone stands.
    pub fn open(&mut self, session: SessionId, profile: Profile, now: Instant) {
        let status = self.mirror.line_of(profile.user);
        let services = self.config.services.get(&profile.user).cloned().unwrap_or_default();
        for event in translate::greeting(&profile, &services, status) {
            self.send(session, &event);
        }
        self.sessions.insert(session, profile);
        self.heard(session, now);
    }

    /// A socket is gone.
    pub fn close(&mut self, session: SessionId) {
        self.timers.cancel(&session);
        // the user's throttle stays: a second or a new socket is no new allowance
        self.sessions.remove(&session);
    }

    /// One text frame of a session.
    pub fn handle_frame(&mut self, session: SessionId, text: &str, now: Instant) {
        let Some(user) = self.sessions.get(&session).map(|profile| profile.user) else { return };
        self.heard(session, now);
        let command = cti::Command::parse(text);
        // the heartbeat does not count; all else does, understood or not
        let is_ping = matches!(command, Ok(cti::Command::Ping));
        if !is_ping && !self.throttles.entry(user).or_default().take(now) {
            return self.send(session, &cti::session::throttled());
        }
        match command {
            Ok(command) => self.obey(session, translate::command(command, user)),
            Err(malformed) => self.refuse(session, malformed.to_string()),
        }
    }

    /// The switch did not take a command.
    pub fn refused(&mut self, session: SessionId, refusal: Refusal) {
        self.refuse(session, refusal.to_string());
    }

    /// Something happened in the switch: every session of the user concerned is told.
    pub fn handle_fact(&mut self, fact: &Fact) {
        match fact {
            Fact::LineChanged { user, status, .. } => {
                self.mirror.line(*user, *status);
                let status = Some(translate::phone_status(*status));
                self.send_all(*user, &Event::PhoneStatusUpdate { status });
            }
            Fact::Phone(fact) => {
                self.mirror.phone(fact);
                self.send_all(fact.user, &Event::PhoneEvent(translate::phone_event(fact)));
            }
            Fact::PhoneAct { user, sip_call_id, act } => {
                self.send_all(*user, &translate::phone_act(sip_call_id.clone(), *act));
            }
            // for operators
            Fact::TrunkChanged { .. }
            | Fact::TrunkRefusedUs { .. }
            | Fact::TrunkSilent { .. }
            | Fact::NotLetOut { .. } => {}
            Fact::ServicesChanged { user, services } => {
                self.send_all(*user, &Event::UserConfigUpdate(translate::services(*user, services)));
                self.config.services.insert(*user, services.clone());
            }
            // what is told of a call is told to its parties; these are for its record and its media
            Fact::CallBegan(_) | Fact::CallAnswered { .. } | Fact::CallEnded(_) | Fact::WorkerFree { .. } => {
            }
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(session) = self.timers.pop_due(now) {
            self.transmits.push_back(Transmit::Close(session, CloseReason::Idle));
            self.close(session);
        }
    }

    /// The next frame to send, or socket to close.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next wish for the switch.
    pub fn poll_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// The next line that a page wants in our log: session, level, text.
    pub fn poll_log(&mut self) -> Option<(SessionId, String, String)> {
        self.logs.pop_front()
    }

    /// When to call [`Gateway::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        self.timers.next()
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    fn obey(&mut self, session: SessionId, meaning: Meaning) {
        let Some(profile) = self.sessions.get(&session) else { return };
        let answer = match meaning {
            Meaning::Ping => Event::Ping,
            Meaning::Line => {
                Event::LineConfig(translate::line_config(profile.line.as_ref(), &self.config.domain))
            }
            Meaning::Ice => Event::IceConfig(translate::ice_config(&self.config.ice)),
            Meaning::List(list) => Event::EmptyList(list),
            Meaning::Calls => Event::CurrentCallsPhoneEvents {
                events: self.mirror.calls_of(profile.user).map(translate::phone_event).collect(),
            },
            Meaning::NameOf(login) => match self.config.names.get(&login) {
                Some(name) => Event::UserDisplayName { user_name: login, display_name: name.clone() },
                None => Event::Error { error: format!("no user {login:?}") },
            },
            Meaning::Log { level, text } => return self.logs.push_back((session, level, text)),
            Meaning::Act(command) => return self.orders.push_back(Order { session, command }),
            Meaning::Refused(why) => Event::Error { error: why },
        };
        self.send(session, &answer);
    }

    fn heard(&mut self, session: SessionId, now: Instant) {
        self.timers.set(session, Deadline::new(now + self.config.idle, "CTI session is silent"));
    }

    fn refuse(&mut self, session: SessionId, why: String) {
        self.send(session, &Event::Error { error: why });
    }

    fn send(&mut self, session: SessionId, event: &Event) {
        self.transmits.push_back(Transmit::Frame(session, event.to_json()));
    }

    fn send_all(&mut self, user: UserId, event: &Event) {
        let text = event.to_json();
        let sessions = self.sessions.iter().filter(|(_, profile)| profile.user == user).map(|(id, _)| *id);
        self.transmits.extend(sessions.map(|session| Transmit::Frame(session, text.clone())));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::{CallId, EndCause, LineId, Role};
    use switch::{CallDirection, PhoneAct, PhoneFact, PhoneFactKind};

    use super::*;
    use crate::profile::LineProfile;

    const ALICE: UserId = UserId(1);
    const ICE: &str = r#"{"claz":"web","command":"getIceConfig"}"#;
    const NO_SERVERS: &str = r#"{"msgType":"IceConfig","ctiMessage":{}}"#;
    const THROTTLED: &str =
        r#"{"msgType":"Error","ctiMessage":{"Error":"Maximum throttle throughput exceeded."}}"#;

    fn profile(user: UserId, line: bool) -> Profile {
        Profile {
            user,
            login: "alice".into(),
            first_name: "Alice".into(),
            last_name: "Martin".into(),
            mobile_number: String::new(),
            role: Role::Agent,
            agent: None,
            line: line.then(|| LineProfile {
                id: LineId(44),
                number: "1001".parse().unwrap(),
                account: "k3v9xq".into(),
                password: "minted".into(),
                host: "cc.example".into(),
            }),
        }
    }

    fn frames(gateway: &mut Gateway, session: u64) -> Vec<String> {
        let all: Vec<Transmit> = std::iter::from_fn(|| gateway.poll_transmit()).collect();
        all.into_iter()
            .filter_map(|transmit| match transmit {
                Transmit::Frame(to, text) if to == SessionId(session) => Some(text),
                _ => None,
            })
            .collect()
    }

    fn open(session: u64, line: bool) -> Gateway {
        let mut gateway = Gateway::new(Config::default());
        gateway.open(SessionId(session), profile(ALICE, line), Instant::ORIGIN);
        gateway
    }

    fn ringing() -> PhoneFact {
        PhoneFact {
            user: ALICE,
            kind: PhoneFactKind::Ringing,
            call: CallId(1),
            number: "1001".parse().unwrap(),
            other_number: "1002".into(),
            other_name: "Bruno".into(),
            linked_id: "100.1".into(),
            unique_id: "100.2".into(),
            direction: CallDirection::Incoming,
            sip_call_id: Some("abc@x".into()),
            variables: BTreeMap::new(),
        }
    }

    #[test]
    fn logged_on_comes_first_and_the_whole_user_follows() {
        let frames = frames(&mut open(1, true), 1);
        assert_eq!(frames[0], r#"{"msgType":"LoggedOn","ctiMessage":{}}"#);
        assert!(frames[1].contains(r#""fullName":"Alice Martin""#));
        assert!(
            frames
                .iter()
                .any(|frame| frame == r#"{"msgType":"PhoneStatusUpdate","ctiMessage":{"status":4}}"#)
        );
    }

    #[test]
    fn a_user_without_a_line_still_gets_answers() {
        let mut gateway = open(1, false);
        assert!(
            frames(&mut gateway, 1)
                .contains(&r#"{"msgType":"PhoneStatusUpdate","ctiMessage":{"status":null}}"#.to_owned())
        );
        gateway.handle_frame(
            SessionId(1),
            r#"{"claz":"web","command":"getConfig","objectType":"line"}"#,
            Instant::ORIGIN,
        );
        gateway.handle_frame(SessionId(1), ICE, Instant::ORIGIN);
        let frames = frames(&mut gateway, 1);
        assert!(frames[0].contains(r#""id":"-""#));
        assert_eq!(frames[1], NO_SERVERS);
    }

    #[test]
    fn pings_are_echoed_one_by_one_and_do_not_count() {
        let mut gateway = open(1, true);
        frames(&mut gateway, 1);
        for _ in 0..500 {
            gateway.handle_frame(SessionId(1), r#"{"claz":"ping"}"#, Instant::ORIGIN);
        }
        assert_eq!(frames(&mut gateway, 1), vec![r#"{"claz":"ping"}"#; 500]);
        for _ in 0..181 {
            gateway.handle_frame(SessionId(1), ICE, Instant::ORIGIN);
        }
        let answers = frames(&mut gateway, 1);
        assert_eq!(answers[..180], vec![NO_SERVERS; 180]);
        assert_eq!(answers[180..], [THROTTLED]);
        gateway.handle_frame(SessionId(1), r#"{"claz":"ping"}"#, Instant::ORIGIN);
        assert_eq!(frames(&mut gateway, 1), [r#"{"claz":"ping"}"#]);
    }

    #[test]
    fn two_sockets_of_one_user_share_the_throttle() {
        let mut gateway = open(1, true);
        gateway.open(SessionId(2), profile(ALICE, true), Instant::ORIGIN);
        frames(&mut gateway, 1);
        for n in 0..181 {
            let session = SessionId(1 + n % 2);
            gateway.handle_frame(session, ICE, Instant::ORIGIN);
        }
        let answers: Vec<Transmit> = std::iter::from_fn(|| gateway.poll_transmit()).collect();
        let (last, taken) = answers[answers.len() - 181..].split_last().unwrap();
        assert!(taken.iter().all(|answer| matches!(answer, Transmit::Frame(_, text) if text == NO_SERVERS)));
        assert_eq!(*last, Transmit::Frame(SessionId(1), THROTTLED.to_owned()));
    }

    #[test]
    fn nonsense_gets_an_error_and_the_session_lives() {
        let mut gateway = open(1, true);
        frames(&mut gateway, 1);
        for text in [
            "{",
            "null",
            "[]",
            "{}",
            r#"{"claz":"web","command":"nope"}"#,
            r#"{"claz":"web","command":"dial"}"#,
        ] {
            gateway.handle_frame(SessionId(1), text, Instant::ORIGIN);
            let answers = frames(&mut gateway, 1);
            assert!(answers[0].starts_with(r#"{"msgType":"Error""#), "{text}: {answers:?}");
        }
        assert_eq!(gateway.sessions(), 1);
    }

    #[test]
    fn a_call_is_told_to_all_sessions_and_to_those_that_come_later() {
        let mut gateway = open(1, true);
        gateway.handle_fact(&Fact::Phone(ringing()));
        assert!(frames(&mut gateway, 1).last().unwrap().contains(r#""SIPCALLID":"abc@x""#));
        gateway.open(SessionId(2), profile(ALICE, true), Instant::ORIGIN);
        gateway.handle_frame(
            SessionId(2),
            r#"{"claz":"web","command":"getCurrentCallsPhoneEvents"}"#,
            Instant::ORIGIN,
        );
        assert!(frames(&mut gateway, 2).last().unwrap().contains("EventRinging"));
        gateway.handle_fact(&Fact::Phone(PhoneFact {
            kind: PhoneFactKind::Released(EndCause::Cancelled),
            ..ringing()
        }));
        gateway.handle_frame(
            SessionId(2),
            r#"{"claz":"web","command":"getCurrentCallsPhoneEvents"}"#,
            Instant::ORIGIN,
        );
        assert_eq!(
            frames(&mut gateway, 2).last().unwrap(),
            r#"{"msgType":"CurrentCallsPhoneEvents","ctiMessage":{"events":[]}}"#
        );
    }

    #[test]
    fn a_strangers_call_is_told_to_nobody_else() {
        let mut gateway = open(1, true);
        frames(&mut gateway, 1);
        gateway.handle_fact(&Fact::Phone(PhoneFact { user: UserId(9), ..ringing() }));
        assert!(frames(&mut gateway, 1).is_empty());
    }

    #[test]
    fn the_phone_is_asked_to_act_by_its_sip_call_id() {
        let mut gateway = open(1, true);
        frames(&mut gateway, 1);
        gateway.handle_fact(&Fact::PhoneAct {
            user: ALICE,
            sip_call_id: "abc@x".into(),
            act: PhoneAct::Answer,
        });
        assert_eq!(
            frames(&mut gateway, 1),
            [r#"{"msgType":"WebRTCCmd","ctiMessage":{"command":"Answer","sipCallId":"abc@x"}}"#]
        );
    }

    #[test]
    fn a_hidden_page_that_pings_once_a_minute_stays_and_a_silent_one_is_closed() {
        let mut gateway = open(1, true);
        frames(&mut gateway, 1);
        let minute = Duration::from_secs(60);
        gateway.handle_timeout(Instant::ORIGIN + minute * 2);
        gateway.handle_frame(SessionId(1), r#"{"claz":"ping"}"#, Instant::ORIGIN + minute * 2);
        assert_eq!(frames(&mut gateway, 1), [r#"{"claz":"ping"}"#]);
        gateway.handle_timeout(Instant::ORIGIN + (minute * 5 - Duration::from_micros(1)));
        assert_eq!(gateway.poll_transmit(), None);
        gateway.handle_timeout(Instant::ORIGIN + minute * 5);
        assert_eq!(gateway.poll_transmit(), Some(Transmit::Close(SessionId(1), CloseReason::Idle)));
    }
}
