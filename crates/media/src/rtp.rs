//! The wire form of RTP (RFC 3550 §5.1) and, in `rtcp`, of its reports.

pub(crate) mod rtcp;

/// Without CSRCs and extension.
pub(crate) const HEADER_LEN: usize = 12;

/// The header of an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) payload_type: u8,
    pub(crate) marker: bool,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    /// Bytes before the payload, CSRCs and extension among them.
    pub(crate) length: usize,
    padded: bool,
}

impl Header {
    /// The header of a packet of ours.
    pub(crate) fn new(payload_type: u8, marker: bool, sequence: u16, timestamp: u32, ssrc: u32) -> Header {
        Header { payload_type, marker, sequence, timestamp, ssrc, length: HEADER_LEN, padded: false }
    }

    /// Reads what is there; nothing, if that is no RTP of version 2.
    pub(crate) fn parse(packet: &[u8]) -> Option<Header> {
        let fixed = packet.first_chunk::<HEADER_LEN>()?;
        if fixed[0] >> 6 != 2 {
            return None;
        }
        let mut length = HEADER_LEN + 4 * usize::from(fixed[0] & 0x0f);
        if fixed[0] & 0x10 != 0 {
            let [_, _, high, low] = *packet.get(length..)?.first_chunk::<4>()?;
            length += 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
        }
        if length > packet.len() {
            return None;
        }
        Some(Header {
            payload_type: fixed[1] & 0x7f,
            marker: fixed[1] & 0x80 != 0,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            length,
            padded: fixed[0] & 0x20 != 0,
        })
    }

    /// The payload without its padding; nothing, if there is more padding than payload.
    pub(crate) fn payload<'a>(&self, packet: &'a [u8]) -> Option<&'a [u8]> {
        let payload = packet.get(self.length..)?;
        if !self.padded {
            return Some(payload);
        }
        let padding = usize::from(*payload.last()?);
        payload.get(..payload.len().checked_sub(padding.max(1))?)
    }

    /// The fixed header, without CSRCs and extension.
    pub(crate) fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0] = 0x80;
        bytes[1] = self.payload_type | if self.marker { 0x80 } else { 0 };
        bytes[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_of_ours_reads_as_it_was_written() {
        let header = Header::new(111, true, 0xfffe, 0x1234_5678, 0x9abc_def0);
        let mut packet = header.to_bytes().to_vec();
        packet.extend(b"payload");
        assert_eq!(Header::parse(&packet), Some(header));
        assert_eq!(header.payload(&packet), Some(&b"payload"[..]));
    }

    #[test]
    fn csrcs_an_extension_and_padding_are_no_payload() {
        let mut packet = Header::new(0, false, 1, 2, 3).to_bytes().to_vec();
        packet[0] = 0x80 | 0x20 | 0x10 | 2;
        packet.extend([0; 8]);
        packet.extend([0xbe, 0xde, 0, 1, 9, 9, 9, 9]);
        packet.extend(b"payload");
        packet.extend([0, 0, 3]);
        let header = Header::parse(&packet).expect("RTP");
        assert_eq!(header.payload(&packet), Some(&b"payload"[..]));
        for length in 0..28 {
            assert_eq!(Header::parse(&packet[..length]), None, "{length}");
        }
    }

    #[test]
    fn padding_beyond_the_payload_and_other_versions_are_refused() {
        let mut packet = Header::new(0, false, 1, 2, 3).to_bytes().to_vec();
        packet.extend([1, 9]);
        packet[0] = 0xa0;
        assert_eq!(Header::parse(&packet).expect("RTP").payload(&packet), None);
        for version in [0x00, 0x40, 0xc0] {
            packet[0] = version;
            assert_eq!(Header::parse(&packet), None);
        }
    }
}
