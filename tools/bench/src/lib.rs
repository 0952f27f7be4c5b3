//! Measuring: how long one round of some work takes, told as a median with its spread.
//!
//! Machines are shared and noisy, so a figure means something only beside another one of the same run:
//! [`Bench::beside`] measures two pieces of work in turn and tells their ratio.
//!
//! ```
//! let bench = bench::Bench::from_args(["nothing-is-called-so".to_owned()]);
//! bench.alone("sum", || (0..1000_u64).sum::<u64>());
//! ```
#![warn(missing_docs)]

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How many samples a figure rests on.
const SAMPLES: usize = 25;

/// How long one sample takes at least, so that the clock's own grain does not show.
const SAMPLE: Duration = Duration::from_millis(20);

/// A run of benchmarks, perhaps of those alone whose name has a certain part.
pub struct Bench {
    filter: Option<String>,
}

impl Bench {
    /// Takes the filter from the program's arguments; `--bench`, which cargo adds, is none.
    pub fn from_args(args: impl IntoIterator<Item = String>) -> Bench {
        Bench { filter: args.into_iter().find(|arg| !arg.starts_with('-')) }
    }

    /// Measures one piece of work and prints its cost.
    pub fn alone<T>(&self, name: &str, mut work: impl FnMut() -> T) {
        if self.wants(name) {
            let rounds = rounds(&mut work);
            let figure = Figure::of((0..SAMPLES).map(|_| sample(rounds, &mut work)).collect());
            println!("{name:<52} {figure}");
        }
    }

    /// Measures a piece of work in turn with another that it is compared with, and prints both and their ratio.
    pub fn beside<T, U>(
        &self,
        name: &str,
        mut work: impl FnMut() -> T,
        peer_name: &str,
        mut peer: impl FnMut() -> U,
    ) {
        if !self.wants(name) {
            return;
        }
        let (ours, theirs) = (rounds(&mut work), rounds(&mut peer));
        let (mut work_samples, mut peer_samples) = (Vec::new(), Vec::new());
        for _ in 0..SAMPLES {
            work_samples.push(sample(ours, &mut work));
            peer_samples.push(sample(theirs, &mut peer));
        }
        let (figure, peer_figure) = (Figure::of(work_samples), Figure::of(peer_samples));
        println!("{name:<52} {figure}");
        println!("  {peer_name:<50} {peer_figure}   ratio {:.2}", figure.median / peer_figure.median);
    }

    fn wants(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()))
    }
}

/// Nanoseconds per round: the median, and the quarter and three quarters of the samples.
struct Figure {
    quarter: f64,
    median: f64,
    three_quarters: f64,
}

impl Figure {
    fn of(mut samples: Vec<f64>) -> Figure {
        samples.sort_by(f64::total_cmp);
        let at = |part: usize| samples[(samples.len() - 1) * part / 4];
        Figure { quarter: at(1), median: at(2), three_quarters: at(3) }
    }
}

impl std::fmt::Display for Figure {
    fn fmt(&self, form: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = |nanos: f64| nanos / 1000.0;
        let (low, high) = (micros(self.quarter), micros(self.three_quarters));
        write!(form, "{:>10.2} µs  ({low:.2} … {high:.2})", micros(self.median))
    }
}

/// How many rounds fill one sample; finding out warms the caches as well.
fn rounds<T>(work: &mut impl FnMut() -> T) -> u32 {
    let mut rounds = 1_u32;
    while timed(rounds, work) < SAMPLE && rounds < u32::MAX / 2 {
        rounds *= 2;
    }
    rounds
}

fn sample<T>(rounds: u32, work: &mut impl FnMut() -> T) -> f64 {
    timed(rounds, work).as_nanos() as f64 / f64::from(rounds)
}

fn timed<T>(rounds: u32, work: &mut impl FnMut() -> T) -> Duration {
    let begun = Instant::now();
    for _ in 0..rounds {
        black_box(work());
    }
    begun.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_no_average() {
        let figure = Figure::of(vec![1_000_000.0, 1.0, 3.0, 2.0, 4.0]);
        assert_eq!((figure.quarter, figure.median, figure.three_quarters), (2.0, 3.0, 4.0));
    }

    #[test]
    fn a_filter_is_the_first_word_that_is_no_option() {
        let args = |words: &[&str]| Bench::from_args(words.iter().map(|&word| word.to_owned()));
        assert!(args(&["--bench"]).wants("sip: a call"));
        assert!(args(&["--bench", "sip"]).wants("sip: a call"));
        assert!(!args(&["--bench", "relay"]).wants("sip: a call"));
    }
}
