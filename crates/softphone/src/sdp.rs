/// Which way audio may flow, seen from the side that says it (RFC 3264 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// The speaker only sends: the other side is on hold.
    SendOnly,
    /// The speaker only receives.
    RecvOnly,
    /// Neither way.
    Inactive,
}

impl Direction {
    /// The attribute's name in SDP.
    pub const fn as_str(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    /// The direction of the first audio section, else of the session; `SendRecv` where none is written.
    pub fn of_audio(sdp: &str) -> Direction {
        let mut session = Direction::SendRecv;
        let mut in_audio = false;
        for line in sdp.lines().map(str::trim_end) {
            if let Some(media) = line.strip_prefix("m=") {
                if in_audio {
                    break;
                }
                in_audio = media.starts_with("audio");
                if !in_audio {
                    continue;
                }
            }
            let Some(direction) = line.strip_prefix("a=").and_then(Direction::from_name) else { continue };
            if in_audio {
                return direction;
            }
            session = direction;
        }
        session
    }

    /// Whether the side that says it wants to hear nothing.
    pub const fn holds(self) -> bool {
        matches!(self, Direction::SendOnly | Direction::Inactive)
    }

    fn from_name(name: &str) -> Option<Direction> {
        [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive]
            .into_iter()
            .find(|direction| direction.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audio_section_speaks_before_the_session() {
        let both = "v=0\r\na=sendonly\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=inactive\r\n";
        assert_eq!(Direction::of_audio(both), Direction::Inactive);
        assert_eq!(Direction::of_audio("v=0\r\na=sendonly\r\nm=audio 9 RTP/AVP 0\r\n"), Direction::SendOnly);
        assert_eq!(Direction::of_audio("v=0\r\nm=audio 9 RTP/AVP 0\r\n"), Direction::SendRecv);
    }
}
