use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::Deserialize;

/// UDP ports for plain RTP, written as `20000-29999`, both ends included; each leg takes two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PortRange {
    first: u16,
    last: u16,
}

/// A text that is no range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a range of ports is written as \"20000-29999\", from 1024 up, with an even and an odd port at least"
)]
pub struct NotAPortRange;

impl PortRange {
    /// Ports below are for services of the machine.
    const LOWEST: u16 = 1024;

    /// The range from the first even port to the last odd one, if there is a pair in it.
    pub fn new(first: u16, last: u16) -> Option<PortRange> {
        let first = first.checked_next_multiple_of(2)?;
        let last = if last.is_multiple_of(2) { last.checked_sub(1)? } else { last };
        (first >= PortRange::LOWEST && first < last).then_some(PortRange { first, last })
    }

    /// All of it.
    pub fn ports(self) -> RangeInclusive<u16> {
        self.first..=self.last
    }

    /// The part of worker `index` of `count`: whole pairs, as many for each; `None` if there are none left.
    pub fn slice(self, index: u16, count: u16) -> Option<PortRange> {
        let pairs = (u32::from(self.last) + 1 - u32::from(self.first)) / 2;
        let each = pairs / u32::from(count.max(1));
        let first = u32::from(self.first) + 2 * each * u32::from(index);
        let last = first + (2 * each).checked_sub(1)?;
        PortRange::new(u16::try_from(first).ok()?, u16::try_from(last).ok()?).filter(|_| index < count)
    }
}

impl FromStr for PortRange {
    type Err = NotAPortRange;

    fn from_str(text: &str) -> Result<Self, NotAPortRange> {
        let (first, last) = text.split_once('-').ok_or(NotAPortRange)?;
        let port = |text: &str| text.trim().parse::<u16>().map_err(|_| NotAPortRange);
        PortRange::new(port(first)?, port(last)?).ok_or(NotAPortRange)
    }
}

impl TryFrom<String> for PortRange {
    type Error = NotAPortRange;

    fn try_from(text: String) -> Result<Self, NotAPortRange> {
        text.parse()
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_whole_pairs() {
        assert_eq!("20000-29999".parse::<PortRange>().expect("a range").ports(), 20_000..=29_999);
        assert_eq!("20001 - 20006".parse::<PortRange>().expect("a range").ports(), 20_002..=20_005);
        for bad in ["", "20000", "1-2", "20001-20002", "30000-20000", "20000-70000", "a-b", "1000-1003"] {
            assert_eq!(bad.parse::<PortRange>(), Err(NotAPortRange), "{bad}");
        }
    }

    #[test]
    fn workers_share_it_without_overlap() {
        let range = PortRange::new(20_000, 20_013).expect("a range");
        let slices: Vec<_> = (0..4).map(|index| range.slice(index, 3).map(PortRange::ports)).collect();
        assert_eq!(slices, [Some(20_000..=20_003), Some(20_004..=20_007), Some(20_008..=20_011), None]);
        assert_eq!(
            PortRange::new(65_534, 65_535).expect("a range").slice(0, 1).map(PortRange::ports),
            Some(65_534..=65_535)
        );
        assert_eq!(range.slice(0, 100), None);
    }
}
