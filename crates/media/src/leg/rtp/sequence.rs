use crate::srtp::Window;

/// What may be missing before a jump is taken for a new beginning (RFC 3550 A.1, MAX_DROPOUT).
const MAX_DROPOUT: u64 = 3000;
/// What comes later than by this is taken for one as well (MAX_MISORDER).
const MAX_MISORDER: u64 = 100;

/// The sequence numbers of a source that nothing authenticates: each packet once, and a jump only when the
/// packet after it follows (RFC 3550 A.1), so that a stray one does not throw a stream off.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    window: Window,
    highest: Option<u64>,
    /// What to add to the source's numbers since it began anew.
    shift: u16,
    /// What would confirm a jump.
    suspected: Option<u16>,
}

impl Sequence {
    /// The extended number of a packet, which goes on by one over a new beginning; nothing, for a packet that
    /// came before or is not to be believed yet.
    pub(super) fn take(&mut self, number: u16) -> Option<u64> {
        let Some(highest) = self.highest else { return self.note(number.into()) };
        let shifted = number.wrapping_add(self.shift);
        let step = i64::from(shifted.wrapping_sub(highest as u16).cast_signed());
        let distance = step.unsigned_abs();
        if distance <= if step < 0 { MAX_MISORDER } else { MAX_DROPOUT } {
            let index = highest.checked_add_signed(step).filter(|index| self.window.admits(*index))?;
            self.suspected = None;
            return self.note(index);
        }
        if self.suspected.replace(number.wrapping_add(1)) != Some(number) {
            return None;
        }
        self.suspected = None;
        self.shift = ((highest + 1) as u16).wrapping_sub(number);
        self.note(highest + 1)
    }

    fn note(&mut self, index: u64) -> Option<u64> {
        self.window.note(index);
        self.highest = self.highest.max(Some(index));
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_over_the_wrap_each_once() {
        let mut sequence = Sequence::default();
        let taken: Vec<_> =
            [65_534, 65_535, 1, 0, 1, 2].into_iter().map(|number| sequence.take(number)).collect();
        assert_eq!(taken, [Some(65_534), Some(65_535), Some(65_537), Some(65_536), None, Some(65_538)]);
    }

    #[test]
    fn a_stray_packet_is_dropped_and_a_new_beginning_is_followed() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.take(100), Some(100));
        assert_eq!(sequence.take(30_000), None);
        assert_eq!(sequence.take(101), Some(101));
        assert_eq!(sequence.take(40_000), None);
        assert_eq!(sequence.take(40_001), Some(102));
        assert_eq!(sequence.take(40_002), Some(103));
        assert_eq!(sequence.take(40_001), None);
        assert_eq!(sequence.take(102), None, "the old numbers are over");
    }
}
