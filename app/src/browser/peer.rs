mod jobs;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use softphone::{Direction, MediaFailure, PhoneCallId};
use timing::Duration;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    RtcConfiguration, RtcIceServer, RtcPeerConnection, RtcPeerConnectionState, RtcRtpSender, RtcTrackEvent,
};

use super::clock::sleep;
use super::levels::Ear;
use super::microphone::{Microphone, Watch};
use super::sound::{RemoteSound, play};
use super::spawn_local;

/// Short interruptions mend themselves.
const PATIENCE: Duration = Duration::from_secs(2);
/// The length of a key's tone and the pause after it, in milliseconds.
const TONE: u32 = 120;
const PAUSE: u32 = 70;

/// What a peer connection says.
pub(crate) enum PeerEvent {
    /// The local description that was asked for, candidates included.
    Described(String),
    /// What was asked for could not be done.
    Failed(MediaFailure),
    /// The browser is asked for the microphone, and may ask the person.
    MicrophoneAsked,
    /// The microphone is open, or gives sound again.
    MicrophoneOpen,
    /// It was taken away, and this one is in its place.
    MicrophoneChanged {
        /// The device's name; empty if the browser does not tell.
        label: String,
    },
    /// It was taken away, and no other could be opened; the connection stays.
    MicrophoneLost(MediaFailure),
    /// It is there, and gives nothing.
    MicrophoneSilent,
    /// Sound can flow.
    Up,
    /// The path is gone.
    Lost,
    /// The key cannot be sent as sound.
    ToneFailed(char),
    /// Whether the browser keeps the remote sound silent.
    Blocked(bool),
}

/// STUN and TURN servers, as the browser takes them.
#[derive(Clone, Default)]
pub(crate) struct IceServers(Vec<RtcIceServer>);

impl IceServers {
    pub fn new(config: &cti::IceConfig) -> Self {
        let mut servers = Vec::new();
        if let Some(stun) = &config.stun {
            servers.push(ice_server(&stun.urls));
        }
        if let Some(turn) = &config.turn {
            let server = ice_server(&turn.urls);
            server.set_username(&turn.username);
            server.set_credential(&turn.credential);
            servers.push(server);
        }
        IceServers(servers)
    }
}

fn ice_server(urls: &[String]) -> RtcIceServer {
    let server = RtcIceServer::new();
    server.set_urls(&urls.iter().map(JsValue::from).collect::<js_sys::Array>());
    server
}

/// The peer connection of one call. Jobs are done one after another; dropping it closes everything.
pub(crate) struct Peer {
    inner: Rc<Inner>,
}

enum Job {
    Offer,
    Answer { offer: String },
    SetAnswer { answer: String, provisional: bool },
    Reoffer { direction: Direction, restart_ice: bool },
    RollBack,
    AnswerReoffer { offer: String, direction: Direction },
    OtherMicrophone,
}

struct Inner {
    call: PhoneCallId,
    connection: RtcPeerConnection,
    say: Box<dyn Fn(PeerEvent)>,
    jobs: RefCell<VecDeque<Job>>,
    at_work: Cell<bool>,
    closed: Cell<bool>,
    microphone_on: Cell<bool>,
    microphone: RefCell<Option<Microphone>>,
    watch: RefCell<Option<Watch>>,
    sender: RefCell<Option<RtcRtpSender>>,
    sound: RefCell<Option<RemoteSound>>,
    ears: RefCell<(Option<Ear>, Option<Ear>)>,
    closures: RefCell<Option<Closures>>,
}

type Closures = (Closure<dyn FnMut(RtcTrackEvent)>, Closure<dyn FnMut()>);

impl Peer {
    /// A peer connection for this call; none where the browser has no WebRTC.
    pub fn new(call: PhoneCallId, servers: &IceServers, say: impl Fn(PeerEvent) + 'static) -> Option<Peer> {
        let configuration = RtcConfiguration::new();
        configuration.set_ice_servers(&servers.0.iter().collect::<js_sys::Array>());
        let connection = RtcPeerConnection::new_with_configuration(&configuration).ok()?;
        let inner = Rc::new(Inner {
            call,
            connection,
            say: Box::new(say),
            jobs: RefCell::default(),
            at_work: Cell::new(false),
            closed: Cell::new(false),
            microphone_on: Cell::new(true),
            microphone: RefCell::new(None),
            watch: RefCell::new(None),
            sender: RefCell::new(None),
            sound: RefCell::new(None),
            ears: RefCell::default(),
            closures: RefCell::new(None),
        });
        listen(&inner);
        Some(Peer { inner })
    }

    pub fn offer(&self) {
        self.job(Job::Offer);
    }

    pub fn answer(&self, offer: String) {
        self.job(Job::Answer { offer });
    }

    pub fn set_answer(&self, answer: String, provisional: bool) {
        self.job(Job::SetAnswer { answer, provisional });
    }

    pub fn reoffer(&self, direction: Direction, restart_ice: bool) {
        self.job(Job::Reoffer { direction, restart_ice });
    }

    pub fn roll_back(&self) {
        self.job(Job::RollBack);
    }

    pub fn answer_reoffer(&self, offer: String, direction: Direction) {
        self.job(Job::AnswerReoffer { offer, direction });
    }

    /// Lets the microphone through or silences it; at once, whatever else is going on.
    pub fn set_microphone(&self, on: bool) {
        self.inner.microphone_on.set(on);
        if let Some(microphone) = &*self.inner.microphone.borrow() {
            microphone.track().set_enabled(on);
        }
    }

    /// Opens another microphone in the place of one that was taken away.
    pub fn reopen_microphone(&self) {
        self.job(Job::OtherMicrophone);
    }

    /// Sends a key by RFC 4733.
    pub fn send_tone(&self, key: char) {
        let dtmf = self.inner.sender.borrow().as_ref().and_then(RtcRtpSender::dtmf);
        match dtmf {
            // What is still being sent goes on; the list is replaced by what is left and the new key.
            Some(dtmf) if can_send(&dtmf) => {
                let keys = format!("{}{key}", dtmf.tone_buffer());
                dtmf.insert_dtmf_with_duration_and_inter_tone_gap(&keys, TONE, PAUSE);
            }
            _ => (self.inner.say)(PeerEvent::ToneFailed(key)),
        }
    }

    /// How loud we and the other side are, each from 0 to 1.
    pub fn levels(&self) -> (f32, f32) {
        let level = |ear: &Option<Ear>| ear.as_ref().map_or(0.0, Ear::level);
        let ears = self.inner.ears.borrow();
        (level(&ears.0), level(&ears.1))
    }

    /// The same as plain root mean squares, with the spectra of both in decibels.
    pub fn hear(&self, sent: &mut [f32], returned: &mut [f32]) -> (f32, f32) {
        let hear = |ear: &Option<Ear>, bins: &mut [f32]| match ear {
            Some(ear) => {
                ear.spectrum(bins);
                ear.rms()
            }
            None => {
                bins.fill(f32::NEG_INFINITY);
                0.0
            }
        };
        let ears = self.inner.ears.borrow();
        (hear(&ears.0, sent), hear(&ears.1, returned))
    }

    /// The browser's statistics of this connection.
    pub fn stats(&self) -> impl Future<Output = Option<js_sys::Map>> + use<> {
        let report = self.inner.connection.get_stats();
        async move { JsFuture::from(report).await.ok().map(JsCast::unchecked_into) }
    }

    fn job(&self, job: Job) {
        self.inner.jobs.borrow_mut().push_back(job);
        work(&self.inner);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let inner = &self.inner;
        inner.closed.set(true);
        inner.jobs.borrow_mut().clear();
        inner.connection.set_ontrack(None);
        inner.connection.set_onconnectionstatechange(None);
        inner.connection.close();
        inner.ears.take();
        inner.sound.take();
        inner.sender.take();
        inner.watch.take();
        inner.microphone.take();
        inner.closures.take();
    }
}

/// `canInsertDTMF` is younger than the sender itself; a browser without it is given the key.
fn can_send(dtmf: &web_sys::RtcdtmfSender) -> bool {
    js_sys::Reflect::get(dtmf, &"canInsertDTMF".into()).ok().and_then(|can| can.as_bool()).unwrap_or(true)
}

fn work(inner: &Rc<Inner>) {
    if inner.at_work.replace(true) {
        return;
    }
    let inner = inner.clone();
    spawn_local(async move {
        while let Some(job) = next_job(&inner) {
            let failure = inner.run(job).await.err();
            if inner.closed.get() {
                break;
            }
            if let Some(failure) = failure {
                (inner.say)(PeerEvent::Failed(failure));
            }
        }
        inner.at_work.set(false);
    });
}

fn next_job(inner: &Inner) -> Option<Job> {
    inner.jobs.borrow_mut().pop_front()
}

fn listen(inner: &Rc<Inner>) {
    let weak = Rc::downgrade(inner);
    let on_track: Closure<dyn FnMut(RtcTrackEvent)> = Closure::new(move |event: RtcTrackEvent| {
        if let Some(inner) = weak.upgrade() {
            hear(&inner, &event);
        }
    });
    let weak = Rc::downgrade(inner);
    let on_state: Closure<dyn FnMut()> = Closure::new(move || {
        if let Some(inner) = weak.upgrade() {
            state_changed(&inner);
        }
    });
    inner.connection.set_ontrack(Some(on_track.as_ref().unchecked_ref()));
    inner.connection.set_onconnectionstatechange(Some(on_state.as_ref().unchecked_ref()));
    inner.closures.replace(Some((on_track, on_state)));
}

fn state_changed(inner: &Rc<Inner>) {
    match inner.connection.connection_state() {
        RtcPeerConnectionState::Connected => (inner.say)(PeerEvent::Up),
        RtcPeerConnectionState::Failed => (inner.say)(PeerEvent::Lost),
        RtcPeerConnectionState::Disconnected => {
            let inner = inner.clone();
            spawn_local(async move {
                sleep(PATIENCE).await;
                let still = inner.connection.connection_state() == RtcPeerConnectionState::Disconnected;
                if still && !inner.closed.get() {
                    (inner.say)(PeerEvent::Lost);
                }
            });
        }
        _ => {}
    }
}

fn hear(inner: &Rc<Inner>, event: &RtcTrackEvent) {
    let stream = match event.streams().get(0).dyn_into::<web_sys::MediaStream>() {
        Ok(stream) => stream,
        Err(_) => match web_sys::MediaStream::new_with_tracks(&js_sys::Array::of1(&event.track())) {
            Ok(stream) => stream,
            Err(_) => return,
        },
    };
    let Some(sound) = RemoteSound::new(&inner.call.0.to_string(), &stream) else { return };
    let element = sound.element().clone();
    inner.sound.replace(Some(sound));
    inner.ears.borrow_mut().1 = Ear::new(&stream);
    let inner = inner.clone();
    spawn_local(async move {
        let plays = play(&element).await;
        if !inner.closed.get() {
            (inner.say)(PeerEvent::Blocked(!plays));
        }
    });
}
