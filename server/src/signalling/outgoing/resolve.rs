//! From a trunk's name to the servers to try, in their order (RFC 3263 §4, RFC 2782).

use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use sip::Transport;

/// A server to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// How.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

/// Where names are looked up. What cannot be found is empty.
#[async_trait]
pub trait Dns: Send + Sync {
    /// The NAPTR records of a name.
    async fn naptr(&self, name: &str) -> Vec<Naptr>;
    /// The SRV records of a name.
    async fn srv(&self, name: &str) -> Vec<Srv>;
    /// The addresses of a host.
    async fn addresses(&self, host: &str) -> Vec<IpAddr>;
}

/// A NAPTR record (RFC 3403 §4), as far as SIP looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// The lower comes first.
    pub order: u16,
    /// Of the same order, the lower comes first.
    pub preference: u16,
    /// `s` where the replacement has SRV records.
    pub flags: String,
    /// As `SIPS+D2T`.
    pub service: String,
    /// The name to go on with.
    pub replacement: String,
}

/// An SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// The lower comes first.
    pub priority: u16,
    /// Of the same priority, how often it comes first.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host.
    pub target: String,
}

/// No trunk has more servers that are worth trying in one round.
const MOST_TARGETS: usize = 16;

/// The servers of a host, in the order in which to try them. `random` gives a number below its argument.
pub async fn targets(
    dns: &dyn Dns,
    host: &str,
    port: Option<u16>,
    transport: Option<Transport>,
    mut random: impl FnMut(u32) -> u32 + Send,
) -> Vec<Target> {
    let mut targets = Vec::new();
    let plain = transport.unwrap_or(Transport::Udp);
    if let Ok(ip) = host.parse::<IpAddr>() {
        let address = SocketAddr::new(ip, port.unwrap_or(usual_port(plain)));
        return vec![Target { transport: plain, address }];
    }
    if port.is_none() {
        let services = match transport {
            Some(transport) => {
                service_name(transport, host).map(|name| (transport, name)).into_iter().collect()
            }
            None => services(dns, host).await,
        };
        for (transport, name) in services {
            for srv in in_order(dns.srv(&name).await, &mut random) {
                for ip in dns.addresses(&srv.target).await {
                    targets.push(Target { transport, address: SocketAddr::new(ip, srv.port) });
                }
            }
        }
    }
    if targets.is_empty() {
        let port = port.unwrap_or(usual_port(plain));
        let addresses = dns.addresses(host).await;
        targets = addresses
            .into_iter()
            .map(|ip| Target { transport: plain, address: SocketAddr::new(ip, port) })
            .collect();
    }
    let mut seen = std::collections::HashSet::new();
    targets.retain(|target| seen.insert(*target));
    targets.truncate(MOST_TARGETS);
    targets
}

/// The transports that a host offers by NAPTR, else those for which it may have SRV records, the safest first.
async fn services(dns: &dyn Dns, host: &str) -> Vec<(Transport, String)> {
    let mut records = dns.naptr(host).await;
    records.sort_by_key(|record| (record.order, record.preference));
    let offered: Vec<(Transport, String)> = records
        .into_iter()
        .filter(|record| record.flags.eq_ignore_ascii_case("s"))
        .filter_map(|record| Some((transport_of(&record.service)?, record.replacement)))
        .collect();
    if !offered.is_empty() {
        return offered;
    }
    let ours = [Transport::Tls, Transport::Tcp, Transport::Udp];
    ours.into_iter().filter_map(|transport| Some((transport, service_name(transport, host)?))).collect()
}

fn transport_of(service: &str) -> Option<Transport> {
    match service.to_ascii_uppercase().as_str() {
        "SIP+D2U" => Some(Transport::Udp),
        "SIP+D2T" => Some(Transport::Tcp),
        "SIPS+D2T" => Some(Transport::Tls),
        _ => None,
    }
}

fn service_name(transport: Transport, host: &str) -> Option<String> {
    match transport {
        Transport::Udp => Some(format!("_sip._udp.{host}")),
        Transport::Tcp => Some(format!("_sip._tcp.{host}")),
        Transport::Tls => Some(format!("_sips._tcp.{host}")),
        Transport::Ws | Transport::Wss => None,
    }
}

const fn usual_port(transport: Transport) -> u16 {
    match transport {
        Transport::Udp | Transport::Tcp => 5060,
        Transport::Tls => 5061,
        Transport::Ws => 80,
        Transport::Wss => 443,
    }
}

/// By priority, and by chance as the weights say among those of one priority (RFC 2782).
fn in_order(mut records: Vec<Srv>, random: &mut impl FnMut(u32) -> u32) -> Vec<Srv> {
    // "." says that the service is decidedly not there
    records.retain(|srv| !matches!(srv.target.as_str(), "" | "."));
    records.sort_by_key(|srv| (srv.priority, srv.weight));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let priority = first.priority;
        let among = records.iter().take_while(|srv| srv.priority == priority);
        let sum: u32 = among.map(|srv| u32::from(srv.weight)).sum();
        let drawn = random(sum + 1);
        let mut running = 0;
        let at = records.iter().position(|srv| {
            running += u32::from(srv.weight);
            running >= drawn
        });
        ordered.push(records.remove(at.unwrap_or(0)));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[derive(Default)]
    struct Table {
        naptr: HashMap<&'static str, Vec<Naptr>>,
        srv: HashMap<&'static str, Vec<Srv>>,
        addresses: HashMap<&'static str, Vec<IpAddr>>,
    }

    #[async_trait]
    impl Dns for Table {
        async fn naptr(&self, name: &str) -> Vec<Naptr> {
            self.naptr.get(name).cloned().unwrap_or_default()
        }
        async fn srv(&self, name: &str) -> Vec<Srv> {
            self.srv.get(name).cloned().unwrap_or_default()
        }
        async fn addresses(&self, host: &str) -> Vec<IpAddr> {
            self.addresses.get(host).cloned().unwrap_or_default()
        }
    }

    fn naptr(order: u16, service: &str, replacement: &str) -> Naptr {
        let (service, replacement) = (service.into(), replacement.into());
        Naptr { order, preference: 10, flags: "S".into(), service, replacement }
    }

    fn srv(priority: u16, weight: u16, target: &str) -> Srv {
        Srv { priority, weight, port: 5080, target: target.into() }
    }

    fn table() -> Table {
        let ip = |last: u8| IpAddr::from([192, 0, 2, last]);
        Table {
            naptr: HashMap::from([(
                "carrier.example",
                vec![
                    naptr(20, "SIP+D2U", "_sip._udp.carrier.example"),
                    naptr(10, "sips+d2t", "_sips._tcp.carrier.example"),
                    naptr(5, "SIP+D2S", "_sip._sctp.carrier.example"),
                    Naptr { flags: "u".into(), ..naptr(1, "E2U+sip", "") },
                ],
            )]),
            srv: HashMap::from([
                ("_sips._tcp.carrier.example", vec![srv(20, 0, "b.example"), srv(10, 0, "a.example")]),
                ("_sip._udp.carrier.example", vec![srv(10, 0, "a.example")]),
                ("_sip._tcp.plain.example", vec![srv(1, 1, "b.example")]),
                ("_sip._udp.closed.example", vec![srv(0, 0, ".")]),
            ]),
            addresses: HashMap::from([
                ("a.example", vec![ip(1), "2001:db8::1".parse().unwrap()]),
                ("b.example", vec![ip(2)]),
                ("bare.example", vec![ip(3)]),
                ("carrier.example", vec![ip(9)]),
            ]),
        }
    }

    async fn found(host: &str, port: Option<u16>, transport: Option<Transport>) -> Vec<String> {
        let targets = targets(&table(), host, port, transport, |_| 0).await;
        targets.iter().map(|target| format!("{} {}", target.transport.via_token(), target.address)).collect()
    }

    #[tokio::test]
    async fn names_lead_to_servers_as_rfc_3263_says() {
        assert_eq!(
            found("carrier.example", None, None).await,
            [
                "TLS 192.0.2.1:5080",
                "TLS [2001:db8::1]:5080",
                "TLS 192.0.2.2:5080",
                "UDP 192.0.2.1:5080",
                "UDP [2001:db8::1]:5080"
            ]
        );
        assert_eq!(
            found("carrier.example", None, Some(Transport::Udp)).await,
            ["UDP 192.0.2.1:5080", "UDP [2001:db8::1]:5080"]
        );
        // a port leaves SRV out; without NAPTR the transports are asked for one by one
        assert_eq!(found("carrier.example", Some(5070), None).await, ["UDP 192.0.2.9:5070"]);
        assert_eq!(found("plain.example", None, None).await, ["TCP 192.0.2.2:5080"]);
        assert_eq!(found("bare.example", None, None).await, ["UDP 192.0.2.3:5060"]);
        assert_eq!(found("bare.example", None, Some(Transport::Tls)).await, ["TLS 192.0.2.3:5061"]);
        assert_eq!(found("bare.example", None, Some(Transport::Wss)).await, ["WSS 192.0.2.3:443"]);
        assert_eq!(found("closed.example", None, Some(Transport::Udp)).await, [""; 0]);
        for (literal, target) in
            [("192.0.2.7", "UDP 192.0.2.7:5060"), ("2001:db8::7", "UDP [2001:db8::7]:5060")]
        {
            assert_eq!(found(literal, None, None).await, [target]);
        }
        assert_eq!(found("192.0.2.7", Some(99), Some(Transport::Tcp)).await, ["TCP 192.0.2.7:99"]);
    }

    #[test]
    fn weights_share_the_first_place() {
        let records = vec![srv(1, 30, "thirty"), srv(1, 10, "ten"), srv(1, 0, "none"), srv(0, 1, "first")];
        let mut firsts = HashMap::new();
        let mut seed = 1_u32;
        for _ in 0..4_100 {
            let mut random = |bound: u32| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 8) % bound
            };
            let order = in_order(records.clone(), &mut random);
            assert_eq!((order.len(), order[0].target.as_str()), (4, "first"));
            *firsts.entry(order[1].target.clone()).or_insert(0) += 1;
        }
        let share = |name: &str| firsts.get(name).copied().unwrap_or(0);
        assert!((2_800..3_200).contains(&share("thirty")), "{firsts:?}");
        assert!((850..1_150).contains(&share("ten")), "{firsts:?}");
        assert!((50..160).contains(&share("none")), "{firsts:?}");
    }
}
