use crate::card::{CardState, Waiting};

/// Whether something can be clicked. What cannot stays in place and says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    refusal: Option<Refusal>,
}

impl Control {
    /// It can be clicked.
    pub const FREE: Control = Control { refusal: None };

    pub(crate) const fn refused(refusal: Refusal) -> Self {
        Control { refusal: Some(refusal) }
    }

    /// Whether it can be clicked.
    pub const fn enabled(self) -> bool {
        self.refusal.is_none()
    }

    /// Why it cannot, as a sentence; empty if it can.
    pub const fn reason(self) -> &'static str {
        match self.refusal {
            Some(refusal) => refusal.text(),
            None => "",
        }
    }

    pub(crate) fn check(self) -> Result<(), Refusal> {
        self.refusal.map_or(Ok(()), Err)
    }
}

/// Why a click does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody is signed in.
    SignedOut,
    /// The call is over.
    NoSuchCall,
    /// The line is not registered.
    PhoneLost,
    /// There is no line, or it is a desk phone.
    NoBrowserLine,
    /// The CTI socket is down, and this click needs it.
    EventsLost,
    /// The page is neither HTTPS nor localhost.
    InsecurePage,
    /// Answer and Decline need a ringing call.
    NotRinging,
    /// The call rings here: Answer or Decline it.
    Ringing,
    /// Hold needs an answered call.
    NotAnswered,
    /// The keypad needs a call that is not on hold.
    Held,
    /// The last click is not settled.
    Waiting,
    /// Only the tab with the phone has a microphone.
    OtherTab,
    /// Two calls are running.
    TwoCalls,
    /// An outgoing call has not been answered yet.
    Dialling,
    /// Nothing was typed.
    NoNumber,
    /// What was typed cannot be dialled.
    NotANumber,
    /// Not a key of a telephone.
    NotAKey,
    /// The other tab is talking.
    OtherTabTalks,
    /// This tab has the phone.
    HasThePhone,
}

impl Refusal {
    /// The reason, as a sentence.
    pub const fn text(self) -> &'static str {
        match self {
            Refusal::SignedOut => "Sign in first.",
            Refusal::NoSuchCall => "This call is over.",
            Refusal::PhoneLost => "The phone is not connected.",
            Refusal::NoBrowserLine => "You have no phone in the browser.",
            Refusal::EventsLost => "The server cannot be reached right now.",
            Refusal::InsecurePage => "Open this page with https:// to make calls.",
            Refusal::NotRinging => "The call is not ringing here.",
            Refusal::Ringing => "Answer or decline the incoming call first.",
            Refusal::NotAnswered => "The call is not answered yet.",
            Refusal::Held => "The call is on hold. Resume it first.",
            Refusal::Waiting => "Waiting for the server.",
            Refusal::OtherTab => "The phone is in another tab.",
            Refusal::TwoCalls => "Two calls are running. End one first.",
            Refusal::Dialling => "A call is being made.",
            Refusal::NoNumber => "Type a number.",
            Refusal::NotANumber => "Only digits, * and #, with a + in front if needed, can be dialled.",
            Refusal::NotAKey => "Only 0 to 9, *, # and A to D can be sent.",
            Refusal::OtherTabTalks => "The other tab has a call. End that call first.",
            Refusal::HasThePhone => "The phone is in this tab.",
        }
    }
}

/// What can be clicked on one call card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Controls {
    /// Answer.
    pub answer: Control,
    /// Decline.
    pub decline: Control,
    /// Mute, unmute.
    pub mute: Control,
    /// Hold, resume.
    pub hold: Control,
    /// The keypad.
    pub keypad: Control,
    /// End.
    pub end: Control,
}

/// What the rules look at besides the call's state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// The sound of the call is in this tab.
    pub here: bool,
    pub phone_up: bool,
    pub events_up: bool,
    pub waiting: Option<Waiting>,
}

/// | control | ringing | dialling, alerting | connecting | on call | on hold |
/// |---|---|---|---|---|---|
/// | Answer, Decline | yes | – | – | – | – |
/// | Mute | yes (kept) | yes | yes | yes | yes (kept) |
/// | Hold | – | – | – | yes | yes (resumes) |
/// | Keypad | – | – | – | yes | – |
/// | End | – | yes | yes | yes | yes |
///
/// In the tab with the phone Answer, Hold and Resume need the registration, End and Mute need nothing, and keys go
/// with the sound. A mirror asks the server, so it needs the events; it cannot mute, as it would not know the result.
pub(crate) fn controls(state: CardState, at: Circumstances) -> Controls {
    use CardState::{Alerting, Connecting, Dialling, OnCall, OnHold, Ringing};

    let reach = match (at.here, at.phone_up, at.events_up) {
        (true, true, _) | (false, _, true) => Control::FREE,
        (true, false, _) => Control::refused(Refusal::PhoneLost),
        (false, _, false) => Control::refused(Refusal::EventsLost),
    };
    let ready = if at.waiting.is_some() { Control::refused(Refusal::Waiting) } else { reach };
    let ringing = if state == Ringing { ready } else { Control::refused(Refusal::NotRinging) };
    let unanswered = Control::refused(if state == Ringing { Refusal::Ringing } else { Refusal::NotAnswered });
    let local = if at.here { Control::FREE } else { reach };
    Controls {
        answer: ringing,
        decline: ringing,
        mute: if at.here { Control::FREE } else { Control::refused(Refusal::OtherTab) },
        hold: match state {
            OnCall | OnHold => ready,
            Ringing | Dialling | Alerting | Connecting => unanswered,
        },
        keypad: match state {
            OnHold => Control::refused(Refusal::Held),
            OnCall if at.waiting.is_some() => Control::refused(Refusal::Waiting),
            OnCall => local,
            Ringing | Dialling | Alerting | Connecting => unanswered,
        },
        end: match state {
            Ringing => Control::refused(Refusal::Ringing),
            Dialling | Alerting | Connecting | OnCall | OnHold if at.waiting == Some(Waiting::End) => {
                Control::refused(Refusal::Waiting)
            }
            Dialling | Alerting | Connecting | OnCall | OnHold => local,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CardState::*;

    const STATES: [CardState; 6] = [Ringing, Dialling, Alerting, Connecting, OnCall, OnHold];
    const TALKING: Circumstances =
        Circumstances { here: true, phone_up: true, events_up: true, waiting: None };

    fn enabled(at: Circumstances, pick: fn(&Controls) -> Control) -> Vec<CardState> {
        STATES.into_iter().filter(|state| pick(&controls(*state, at)).enabled()).collect()
    }

    #[test]
    fn each_control_has_its_states() {
        assert_eq!(enabled(TALKING, |c| c.answer), [Ringing]);
        assert_eq!(enabled(TALKING, |c| c.decline), [Ringing]);
        assert_eq!(enabled(TALKING, |c| c.mute), STATES);
        assert_eq!(enabled(TALKING, |c| c.hold), [OnCall, OnHold]);
        assert_eq!(enabled(TALKING, |c| c.keypad), [OnCall]);
        assert_eq!(enabled(TALKING, |c| c.end), [Dialling, Alerting, Connecting, OnCall, OnHold]);
    }

    #[test]
    fn without_registration_a_call_can_still_be_muted_and_ended() {
        let lost = Circumstances { phone_up: false, ..TALKING };
        assert_eq!(controls(OnCall, lost).hold.reason(), Refusal::PhoneLost.text());
        assert!(controls(OnCall, lost).mute.enabled());
        assert!(controls(OnCall, lost).end.enabled());
        assert!(!controls(Ringing, lost).answer.enabled());
    }

    #[test]
    fn a_mirror_needs_the_events_and_cannot_mute() {
        let mirror = Circumstances { here: false, phone_up: false, ..TALKING };
        assert!(controls(OnCall, mirror).hold.enabled());
        assert_eq!(controls(OnCall, mirror).mute.reason(), Refusal::OtherTab.text());
        let dark = Circumstances { events_up: false, ..mirror };
        assert_eq!(enabled(dark, |c| c.end), []);
    }

    #[test]
    fn what_is_not_settled_is_not_clicked_twice() {
        let waiting = Circumstances { waiting: Some(Waiting::Hold), ..TALKING };
        assert_eq!(controls(OnCall, waiting).hold.reason(), Refusal::Waiting.text());
        assert!(controls(OnCall, waiting).end.enabled(), "a call can always be ended");
    }
}
