/// Which of the last 64 packets of a source were taken (RFC 3711 §3.3.2).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    highest: Option<u64>,
    /// Bit n stands for the packet n before the highest.
    taken: u64,
}

impl Window {
    const SIZE: u64 = 64;

    /// Whether this packet is neither one that was taken nor too old to tell.
    pub(crate) fn admits(&self, index: u64) -> bool {
        let Some(age) = self.highest.and_then(|highest| highest.checked_sub(index)) else { return true };
        age < Window::SIZE && self.taken >> age & 1 == 0
    }

    /// Takes a packet that was admitted.
    pub(crate) fn note(&mut self, index: u64) {
        match self.highest {
            Some(highest) if index <= highest => {
                if highest - index < Window::SIZE {
                    self.taken |= 1 << (highest - index);
                }
            }
            before => {
                let step = before.map_or(Window::SIZE, |highest| index - highest);
                self.taken = if step < Window::SIZE { self.taken << step | 1 } else { 1 };
                self.highest = Some(index);
            }
        }
    }

    /// The extended form of a sequence number, nearest to the highest that was taken (RFC 3711 §3.3.1).
    /// Nothing, for one from before the first wrap.
    pub(crate) fn extend(&self, sequence: u16) -> Option<u64> {
        let Some(highest) = self.highest else { return Some(sequence.into()) };
        let step = sequence.wrapping_sub(highest as u16).cast_signed();
        highest.checked_add_signed(step.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_packet_is_taken_once_and_none_that_is_too_old() {
        let mut window = Window::default();
        for index in [100, 98, 99, 163] {
            assert!(window.admits(index), "{index}");
            window.note(index);
        }
        for index in [163, 100, 99, 36, 0] {
            assert!(!window.admits(index), "{index}");
        }
        assert!(window.admits(101) && window.admits(164));
        window.note(10_000);
        assert!(!window.admits(163) && window.admits(9_999));
    }

    #[test]
    fn numbers_are_extended_over_the_wrap_and_back() {
        let mut window = Window::default();
        assert_eq!(window.extend(65_530), Some(65_530));
        window.note(3);
        assert_eq!(window.extend(65_530), None, "before the first wrap");
        window.note(65_535);
        assert_eq!(window.extend(2), Some(65_538));
        window.note(65_538);
        assert_eq!(window.extend(65_534), Some(65_534));
    }
}
