//! What was checked, and what came of it.

/// The checks of a run.
#[derive(Default)]
pub struct Report {
    checks: Vec<(String, Result<String, String>)>,
}

impl Report {
    /// Keeps and prints one: what was measured if the server held, or how it did not.
    pub fn check(&mut self, rule: &str, outcome: Result<String, String>) {
        match &outcome {
            Ok(measured) => println!("  held  {rule}: {measured}"),
            Err(defect) => println!("  FAILED  {rule}: {defect}"),
        }
        self.checks.push((rule.to_owned(), outcome));
    }

    /// How many held, and how many did not.
    pub fn counts(&self) -> (usize, usize) {
        let held = self.checks.iter().filter(|(_, outcome)| outcome.is_ok()).count();
        (held, self.checks.len() - held)
    }

    /// The rules that did not hold.
    pub fn defects(&self) -> Vec<&str> {
        let failed = self.checks.iter().filter(|(_, outcome)| outcome.is_err());
        failed.map(|(rule, _)| rule.as_str()).collect()
    }
}
