//! Speaks to one party where its sound has to be encoded: steps of 20 ms become frames of one stream.

use crate::codec::{Codec, Content, Encoder, NoCoder};
use crate::leg::Frame;

/// What we encode ourselves bears this source until a leg gives it its own; a peer never has it.
const OURS: u32 = 0;

/// One party's encoder, and the numbers of its stream.
pub(crate) struct Voice {
    codec: Codec,
    rate: u32,
    encoder: Encoder,
    sequence: u64,
    payload: Vec<u8>,
}

impl Voice {
    /// For sound at `rate` Hz, to be sent by this codec.
    pub(crate) fn new(codec: Codec, rate: u32) -> Result<Voice, NoCoder> {
        let encoder = Encoder::new(codec, rate)?;
        Ok(Voice { codec, rate, encoder, sequence: 0, payload: Vec::new() })
    }

    pub(crate) fn fits(&self, codec: Codec, rate: u32) -> bool {
        (self.codec, self.rate) == (codec, rate)
    }

    /// The frame of the 20 ms that are `step` on the plane's clock.
    pub(crate) fn say(&mut self, samples: &[i16], step: u64) -> Frame {
        self.payload.clear();
        self.encoder.encode(samples, &mut self.payload);
        self.sequence += 1;
        frame(self.codec, self.payload.as_slice().into(), self.sequence, step)
    }
}

/// A frame of ours: 20 ms, `step` on the plane's clock.
pub(crate) fn frame(codec: Codec, payload: std::sync::Arc<[u8]>, sequence: u64, step: u64) -> Frame {
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
