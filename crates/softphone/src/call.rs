use sip::DialogId;
use timing::Instant;

use crate::sdp::Direction;

/// One call of this phone; never used twice in one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneCallId(pub u64);

/// Who called whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallDirection {
    /// They called us.
    Incoming,
    /// We called them.
    Outgoing,
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    /// Outgoing; nobody rings yet.
    Dialling,
    /// Outgoing; their phone rings (180 or 183).
    Alerting,
    /// Incoming; our phone rings.
    Ringing,
    /// Answered by us, not yet confirmed by the other side.
    Connecting,
    /// Both sides can talk.
    Established,
    /// We put it on hold.
    Held,
}

/// What was asked for and is not settled yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// The browser makes the answer.
    Answer,
    /// The hold is on its way.
    Hold,
    /// The resume is on its way.
    Resume,
}

/// What the browser says about the sound's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaState {
    /// ICE or DTLS is under way.
    Connecting,
    /// Sound can flow.
    Up,
    /// The path is gone.
    Lost,
}

/// Why the browser could not give a call its sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaFailure {
    /// The person or a policy refused the microphone (`NotAllowedError`).
    MicrophoneRefused,
    /// There is no microphone (`NotFoundError`).
    MicrophoneMissing,
    /// Another program holds it (`NotReadableError`).
    MicrophoneBusy,
    /// The page is neither HTTPS nor localhost, so browsers give no microphone.
    InsecurePage,
    /// The session description was not accepted, or could not be made.
    Negotiation,
}

/// Why a call is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// We hung up, gave up or declined.
    HungUp,
    /// They hung up after the answer.
    RemoteHungUp,
    /// They gave up before the answer.
    Cancelled,
    /// Another phone of ours took it.
    AnsweredElsewhere,
    /// They refused with this SIP status.
    Refused(u16),
    /// Nothing came back.
    NoResponse,
    /// There was no sound to be had.
    MediaFailed(MediaFailure),
}

/// A call as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneCall {
    /// Which one.
    pub id: PhoneCallId,
    /// Call-ID of its SIP dialog; none before the INVITE is out.
    pub sip_call_id: Option<String>,
    /// Who called whom.
    pub direction: CallDirection,
    /// User part of the other side's address: mostly a number.
    pub remote_user: String,
    /// The other side's display name, as it gave it. Untrusted text.
    pub remote_name: Option<String>,
    /// Where it stands.
    pub state: CallState,
    /// When that state began.
    pub since: Instant,
    /// When the call began.
    pub started: Instant,
    /// When it was answered.
    pub answered: Option<Instant>,
    /// What is asked for and not settled.
    pub pending: Option<Pending>,
    /// Whether the microphone was switched off for this call.
    pub muted: bool,
    /// Whether the other side has put us on hold.
    pub remote_held: bool,
    /// Whether the server asked us to answer by ourselves.
    pub auto_answer: bool,
    /// The sound's path.
    pub media: MediaState,
}

impl PhoneCall {
    /// Whether the two sides have met.
    pub fn is_answered(&self) -> bool {
        matches!(self.state, CallState::Established | CallState::Held)
    }
}

/// A call with what only the phone itself needs to know.
#[derive(Debug)]
pub(crate) struct Call {
    pub face: PhoneCall,
    pub dialog: Option<DialogId>,
    pub negotiation: Negotiation,
    /// The remote offer of an incoming call, until it is answered.
    pub offer: Option<String>,
    /// What the person wants; `held` is what both sides agreed on.
    pub want_held: bool,
    pub held: bool,
    /// The dialog moved to a new flow, or the path was lost: an offer has to go out even if nothing else changed.
    pub want_refresh: bool,
    /// That offer restarts ICE even if the browser has not noticed yet that the path is gone.
    pub want_restart: bool,
    /// What the browser was last told about the microphone.
    pub microphone_on: bool,
}

/// The offer/answer exchange in progress (RFC 3264 §4: at most one).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Negotiation {
    Idle,
    /// The browser makes the first offer.
    MakingOffer,
    /// The INVITE is out.
    OfferSent,
    /// The browser makes the first answer.
    MakingAnswer,
    /// The browser makes a new offer.
    MakingReoffer(Reoffer),
    /// The re-INVITE is out.
    ReofferSent(Reoffer),
    /// The browser answers their new offer.
    MakingReanswer,
}

/// What a new offer of ours is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reoffer {
    pub hold: bool,
    pub restart_ice: bool,
}

impl Call {
    pub fn new(
        face: PhoneCall,
        dialog: Option<DialogId>,
        offer: Option<String>,
        negotiation: Negotiation,
    ) -> Self {
        Call {
            face,
            dialog,
            negotiation,
            offer,
            want_held: false,
            held: false,
            want_refresh: false,
            want_restart: false,
            microphone_on: true,
        }
    }

    pub fn enter(&mut self, state: CallState, now: Instant) {
        if self.face.state != state {
            self.face.state = state;
            self.face.since = now;
        }
    }

    pub fn is_answered(&self) -> bool {
        self.face.is_answered()
    }

    /// Whether the call is still there after its socket has gone: our answer is out, or theirs is in.
    pub fn outlives_its_socket(&self) -> bool {
        match self.face.state {
            CallState::Dialling | CallState::Alerting | CallState::Ringing => false,
            CallState::Connecting => self.negotiation != Negotiation::MakingAnswer,
            CallState::Established | CallState::Held => true,
        }
    }

    /// Whether a person hears this call now, or will when its answer is through.
    pub fn is_live(&self) -> bool {
        matches!(self.face.state, CallState::Connecting | CallState::Established) && !self.want_held
    }

    pub fn may_speak(&self) -> bool {
        !self.face.muted && !self.want_held && !self.held
    }

    pub fn direction(&self) -> Direction {
        if self.want_held { Direction::SendOnly } else { Direction::SendRecv }
    }

    /// What shows as pending, from what is wanted and what is agreed.
    pub fn show_pending(&mut self) {
        self.face.pending = match (self.face.state, self.want_held, self.held) {
            (CallState::Connecting, ..) => Some(Pending::Answer),
            (_, true, false) => Some(Pending::Hold),
            (_, false, true) => Some(Pending::Resume),
            _ => None,
        };
    }
}
