//! The legs of one worker, the ways they are joined, and who gets which datagram.

mod demux;
mod joins;
mod mixer;
mod rtp;
mod studio;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;
use timing::{Deadline, Instant, Timers};

use crate::codec::CodecPreference;
use crate::ear::Ear;
use crate::fact::Fact;
use crate::leg::{AnyLeg, BrowserLeg, Certificate, Frame, Fresh, Keypad, Leg as _, Output, Shared};
use crate::order::{LegId, Order, Style, Transmit};
use crate::sdp::{Direction, Unsupported};
use crate::voice::Voice;
use demux::{Addressed, Demux};
use joins::Join;
pub use rtp::RtpConfig;
use rtp::RtpPorts;
use studio::Studio;

/// RFC 8839 §5.4 asks for at least 4 and 22 characters; of 6 bits each.
const UFRAG_LEN: usize = 12;
const PASSWORD_LEN: usize = 32;

/// What a plane needs to know at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// The addresses we advertise, the default one first. Datagrams are handed in with one of these as `local`.
    pub candidates: Vec<SocketAddr>,
    /// The moment that [`Instant::ORIGIN`] stands for.
    pub epoch: std::time::Instant,
    /// Our DTLS certificate, one for all planes.
    pub certificate: Certificate,
    /// Secret randomness for ICE passwords and the first RTP sequence numbers; another for each plane.
    pub seed: [u8; 32],
}

/// The legs and bridges of one worker.
///
/// Orders, datagrams and time go in by `handle_*`; after each, take out all that `poll_*` gives.
pub struct Plane {
    shared: Arc<Shared>,
    random: ChaCha20Rng,
    legs: BTreeMap<LegId, Slot>,
    demux: Demux,
    rtp: RtpPorts,
    timers: Timers<Task>,
    studio: Studio,
    facts: VecDeque<Fact>,
    transmits: VecDeque<Transmit>,
    /// Frames that have been received and not yet passed on; empty between calls.
    frames: VecDeque<(LegId, Frame)>,
}

/// A leg, what it is joined to, and what that takes.
struct Slot {
    leg: AnyLeg,
    join: Join,
    gate_open: bool,
    /// Where its sound has to be decoded, and where what it hears has to be encoded.
    ear: Option<Box<Ear>>,
    voice: Option<Box<Voice>>,
    /// Keys for a peer that takes no telephone events: they are heard as tones.
    keypad: Keypad,
    /// How many steps of its sound have been played to it, and how many frames of any kind were made for it.
    played: u64,
    made: u64,
    /// How many steps of a mix it has said nothing in.
    quiet: u32,
}

/// What there is a time for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Leg(LegId),
    /// The next 20 ms of what is made here.
    Step,
}

impl Plane {
    /// An empty plane.
    pub fn new(config: Config) -> Self {
        Plane {
            shared: Arc::new(Shared {
                candidates: config.candidates,
                epoch: config.epoch,
                certificate: config.certificate,
                crypto: Arc::new(str0m::crypto::from_feature_flags()),
            }),
            random: ChaCha20Rng::from_seed(config.seed),
            legs: BTreeMap::new(),
            demux: Demux::default(),
            rtp: RtpPorts::none(),
            timers: Timers::default(),
            studio: Studio::default(),
            facts: VecDeque::new(),
            transmits: VecDeque::new(),
            frames: VecDeque::new(),
        }
    }

    /// How many legs there are.
    pub fn leg_count(&self) -> usize {
        self.legs.len()
    }

    /// All legs, in the order of their numbers.
    pub fn legs(&self) -> impl Iterator<Item = LegId> {
        self.legs.keys().copied()
    }

    /// Ends all legs, as [`Order::Close`] does.
    pub fn close_all(&mut self, now: Instant) {
        for leg in self.legs().collect::<Vec<_>>() {
            self.handle_order(Order::Close { leg }, now);
        }
    }

    /// Does what is asked; results come as facts. Orders about a leg that is gone do nothing, except that an
    /// offer or answer for it is refused.
    pub fn handle_order(&mut self, order: Order, now: Instant) {
        tracing::debug!(?order, "ordered");
        match order {
            Order::AcceptOffer { leg, offer, codecs, style } => match style {
                Style::WebRtc => self.accept_offer(leg, &offer, &codecs, now),
                Style::Rtp(plain) => self.open_rtp(leg, Some(&offer), codecs, plain),
            },
            Order::MakeOffer { leg, codecs, style } => match style {
                Style::WebRtc => self.make_offer(leg, &codecs, now),
                Style::Rtp(plain) => self.open_rtp(leg, None, codecs, plain),
            },
            Order::AcceptAnswer { leg, answer } => self.accept_answer(leg, &answer, now),
            Order::AcceptReoffer { leg, offer } => self.accept_reoffer(leg, &offer, now),
            Order::MakeReoffer { leg, direction, codecs } => {
                self.make_reoffer(leg, direction, &codecs, now);
            }
            Order::Retract { leg } => {
                self.with_leg(leg, now, AnyLeg::retract);
            }
            Order::Signalled { leg, from } => {
                self.with_leg(leg, now, |leg| leg.signalled(from));
            }
            Order::Echo { leg } => self.echo(leg),
            Order::Bridge { a, b } => self.bridge(a, b),
            Order::Play { leg, sound } => self.play(leg, sound, now),
            Order::Mix { legs } => self.mix(&legs, now),
            Order::Press { leg, key, ms } => self.press(leg, key, ms, now),
            Order::Unbridge { leg } => self.part(leg),
            Order::Gate { leg, open } => self.gate(leg, open),
            Order::Close { leg } => self.close(leg, now),
        }
        self.pass_frames_on(now);
    }

    /// Takes one datagram that came from `source` to `local`, one of our candidates or the port of a plain leg.
    /// Whatever belongs to no leg is dropped without an answer.
    pub fn handle_datagram(&mut self, source: SocketAddr, local: SocketAddr, bytes: &[u8], now: Instant) {
        let leg = self.rtp.by_local(local).or_else(|| match Addressed::of(bytes) {
            Addressed::ToFragment(ufrag) => self.demux.by_fragment(ufrag),
            Addressed::BySource => self.demux.by_source(source),
            Addressed::ToNobody => None,
        });
        let Some(id) = leg else {
            tracing::trace!("datagram for no leg");
            return;
        };
        self.with_leg(id, now, |leg| leg.handle_datagram(source, local, bytes, now));
        self.pass_frames_on(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(task) = self.timers.pop_due(now) {
            match task {
                Task::Leg(id) => {
                    self.with_leg(id, now, |leg| leg.handle_timeout(now));
                    self.pass_frames_on(now);
                }
                Task::Step => self.make_sound(now),
            }
        }
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next thing that happened.
    pub fn poll_fact(&mut self) -> Option<Fact> {
        self.facts.pop_front()
    }

    /// When to call [`Plane::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        self.timers.next()
    }

    fn accept_offer(&mut self, id: LegId, offer: &str, codecs: &CodecPreference, now: Instant) {
        let shared = Arc::clone(&self.shared);
        let fresh = self.fresh();
        let made = self.make(id, || {
            let made = BrowserLeg::accept_offer(&shared, &fresh, offer, codecs, Direction::SendRecv, now);
            made.map(|(leg, sdp)| (AnyLeg::Browser(Box::new(leg)), sdp))
        });
        let Some((leg, sdp)) = made else { return };
        if let Some(agreed) = leg.agreed() {
            self.facts.push_back(Fact::AnswerMade {
                leg: id,
                sdp,
                codec: agreed.codec,
                direction: agreed.direction,
            });
        }
        self.admit(id, leg, now);
    }

    fn make_offer(&mut self, id: LegId, codecs: &CodecPreference, now: Instant) {
        let shared = Arc::clone(&self.shared);
        let fresh = self.fresh();
        let made = self.make(id, || {
            let made = BrowserLeg::make_offer(&shared, &fresh, codecs, now);
            made.map(|(leg, sdp)| (AnyLeg::Browser(Box::new(leg)), sdp))
        });
        let Some((leg, sdp)) = made else { return };
        self.facts.push_back(Fact::OfferMade { leg: id, sdp });
        self.admit(id, leg, now);
    }

    /// Makes a leg, or tells that it was refused.
    fn make(
        &mut self,
        id: LegId,
        make: impl FnOnce() -> Result<(AnyLeg, String), Unsupported>,
    ) -> Option<(AnyLeg, String)> {
        if self.legs.contains_key(&id) {
            self.refuse(id, Unsupported::OutOfOrder { what: "the leg exists" });
            return None;
        }
        let panicked = Unsupported::Engine { what: "it panicked".into() };
        let made = catch_unwind(AssertUnwindSafe(make)).unwrap_or_else(|_| {
            tracing::error!(leg = %id, "the engine panicked on an offer");
            Err(panicked)
        });
        made.map_err(|why| self.refuse(id, why)).ok()
    }

    fn admit(&mut self, id: LegId, leg: AnyLeg, now: Instant) {
        let (join, gate_open, keypad) = (Join::Alone, true, Keypad::default());
        let slot =
            Slot { leg, join, gate_open, ear: None, voice: None, keypad, played: 0, made: 0, quiet: 0 };
        self.legs.insert(id, slot);
        self.know_fragment(id, now);
    }

    fn accept_answer(&mut self, id: LegId, answer: &str, now: Instant) {
        let place = self.facts.len();
        let fresh = self.fresh();
        match self.with_leg(id, now, |leg| leg.accept_answer(&fresh, answer, now)) {
            Some(Ok(agreed)) => {
                self.interrupt(id);
                let (codec, direction) = (agreed.codec, agreed.direction);
                // before what comes of it: a plain leg may be connected at once
                self.facts.insert(place, Fact::AnswerAccepted { leg: id, codec, direction });
            }
            Some(Err(why)) => self.refuse(id, why),
            None => self.refuse_unknown(id),
        }
        self.know_fragment(id, now);
    }

    fn make_reoffer(&mut self, id: LegId, direction: Direction, codecs: &CodecPreference, now: Instant) {
        match self.with_leg(id, now, |leg| leg.make_reoffer(direction, codecs, now)) {
            Some(Ok(sdp)) => self.facts.push_back(Fact::OfferMade { leg: id, sdp }),
            Some(Err(why)) => self.refuse(id, why),
            None => self.refuse_unknown(id),
        }
    }

    fn accept_reoffer(&mut self, id: LegId, offer: &str, now: Instant) {
        let fresh = self.fresh();
        match self.with_leg(id, now, |leg| leg.accept_reoffer(&fresh, offer, now)) {
            Some(Ok((sdp, agreed))) => {
                self.interrupt(id);
                let (codec, direction) = (agreed.codec, agreed.direction);
                self.facts.push_back(Fact::AnswerMade { leg: id, sdp, codec, direction });
            }
            Some(Err(why)) => self.refuse(id, why),
            None => self.refuse_unknown(id),
        }
        self.know_fragment(id, now);
    }

    fn refuse(&mut self, leg: LegId, why: Unsupported) {
        tracing::debug!(%leg, %why, "refused");
        self.facts.push_back(Fact::Refused { leg, why });
    }

    /// A leg that has just crashed was told of already.
    fn refuse_unknown(&mut self, id: LegId) {
        if !matches!(self.facts.back(), Some(Fact::Crashed { leg }) if *leg == id) {
            self.refuse(id, Unsupported::OutOfOrder { what: "there is no such leg" });
        }
    }

    fn close(&mut self, id: LegId, now: Instant) {
        self.with_leg(id, now, |leg| leg.close(now));
        self.rtp.release(id);
        if let Some(slot) = self.remove(id) {
            // what the goodbye led to is no news about a leg that was told to end
            self.facts.retain(|fact| !matches!(fact, Fact::Lost { leg } if *leg == id));
            self.facts.push_back(Fact::Figures { leg: id, figures: slot.leg.figures() });
            drop_carefully(slot);
        }
    }

    fn remove(&mut self, id: LegId) -> Option<Slot> {
        self.part(id);
        self.timers.cancel(&Task::Leg(id));
        self.demux.forget(id);
        self.rtp.release(id);
        self.legs.remove(&id)
    }

    /// Runs the engine of one leg, and takes out what it has. If it panics, that leg is over and told so, and
    /// `None` is returned, as for a leg that does not exist.
    fn with_leg<T>(&mut self, id: LegId, now: Instant, run: impl FnOnce(&mut AnyLeg) -> T) -> Option<T> {
        let result = self.with_slot(id, |slot| run(&mut slot.leg))?;
        self.collect(id, now);
        Some(result)
    }

    /// The same for what belongs to a leg and is not its engine.
    fn with_slot<T>(&mut self, id: LegId, run: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        let slot = self.legs.get_mut(&id)?;
        if let Ok(result) = catch_unwind(AssertUnwindSafe(|| run(slot))) {
            return Some(result);
        }
        tracing::error!(leg = %id, "the engine panicked");
        if let Some(slot) = self.remove(id) {
            drop_carefully(slot);
        }
        self.facts.push_back(Fact::Crashed { leg: id });
        None
    }

    fn collect(&mut self, id: LegId, now: Instant) {
        let Some(slot) = self.legs.get_mut(&id) else { return };
        while let Some(output) = slot.leg.poll() {
            let fact = match output {
                Output::Transmit(transmit) => {
                    self.transmits.push_back(transmit);
                    continue;
                }
                Output::Validated(source) => {
                    self.demux.validate(source, id, now);
                    continue;
                }
                Output::Frame(frame) => {
                    self.frames.push_back((id, frame));
                    continue;
                }
                Output::Key(key) => Fact::Dtmf { leg: id, key },
                Output::Connected => Fact::Connected { leg: id },
                Output::Lost => Fact::Lost { leg: id },
                Output::Silent => Fact::Silent { leg: id },
                Output::Audible => Fact::Audible { leg: id },
                Output::Figures(figures) => Fact::Figures { leg: id, figures },
            };
            self.facts.push_back(fact);
        }
        let wake = slot.leg.poll_timeout().map(|at| Deadline::new(at.max(now), "leg"));
        // a packet seldom changes it
        let task = Task::Leg(id);
        if wake != self.timers.deadline(&task) {
            match wake {
                Some(wake) => self.timers.set(task, wake),
                None => self.timers.cancel(&task),
            }
        }
    }

    fn know_fragment(&mut self, id: LegId, now: Instant) {
        if let Some(Some(ufrag)) = self.with_leg(id, now, AnyLeg::ufrag) {
            self.demux.name(id, ufrag);
        }
    }

    fn fresh(&mut self) -> Fresh {
        Fresh {
            ufrag: ice_chars(&mut self.random, UFRAG_LEN),
            password: ice_chars(&mut self.random, PASSWORD_LEN),
            // kept within what a JavaScript number holds
            origin: self.random.next_u64() >> 11,
            first_sequence: self.random.random(),
            first_timestamp: self.random.random(),
            ssrc: self.random.random(),
            key: std::array::from_fn(|_| self.random.random()),
        }
    }
}

fn ice_chars(random: &mut ChaCha20Rng, length: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..length).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect()
}

/// An engine that has panicked may do so again in its destructor.
fn drop_carefully(slot: Slot) {
    if catch_unwind(AssertUnwindSafe(|| drop(slot))).is_err() {
        tracing::error!("the engine panicked while it was taken down");
    }
}
