//! Counting what passed and failed, from what the test programs print.

use std::ops::AddAssign;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Tests passed and failed. A test that did not run counts as failed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
}

impl Tally {
    /// One check that passed or failed as a whole.
    pub fn one(passed: bool) -> Tally {
        Tally { passed: u64::from(passed), failed: u64::from(!passed) }
    }

    /// The same, unless a program that failed counted no failure: then it is not to be believed.
    pub fn believing(mut self, succeeded: bool, program: &str) -> Tally {
        if !succeeded && self.failed == 0 {
            println!("{program} counts no failure and ended with one");
            self.failed = 1;
        }
        self
    }

    /// From the last line of the attacking program; none if it did not get there.
    pub fn of_attacks(printed: &str) -> Option<Tally> {
        let count = |line: &str| Some((number_before(line, "passed")?, number_before(line, "failed")?));
        let (passed, failed) = printed.lines().rev().find_map(count)?;
        Some(Tally { passed, failed })
    }

    /// From the summary that cargo-nextest prints at its end; none if there is no summary. A test that passed only
    /// when it was repeated has failed.
    ///
    /// ```text
    /// Summary [   0.034s] 12 tests run: 10 passed (1 slow, 1 flaky), 1 failed, 1 timed out, 2 skipped
    /// ```
    pub fn of_nextest(printed: &str) -> Option<Tally> {
        let line = printed.lines().rev().find(|line| line.trim_start().starts_with("Summary ["))?;
        let (head, counts) = line.split_once(':')?;
        let run = number_before(head, "test")?;
        let flaky = number_before(counts, "flaky").unwrap_or(0);
        let passed = number_before(counts, "passed").unwrap_or(0).saturating_sub(flaky);
        let skipped = number_before(counts, "skipped").unwrap_or(0);
        Some(Tally { passed, failed: run.saturating_sub(passed) + skipped })
    }

    /// From the result lines that documentation tests print, one per package.
    ///
    /// ```text
    /// test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.20s
    /// ```
    pub fn of_doctests(printed: &str) -> Tally {
        let mut tally = Tally::default();
        for line in printed.lines().filter(|line| line.starts_with("test result:")) {
            let count = |word| number_before(line, word).unwrap_or(0);
            tally += Tally { passed: count("passed"), failed: count("failed") + count("ignored") };
        }
        tally
    }

    /// From Playwright's JSON report. A test that passed only when it was repeated has failed.
    ///
    /// # Errors
    /// If the report is not what Playwright writes.
    pub fn of_playwright(report: &[u8]) -> Result<Tally> {
        let report: Value = serde_json::from_slice(report).context("Playwright's report is no JSON")?;
        let count = |name: &str| {
            let count = report["stats"][name].as_u64();
            count.with_context(|| format!("Playwright's report has no stats.{name}"))
        };
        // Errors outside of tests, such as a file that does not load, are in no count.
        let errors = report["errors"].as_array().map_or(0, |errors| errors.len() as u64);
        Ok(Tally {
            passed: count("expected")?,
            failed: count("unexpected")? + count("flaky")? + count("skipped")? + errors,
        })
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, form: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(form, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// The number that stands in front of a word: 10 for `passed` and 1 for `slow` in `10 passed (1 slow)`.
fn number_before(text: &str, word: &str) -> Option<u64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let place = words.iter().position(|found| found.starts_with(word))?;
    words.get(place.checked_sub(1)?)?.trim_start_matches('(').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nextest_counts_what_was_skipped_as_failed() {
        let printed = "     PASS [   0.004s] hotdesk-sip a\n------------\n     \
                       Summary [   0.034s] 12 tests run: 9 passed (1 slow), 2 failed, 1 timed out, 3 skipped\n        \
                       FAIL [   0.004s] hotdesk-sip b\nerror: test run failed\n";
        assert_eq!(Tally::of_nextest(printed), Some(Tally { passed: 9, failed: 6 }));
    }

    #[test]
    fn nextest_without_failures() {
        let one = "     Summary [   0.004s] 1 test run: 1 passed, 0 skipped";
        assert_eq!(Tally::of_nextest(one), Some(Tally { passed: 1, failed: 0 }));
        let all_failed = "     Summary [   0.004s] 2 tests run: 0 passed, 2 failed, 0 skipped";
        assert_eq!(Tally::of_nextest(all_failed), Some(Tally { passed: 0, failed: 2 }));
        assert_eq!(Tally::of_nextest("error: could not compile `hotdesk-sip`"), None);
    }

    #[test]
    fn nextest_counts_what_passed_only_when_repeated_as_failed() {
        let one = "     Summary [   0.034s] 12 tests run: 12 passed (1 flaky), 0 skipped";
        assert_eq!(Tally::of_nextest(one), Some(Tally { passed: 11, failed: 1 }));
        let more = "     Summary [   0.034s] 12 tests run: 11 passed (1 slow, 2 flaky, 1 leaky), 1 failed, 0 skipped";
        assert_eq!(Tally::of_nextest(more), Some(Tally { passed: 9, failed: 3 }));
    }

    #[test]
    fn a_run_that_was_cut_off_has_failed() {
        let cut = "     Summary [   1.004s] 3/12 tests run: 3 passed, 0 skipped";
        assert_eq!(Tally::of_nextest(cut), None);
    }

    #[test]
    fn documentation_tests_are_summed_over_packages() {
        let printed = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\n\
                       test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(Tally::of_doctests(printed), Tally { passed: 4, failed: 3 });
    }

    #[test]
    fn playwright_counts_flaky_skipped_and_broken_files_as_failed() {
        let report =
            br#"{"stats":{"expected":7,"unexpected":1,"flaky":1,"skipped":2},"errors":[{"message":"x"}]}"#;
        assert_eq!(Tally::of_playwright(report).unwrap(), Tally { passed: 7, failed: 5 });
        assert!(Tally::of_playwright(b"{}").is_err());
    }

    #[test]
    fn attacks_are_counted_by_their_last_line() {
        let tally = Tally { passed: 29, failed: 1 };
        assert_eq!(Tally::of_attacks("== guesses\n  held  names\n29 passed, 1 failed\n"), Some(tally));
        assert_eq!(Tally::of_attacks("error: the server does not come up"), None);
    }

    #[test]
    fn a_program_that_fails_without_a_count_has_one_failure() {
        let counted = Tally { passed: 2, failed: 0 };
        assert_eq!(counted.believing(false, "a program"), Tally { passed: 2, failed: 1 });
        assert_eq!(counted.believing(true, "a program"), counted);
    }

    #[test]
    fn the_last_line_reads_as_promised() {
        let tally = Tally { passed: 12, failed: 0 };
        assert_eq!(tally.to_string(), "12 passed, 0 failed");
        assert_eq!(Tally::of_attacks(&tally.to_string()), Some(tally));
    }
}
