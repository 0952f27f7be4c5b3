use std::ops::Range;

const BLACK: &str = "[hidden]";

/// Names of secrets: what stands behind one and a colon or an equals sign is not shown.
const NAMES: [&str; 7] = ["password", "passwd", "passphrase", "token", "ticket", "credential", "secret"];
/// Further names, which are also the ends of harmless words.
const WHOLE_NAMES: [&str; 3] = ["pass", "pwd", "response"];
/// What comes right before a secret that has no name.
const MARKS: [&str; 3] = ["bearer ", "basic ", "inline:"];
/// How each of our tokens, and any other JSON Web Token, begins.
const TOKEN_BEGINS: &str = "eyj";

/// The text without tokens, passwords and keys.
pub(super) fn blacken(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut clean = String::with_capacity(text.len());
    let mut done = 0;
    while let Some(secret) = (done..lower.len()).find_map(|at| secret_at(&lower, at)) {
        clean.push_str(&text[done..secret.start]);
        clean.push_str(BLACK);
        done = secret.end;
    }
    clean.push_str(&text[done..]);
    clean
}

/// Where the secret lies whose name, mark or beginning stands at `at`. Its ends lie next to ASCII.
fn secret_at(lower: &str, at: usize) -> Option<Range<usize>> {
    let rest = lower.get(at..)?;
    if rest.starts_with(TOKEN_BEGINS) {
        return bare(lower, at);
    }
    if let Some(mark) = MARKS.iter().find(|mark| rest.starts_with(**mark)) {
        return bare(lower, at + mark.len());
    }
    let inside_a_word = lower[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
    let whole = WHOLE_NAMES.iter().filter(|_| !inside_a_word);
    let name = NAMES.iter().chain(whole).find(|name| rest.starts_with(**name))?;
    value(lower, at + name.len())
}

/// The value behind a name that ends at `at`, as JSON, Rust's `Debug`, a query or a SIP header writes it: quotes and
/// backslashes may stand on both sides of the sign, as often as JSON was put into JSON.
fn value(lower: &str, at: usize) -> Option<Range<usize>> {
    let sign = skip(lower, at, &['\\', '"', '\'', ' ']);
    if !lower[sign..].starts_with([':', '=']) {
        return None;
    }
    let is_member = lower[at..].starts_with('"');
    let mut from = skip(lower, sign + 1, &[' ']);
    if lower[from..].starts_with("some(") {
        from += "some(".len();
    }
    let quote = skip(lower, from, &['\\']);
    match lower[quote..].chars().next()? {
        '"' => not_empty(quote + 1..end_of_quoted(lower, quote + 1, quote - from)),
        // a number or `null` in a line that is JSON itself; hiding it would break the line
        _ if is_member => None,
        '[' => not_empty(quote + 1..end(lower, quote + 1, |c| c == ']')),
        _ => bare(lower, quote),
    }
}

/// A secret without quotes.
fn bare(lower: &str, from: usize) -> Option<Range<usize>> {
    let is_over = |c: char| {
        c.is_whitespace() || matches!(c, '"' | '\'' | '&' | ',' | ';' | ')' | '}' | ']' | '<' | '\\' | '\x1b')
    };
    not_empty(from..end(lower, from, is_over))
}

/// Where a text ends that was opened by a quote with so many backslashes; a quote inside it has more of them.
fn end_of_quoted(lower: &str, from: usize, backslashes: usize) -> usize {
    let closes = |quote: usize| {
        let before = &lower[from..quote];
        before.len() - before.trim_end_matches('\\').len() <= backslashes
    };
    let quote = lower[from..].match_indices('"').map(|(at, _)| from + at).find(|quote| closes(*quote));
    let quote = quote.unwrap_or(lower.len());
    from + lower[from..quote].trim_end_matches('\\').len()
}

fn end(lower: &str, from: usize, is_over: impl Fn(char) -> bool) -> usize {
    lower[from..].find(is_over).map_or(lower.len(), |length| from + length)
}

fn not_empty(range: Range<usize>) -> Option<Range<usize>> {
    (!range.is_empty()).then_some(range)
}

/// Where something else than these characters and the escape codes of colours begins.
fn skip(lower: &str, mut at: usize, these: &[char]) -> usize {
    loop {
        let rest = lower[at..].trim_start_matches(these);
        at = lower.len() - rest.len();
        let Some(colour) = rest.strip_prefix("\x1b[").and_then(|code| code.find('m')) else { return at };
        at += "\x1b[".len() + colour + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_blackened_wherever_they_stand() {
        for (line, clean) in [
            (
                "GET /xuc/api/2.0/cti?token=abc.def-_1&x=1 HTTP",
                "GET /xuc/api/2.0/cti?token=[hidden]&x=1 HTTP",
            ),
            ("Authorization: Bearer eyJ0.eyJ1.sig", "Authorization: Bearer [hidden]"),
            ("got eyJ0eXAi.eyJs.x, then eyJ0eXAi.b", "got [hidden], then [hidden]"),
            (r#"{"login":"a","password":"hot,desk"}"#, r#"{"login":"a","password":"[hidden]"}"#),
            (r#"{"password":"a\"b c","x":1}"#, r#"{"password":"[hidden]","x":1}"#),
            (r#"{"m":"{\"password\":\"hotdesk\"}"}"#, r#"{"m":"{\"password\":\"[hidden]\"}"}"#),
            (r#"{"m":"{\"pass\": \"a\\\"b\"}"}"#, r#"{"m":"{\"pass\": \"[hidden]\"}"}"#),
            (r#"\\\"password\\\":\\\"hotdesk\\\",x"#, r#"\\\"password\\\":\\\"[hidden]\\\",x"#),
            (r#"Line { pass: "x y", n: 1 }"#, r#"Line { pass: "[hidden]", n: 1 }"#),
            (r#"password: Some("x y"), n"#, r#"password: Some("[hidden]"), n"#),
            ("password: [112, 97], n", "password: [[hidden]], n"),
            (r#"uri="sip:x",response="0a1b", nc=1"#, r#"uri="sip:x",response="[hidden]", nc=1"#),
            (r#"uri=\"sip:x\",response=\"0a1b\""#, r#"uri=\"sip:x\",response=\"[hidden]\""#),
            ("a=ice-pwd:secret\r\na=x", "a=ice-pwd:[hidden]\r\na=x"),
            (r"a=ice-pwd:secret\r\na=x", r"a=ice-pwd:[hidden]\r\na=x"),
            ("a=crypto:1 AES inline:abc|2", "a=crypto:1 AES inline:[hidden]"),
            ("userPassword=abc credential = x", "userPassword=[hidden] credential = [hidden]"),
            ("TOKEN=abc", "TOKEN=[hidden]"),
            (
                "\u{1b}[3mtoken\u{1b}[0m\u{1b}[2m=\u{1b}[0mabc x",
                "\u{1b}[3mtoken\u{1b}[0m\u{1b}[2m=\u{1b}[0m[hidden] x",
            ),
            ("é token=é", "é token=[hidden]"),
        ] {
            assert_eq!(blacken(line), clean);
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for line in [
            "nothing here",
            "the token is not valid",
            "auth.token_ttl_seconds = 3600",
            "bypass: yes",
            r#"{"token":"","response":200,"password":null}"#,
            "token=",
            "password: \"\"",
            "secret.key",
        ] {
            assert_eq!(blacken(line), line);
        }
    }
}
