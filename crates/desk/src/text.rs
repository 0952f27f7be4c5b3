/// The longest name that is shown; a longer one ends in an ellipsis.
const LONGEST: usize = 80;

/// Text from outside, made fit to stand in a page: no control characters, no invisible ones, no marks that turn the
/// direction of the text around it, at most 80 characters.
pub fn readable(text: &str) -> String {
    let mut kept = text.chars().filter(|c| !c.is_control() && !is_invisible(*c));
    let mut shown: String = kept.by_ref().take(LONGEST).collect();
    if kept.next().is_some() {
        shown.pop();
        shown.push('…');
    }
    shown.trim().to_owned()
}

/// Zero-width characters, direction marks, embeddings and isolates (Unicode UAX #9 §2), and the byte order mark.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{61c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_imitate_the_page() {
        assert_eq!(readable("Anna\u{202e}1001\u{200b}\n"), "Anna1001");
        assert_eq!(readable(&"x".repeat(10_000)).chars().count(), 80);
        assert_eq!(readable("  Amélie Roche "), "Amélie Roche");
    }
}
