//! Speaks to one party where its sound has to be encoded: steps of 20 ms become frames of one stream.

use std::sync::Arc;

use crate::codec::{Codec, Content, Encoder, NoCoder};
use crate::leg::Frame;

/// What we encode ourselves bears this source until a leg gives it its own; a peer never has it.
const OURS: u32 = 0;

/// An encoder, for one party or for all who hear the same.
pub(crate) struct Voice {
    codec: Codec,
    rate: u32,
    encoder: Encoder,
    payload: Vec<u8>,
}

impl Voice {
    /// For sound at `rate` Hz, to be sent by this codec.
    pub(crate) fn new(codec: Codec, rate: u32) -> Result<Voice, NoCoder> {
        let encoder = Encoder::new(codec, rate)?;
        Ok(Voice { codec, rate, encoder, payload: Vec::new() })
    }

    /// At how many Hz it takes sound.
    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    pub(crate) fn codec(&self) -> Codec {
        self.codec
    }

    /// Takes sound at another rate from now on.
    pub(crate) fn set_rate(&mut self, rate: u32) -> Result<(), NoCoder> {
        if rate != self.rate {
            self.encoder.set_rate(rate)?;
            self.rate = rate;
        }
        Ok(())
    }

    /// The payload of 20 ms.
    pub(crate) fn say(&mut self, samples: &[i16]) -> Arc<[u8]> {
        self.payload.clear();
        self.encoder.encode(samples, &mut self.payload);
        self.payload.as_slice().into()
    }
}

/// A frame of ours: 20 ms, `step` on the plane's clock.
pub(crate) fn frame(codec: Codec, payload: Arc<[u8]>, sequence: u64, step: u64) -> Frame {
    let ticks = u64::from(codec.clock_rate() / 50);
    Frame {
        content: Content::Audio(codec),
        payload,
        ssrc: OURS,
        sequence,
        timestamp: step.wrapping_mul(ticks) as u32,
        marker: false,
        audio_level: None,
    }
}
