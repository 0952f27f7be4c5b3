use std::fmt;

/// The SIP account of a line, as the server's `LineConfig` names it.
#[derive(Clone, PartialEq, Eq)]
pub struct LineAccount {
    /// User part of the address of record, and user name of the digest.
    pub name: String,
    /// Digest password. Never printed.
    pub password: String,
    /// Host part of the address of record.
    pub domain: String,
    /// What others see as our name; the server compares it, so it stays the same on every request.
    pub display_name: String,
}

impl LineAccount {
    /// The SIP domain that belongs to a `sipProxyName`: underscores are no part of a host name, so they become
    /// hyphens; an empty name is the main server, `default`.
    pub fn domain_of(sip_proxy_name: &str) -> String {
        if sip_proxy_name.is_empty() { "default".to_owned() } else { sip_proxy_name.replace('_', "-") }
    }

    /// The address of record, `sip:NAME@DOMAIN`.
    pub fn address_of_record(&self) -> String {
        format!("sip:{}@{}", self.name, self.domain)
    }
}

impl fmt::Debug for LineAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineAccount")
            .field("name", &self.name)
            .field("domain", &self.domain)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_a_host_name() {
        assert_eq!(LineAccount::domain_of("mds_2"), "mds-2");
        assert_eq!(LineAccount::domain_of(""), "default");
    }

    #[test]
    fn the_password_is_never_printed() {
        let account = LineAccount {
            name: "k3v9xq".into(),
            password: "secret-word".into(),
            domain: "default".into(),
            display_name: "Alice".into(),
        };
        assert!(!format!("{account:?}").contains("secret-word"));
    }
}
