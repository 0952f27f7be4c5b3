use super::gate::payload_attribute;
use super::{MediaSection, Unsupported};
use crate::codec::{Codec, Content};

/// A payload type and what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Payload {
    pub(crate) number: u8,
    pub(crate) usage: Content,
}

/// The formats of a peer's m-line that we know, in its order.
#[derive(Clone, Debug)]
pub(crate) struct Payloads(Vec<Payload>);

impl Payloads {
    pub(super) fn of(media: &MediaSection<'_>) -> Result<Payloads, Unsupported> {
        let mut named = Vec::new();
        for rtpmap in media.values("rtpmap") {
            named.push(payload_attribute(rtpmap)?);
        }
        let mut payloads = Vec::new();
        for format in &media.formats {
            let (number, _) = payload_attribute(format)?;
            // on one port with RTCP these cannot be told from its packet types (RFC 5761 §4)
            if (64..96).contains(&number) {
                continue;
            }
            let usage = match named.iter().find(|(named, _)| *named == number) {
                Some((_, encoding)) => usage(encoding.trim()),
                None => Codec::from_static_payload_type(number).map(Content::Audio),
            };
            payloads.extend(usage.map(|usage| Payload { number, usage }));
        }
        Ok(Payloads(payloads))
    }

    pub(crate) fn contains(&self, payload: &Payload) -> bool {
        self.0.contains(payload)
    }

    /// The codecs, each once.
    pub(crate) fn codecs(&self) -> Vec<Codec> {
        let mut codecs = Vec::new();
        for payload in &self.0 {
            if let Content::Audio(codec) = payload.usage
                && !codecs.contains(&codec)
            {
                codecs.push(codec);
            }
        }
        codecs
    }

    /// What to use with `codec`: its own payload type, and that of the events on its clock, with which they share
    /// their timestamps (RFC 4733 §2.1).
    ///
    /// Chromium beside Opus takes the lowest event clock on offer and then miscounts its length, so that a browser
    /// is answered with the codec's own clock alone.
    pub(crate) fn with(&self, codec: Codec) -> Vec<Payload> {
        let first = |usage| self.0.iter().find(|payload| payload.usage == usage).copied();
        [first(Content::Audio(codec)), first(Content::Events(codec.clock_rate()))]
            .into_iter()
            .flatten()
            .collect()
    }

    /// The same for a peer that speaks plain RTP: many a phone with Opus has events on a clock of 8 kHz alone, and
    /// its keys are to be heard all the same.
    pub(crate) fn with_any_events(&self, codec: Codec) -> Vec<Payload> {
        let mut payloads = self.with(codec);
        let is_event = |payload: &&Payload| matches!(payload.usage, Content::Events(_));
        if !payloads.iter().any(|payload| is_event(&payload)) {
            payloads.extend(self.0.iter().find(is_event));
        }
        payloads
    }
}

fn usage(encoding: &str) -> Option<Content> {
    let events = encoding.to_ascii_lowercase();
    match events.strip_prefix("telephone-event/") {
        Some(rate) => rate.split('/').next()?.parse().ok().map(Content::Events),
        None => Codec::from_rtpmap(encoding).map(Content::Audio),
    }
}
