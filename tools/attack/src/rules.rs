//! When a server has held: plain functions of what was seen.

use std::time::Duration;

/// What a rule says: what was measured, or the defect.
pub type Verdict = Result<String, String>;

/// A valid request is answered within this, whatever else goes on.
pub const SWIFTLY: Duration = Duration::from_millis(100);
/// So much of the probes may take longer: other programs run on the machine too.
const LATE_PER_THOUSAND: usize = 20;
/// What memory may have grown by when a flood is over (faults F1).
pub const MEMORY_KIB: u64 = 64 * 1024;
/// Of the packets of a call that goes on (in per mille).
const LOST_PER_THOUSAND: u64 = 10;
/// The mean times of the two answers may differ by less than this (faults A6).
const TIMING: Duration = Duration::from_millis(1);

/// Every probe was answered rightly, nearly all of them at once.
pub fn probes(taken: &[Option<Duration>]) -> Verdict {
    let unanswered = taken.iter().filter(|taken| taken.is_none()).count();
    let mut times: Vec<Duration> = taken.iter().flatten().copied().collect();
    times.sort();
    let late = times.iter().filter(|taken| **taken > SWIFTLY).count();
    let worst = times.last().copied().unwrap_or_default();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    if taken.is_empty() || unanswered > 0 {
        return Err(format!("{unanswered} of {} probes without the right answer", taken.len()));
    }
    if late * 1_000 > taken.len() * LATE_PER_THOUSAND {
        return Err(format!("{late} of {} probes answered late, worst {worst:?}", taken.len()));
    }
    Ok(format!("{} answered, median {median:?}, worst {worst:?}", taken.len()))
}

/// The process lives and nothing in it has panicked.
pub fn alive(is_alive: bool, panics: f64, log: &str) -> Verdict {
    if !is_alive {
        return Err("the server is gone".into());
    }
    let panicked = log.lines().find(|line| line.contains("panicked"));
    match (panics > 0.0, panicked) {
        (_, Some(line)) => Err(format!("a panic: {line}")),
        (true, None) => Err(format!("{panics} panics")),
        (false, None) => Ok("it lives, without a panic".into()),
    }
}

/// Memory has not grown beyond what buffers need.
pub fn memory(before_kib: u64, after_kib: u64) -> Verdict {
    let grown = after_kib.saturating_sub(before_kib);
    let said = format!("{before_kib} KiB before, {after_kib} KiB after");
    if grown <= MEMORY_KIB { Ok(said) } else { Err(said) }
}

/// What was begun has ended: a count is back where it was.
pub fn back_to(before: f64, after: f64) -> Verdict {
    let said = format!("{before} before, {after} after");
    if after <= before { Ok(said) } else { Err(said) }
}

/// Nothing of this was granted.
pub fn none_granted(tried: usize, granted: &[String]) -> Verdict {
    match granted.first() {
        _ if tried == 0 => Err("nothing was tried".into()),
        Some(first) => Err(format!("{} of {tried} granted, such as {first}", granted.len())),
        None => Ok(format!("{tried} tried, none granted")),
    }
}

/// The known and the unknown are told the same.
pub fn same_answers(known: &[String], unknown: &[String]) -> Verdict {
    if known.is_empty() || unknown.is_empty() {
        return Err("nothing was answered".into());
    }
    let first = &known[0];
    match known.iter().chain(unknown).find(|answer| *answer != first) {
        Some(other) => Err(format!("two answers: {first:?} and {other:?}")),
        None => Ok(format!("{} answers, all alike", known.len() + unknown.len())),
    }
}

/// Nor can they be told apart by a clock. The middle half of the times counts: the machine has other work too.
pub fn same_time(known: &[Duration], unknown: &[Duration]) -> Verdict {
    if known.len() < 4 || unknown.len() < 4 {
        return Err("too few were timed".into());
    }
    let (known, unknown) = (middle_mean(known), middle_mean(unknown));
    let said = format!("{known:?} for the known, {unknown:?} for the unknown");
    if known.abs_diff(unknown) < TIMING { Ok(said) } else { Err(said) }
}

fn middle_mean(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    let middle = &times[times.len() / 4..times.len() - times.len() / 4];
    middle.iter().sum::<Duration>() / u32::try_from(middle.len()).unwrap_or(1)
}

/// The sound of a call that was up all the time went on.
pub fn sound(sent: u64, heard: u64) -> Verdict {
    let lost = sent.saturating_sub(heard);
    let said = format!("{sent} packets sent, {heard} came back");
    if sent > 0 && lost * 1_000 <= sent * LOST_PER_THOUSAND { Ok(said) } else { Err(said) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn each_rule_holds_and_fails() {
        assert!(probes(&[Some(MS); 100]).is_ok());
        assert!(probes(&[]).is_err());
        assert!(probes(&[Some(MS), None]).is_err());
        assert!(probes(&[Some(MS), Some(SWIFTLY * 2)]).is_err());
        assert!(alive(true, 0.0, "a line").is_ok());
        assert!(alive(false, 0.0, "").is_err() && alive(true, 1.0, "").is_err());
        assert!(alive(true, 0.0, "thread 'main' panicked at x").is_err());
        assert!(memory(1_000, 1_000 + MEMORY_KIB).is_ok() && memory(1_000, 1_001 + MEMORY_KIB).is_err());
        assert!(back_to(2.0, 2.0).is_ok() && back_to(2.0, 3.0).is_err());
        assert!(none_granted(1, &[]).is_ok() && none_granted(0, &[]).is_err());
        assert!(none_granted(2, &["200".into()]).is_err());
        let (yes, no) = (["401".to_owned()], ["404".to_owned()]);
        assert!(same_answers(&yes, &yes).is_ok() && same_answers(&yes, &no).is_err());
        assert!(same_answers(&yes, &[]).is_err());
        assert!(same_time(&[MS; 8], &[MS; 8]).is_ok() && same_time(&[MS; 8], &[MS * 3; 8]).is_err());
        assert!(same_time(&[MS; 8], &[MS, MS, MS, MS, MS, MS, MS, MS * 1_000]).is_ok(), "one hiccup");
        assert!(sound(1_000, 990).is_ok() && sound(1_000, 989).is_err() && sound(0, 0).is_err());
    }
}
