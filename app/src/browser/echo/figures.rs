use js_sys::{Map, Reflect};
use wasm_bindgen::JsValue;

/// What the network does to the sound, as far as the browser and the server tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// There and back, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Of the packets that come back, in milliseconds (RFC 3550 §6.4.1).
    pub jitter_ms: Option<f64>,
    /// Of the worse direction, in percent.
    pub lost_percent: Option<f64>,
    /// Packets that the server got from us.
    pub server_in: Option<u64>,
    /// Packets that the server sent back.
    pub server_out: Option<u64>,
    /// The way the packets take: protocol and kind of our address, such as `udp host`.
    pub path: Option<String>,
}

/// Puts the figures together from what the two sides report.
#[derive(Default)]
pub(super) struct Collector {
    pub figures: Figures,
    from_server: Loss,
    to_server: Loss,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Loss {
    came: f64,
    lost: f64,
}

impl Loss {
    fn percent(self) -> Option<f64> {
        let all = self.came + self.lost;
        (all > 0.0).then(|| 100.0 * self.lost.max(0.0) / all)
    }
}

/// What the server counts of one test.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    packets_in: Option<f64>,
    packets_out: Option<f64>,
    lost: Option<f64>,
    jitter_ms: Option<f64>,
}

impl Counters {
    /// Reads the server's JSON, parsed.
    pub(super) fn read(answer: &JsValue) -> Self {
        Counters {
            packets_in: number(answer, "packetsIn"),
            packets_out: number(answer, "packetsOut"),
            lost: number(answer, "lost"),
            jitter_ms: number(answer, "jitterMs"),
        }
    }
}

impl Collector {
    /// Takes in what the server counts.
    pub(super) fn add_counters(&mut self, counters: &Counters) {
        self.figures.server_in = counters.packets_in.map(|count| count as u64);
        self.figures.server_out = counters.packets_out.map(|count| count as u64);
        self.to_server =
            Loss { came: counters.packets_in.unwrap_or_default(), lost: counters.lost.unwrap_or_default() };
        // What the browser measures itself is fresher.
        self.figures.jitter_ms = self.figures.jitter_ms.or(counters.jitter_ms);
        self.add_loss();
    }

    /// Takes in a report of `getStats` (W3C WebRTC Statistics §8).
    pub(super) fn add_report(&mut self, report: &Map) {
        let mut local_candidate = None;
        report.for_each(&mut |entry, _| match text(&entry, "type").as_deref() {
            Some("candidate-pair") if flag(&entry, "nominated") => {
                local_candidate = text(&entry, "localCandidateId");
                self.figures.rtt_ms =
                    number(&entry, "currentRoundTripTime").map(to_millis).or(self.figures.rtt_ms);
            }
            Some("inbound-rtp") => {
                self.figures.jitter_ms = number(&entry, "jitter").map(to_millis).or(self.figures.jitter_ms);
                self.from_server = Loss {
                    came: number(&entry, "packetsReceived").unwrap_or_default(),
                    lost: number(&entry, "packetsLost").unwrap_or_default(),
                };
            }
            _ => {}
        });
        if let Some(candidate) = local_candidate.map(|id| report.get(&JsValue::from_str(&id)))
            && let (Some(protocol), Some(kind)) =
                (text(&candidate, "protocol"), text(&candidate, "candidateType"))
        {
            self.figures.path = Some(format!("{protocol} {kind}"));
        }
        self.add_loss();
    }

    fn add_loss(&mut self) {
        let losses = [self.from_server.percent(), self.to_server.percent()];
        self.figures.lost_percent = losses.into_iter().flatten().reduce(f64::max);
    }
}

fn to_millis(seconds: f64) -> f64 {
    seconds * 1000.0
}

fn field(entry: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(entry, &JsValue::from_str(name)).ok()
}

fn text(entry: &JsValue, name: &str) -> Option<String> {
    field(entry, name)?.as_string()
}

fn number(entry: &JsValue, name: &str) -> Option<f64> {
    field(entry, name)?.as_f64()
}

fn flag(entry: &JsValue, name: &str) -> bool {
    field(entry, name).is_some_and(|value| value.is_truthy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_direction_counts() {
        let mut collector = Collector { from_server: Loss { came: 99.0, lost: 1.0 }, ..Collector::default() };
        let counters = Counters {
            packets_in: Some(90.0),
            packets_out: Some(90.0),
            lost: Some(10.0),
            jitter_ms: Some(2.5),
        };
        collector.add_counters(&counters);
        let figures = collector.figures;
        assert_eq!(figures.lost_percent, Some(10.0));
        assert_eq!((figures.server_in, figures.jitter_ms), (Some(90), Some(2.5)));
    }

    #[test]
    fn nothing_counted_is_no_loss_figure() {
        let mut collector = Collector::default();
        collector.add_counters(&Counters::default());
        assert_eq!(collector.figures.lost_percent, None);
    }
}
