use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::{CallId, EndCause, LegId, UserId, UserServices};
use sip::digest::Algorithm;
use sip::{DialogId, Event, FlowId, SubscriptionId, Transmit, Transport, UserAgent};
use timing::{Deadline, Duration, Instant, Timers};

use crate::call::{Call, Leg, Phase, Side};
use crate::command::{Command, Refusal};
use crate::directory::Directory;
use crate::fact::{Fact, LineStatus, PhoneFact, PhoneFactKind};
use crate::flows::Way;
use crate::lamps::Lamp;
use crate::messaging::Messages;
use crate::proving::Doorman;
use crate::registrar::Registrar;
use crate::trunk::{DtmfMode, TrunkId, Trunks};

/// How the switch is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// The SIP domain of our lines; `LineConfig.sipProxyName` on the CTI wire.
    pub domain: String,
    /// The realm of digest challenges.
    pub realm: String,
    /// `host[:port]` in our `Via` and `Contact`.
    pub contact_host: String,
    /// The product token in `Server` and `User-Agent`.
    pub user_agent: String,
    /// Where tags and branches come from; unpredictable in production.
    pub seed: [u8; 32],
    /// What nonces are signed with: the same on every node and after a restart, and known to nobody else.
    pub nonce_secret: [u8; 32],
    /// What phones may prove themselves by, the most wanted first (RFC 8760 §2.4). A page's phone uses MD5.
    pub digests: &'static [Algorithm],
    /// Milliseconds since 1970 at [`Instant::ORIGIN`].
    pub unix_origin_ms: i64,
    /// How long a phone rings before the call is given up.
    pub ring_time: Duration,
    /// How long a phone rings before a call is forwarded whose user wants that.
    pub forward_after: Duration,
    /// How long a call waits for a phone whose connection was lost.
    pub reconnect_window: Duration,
    /// Calls at once, above which new ones are refused with 503.
    pub most_calls: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            domain: "default".into(),
            realm: "hotdesk".into(),
            contact_host: "hotdesk.invalid".into(),
            user_agent: "Hotdesk".into(),
            seed: [0; 32],
            nonce_secret: [0; 32],
            digests: &[Algorithm::Sha256, Algorithm::Md5],
            unix_origin_ms: 0,
            ring_time: Duration::from_secs(60),
            forward_after: Duration::from_secs(20),
            reconnect_window: Duration::from_secs(60),
            most_calls: 2_000,
        }
    }
}

/// What the switch asks of the media plane.
#[derive(Clone, Debug)]
pub struct Order {
    /// All legs of one call belong on one plane, and so do those of calls that have grown out of it: this is
    /// the first of them. [`Fact::WorkerFree`] tells when there is none any more.
    pub call: CallId,
    /// What to do there.
    pub order: media::Order,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// Nobody answered the call.
    NoAnswer(CallId),
    /// Nobody answered it for so long that it goes where the callee wants it to go then.
    Forward(CallId),
    /// The phone of a leg did not come back.
    Detached(LegId),
    /// The phone of a leg has been away for so long that another may take its place.
    Orphaned(LegId),
    /// The sound of a leg did not come, or not back.
    NoSound(LegId),
    /// A trunk has said nothing at all to an INVITE.
    TrunkSilent(LegId),
    /// A call has lasted as long as its route allows.
    TooLong(CallId),
    /// A trunk is to be asked again whether it is there, or to register us.
    Trunk(TrunkId),
    /// A registration ends.
    Registrations,
    /// A text message has waited long enough for an answer.
    Message(u64),
    /// The caller of a service has heard enough.
    ServiceOver(CallId),
}

/// How long a key sent by SIP INFO sounds, in milliseconds; pages do not say it reliably.
const KEY_MS: u32 = 120;

/// Joins callers to lines and services; see the crate's page.
pub struct Switch {
    pub(crate) config: Config,
    pub(crate) ua: UserAgent,
    pub(crate) doorman: Doorman,
    pub(crate) directory: Directory,
    pub(crate) registrar: Registrar,
    pub(crate) ways: BTreeMap<FlowId, Way>,
    pub(crate) trunks: Trunks,
    pub(crate) messages: Messages,
    pub(crate) calls: BTreeMap<CallId, Call>,
    pub(crate) legs: BTreeMap<LegId, Leg>,
    pub(crate) dialogs: BTreeMap<DialogId, LegId>,
    pub(crate) services: BTreeMap<UserId, UserServices>,
    /// Accounts whose status lamps do not show yet.
    pub(crate) unlit: BTreeSet<String>,
    /// Subscriptions that are to end.
    pub(crate) strange_lamps: Vec<SubscriptionId>,
    pub(crate) lamps: BTreeMap<SubscriptionId, Lamp>,
    pub(crate) line_status: BTreeMap<String, LineStatus>,
    /// Accounts whose line may have another status than was told.
    pub(crate) touched: BTreeSet<String>,
    pub(crate) timers: Timers<Timer>,
    pub(crate) orders: VecDeque<Order>,
    pub(crate) facts: VecDeque<Fact>,
    pub(crate) draining: bool,
    next_call: u64,
    next_leg: u64,
    next_channel: u64,
}

impl Switch {
    /// A switch without lines; see [`Switch::set_directory`].
    pub fn new(config: Config) -> Self {
        let ua = UserAgent::new(sip::Config {
            user_agent: config.user_agent.clone(),
            contact_host: config.contact_host.clone(),
            transport: Transport::Ws,
            seed: config.seed,
            server: true,
        });
        Switch {
            ua,
            doorman: Doorman::new(&config),
            config,
            directory: Directory::default(),
            registrar: Registrar::default(),
            ways: BTreeMap::new(),
            trunks: Trunks::default(),
            messages: Messages::default(),
            calls: BTreeMap::new(),
            legs: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            services: BTreeMap::new(),
            unlit: BTreeSet::new(),
            strange_lamps: Vec::new(),
            lamps: BTreeMap::new(),
            line_status: BTreeMap::new(),
            touched: BTreeSet::new(),
            timers: Timers::default(),
            orders: VecDeque::new(),
            facts: VecDeque::new(),
            draining: false,
            next_call: 0,
            next_leg: 0,
            next_channel: 0,
        }
    }

    /// Replaces the lines that can be dialled. Running calls go on.
    pub fn set_directory(&mut self, directory: Directory) {
        let before = std::mem::replace(&mut self.directory, directory);
        self.turn_out_strange_devices(&before);
        self.touched = self.directory.lines().map(|line| line.account.clone()).collect();
        self.tell_line_statuses();
    }

    /// One SIP message has come over `flow`.
    pub fn handle_message(&mut self, flow: FlowId, bytes: &[u8], now: Instant) {
        self.ua.handle_message(flow, bytes, now);
        self.settle(now);
    }

    /// The media plane tells what happened to a leg.
    pub fn handle_media(&mut self, fact: media::Fact, now: Instant) {
        if matches!(
            fact,
            media::Fact::Figures { .. } | media::Fact::Silent { .. } | media::Fact::Audible { .. }
        ) {
            // shown and counted by the shell
            return;
        }
        self.handle_media_fact(fact, now);
        self.settle(now);
    }

    /// A wish.
    ///
    /// # Errors
    /// A [`Refusal`] when the rules forbid it; nothing has changed then.
    pub fn handle_command(&mut self, command: Command, now: Instant) -> Result<(), Refusal> {
        let outcome = self.obey(command, now);
        self.settle(now);
        outcome
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.ua.handle_timeout(now);
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::NoAnswer(call) => self.give_up_ringing(call, now),
                Timer::Forward(call) => self.forward_unanswered(call, now),
                Timer::Detached(leg) => self.leg_did_not_come_back(leg, now),
                Timer::NoSound(leg) => self.sound_did_not_come(leg, now),
                Timer::Orphaned(leg) => self.adopt_orphan(leg),
                Timer::ServiceOver(call) => self.end_call(call, EndCause::Normal, now),
                Timer::TrunkSilent(leg) => self.trunk_says_nothing(leg, now),
                Timer::TooLong(call) => self.end_call(call, EndCause::TimeLimit, now),
                Timer::Message(message) => self.answer_sender(message, now),
                Timer::Trunk(trunk) => self.ask_trunk(trunk, now),
                Timer::Registrations => {
                    let expired = self.registrar.expire(now);
                    self.touched.extend(expired);
                }
            }
        }
        self.settle(now);
    }

    /// The next SIP message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.ua.poll_transmit()
    }

    /// The next order for the media plane.
    pub fn poll_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// The next fact.
    pub fn poll_fact(&mut self) -> Option<Fact> {
        self.facts.pop_front()
    }

    /// When to call [`Switch::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        Deadline::sooner(self.ua.poll_timeout(), self.timers.next())
    }

    /// How many calls there are.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// How many phones are registered on the line of that account.
    pub fn phones(&self, account: &str) -> usize {
        self.registrar.bindings(account).len()
    }

    /// How many SIP dialogs and transactions are kept, ended ones that linger among them.
    pub fn held(&self) -> (usize, usize) {
        self.ua.held()
    }

    /// The call that a leg belongs to, for logs.
    pub fn call_of_leg(&self, leg: LegId) -> Option<CallId> {
        self.legs.get(&leg).map(|leg| leg.call)
    }

    pub(crate) fn settle(&mut self, now: Instant) {
        self.put_out_strange_lamps(now);
        self.drain_sip(now);
        self.arm_registrations();
        self.tell_line_statuses();
        for account in std::mem::take(&mut self.unlit) {
            self.light_lamps_of(&account, now);
        }
        self.tell_trunks();
    }

    pub(crate) fn drain_sip(&mut self, now: Instant) {
        while let Some(event) = self.ua.poll_event() {
            self.handle_sip(event, now);
        }
    }

    fn handle_sip(&mut self, event: Event, now: Instant) {
        match event {
            Event::Register(request) => self.register(request, now),
            Event::Invite(invite) => self.incoming(invite, now),
            Event::Progress { dialog, status, sdp } => self.progress(dialog, status, sdp, now),
            Event::Answered { dialog, sdp } => self.answered(dialog, sdp, now),
            Event::Confirmed { .. } => {}
            Event::Alive { dialog } => self.answers_when_asked(dialog, now),
            Event::Moved { dialog, flow } => self.phone_moved(dialog, flow, now),
            Event::Offer { dialog, sdp } => {
                self.phone_is_back(dialog, now);
                self.reoffered(dialog, sdp, now);
            }
            Event::OfferAnswered { dialog, sdp } => self.late_answer(dialog, sdp),
            Event::OfferRefused { dialog, status } => self.late_refusal(dialog, status, now),
            Event::Info { dialog, content_type, body } => {
                self.phone_is_back(dialog, now);
                self.info(dialog, &content_type, &body, now);
            }
            Event::Ended { dialog, by, reason_header, .. } => {
                self.dialog_ended(dialog, &by, reason_header.as_deref(), now);
            }
            Event::Refer { dialog, refer, target_user, replaces, .. } => {
                self.referred(dialog, refer, &target_user, replaces.as_ref(), now);
            }
            Event::Unproved(request) => self.speaks_from_elsewhere(request, now),
            Event::Message(message) => self.text_message(message, now),
            Event::Subscribe(subscribe) => self.subscribe(subscribe, now),
            Event::SubscriptionRefreshed { id } => self.light(id, now),
            Event::SubscriptionEnded { id } => self.lamp_is_out(id),
            Event::Stale { dialog } => self.session_is_stale(dialog, now),
            Event::Registered { id, .. } => self.trunk_registered(id),
            Event::RegistrationFailed { id, status, .. } => self.trunk_registration_failed(id, status, now),
            Event::Unregistered { .. } => {}
            Event::Pong { id, status } => self.trunk_answers(id, status, now),
            Event::Delivered { id, status } => self.message_delivered(id, status, now),
        }
    }

    fn arm_registrations(&mut self) {
        match self.registrar.next_expiry() {
            Some(at) => self.timers.set(Timer::Registrations, Deadline::new(at, "registration expires")),
            None => self.timers.cancel(&Timer::Registrations),
        }
    }

    pub(crate) fn new_call_id(&mut self) -> CallId {
        self.next_call += 1;
        CallId(self.next_call)
    }

    pub(crate) fn new_leg_id(&mut self) -> LegId {
        self.next_leg += 1;
        LegId(self.next_leg)
    }

    /// A channel id as CTI clients know them: seconds since 1970, a dot, a running number.
    pub(crate) fn new_channel_id(&mut self, now: Instant) -> String {
        self.next_channel += 1;
        format!("{}.{}", self.unix_ms(now) / 1_000, self.next_channel)
    }

    pub(crate) fn unix_ms(&self, now: Instant) -> i64 {
        let since = i64::try_from(now.since_origin().as_millis()).unwrap_or(i64::MAX);
        self.config.unix_origin_ms.saturating_add(since)
    }

    pub(crate) fn order(&mut self, call: CallId, order: media::Order) {
        let home = self.calls.get(&call).map_or(call, |call| call.home);
        self.orders.push_back(Order { call: home, order });
    }

    pub(crate) fn leg_of_dialog(&self, dialog: DialogId) -> Option<LegId> {
        self.dialogs.get(&dialog).copied()
    }

    /// Tells a party's user what changed, once per change.
    pub(crate) fn tell(&mut self, call: CallId, side: Side, kind: PhoneFactKind) {
        let Some(call) = self.calls.get_mut(&call) else { return };
        let other = call.party(side.other());
        let (other_number, other_name) = (other.shown(), other.name.clone());
        let (id, variables) = (call.id, call.variables.clone());
        let party = call.party_mut(side);
        party.told = Some(kind);
        if let Some(account) = &party.account {
            self.touched.insert(account.clone());
        }
        let (Some(user), Some(number)) = (party.user, party.number.clone()) else { return };
        self.facts.push_back(Fact::Phone(PhoneFact {
            user,
            kind,
            call: id,
            number,
            other_number,
            other_name,
            linked_id: party.linked_id.clone(),
            unique_id: party.unique_id.clone(),
            direction: party.direction,
            sip_call_id: party.sip_call_id.clone(),
            variables,
        }));
    }

    /// Tells that the parties can talk, or that this one holds the other.
    pub(crate) fn tell_talking(&mut self, call: CallId, side: Side) {
        let known = self.calls.get(&call);
        let is_merged = known.is_some_and(|call| call.merged.is_some());
        let holds = known.and_then(|call| call.leg_of(side)).is_some_and(|leg| self.holds(leg)) && !is_merged;
        self.tell(call, side, if holds { PhoneFactKind::OnHold } else { PhoneFactKind::Established });
    }

    pub(crate) fn touch(&mut self, account: &str) {
        self.touched.insert(account.to_owned());
    }

    /// Compares the status of each line touched since the last time with what was told, and tells the differences.
    fn tell_line_statuses(&mut self) {
        let mut told: Vec<(String, UserId, model::PhoneNumber, LineStatus)> = Vec::new();
        for account in std::mem::take(&mut self.touched) {
            let Some(line) = self.directory.line(&account) else { continue };
            let status = self.status_of(&line.account);
            if self.line_status.get(&line.account).copied().unwrap_or_default() != status {
                told.push((line.account.clone(), line.user, line.number.clone(), status));
            }
        }
        for (account, user, number, status) in told {
            self.unlit.insert(account.clone());
            self.line_status.insert(account, status);
            self.facts.push_back(Fact::LineChanged { user, number, status });
        }
    }

    pub(crate) fn status_of(&self, account: &str) -> LineStatus {
        let mut ringing = false;
        let mut calling = false;
        let mut held = false;
        for call in self.calls.values() {
            for party in [&call.caller, &call.callee] {
                if party.account.as_deref() != Some(account) {
                    continue;
                }
                match party.told {
                    Some(PhoneFactKind::Ringing) => ringing = true,
                    Some(PhoneFactKind::Dialling | PhoneFactKind::Established) => calling = true,
                    Some(PhoneFactKind::OnHold) => held = true,
                    Some(PhoneFactKind::Released(_)) | None => {}
                }
            }
        }
        match (ringing, calling, held) {
            (true, true, _) | (true, _, true) => LineStatus::CallingAndRinging,
            (true, false, false) => LineStatus::Ringing,
            (false, true, _) => LineStatus::Calling,
            (false, false, true) => LineStatus::OnHold,
            (false, false, false) if self.registrar.bindings(account).is_empty() => LineStatus::Unavailable,
            (false, false, false) => LineStatus::Available,
        }
    }

    /// A key sent by SIP INFO goes on to the other party. Keys sent as sound pass through the relay.
    fn info(&mut self, dialog: DialogId, content_type: &str, body: &[u8], now: Instant) {
        let Some(key) = sip::dtmf::parse(content_type, body) else { return };
        if let Some(far) = self.leg_of_dialog(dialog).and_then(|leg| self.far_leg(leg)) {
            self.press(far, key, now);
        }
    }

    /// A key that was sent as sound goes by INFO to a trunk that is set so.
    pub(crate) fn key_pressed(&mut self, leg: LegId, key: char, now: Instant) {
        let far = self.far_leg(leg).filter(|far| self.legs.get(far).is_some_and(|far| self.wants_info(far)));
        if let Some(far) = far {
            self.press(far, key, now);
        }
    }

    /// Sends a key to a phone: by SIP INFO to a page and to a trunk that is set so, else as an event beside the
    /// sound (RFC 4733).
    pub(crate) fn press(&mut self, leg_id: LegId, key: char, now: Instant) {
        let Some(leg) = self.legs.get(&leg_id).filter(|leg| leg.state.is_up()) else { return };
        if !leg.is_page && !self.wants_info(leg) {
            let (call, leg) = (leg.call, media::LegId(leg_id.0));
            self.order(call, media::Order::Press { leg, key, ms: KEY_MS });
        } else if let Some(dialog) = leg.dialog {
            self.ua.info(dialog, "application/dtmf-relay", &sip::dtmf::relay_body(key, KEY_MS), now);
        }
    }

    /// The leg of the other party.
    fn far_leg(&self, leg: LegId) -> Option<LegId> {
        let leg = self.legs.get(&leg)?;
        self.calls.get(&leg.call)?.leg_of(leg.side.other())
    }

    /// Whether the leg's trunk is to hear keys by INFO.
    fn wants_info(&self, leg: &Leg) -> bool {
        let trunk = leg.trunk.and_then(|trunk| self.trunks.plan.trunk(trunk));
        trunk.is_some_and(|trunk| trunk.dtmf == DtmfMode::Info)
    }

    fn give_up_ringing(&mut self, call: CallId, now: Instant) {
        match self.calls.get(&call).map(|call| call.phase) {
            // the user's own phone does not answer
            Some(Phase::CallingBack) => self.end_call(call, EndCause::NoAnswer, now),
            Some(Phase::Ringing | Phase::Answering) => self.callee_failed(call, EndCause::NoAnswer, now),
            Some(Phase::Talking) | None => {}
        }
    }
}
