use std::net::IpAddr;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{RData, RecordType};

use super::resolve::{Dns, Naptr, Srv};

/// The names as this machine knows them: its hosts file, and the servers of its `resolv.conf`.
#[derive(Debug)]
pub struct SystemDns {
    resolver: Option<TokioResolver>,
}

impl SystemDns {
    /// Reads the machine's settings. Without any, hosts are still looked up as every program does.
    pub fn new() -> Self {
        let resolver = TokioResolver::builder_tokio().and_then(|builder| builder.build());
        if let Err(error) = &resolver {
            tracing::warn!(%error, "no name servers are set; trunks have address records alone");
        }
        SystemDns { resolver: resolver.ok() }
    }

    #[cfg(test)]
    fn with(resolver: TokioResolver) -> Self {
        SystemDns { resolver: Some(resolver) }
    }

    async fn records(&self, name: &str, kind: RecordType) -> Vec<RData> {
        let Some(resolver) = &self.resolver else { return Vec::new() };
        // the dot keeps search domains out of it
        match resolver.lookup(format!("{}.", name.trim_end_matches('.')), kind).await {
            Ok(found) => found.answers().iter().map(|record| record.data.clone()).collect(),
            Err(error) => {
                tracing::debug!(name, ?kind, %error, "nothing found");
                Vec::new()
            }
        }
    }
}

impl Default for SystemDns {
    fn default() -> Self {
        SystemDns::new()
    }
}

#[async_trait]
impl Dns for SystemDns {
    async fn naptr(&self, name: &str) -> Vec<Naptr> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let records = self.records(name, RecordType::NAPTR).await.into_iter().filter_map(|data| match data {
            RData::NAPTR(naptr) => Some(Naptr {
                order: naptr.order,
                preference: naptr.preference,
                flags: text(&naptr.flags),
                service: text(&naptr.services),
                replacement: naptr.replacement.to_utf8().trim_end_matches('.').to_owned(),
            }),
            _ => None,
        });
        records.collect()
    }

    async fn srv(&self, name: &str) -> Vec<Srv> {
        let records = self.records(name, RecordType::SRV).await.into_iter().filter_map(|data| match data {
            RData::SRV(srv) => Some(Srv {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: srv.target.to_utf8().trim_end_matches('.').to_owned(),
            }),
            _ => None,
        });
        records.collect()
    }

    async fn addresses(&self, host: &str) -> Vec<IpAddr> {
        if let Ok(ip) = host.parse() {
            return vec![ip];
        }
        let found = match &self.resolver {
            Some(resolver) => match resolver.lookup_ip(host).await {
                Ok(found) => found.iter().collect(),
                Err(error) => {
                    tracing::debug!(host, %error, "no address found");
                    Vec::new()
                }
            },
            None => Vec::new(),
        };
        if !found.is_empty() {
            return found;
        }
        let looked_up = tokio::net::lookup_host((host, 0)).await;
        looked_up.map(|found| found.map(|address| address.ip()).collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
    use hickory_resolver::net::runtime::TokioRuntimeProvider;
    use sip::Transport;
    use tokio::net::UdpSocket;

    use super::*;

    /// Labels of a name, each behind its length (RFC 1035 §3.1).
    fn wire_name(name: &str) -> Vec<u8> {
        let labels = name.split('.').flat_map(|label| [&[label.len() as u8][..], label.as_bytes()].concat());
        labels.chain([0]).collect()
    }

    fn text(text: &str) -> Vec<u8> {
        [&[text.len() as u8][..], text.as_bytes()].concat()
    }

    /// Answers each question with the records of its name and type, byte by byte as RFC 1035 has them.
    async fn name_server(records: Vec<(&'static str, u16, Vec<u8>)>) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 1_500];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let end = 12 + buffer[12..length].iter().position(|byte| *byte == 0).unwrap() + 1;
                let question = &buffer[12..end + 4];
                let kind = u16::from_be_bytes([buffer[end], buffer[end + 1]]);
                let asked = buffer[12..end].to_ascii_lowercase();
                let fits = |record: &&(&str, u16, Vec<u8>)| wire_name(record.0) == asked && record.1 == kind;
                let answers: Vec<_> = records.iter().filter(fits).collect();
                let mut reply =
                    [&buffer[..2], &[0x85, 0x80, 0, 1, 0, answers.len() as u8, 0, 0, 0, 0], question]
                        .concat();
                for (_, kind, data) in answers {
                    reply.extend([0xc0, 12]);
                    reply.extend(kind.to_be_bytes());
                    reply.extend([0, 1, 0, 0, 0, 60]);
                    reply.extend((data.len() as u16).to_be_bytes());
                    reply.extend(data);
                }
                socket.send_to(&reply, from).await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn records_are_found_as_a_name_server_gives_them() {
        let naptr = [
            &[0, 10, 0, 20][..],
            &text("s"),
            &text("SIP+D2T"),
            &text(""),
            &wire_name("_sip._tcp.carrier.test"),
        ];
        let srv = [&[0, 1, 0, 2][..], &5081_u16.to_be_bytes(), &wire_name("a.carrier.test")];
        let server = name_server(vec![
            ("carrier.test", 35, naptr.concat()),
            ("_sip._tcp.carrier.test", 33, srv.concat()),
            ("a.carrier.test", 1, vec![192, 0, 2, 1]),
        ])
        .await;
        let mut connection = ConnectionConfig::udp();
        connection.port = server.port();
        let name_server = NameServerConfig::new(server.ip(), true, vec![connection]);
        let config = ResolverConfig::from_name_servers(vec![name_server]);
        let resolver = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let dns = SystemDns::with(resolver.build().unwrap());
        let targets = super::super::resolve::targets(&dns, "carrier.test", None, None, |_| 0).await;
        let address = "192.0.2.1:5081".parse().unwrap();
        assert_eq!(targets, [super::super::resolve::Target { transport: Transport::Tcp, address }]);
        assert_eq!(dns.addresses("127.0.0.1").await, ["127.0.0.1".parse::<IpAddr>().unwrap()]);
    }
}
