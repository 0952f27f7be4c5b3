use std::collections::VecDeque;

use bytes::BytesMut;
use timing::{Deadline, Duration, Instant};

use crate::wire::LIMITS;

/// The answer to a keep-alive (RFC 5626 §4.4.1).
pub const PONG: &[u8] = b"\r\n";

/// A length of more digits is larger than any message may be.
const LONGEST_NUMBER: usize = 9;

/// How long a peer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// From the connection to its first byte, and from the first byte of a message to its last.
    pub message: Duration,
    /// Without a byte between messages.
    pub idle: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { message: Duration::from_secs(10), idle: Duration::from_secs(600) }
    }
}

/// What a stream holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The bytes of one whole message, for [`UserAgent::handle_message`](crate::UserAgent::handle_message).
    Message(Vec<u8>),
    /// CRLFCRLF, to be answered with [`PONG`].
    Ping,
    /// What cannot be cut, for the user agent to refuse; the connection ends after that. Nothing follows it.
    Broken(Vec<u8>),
}

/// Why time matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// Nothing came at all, or a message was begun and not ended: close the connection.
    Message,
    /// Nothing has come for long: close it, unless somebody counts on it. Told again after the same time.
    Idle,
}

/// Cuts a byte stream into SIP messages by their `Content-Length` (RFC 3261 §18.3).
///
/// Where a message ends is never guessed: a head whose lines or lengths leave a doubt breaks the stream,
/// since of two readers who differ about an end, one takes the body of a message for the next request.
#[derive(Debug)]
pub struct Framer {
    patience: Patience,
    buffer: BytesMut,
    /// How far the end of the head was looked for already.
    scanned: usize,
    /// Length of the whole message at the front of the buffer, once its head is known.
    whole: Option<usize>,
    /// A single CRLF stood before this place; another one makes a ping.
    after_line_end: bool,
    heard_at: Instant,
    /// When the message at the front of the buffer began; for the first one, when the connection did.
    began_at: Option<Instant>,
    broken: bool,
    pieces: VecDeque<Piece>,
}

impl Framer {
    /// For a connection that has just come up.
    pub fn new(patience: Patience, now: Instant) -> Self {
        Framer {
            patience,
            buffer: BytesMut::new(),
            scanned: 0,
            whole: None,
            after_line_end: false,
            heard_at: now,
            began_at: Some(now),
            broken: false,
            pieces: VecDeque::new(),
        }
    }

    /// For a connection that we have made: its peer may be silent until we ask something.
    pub fn to_a_peer(patience: Patience, now: Instant) -> Self {
        Framer { began_at: None, ..Framer::new(patience, now) }
    }

    /// The next bytes of the stream, in whatever portions they come.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Instant) {
        if self.broken || bytes.is_empty() {
            return;
        }
        if self.buffer.is_empty() {
            self.began_at = Some(now);
        }
        self.heard_at = now;
        self.buffer.extend_from_slice(bytes);
        while self.cut() {
            self.began_at = Some(now);
        }
        if self.buffer.is_empty() {
            self.began_at = None;
        }
    }

    /// The next piece.
    pub fn poll_piece(&mut self) -> Option<Piece> {
        self.pieces.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Deadline {
        match self.began_at {
            Some(began) => Deadline::new(began + self.patience.message, "the rest of a message"),
            None => Deadline::new(self.heard_at + self.patience.idle, "idle connection"),
        }
    }

    /// What the passing of time means, if anything.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Overdue> {
        if !self.poll_timeout().is_due(now) {
            return None;
        }
        if self.began_at.is_some() {
            return Some(Overdue::Message);
        }
        self.heard_at = now;
        Some(Overdue::Idle)
    }

    /// Takes one piece off the front of the buffer; whether there was a whole one.
    fn cut(&mut self) -> bool {
        if self.whole.is_none() {
            if self.buffer.starts_with(b"\r\n") {
                self.take_line_end();
                return true;
            }
            let tail = self.buffer.get(self.scanned..).unwrap_or_default();
            let Some(end) = tail.windows(4).position(|w| w == b"\r\n\r\n") else {
                self.scanned = self.buffer.len().saturating_sub(3);
                if self.buffer.len() > LIMITS.max_message_bytes {
                    self.break_off(self.buffer.len());
                }
                return false;
            };
            let head = self.scanned + end;
            match body_length(&self.buffer[..head]) {
                Some(body) if head + 4 + body <= LIMITS.max_message_bytes => {
                    self.whole = Some(head + 4 + body)
                }
                _ => {
                    self.break_off(head + 4);
                    return false;
                }
            }
        }
        let Some(whole) = self.whole.filter(|whole| self.buffer.len() >= *whole) else { return false };
        let message = self.buffer.split_to(whole);
        self.pieces.push_back(Piece::Message(message.to_vec()));
        (self.whole, self.scanned, self.after_line_end) = (None, 0, false);
        true
    }

    /// CRLF before a message is to be ignored (RFC 3261 §7.5), two of them are a keep-alive (RFC 5626
    /// §4.4.1).
    fn take_line_end(&mut self) {
        let _ = self.buffer.split_to(2);
        self.scanned = self.scanned.saturating_sub(2);
        if self.after_line_end {
            self.pieces.push_back(Piece::Ping);
        }
        self.after_line_end = !self.after_line_end;
    }

    fn break_off(&mut self, length: usize) {
        self.pieces.push_back(Piece::Broken(self.buffer[..length].to_vec()));
        self.buffer.clear();
        self.broken = true;
    }
}

/// The length of the body, if the head is one that every reader cuts the same way and within our limits.
fn body_length(head: &[u8]) -> Option<usize> {
    let mut lines = Vec::new();
    let mut rest = head;
    while let Some(end) = rest.iter().position(|b| matches!(b, b'\r' | b'\n')) {
        // a bare CR or LF ends a line for some and not for others
        rest[end..].starts_with(b"\r\n").then_some(())?;
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    lines.push(rest);

    let mut length = None;
    let (mut fields, mut field_bytes) = (0, 0);
    let mut lines = lines.into_iter().skip(1).peekable();
    while let Some(line) = lines.next() {
        if line.len() > LIMITS.max_header_bytes {
            return None;
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            field_bytes += line.len() + 2;
            if field_bytes > LIMITS.max_header_bytes {
                return None;
            }
            continue;
        }
        (fields, field_bytes) = (fields + 1, line.len());
        let colon = line.iter().position(|&b| b == b':')?;
        let name = line[..colon].trim_ascii_end();
        if fields > LIMITS.max_headers || name.is_empty() || !name.iter().all(|&b| is_token(b)) {
            return None;
        }
        if name.eq_ignore_ascii_case(b"Content-Length") || name.eq_ignore_ascii_case(b"l") {
            let mut value = line[colon + 1..].to_vec();
            while let Some(folded) = lines.next_if(|line| line.starts_with(b" ") || line.starts_with(b"\t")) {
                value.extend_from_slice(folded);
            }
            let once = length.replace(number(value.trim_ascii())?).is_none();
            once.then_some(())?;
        }
    }
    length
}

fn number(digits: &[u8]) -> Option<usize> {
    let sane = !digits.is_empty() && digits.len() <= LONGEST_NUMBER && digits.iter().all(u8::is_ascii_digit);
    sane.then(|| digits.iter().fold(0, |number, digit| number * 10 + usize::from(digit - b'0')))
}

/// RFC 3261 §25.1, `token`.
fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::ORIGIN;

    fn framer() -> Framer {
        Framer::new(Patience::default(), NOW)
    }

    fn options(more: &str, body: &str) -> String {
        format!("OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP x;branch=z9hG4bK1\r\n{more}\r\n{body}")
    }

    fn pieces(framer: &mut Framer) -> Vec<Piece> {
        std::iter::from_fn(|| framer.poll_piece()).collect()
    }

    fn message(text: &str) -> Piece {
        Piece::Message(text.as_bytes().to_vec())
    }

    #[test]
    fn messages_are_the_same_however_they_come() {
        let first = options("Content-Length: 4\r\n", "v=0\n");
        let second = options("l : \r\n 0003\r\n", "abc");
        let stream = format!("\r\n{first}{second}\r\n\r\n{first}");
        let expected = [message(&first), message(&second), Piece::Ping, message(&first)];
        for portion in [1, 2, 3, 7, 50, stream.len()] {
            let mut framer = framer();
            for bytes in stream.as_bytes().chunks(portion) {
                framer.handle_bytes(bytes, NOW);
            }
            assert_eq!(pieces(&mut framer), expected, "in portions of {portion}");
        }
    }

    #[test]
    fn where_the_end_is_in_doubt_the_stream_breaks() {
        for more in [
            "".to_owned(),
            "Content-Length: -1\r\n".into(),
            "Content-Length: \r\n".into(),
            "Content-Length: 1x\r\n".into(),
            "Content-Length: 4294967296\r\n".into(),
            "Content-Length: 18446744073709551616\r\n".into(),
            "Content-Length: 70000\r\n".into(),
            "Content-Length: 0\r\nl: 0\r\n".into(),
            "Content-Length: 0\r\nl: 5\r\n".into(),
            "Content-Length\x01: 0\r\nContent-Length: 0\r\n".into(),
            "Content-Length: 0\r\nno colon\r\n".into(),
            "Content-Length: 0\nX: y\r\n".into(),
            "Content-Length: 0\rX: y\r\n".into(),
            format!("Content-Length: 0\r\nSubject: {}\r\n", "x".repeat(9_000)),
            format!("Content-Length: 0\r\nSubject: x\r\n {}\r\n", "x".repeat(9_000)),
            format!("Content-Length: 0\r\nSubject: x\r\n{}", format!(" {}\r\n", "x".repeat(5_000)).repeat(2)),
            format!("Content-Length: 0\r\n{}", "Subject: x\r\n".repeat(200)),
        ] {
            let mut framer = framer();
            let bad = options(&more, "");
            framer.handle_bytes(bad.as_bytes(), NOW);
            framer.handle_bytes(options("Content-Length: 0\r\n", "").as_bytes(), NOW);
            assert_eq!(pieces(&mut framer), [Piece::Broken(bad.into_bytes())]);
        }
        let mut framer = framer();
        framer.handle_bytes(&vec![b'x'; 70_000], NOW);
        assert!(matches!(&pieces(&mut framer)[..], [Piece::Broken(bytes)] if bytes.len() == 70_000));
    }

    #[test]
    fn what_breaks_here_is_refused_by_the_user_agent_and_the_other_way_round() {
        for more in
            ["", "Content-Length: 1x\r\n", "Content-Length: 0\r\nl: 0\r\n", "Content-Length: 0\r\nx\r\n"]
        {
            let read = crate::wire::read(options(more, "").as_bytes(), crate::Transport::Tcp);
            assert_eq!(read.expect_err(more).status, 400);
        }
        let good = options("Content-Length: 4\r\n", "v=0\n");
        assert!(crate::wire::read(good.as_bytes(), crate::Transport::Tls).is_ok());
    }

    #[test]
    fn half_a_message_is_waited_for_and_silence_too_but_not_for_ever() {
        let second = |n| NOW + Duration::from_secs(n);
        let mut silent = framer();
        assert_eq!(silent.handle_timeout(second(9)), None);
        assert_eq!(silent.handle_timeout(second(10)), Some(Overdue::Message));

        let mut framer = framer();
        let whole = options("Content-Length: 1\r\n", "x");
        framer.handle_bytes(b"\r\n", second(5));
        assert_eq!(framer.poll_timeout().at, second(605));
        // dribbling does not prolong it
        for (at, portion) in (100..).zip(whole.as_bytes().chunks(whole.len() / 5)).take(5) {
            framer.handle_bytes(portion, second(at));
        }
        assert_eq!(framer.poll_timeout().at, second(110));
        framer.handle_bytes(&whole.as_bytes()[whole.len() / 5 * 5..], second(109));
        assert_eq!(pieces(&mut framer), [message(&whole)]);
        assert_eq!(framer.handle_timeout(second(708)), None);
        assert_eq!(framer.handle_timeout(second(709)), Some(Overdue::Idle));
        assert_eq!(framer.poll_timeout().at, second(1_309));
    }
}
