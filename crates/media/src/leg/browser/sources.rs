use std::collections::VecDeque;

/// One, and as many changes as calls have transfers.
const MOST: usize = 16;

/// The synchronisation sources that the engine shall take RTP from.
///
/// It drops packets of sources that it does not expect. Left to itself it maps them by the mid in each packet
/// (RFC 9143 §9.2), but does so before SRTP has authenticated the packet, so that one forgery takes the stream
/// away from its owner. So no mid is negotiated, a new source is expected beside those known, and one that
/// has never been authentic makes room for the next.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// The oldest first.
    known: VecDeque<Source>,
}

#[derive(Debug)]
struct Source {
    ssrc: u32,
    authentic: bool,
}

/// A source to be expected from now on, and the one that makes room for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Newcomer {
    pub(super) ssrc: u32,
    pub(super) instead_of: Option<u32>,
}

impl Sources {
    /// What to tell the engine before it gets a packet of `ssrc`.
    pub(super) fn admit(&mut self, ssrc: u32) -> Option<Newcomer> {
        if self.known.iter().any(|source| source.ssrc == ssrc) {
            return None;
        }
        let mut instead_of = None;
        if self.known.len() == MOST {
            let unproven = self.known.iter().position(|source| !source.authentic)?;
            instead_of = self.known.remove(unproven).map(|source| source.ssrc);
        }
        self.known.push_back(Source { ssrc, authentic: false });
        Some(Newcomer { ssrc, instead_of })
    }

    /// A packet of `ssrc` was authentic.
    pub(super) fn prove(&mut self, ssrc: u32) {
        if let Some(source) = self.known.iter_mut().find(|source| source.ssrc == ssrc) {
            source.authentic = true;
        }
    }
}

/// Payload type and source of a datagram, if it is RTP (RFC 7983 §7, RFC 5761 §4).
pub(super) fn rtp_source(datagram: &[u8]) -> Option<(u8, u32)> {
    let [128..192, second, ..] = *datagram else { return None };
    let payload_type = second & 0x7f;
    let ssrc = u32::from_be_bytes(*datagram.get(8..)?.first_chunk()?);
    // the engine uses source 0 for itself
    (!(64..96).contains(&payload_type) && ssrc != 0).then_some((payload_type, ssrc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgeries_displace_each_other_and_never_a_source_that_was_authentic() {
        let mut sources = Sources::default();
        assert_eq!(sources.admit(7), Some(Newcomer { ssrc: 7, instead_of: None }));
        sources.prove(7);
        for forged in 1000..1015 {
            assert_eq!(sources.admit(forged), Some(Newcomer { ssrc: forged, instead_of: None }));
        }
        assert_eq!(sources.admit(2000), Some(Newcomer { ssrc: 2000, instead_of: Some(1000) }));
        assert_eq!(sources.admit(7), None);
        for forged in 3000..4000 {
            assert_ne!(sources.admit(forged).expect("room").instead_of, Some(7));
        }
        assert_eq!(sources.known.len(), MOST);
    }

    #[test]
    fn sources_that_were_all_authentic_stay() {
        let mut sources = Sources::default();
        for ssrc in 1..=16 {
            sources.admit(ssrc);
            sources.prove(ssrc);
        }
        assert_eq!(sources.admit(17), None);
        assert_eq!(sources.known.len(), MOST);
    }

    #[test]
    fn only_rtp_has_a_source() {
        let packet = [0x80, 0xef, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2];
        assert_eq!(rtp_source(&packet), Some((111, 0x0102)));
        assert_eq!(rtp_source(&packet[..11]), None);
        let rtcp = [0x80, 200, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2];
        assert_eq!(rtp_source(&rtcp), None);
        assert_eq!(rtp_source(&[22; 40]), None);
        assert_eq!(rtp_source(&[0x80; 0]), None);
    }
}
