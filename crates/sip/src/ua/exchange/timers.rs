//! What a transaction's timers are called here.

use sipx_sip::transaction::Timer;

pub(super) fn place(timer: Timer) -> u8 {
    Timer::ALL.iter().position(|t| *t == timer).and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX)
}

pub(super) fn name(timer: Timer) -> &'static str {
    match timer {
        Timer::A => "Timer A",
        Timer::B => "Timer B",
        Timer::D => "Timer D",
        Timer::E => "Timer E",
        Timer::F => "Timer F",
        Timer::G => "Timer G",
        Timer::H => "Timer H",
        Timer::I => "Timer I",
        Timer::J => "Timer J",
        Timer::K => "Timer K",
        Timer::L => "Timer L",
        Timer::M => "Timer M",
        Timer::Trying100 => "100 Trying",
    }
}
