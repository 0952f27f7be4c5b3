use model::PhoneNumber;

/// Redirections of one call that are followed (RFC 3261 §8.1.3.4 leaves it to us).
pub(crate) const MOST_REDIRECTS: u8 = 3;

/// The numbers in the `Contact` values of a 3xx, the most wanted first. Where the host would lead is not looked at:
/// a number goes the way of all numbers, and what has none goes nowhere.
pub(crate) fn numbers_of(contacts: &[String]) -> Vec<PhoneNumber> {
    let mut numbers: Vec<(u16, PhoneNumber)> =
        contacts.iter().filter_map(|contact| Some((weight(contact), number(contact)?))).collect();
    numbers.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    numbers.into_iter().map(|(_, number)| number).collect()
}

fn number(contact: &str) -> Option<PhoneNumber> {
    let uri = match contact.split_once('<') {
        Some((_, rest)) => rest.split_once('>')?.0,
        None => contact.split(';').next()?,
    };
    let (scheme, rest) = uri.trim().split_once(':')?;
    let user = match scheme.to_ascii_lowercase().as_str() {
        "sip" | "sips" => rest.split_once('@')?.0,
        "tel" => rest,
        _ => return None,
    };
    // parameters of a number (RFC 3966 §5) may change what it means
    user.split_once(':').map_or(user, |(user, _)| user).parse().ok()
}

/// In thousandths; 1000 where nothing is said.
fn weight(contact: &str) -> u16 {
    let behind = contact.rsplit_once('>').map_or(contact, |(_, params)| params);
    let q = behind.split(';').find_map(|param| param.trim().strip_prefix("q="));
    let q = q.and_then(|q| q.trim().parse::<f32>().ok()).unwrap_or(1.0);
    (q.clamp(0.0, 1.0) * 1_000.0) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contacts_are_read_for_their_numbers_alone() {
        let contacts = [
            "\"B\" <sip:1002@192.0.2.9:5060;transport=tcp>;q=0.2",
            "<tel:+33612345678>;q=0.9",
            "sip:1003@evil.example;q=0.5",
            "<sip:evil.example>",
            "<mailto:1004@example.org>",
            "<sip:alice@example.org>",
            "<sip:1005;ext=7@example.org>",
            "<tel:1006;phone-context=+44>",
        ]
        .map(String::from);
        let numbers: Vec<String> = numbers_of(&contacts).iter().map(ToString::to_string).collect();
        assert_eq!(numbers, ["+33612345678", "1003", "1002"]);
    }
}
