//! Valid requests between the attacks: they must be answered rightly, and at once.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::phone::Phone;
use crate::target::{Target, source};

/// Asks again and again what every phone asks.
pub struct Prober {
    phone: Phone,
    taken: Vec<Option<Duration>>,
}

impl Prober {
    /// As the phone 1001.
    ///
    /// # Errors
    /// If it cannot register.
    pub fn new(target: &Target) -> Result<Prober> {
        Ok(Prober { phone: Phone::register(target, "1001", source(1))?, taken: Vec::new() })
    }

    /// OPTIONS, and a REGISTER with its challenge.
    pub fn probe(&mut self) {
        let began = Instant::now();
        let options = self.phone.request("OPTIONS", &self.phone.uri("1001"));
        let answer = self.phone.line.ask(&options);
        self.taken.push(answer.filter(|answer| answer.status == 200).map(|_| began.elapsed()));
        let began = Instant::now();
        let answer = self.phone.refresh();
        self.taken.push(answer.filter(|answer| answer.status == 200).map(|_| began.elapsed() / 2));
    }

    /// What the probes since the last time took.
    pub fn taken(&mut self) -> Vec<Option<Duration>> {
        std::mem::take(&mut self.taken)
    }
}
