use std::collections::BTreeMap;

use media::Codec;
use model::{CallId, EndCause, LegId, PhoneNumber, UserId};
use sip::{DialogId, FlowId};
use timing::Instant;

use crate::directory::{Destination, Line};
use crate::fact::{CallDirection, PartyInfo, PhoneFactKind};
use crate::outward::{Outward, Toll};
use crate::registrar::Phone;
use crate::trunk::TrunkId;

/// One conversation, from the caller's INVITE (or the CTI `dial`) to the last BYE.
#[derive(Debug)]
pub(crate) struct Call {
    pub id: CallId,
    pub linked_id: String,
    pub started_at: Instant,
    pub answered_at: Option<Instant>,
    pub phase: Phase,
    pub destination: Destination,
    pub caller: Party,
    pub callee: Party,
    pub caller_leg: LegId,
    /// The phones that ring; after the answer the one that answered.
    pub branches: Vec<LegId>,
    /// What the caller's offer leaves to choose from; one codec after the answer.
    pub codecs: Vec<Codec>,
    /// The best reason so far why nobody answered.
    pub refused: Option<EndCause>,
    pub variables: BTreeMap<String, String>,
    /// How it goes to the outside, if it does.
    pub outward: Option<Outward>,
    /// What it counts for, for whom, and how long it may last.
    pub tolls: Vec<Toll>,
    /// How often a 3xx was followed.
    pub redirects: u8,
    /// The first of the calls that it has grown out of, or itself: all of them live on one media worker.
    pub home: CallId,
    /// Whose leave it takes to go where it goes: the caller's, or that of who has sent him on.
    pub payer: Option<String>,
    /// How often it was sent on to another number.
    pub diverted: u8,
    /// A party is not the one that the other has called or been called by, and is to be told of (RFC 3325).
    pub is_other: bool,
    /// Who has transferred the caller, and is rung again when nobody else takes him.
    pub recall: Option<String>,
    /// The call whose other party the caller asks about here, and keeps waiting.
    pub consults: Option<CallId>,
    /// The other half of a conference of three.
    pub merged: Option<CallId>,
    /// How many hops its caller has left it (RFC 3261 §16.6); what grows out of it has no more.
    pub hops: Option<u8>,
}

/// What every call begins with.
pub(crate) struct Began {
    pub id: CallId,
    pub linked_id: String,
    pub phase: Phase,
    pub destination: Destination,
    pub caller: Party,
    pub callee: Party,
    pub caller_leg: LegId,
}

/// How far a call has come.
///
/// | from          | branch rings | branch answers | media agrees | anyone leaves |
/// |---------------|--------------|----------------|--------------|---------------|
/// | `CallingBack` | –            | –              | `Ringing`    | over          |
/// | `Ringing`     | `Ringing`    | `Answering`    | –            | over, when no branch is left |
/// | `Answering`   | –            | second branch is ended | `Talking` | over      |
/// | `Talking`     | –            | –              | –            | over          |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Click to call: the caller's own phone is being rung first.
    CallingBack,
    /// The called phones are being rung.
    Ringing,
    /// Somebody (or a service) answered; the caller's media is being agreed.
    Answering,
    /// The parties hear each other.
    Talking,
}

/// The user part of who does not want to be seen (RFC 3323 §4.1.1.3).
const WITHHELD: &str = "anonymous";

/// A person in a call, whatever the phone he speaks through.
#[derive(Clone, Debug)]
pub(crate) struct Party {
    /// The SIP account of the party's line; `None` for a service and for the outside.
    pub account: Option<String>,
    pub user: Option<UserId>,
    /// Whether the party is behind a trunk.
    pub is_outside: bool,
    /// `None` for a caller of the outside who does not want to be seen.
    pub number: Option<PhoneNumber>,
    pub name: String,
    /// The call's id for this party; it keeps it when it is transferred.
    pub linked_id: String,
    pub unique_id: String,
    pub direction: CallDirection,
    /// The Call-ID of the dialog with the phone that speaks for the party; while several ring, with one of them.
    pub sip_call_id: Option<String>,
    /// The last thing the party's user was told; `None` before the first.
    pub told: Option<PhoneFactKind>,
}

impl Party {
    pub fn of_line(line: &Line, linked_id: String, unique_id: String, direction: CallDirection) -> Self {
        Party {
            account: Some(line.account.clone()),
            user: Some(line.user),
            is_outside: false,
            number: Some(line.number.clone()),
            name: line.full_name.clone(),
            linked_id,
            unique_id,
            direction,
            sip_call_id: None,
            told: None,
        }
    }

    /// Somebody outside.
    pub fn outside(
        number: Option<PhoneNumber>,
        name: &str,
        linked_id: String,
        unique_id: String,
        direction: CallDirection,
    ) -> Self {
        Party { is_outside: true, number, direction, ..Party::service_of(name, linked_id, unique_id) }
    }

    pub fn service(number: PhoneNumber, name: &str, linked_id: String, unique_id: String) -> Self {
        Party { number: Some(number), ..Party::service_of(name, linked_id, unique_id) }
    }

    fn service_of(name: &str, linked_id: String, unique_id: String) -> Self {
        Party {
            account: None,
            user: None,
            is_outside: false,
            number: None,
            name: name.to_owned(),
            linked_id,
            unique_id,
            direction: CallDirection::Incoming,
            sip_call_id: None,
            told: None,
        }
    }

    pub fn info(&self) -> PartyInfo {
        let number = self.number.as_ref().map(ToString::to_string).unwrap_or_default();
        PartyInfo { outside: self.is_outside, user: self.user, number, name: self.name.clone() }
    }

    /// The number as other parties see it.
    pub fn shown(&self) -> String {
        self.number.as_ref().map_or_else(|| WITHHELD.to_owned(), ToString::to_string)
    }

    /// Whether the party's user knows of the call and it is not over for him.
    pub fn is_live(&self) -> bool {
        !matches!(self.told, None | Some(PhoneFactKind::Released(_)))
    }
}

/// Which party a leg belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Caller,
    Callee,
}

/// One phone's part in a call: a SIP dialog and a media leg.
#[derive(Debug)]
pub(crate) struct Leg {
    pub call: CallId,
    pub side: Side,
    pub dialog: Option<DialogId>,
    pub flow: FlowId,
    /// The registered contact that an outgoing INVITE is aimed at.
    pub target: String,
    /// A page speaks on it, and not a phone or a trunk; known even while its connection is lost.
    pub is_page: bool,
    /// The line of who takes a call that rings for another one, until it is his.
    pub picks_up_for: Option<String>,
    /// The phone the leg began with.
    pub phone: Option<Phone>,
    /// The trunk it goes by, if it does.
    pub trunk: Option<TrunkId>,
    pub sip_call_id: Option<String>,
    pub state: LegState,
    /// The phone holds the other party.
    pub held: bool,
    /// We hold the other party on its behalf.
    pub parked: bool,
    /// When its phone was first missed, until it has shown that it is back and still has the call.
    pub lost_at: Option<Instant>,
    /// Sound flows: ICE and DTLS are up.
    pub connected: bool,
    /// Nothing is heard of a phone or carrier that was heard before.
    pub silence: Option<Silence>,
    /// The caller's offer, until it is answered.
    pub offer: Option<String>,
    /// What a caller was answered who is not answered yet but hears the far side.
    pub early_answer: Option<String>,
    /// The description that a callee gave before its answer, and then of its answer while that waits for media.
    pub early_sdp: Option<String>,
    /// The leg that this one takes over from (the same user's phone after a reload).
    pub replaces: Option<LegId>,
}

/// What is known of a peer that sends nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// It was asked whether it still has the call.
    Asked,
    /// It does.
    Answers,
}

/// Where a leg is between SIP and media.
///
/// | state         | waits for                                         | then |
/// |---------------|---------------------------------------------------|------|
/// | `Incoming`    | the call's answer                                 | `Answering` |
/// | `Offering`    | media's offer                                     | `Inviting` |
/// | `Inviting`    | the phone's 200                                   | `Agreeing` |
/// | `Agreeing`    | media to take the phone's answer                  | `Up` |
/// | `Answering`   | media's answer to the caller's offer              | `Up` |
/// | `Up`          | –                                                 | `Reoffered` by the phone |
/// | `Reoffered`   | media's answer to a re-INVITE                     | `Up` |
/// | `LateOffering` | media's offer for a caller who sent none         | `LateAnswering` |
/// | `LateAnswering` | the answer in his ACK, and media to take it     | `Up` |
/// | `EarlyAgreeing` | media to take what came with a 183             | `EarlyUp` |
/// | `EarlyUp`     | the 200                                           | `Up` |
/// | `EarlyAnswering` | media's answer to a caller who is to hear that | `EarlyAnswered` |
/// | `EarlyAnswered` | the call's answer                               | `Up` |
/// | `Asked`       | media's offer for a re-INVITE without one         | `AskedAnswering` |
/// | `AskedAnswering` | the answer in its ACK, and media to take it    | `Up` |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LegState {
    Incoming,
    Offering,
    Inviting,
    Agreeing,
    Answering,
    Up,
    Reoffered,
    LateOffering,
    LateAnswering,
    Asked,
    AskedAnswering,
    EarlyAgreeing,
    EarlyUp,
    EarlyAnswering,
    EarlyAnswered,
}

impl LegState {
    /// Whether media is agreed, so that sounds can be heard.
    pub fn hears(self) -> bool {
        self.is_up() || self == LegState::EarlyAnswered
    }

    /// Whether a call that came in waits for its final response.
    pub fn is_unanswered(self) -> bool {
        use LegState::{Answering, EarlyAnswered, EarlyAnswering, Incoming, LateOffering};
        matches!(self, Incoming | Answering | LateOffering | EarlyAnswering | EarlyAnswered)
    }

    /// Whether the dialog is confirmed and media agreed.
    pub fn is_up(self) -> bool {
        matches!(self, LegState::Up | LegState::Reoffered | LegState::Asked | LegState::AskedAnswering)
    }
}

impl Call {
    /// A call that has grown out of no other.
    pub fn new(began: Began, now: Instant) -> Self {
        let Began { id, linked_id, phase, destination, caller, callee, caller_leg } = began;
        Call {
            id,
            linked_id,
            started_at: now,
            answered_at: None,
            phase,
            destination,
            caller,
            callee,
            caller_leg,
            branches: Vec::new(),
            codecs: Vec::new(),
            refused: None,
            variables: BTreeMap::new(),
            outward: None,
            tolls: Vec::new(),
            redirects: 0,
            home: id,
            payer: None,
            diverted: 0,
            is_other: false,
            recall: None,
            consults: None,
            merged: None,
            hops: None,
        }
    }

    /// `Max-Forwards` for an INVITE on the caller's behalf; a call of our own making has as many hops as any.
    pub fn hops_left(&self) -> Vec<(String, String)> {
        let left = self.hops.map(|hops| ("Max-Forwards".to_owned(), hops.saturating_sub(1).to_string()));
        left.into_iter().collect()
    }

    pub fn party(&self, side: Side) -> &Party {
        match side {
            Side::Caller => &self.caller,
            Side::Callee => &self.callee,
        }
    }

    pub fn party_mut(&mut self, side: Side) -> &mut Party {
        match side {
            Side::Caller => &mut self.caller,
            Side::Callee => &mut self.callee,
        }
    }

    /// Whether the line of `account` is taken by this call: from its beginning on the caller's side, from the
    /// first phone that is to ring on the other.
    pub fn engages(&self, account: &str) -> bool {
        let is = |party: &Party| party.account.as_deref() == Some(account);
        is(&self.caller) || is(&self.callee) && !self.branches.is_empty()
    }

    /// Whether a user takes part, or took.
    pub fn has(&self, user: UserId) -> bool {
        [&self.caller, &self.callee].iter().any(|party| party.user == Some(user))
    }

    /// The side that a user is on.
    pub fn side_of(&self, user: UserId) -> Option<Side> {
        [Side::Caller, Side::Callee].into_iter().find(|side| {
            let party = self.party(*side);
            party.user == Some(user) && party.is_live()
        })
    }

    /// The leg that carries the given side of a call that has been answered.
    pub fn leg_of(&self, side: Side) -> Option<LegId> {
        match side {
            Side::Caller => Some(self.caller_leg),
            Side::Callee => self.branches.first().copied(),
        }
    }
}

impl Side {
    pub fn other(self) -> Side {
        match self {
            Side::Caller => Side::Callee,
            Side::Callee => Side::Caller,
        }
    }
}
