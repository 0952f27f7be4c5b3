use sip::{Credentials, OutboundInvite};
use timing::Instant;

use super::{MOST_CALLS, Softphone};
use crate::call::{Call, CallDirection, CallEnd, CallState, Negotiation, PhoneCallId};
use crate::{Order, Refusal};

/// Wishes about calls.
impl Softphone {
    pub(super) fn dial(&mut self, number: &str, now: Instant) -> Result<(), Refusal> {
        let digits = number.strip_prefix('+').unwrap_or(number);
        let dialable = |c: char| c.is_ascii_digit() || matches!(c, '*' | '#');
        if digits.is_empty() || digits.len() > 32 || !digits.chars().all(dialable) {
            return Err(Refusal::NotANumber);
        }
        if !self.registered {
            return Err(Refusal::NotRegistered);
        }
        if self.calls.len() >= MOST_CALLS {
            return Err(Refusal::TooManyCalls);
        }
        if self
            .calls
            .values()
            .any(|call| matches!(call.face.state, CallState::Dialling | CallState::Alerting))
        {
            return Err(Refusal::WrongState);
        }
        self.hold_others(None);
        let face = self.face(CallDirection::Outgoing, number, None, CallState::Dialling, now);
        let id = self.add(Call::new(face, None, None, Negotiation::MakingOffer));
        self.orders.push_back(Order::CreateOffer { call: id });
        Ok(())
    }

    pub(super) fn invite(&mut self, id: PhoneCallId, sdp: String, now: Instant) {
        let (Some(flow), Some(account)) = (self.flow(), self.account.clone()) else {
            return self.end(id, CallEnd::NoResponse, now);
        };
        let Some(number) = self.calls.get(&id).map(|call| call.face.remote_user.clone()) else { return };
        let dialog = self.agent.invite(
            OutboundInvite {
                flow,
                target: format!("sip:{}@{}", number.replace('#', "%23"), account.domain),
                from_user: account.name.clone(),
                from_name: Some(account.display_name),
                from_host: account.domain.clone(),
                to_user: number,
                to_host: account.domain,
                sdp,
                auto_answer: false,
                headers: Vec::new(),
                credentials: Some(Credentials {
                    user: account.name,
                    password: account.password,
                    realm: None,
                }),
            },
            now,
        );
        let sip_call_id = self.agent.dialog(dialog).map(|info| info.sip_call_id.clone());
        self.change(id, |call| {
            call.dialog = Some(dialog);
            call.face.sip_call_id = sip_call_id;
            call.negotiation = Negotiation::OfferSent;
        });
    }

    pub(super) fn answer(&mut self, id: PhoneCallId, now: Instant) -> Result<(), Refusal> {
        let call = self.calls.get(&id).ok_or(Refusal::NoSuchCall)?;
        if call.face.state != CallState::Ringing {
            return Err(Refusal::WrongState);
        }
        let offer = call.offer.clone().ok_or(Refusal::WrongState)?;
        self.hold_others(Some(id));
        self.change(id, |call| {
            call.negotiation = Negotiation::MakingAnswer;
            call.enter(CallState::Connecting, now);
        });
        self.orders.push_back(Order::CreateAnswer { call: id, offer });
        Ok(())
    }

    pub(super) fn decline(&mut self, id: PhoneCallId, now: Instant) -> Result<(), Refusal> {
        let call = self.calls.get(&id).ok_or(Refusal::NoSuchCall)?;
        match (call.face.state, call.dialog) {
            (CallState::Ringing, Some(dialog)) => self.agent.refuse(dialog, 603, None, now),
            _ => return Err(Refusal::WrongState),
        }
        self.forget(id, CallEnd::HungUp);
        Ok(())
    }

    pub(super) fn hang_up(&mut self, id: PhoneCallId, now: Instant) -> Result<(), Refusal> {
        if !self.calls.contains_key(&id) {
            return Err(Refusal::NoSuchCall);
        }
        self.end(id, CallEnd::HungUp, now);
        Ok(())
    }

    pub(super) fn want_held(&mut self, id: PhoneCallId, hold: bool) -> Result<(), Refusal> {
        let call = self.calls.get(&id).ok_or(Refusal::NoSuchCall)?;
        if !call.is_answered() {
            return Err(Refusal::WrongState);
        }
        if !hold {
            self.hold_others(Some(id));
        }
        self.change(id, |call| call.want_held = hold);
        self.update_microphone(id);
        self.negotiate(id);
        Ok(())
    }

    pub(super) fn hold_others(&mut self, but: Option<PhoneCallId>) {
        let live = self.calls.iter().filter(|(id, call)| Some(**id) != but && call.is_live());
        for id in live.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.change(id, |call| call.want_held = true);
            self.update_microphone(id);
            self.negotiate(id);
        }
    }

    pub(super) fn mute(&mut self, id: PhoneCallId, on: bool) -> Result<(), Refusal> {
        if !self.calls.contains_key(&id) {
            return Err(Refusal::NoSuchCall);
        }
        self.change(id, |call| call.face.muted = on);
        self.update_microphone(id);
        Ok(())
    }

    pub(super) fn send_dtmf(&mut self, id: PhoneCallId, key: char) -> Result<(), Refusal> {
        let call = self.calls.get(&id).ok_or(Refusal::NoSuchCall)?;
        if !matches!(key, '0'..='9' | '*' | '#' | 'A'..='D') {
            return Err(Refusal::NotAKey);
        }
        if call.face.state != CallState::Established {
            return Err(Refusal::WrongState);
        }
        self.orders.push_back(Order::SendTone { call: id, key });
        Ok(())
    }
}
