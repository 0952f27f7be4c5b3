use std::net::SocketAddr;
use std::sync::Arc;

use str0m::config::CryptoProvider;
use str0m::format::{Codec as EngineCodec, CodecConfig, CodecSpec, FormatParams, PayloadParams};
use str0m::media::{Frequency, Pt};
use str0m::rtp::Extension;
use str0m::{Candidate, IceCreds, Rtc, RtcConfig};
use timing::{Duration, Instant};

use crate::codec::{Codec, Content};
use crate::leg::certificate::Certificate;
use crate::sdp::Payload;
use crate::srtp::MASTER_LEN;

/// A reception report of the engine's is no use more often than our figures are told.
const STATS_EVERY: Duration = Duration::from_secs(5);

/// What all browser legs of a plane share.
pub(crate) struct Shared {
    pub(crate) candidates: Vec<SocketAddr>,
    pub(crate) epoch: std::time::Instant,
    pub(crate) certificate: Certificate,
    pub(crate) crypto: Arc<CryptoProvider>,
}

/// Randomness for one leg, drawn by the plane.
pub(crate) struct Fresh {
    pub(crate) ufrag: String,
    pub(crate) password: String,
    pub(crate) origin: u64,
    pub(crate) first_sequence: u16,
    pub(crate) first_timestamp: u32,
    /// For plain legs: their synchronisation source and SRTP key.
    pub(crate) ssrc: u32,
    pub(crate) key: [u8; MASTER_LEN],
}

impl Fresh {
    pub(super) fn copy(&self) -> Fresh {
        Fresh { ufrag: self.ufrag.clone(), password: self.password.clone(), ..*self }
    }
}

impl Shared {
    /// The engine's clock at `now`.
    pub(crate) fn wall(&self, now: Instant) -> std::time::Instant {
        self.epoch + now.since_origin()
    }

    /// The first instant of ours at which the engine's `at` has come; `None` for the far future.
    pub(crate) fn instant(&self, at: std::time::Instant) -> Option<Instant> {
        let nanos = at.saturating_duration_since(self.epoch).as_nanos();
        let micros = u64::try_from(nanos.div_ceil(1000)).ok()?;
        // the engine says "never" with a time in years
        (micros < 365 * 24 * 3600 * 1_000_000).then(|| Instant::from_micros(micros))
    }

    /// An engine that can do just these payload types.
    pub(super) fn engine(&self, fresh: &Fresh, payloads: &[Payload], now: Instant) -> Rtc {
        let mut config = RtcConfig::new()
            .set_crypto_provider(Arc::clone(&self.crypto))
            .set_dtls_cert(self.certificate.for_engine())
            .set_local_ice_credentials(IceCreds { ufrag: fresh.ufrag.clone(), pass: fresh.password.clone() })
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .set_stats_interval(Some(STATS_EVERY))
            // transport-wide feedback would cost one more packet for every three
            .clear_extension_map()
            .set_extension(1, Extension::AudioLevel);
        *config.codec_config() =
            CodecConfig::new_from_payload_params(payloads.iter().copied().map(parameters).collect());
        let mut rtc = config.build(self.wall(now));
        for address in &self.candidates {
            match Candidate::host(*address, "udp") {
                Ok(candidate) => {
                    rtc.add_local_candidate(candidate);
                }
                Err(error) => tracing::warn!(%address, %error, "cannot be advertised"),
            }
        }
        rtc
    }
}

/// The payload types of our own offers.
pub(super) fn offered_payloads(codecs: &[Codec]) -> Vec<Payload> {
    let mut payloads: Vec<Payload> = codecs
        .iter()
        .map(|codec| {
            let number = match codec {
                Codec::Opus => 111,
                Codec::G722 => 9,
                Codec::Pcmu => 0,
                Codec::Pcma => 8,
            };
            Payload { number, usage: Content::Audio(*codec) }
        })
        .collect();
    // one event clock only: Chromium, given Opus and a slower clock as well, would send on the slower one and
    // count its length wrong
    let (number, rate) = if codecs.contains(&Codec::Opus) { (110, 48_000) } else { (126, 8_000) };
    payloads.push(Payload { number, usage: Content::Events(rate) });
    payloads
}

fn parameters(payload: Payload) -> PayloadParams {
    let (codec, clock_rate, channels, format) = match payload.usage {
        Content::Audio(Codec::Opus) => {
            let format = FormatParams::parse_line("minptime=10;useinbandfec=1");
            (EngineCodec::Opus, Frequency::FORTY_EIGHT_KHZ, Some(2), format)
        }
        // the engine names it by its sampling rate and writes 8000 into SDP and RTP
        Content::Audio(Codec::G722) => {
            (EngineCodec::G722, Frequency::SIXTEEN_KHZ, None, FormatParams::default())
        }
        Content::Audio(Codec::Pcmu) => {
            (EngineCodec::PCMU, Frequency::EIGHT_KHZ, None, FormatParams::default())
        }
        Content::Audio(Codec::Pcma) => {
            (EngineCodec::PCMA, Frequency::EIGHT_KHZ, None, FormatParams::default())
        }
        Content::Events(rate) => {
            let rate = Frequency::new(rate).unwrap_or(Frequency::EIGHT_KHZ);
            (EngineCodec::Tele, rate, None, FormatParams::parse_line("0-16"))
        }
    };
    let spec = CodecSpec { codec, clock_rate, channels, format };
    let mut parameters = PayloadParams::new(Pt::new_with_value(payload.number), None, spec);
    parameters.set_fb_transport_cc(false);
    parameters
}
