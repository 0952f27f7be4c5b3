//! The Debian archive of this machine.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::house::output;

/// Where this machine gets its Debian packages.
pub struct Mirror {
    /// Without a slash at its end.
    pub address: String,
    signed_by: Option<String>,
}

impl Mirror {
    /// The one that apt uses.
    ///
    /// # Errors
    /// If apt knows none.
    pub fn of_this_machine() -> Result<Mirror> {
        let format = "$(SITE)|$(SUITE)|$(COMPONENT)|$(SIGNED_BY)";
        let targets = output(Command::new("apt-get").args(["indextargets", "--format", format]))?;
        Mirror::among(&String::from_utf8_lossy(&targets))
            .context("apt knows no Debian archive on this machine")
    }

    /// The first archive with the component `main` that is not the one of security updates, which has few packages.
    fn among(targets: &str) -> Option<Mirror> {
        targets.lines().find_map(|line| {
            let mut fields = line.split('|');
            let (address, suite, component) = (fields.next()?, fields.next()?, fields.next()?);
            let signed_by = fields.next().filter(|key| key.starts_with('/')).map(str::to_owned);
            let archive =
                component == "main" && !suite.ends_with("-security") && !address.ends_with("-security");
            archive.then(|| Mirror { address: address.trim_end_matches('/').to_owned(), signed_by })
        })
    }

    /// The line that makes it a source of that suite.
    pub fn line(&self, suite: &str) -> String {
        match &self.signed_by {
            Some(key) => format!("deb [signed-by={key}] {} {suite} main\n", self.address),
            None => format!("deb {} {suite} main\n", self.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_taken_from_apts_own_targets() {
        let targets = "http://security.example.org/debian-security|bookworm-security|main|/usr/share/keyrings/a.gpg\n\
                       http://mirror.example.org/debian/|bookworm|main|/usr/share/keyrings/a.gpg\n";
        let mirror = Mirror::among(targets).unwrap();
        assert_eq!(
            mirror.line("sid"),
            "deb [signed-by=/usr/share/keyrings/a.gpg] http://mirror.example.org/debian sid main\n"
        );
        assert!(Mirror::among("").is_none());
    }

    #[test]
    fn an_archive_without_a_named_key_uses_apts_own() {
        let mirror = Mirror::among("http://mirror.example.org/debian|bookworm|main|\n").unwrap();
        assert_eq!(mirror.line("sid"), "deb http://mirror.example.org/debian sid main\n");
    }
}
