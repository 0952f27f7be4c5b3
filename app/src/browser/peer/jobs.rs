use std::rc::Rc;

use softphone::{Direction, MediaFailure};
use timing::Duration;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    RtcIceGatheringState, RtcOfferOptions, RtcPeerConnectionState, RtcRtpTransceiver,
    RtcRtpTransceiverDirection, RtcSdpType, RtcSessionDescriptionInit,
};

use super::{Inner, Job, PeerEvent, work};
use crate::browser::clock::sleep;
use crate::browser::levels::Ear;
use crate::browser::microphone::{Microphone, MicrophoneEvent};

/// The server's candidates stand in its description, and ours are learnt from our checks (RFC 8445 §7.3.1.3): waiting
/// for all of them would only make people wait.
const GATHERING_LIMIT: Duration = Duration::from_millis(500);

impl Inner {
    pub(super) async fn run(self: &Rc<Self>, job: Job) -> Result<(), MediaFailure> {
        match job {
            Job::Offer => {
                self.open_microphone().await?;
                self.describe(self.connection.create_offer()).await
            }
            Job::Answer { offer } => {
                self.open_microphone().await?;
                self.set_remote(RtcSdpType::Offer, &offer).await?;
                self.describe(self.connection.create_answer()).await
            }
            Job::SetAnswer { answer, provisional } => {
                let kind = if provisional { RtcSdpType::Pranswer } else { RtcSdpType::Answer };
                // A final answer may repeat a provisional one that settled the matter.
                if self.connection.signaling_state() == web_sys::RtcSignalingState::Stable {
                    return Ok(());
                }
                self.set_remote(kind, &answer).await?;
                // A path that held all the while changes no state that the browser would tell of.
                if self.connection.connection_state() == RtcPeerConnectionState::Connected {
                    (self.say)(PeerEvent::Up);
                }
                Ok(())
            }
            Job::Reoffer { direction, restart_ice } => {
                self.set_direction(direction);
                let options = RtcOfferOptions::new();
                options.set_ice_restart(restart_ice);
                self.describe(self.connection.create_offer_with_rtc_offer_options(&options)).await
            }
            Job::RollBack => {
                if self.connection.signaling_state() == web_sys::RtcSignalingState::HaveLocalOffer {
                    let back = RtcSessionDescriptionInit::new(RtcSdpType::Rollback);
                    done(self.connection.set_local_description(&back)).await?;
                }
                Ok(())
            }
            Job::AnswerReoffer { offer, direction } => {
                self.set_remote(RtcSdpType::Offer, &offer).await?;
                self.set_direction(direction);
                self.describe(self.connection.create_answer()).await
            }
            Job::OtherMicrophone => {
                match self.replace_microphone().await {
                    Ok(label) => (self.say)(PeerEvent::MicrophoneChanged { label }),
                    Err(failure) if !self.closed.get() => (self.say)(PeerEvent::MicrophoneLost(failure)),
                    Err(_) => {}
                }
                Ok(())
            }
        }
    }

    async fn open_microphone(self: &Rc<Self>) -> Result<(), MediaFailure> {
        if self.microphone.borrow().is_some() {
            return Ok(());
        }
        (self.say)(PeerEvent::MicrophoneAsked);
        let microphone = Microphone::open().await?;
        if self.closed.get() {
            return Ok(());
        }
        let sender = self.connection.add_track_0(microphone.track(), microphone.stream());
        self.sender.replace(Some(sender));
        self.keep(microphone);
        (self.say)(PeerEvent::MicrophoneOpen);
        Ok(())
    }

    /// Puts another microphone in the place of the one that is gone; gives its name.
    async fn replace_microphone(self: &Rc<Self>) -> Result<String, MediaFailure> {
        let microphone = Microphone::open().await?;
        let sender = self.sender.borrow().clone();
        if let Some(sender) = sender {
            done(sender.replace_track(Some(microphone.track()))).await?;
        }
        let label = microphone.track().label();
        self.keep(microphone);
        Ok(label)
    }

    fn keep(self: &Rc<Self>, microphone: Microphone) {
        if self.closed.get() {
            return;
        }
        microphone.track().set_enabled(self.microphone_on.get());
        let weak = Rc::downgrade(self);
        let watch = microphone.watch(move |event| {
            if let Some(inner) = weak.upgrade() {
                inner.microphone_says(event);
            }
        });
        self.ears.borrow_mut().0 = Ear::new(microphone.stream());
        // The old watch goes before the old microphone, whose end is no news any more.
        self.watch.replace(Some(watch));
        self.microphone.replace(Some(microphone));
    }

    fn microphone_says(self: &Rc<Self>, event: MicrophoneEvent) {
        match event {
            // Pulled out while we talk: take what the browser has instead.
            MicrophoneEvent::Ended => {
                self.jobs.borrow_mut().push_back(Job::OtherMicrophone);
                work(self);
            }
            MicrophoneEvent::Silent(true) => (self.say)(PeerEvent::MicrophoneSilent),
            MicrophoneEvent::Silent(false) => (self.say)(PeerEvent::MicrophoneOpen),
        }
    }

    fn set_direction(&self, direction: Direction) {
        let direction = match direction {
            Direction::SendRecv => RtcRtpTransceiverDirection::Sendrecv,
            Direction::SendOnly => RtcRtpTransceiverDirection::Sendonly,
            Direction::RecvOnly => RtcRtpTransceiverDirection::Recvonly,
            Direction::Inactive => RtcRtpTransceiverDirection::Inactive,
        };
        for transceiver in self.connection.get_transceivers() {
            if let Ok(transceiver) = transceiver.dyn_into::<RtcRtpTransceiver>() {
                transceiver.set_direction(direction);
            }
        }
    }

    async fn set_remote(&self, kind: RtcSdpType, sdp: &str) -> Result<(), MediaFailure> {
        let description = RtcSessionDescriptionInit::new(kind);
        description.set_sdp(sdp);
        done(self.connection.set_remote_description(&description)).await
    }

    /// Takes what was made as the local description, and tells it with the candidates found in time.
    async fn describe(&self, made: js_sys::Promise) -> Result<(), MediaFailure> {
        let made = JsFuture::from(made).await.map_err(|_| MediaFailure::Negotiation)?;
        done(self.connection.set_local_description(made.unchecked_ref())).await?;
        let step = Duration::from_millis(20);
        let mut waited = Duration::ZERO;
        while waited < GATHERING_LIMIT
            && !self.closed.get()
            && self.connection.ice_gathering_state() != RtcIceGatheringState::Complete
        {
            sleep(step).await;
            waited += step;
        }
        let description = self.connection.local_description().ok_or(MediaFailure::Negotiation)?;
        if !self.closed.get() {
            (self.say)(PeerEvent::Described(description.sdp()));
        }
        Ok(())
    }
}

async fn done(promise: js_sys::Promise) -> Result<(), MediaFailure> {
    JsFuture::from(promise).await.map(drop).map_err(|_| MediaFailure::Negotiation)
}
