//! What a call costs in signalling: both user agents' work, beside the parsing and writing of its messages alone.

use bench::Bench;
use bytes::Bytes;
use sip::{Config, Event, FlowId, OutboundInvite, Owner, Transport, UserAgent};
use sipx_sip::parser::{Limits, parse_datagram};
use timing::{Duration, Instant};

const FLOW: FlowId = FlowId(1);

/// An offer of the size that browsers make.
const OFFER: &str = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=audio 50000 UDP/TLS/RTP/SAVPF 111 9 0 8 110 126\r\nc=IN IP4 192.0.2.7\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
    a=candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host generation 0 network-id 1\r\n\
    a=ice-ufrag:Xx1y\r\na=ice-pwd:0123456789abcdef01234567\r\na=ice-options:trickle\r\n\
    a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
    a=setup:actpass\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n\
    a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\na=ssrc:1001 cname:a\r\n";

fn main() {
    let bench = Bench::from_args(std::env::args().skip(1));
    let mut line = Line::new();
    let messages: Vec<Bytes> = line.call().into_iter().map(Bytes::from).collect();
    let bytes: usize = messages.iter().map(Bytes::len).sum();
    println!("one call: {} messages, {bytes} bytes", messages.len());

    let limits = Limits::default();
    bench.beside(
        "sip: a call, INVITE to the answer to BYE, both ends",
        || line.call(),
        "its messages parsed and written, nothing more",
        || {
            let parse =
                |raw: &Bytes| parse_datagram(raw.clone(), &limits).expect("a message of ours").to_bytes();
            messages.iter().map(|raw| parse(raw).len()).sum::<usize>()
        },
    );
}

/// A caller and a callee at the two ends of one flow.
struct Line {
    caller: UserAgent,
    callee: UserAgent,
    now: Instant,
}

impl Line {
    fn new() -> Line {
        let agent = |contact_host: &str, seed, server| {
            let mut agent = UserAgent::new(Config {
                user_agent: "Bench/1".into(),
                contact_host: contact_host.into(),
                transport: Transport::Wss,
                seed: [seed; 32],
                server,
            });
            agent.open_flow(FLOW, Transport::Wss, Owner::Unproved, Instant::ORIGIN);
            agent
        };
        Line {
            caller: agent("a1b2c3.invalid", 1, false),
            callee: agent("192.0.2.1:8090", 2, true),
            now: Instant::ORIGIN,
        }
    }

    /// One call from INVITE to the answer to BYE; the messages that crossed the flow.
    fn call(&mut self) -> Vec<Vec<u8>> {
        let mut crossed = Vec::new();
        let dialog = self.caller.invite(
            OutboundInvite {
                flow: FLOW,
                target: "sip:1002@example.org".into(),
                from_user: "k3v9xq".into(),
                from_name: Some("Alice Martin".into()),
                from_host: "example.org".into(),
                to_user: "1002".into(),
                to_host: "example.org".into(),
                sdp: OFFER.into(),
                ..OutboundInvite::default()
            },
            self.now,
        );
        self.cross(&mut crossed);
        let invited = std::iter::from_fn(|| self.callee.poll_event()).find_map(|event| match event {
            Event::Invite(invite) => Some(invite.dialog),
            _ => None,
        });
        let callee_dialog = invited.expect("the callee is invited");
        self.callee.progress(callee_dialog, 180, None, self.now);
        self.callee.answer(callee_dialog, OFFER.into(), self.now).expect("the call waits for an answer");
        self.cross(&mut crossed);
        self.caller.bye(dialog, None, self.now);
        self.cross(&mut crossed);
        // Long enough for every transaction to be forgotten, so that no call meets another's leftovers.
        self.now += Duration::from_secs(70);
        self.caller.handle_timeout(self.now);
        self.callee.handle_timeout(self.now);
        self.cross(&mut crossed);
        while self.caller.poll_event().is_some() || self.callee.poll_event().is_some() {}
        crossed
    }

    /// Carries messages until both ends are silent.
    fn cross(&mut self, crossed: &mut Vec<Vec<u8>>) {
        loop {
            let to_callee: Vec<_> = std::iter::from_fn(|| self.caller.poll_transmit()).collect();
            let to_caller: Vec<_> = std::iter::from_fn(|| self.callee.poll_transmit()).collect();
            if to_callee.is_empty() && to_caller.is_empty() {
                return;
            }
            for message in to_callee {
                self.callee.handle_message(FLOW, &message.bytes, self.now);
                crossed.push(message.bytes);
            }
            for message in to_caller {
                self.caller.handle_message(FLOW, &message.bytes, self.now);
                crossed.push(message.bytes);
            }
        }
    }
}
