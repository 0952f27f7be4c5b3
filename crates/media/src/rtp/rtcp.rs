//! RTCP: sender and receiver reports, the canonical name, the goodbye (RFC 3550 §6).

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const CNAME: u8 = 1;
const REPORT_BLOCK_LEN: usize = 24;

/// Whether a datagram on a port that carries both is RTCP and not RTP (RFC 5761 §4).
pub(crate) fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

/// What one side says of what it receives from the other (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct ReportBlock {
    /// The source that is reported on.
    pub(crate) ssrc: u32,
    /// In 256ths, since the report before.
    pub(crate) fraction_lost: u8,
    /// In all; negative where more came than was sent.
    pub(crate) lost: i32,
    pub(crate) highest_sequence: u32,
    /// In ticks of the timestamp.
    pub(crate) jitter: u32,
    /// The middle of the NTP timestamp of the last sender report, zero for none.
    pub(crate) last_report: u32,
    /// Since that one came, in 65 536ths of a second.
    pub(crate) delay: u32,
}

/// What a sender says of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SenderInfo {
    /// Seconds and their fraction, 32 bits each.
    pub(crate) ntp: u64,
    pub(crate) timestamp: u32,
    pub(crate) packets: u32,
    pub(crate) bytes: u32,
}

/// What a received packet says that we use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Sender { ntp: u64 },
    Report(ReportBlock),
    Bye { ssrc: u32 },
}

/// Reads a compound packet; `None`, if it is none from its first byte to its last (RFC 3550 A.2).
pub(crate) fn parse(datagram: &[u8]) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    let mut rest = datagram;
    while !rest.is_empty() {
        let [first, kind, high, low] = *rest.first_chunk::<4>()?;
        let length = 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
        if first >> 6 != 2 || length > rest.len() {
            return None;
        }
        let (packet, after) = rest.split_at(length);
        let count = usize::from(first & 0x1f);
        match kind {
            SENDER_REPORT => {
                items.push(Item::Sender { ntp: u64::from_be_bytes(*packet.get(8..)?.first_chunk()?) });
                report_blocks(packet.get(28..)?, count, &mut items)?;
            }
            RECEIVER_REPORT => report_blocks(packet.get(8..)?, count, &mut items)?,
            BYE => {
                for source in packet.get(4..4 + 4 * count)?.chunks_exact(4) {
                    items.push(Item::Bye { ssrc: u32::from_be_bytes(*source.first_chunk()?) });
                }
            }
            _ => {}
        }
        rest = after;
    }
    (!datagram.is_empty()).then_some(items)
}

fn report_blocks(blocks: &[u8], count: usize, items: &mut Vec<Item>) -> Option<()> {
    for block in blocks.get(..count * REPORT_BLOCK_LEN)?.chunks_exact(REPORT_BLOCK_LEN) {
        let word = |index: usize| {
            let bytes = &block[4 * index..4 * index + 4];
            u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
        };
        items.push(Item::Report(ReportBlock {
            ssrc: word(0),
            fraction_lost: block[4],
            // 24 bits with a sign
            lost: (word(1) << 8).cast_signed() >> 8,
            highest_sequence: word(2),
            jitter: word(3),
            last_report: word(4),
            delay: word(5),
        }));
    }
    Some(())
}

/// A compound packet of ours: report, canonical name, and the goodbye if it is the last one.
pub(crate) fn write(
    ssrc: u32,
    sender: Option<&SenderInfo>,
    block: Option<&ReportBlock>,
    cname: &str,
    bye: bool,
) -> Vec<u8> {
    let mut packet = Vec::with_capacity(128);
    let count = u8::from(block.is_some());
    let kind = if sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
    section(&mut packet, kind, count, |packet| {
        packet.extend_from_slice(&ssrc.to_be_bytes());
        if let Some(sender) = sender {
            packet.extend_from_slice(&sender.ntp.to_be_bytes());
            for word in [sender.timestamp, sender.packets, sender.bytes] {
                packet.extend_from_slice(&word.to_be_bytes());
            }
        }
        if let Some(block) = block {
            let lost = block.lost.clamp(-0x80_0000, 0x7f_ffff).cast_unsigned() & 0xff_ffff;
            let loss = u32::from(block.fraction_lost) << 24 | lost;
            let words =
                [block.ssrc, loss, block.highest_sequence, block.jitter, block.last_report, block.delay];
            for word in words {
                packet.extend_from_slice(&word.to_be_bytes());
            }
        }
    });
    section(&mut packet, SOURCE_DESCRIPTION, 1, |packet| {
        packet.extend_from_slice(&ssrc.to_be_bytes());
        let cname = &cname.as_bytes()[..cname.len().min(255)];
        packet.push(CNAME);
        packet.push(cname.len() as u8);
        packet.extend_from_slice(cname);
        // the list of items ends with at least one zero
        packet.push(0);
    });
    if bye {
        section(&mut packet, BYE, 1, |packet| packet.extend_from_slice(&ssrc.to_be_bytes()));
    }
    packet
}

/// One packet of the compound, its length filled in afterwards.
fn section(packet: &mut Vec<u8>, kind: u8, count: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    let begin = packet.len();
    packet.extend_from_slice(&[0x80 | count, kind, 0, 0]);
    fill(packet);
    packet.resize(begin + (packet.len() - begin).next_multiple_of(4), 0);
    let words = ((packet.len() - begin) / 4 - 1) as u16;
    packet[begin + 2..begin + 4].copy_from_slice(&words.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: ReportBlock = ReportBlock {
        ssrc: 7,
        fraction_lost: 64,
        lost: -3,
        highest_sequence: 0x1_2345,
        jitter: 11,
        last_report: 0xaabb_ccdd,
        delay: 65_536,
    };

    #[test]
    fn what_we_write_reads_as_it_was_meant() {
        let sender = SenderInfo { ntp: 5 << 32 | 6, timestamp: 1, packets: 2, bytes: 3 };
        let packet = write(9, Some(&sender), Some(&BLOCK), "abc", true);
        assert_eq!(packet.len() % 4, 0);
        let expected = [Item::Sender { ntp: 5 << 32 | 6 }, Item::Report(BLOCK), Item::Bye { ssrc: 9 }];
        assert_eq!(parse(&packet), Some(expected.to_vec()));
        assert_eq!(parse(&write(9, None, None, "abc", false)), Some(vec![]));
        assert!(is_rtcp(&packet) && !is_rtcp(&[0x80, 0x80 | 63]) && !is_rtcp(&[0x80]));
    }

    /// RFC 3550 §6.5: each chunk ends with zeros up to a whole word.
    #[test]
    fn every_length_of_name_fills_whole_words() {
        for length in 0..300 {
            let packet = write(9, None, None, &"n".repeat(length), false);
            assert!(parse(&packet).is_some(), "{length}");
            assert_eq!(packet.last(), Some(&0));
        }
    }

    #[test]
    fn what_is_cut_or_lies_about_its_length_is_dropped() {
        let packet = write(9, None, Some(&BLOCK), "abc", true);
        for length in (0..packet.len()).filter(|length| ![32, 48].contains(length)) {
            assert_eq!(parse(&packet[..length]), None, "{length}");
        }
        let mut liar = packet.clone();
        liar[0] = 0x9f;
        assert_eq!(parse(&liar), None, "31 blocks in the space of one");
        liar = packet;
        liar[3] = 255;
        assert_eq!(parse(&liar), None);
    }
}
