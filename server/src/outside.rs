//! Trunks, routes, numbers and rights, from the settings and from the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use media::{Codec, Sdes};
use model::PhoneNumber;
use sip::{Credentials, Transport};
use store::Store;
use switch::{
    CallerIds, Did, DtmfMode, Identify, Limits, Numbering, Pattern, Plan, Registers, Rights, Route, TrunkId,
};

use crate::config::{
    self, CodecName, Config, Dtmf, IdentifyBy, NumberPattern, Ringing, Srtp, TrunkTransport,
};
use crate::signalling::{Callers, Connection, House, SystemDns, Trust, keep_trunk};

/// The number of the echo test.
const ECHO: &str = "*55";

/// All that is known of the outside, and how to get there.
pub struct Outside {
    /// For the switch.
    pub plan: Plan,
    /// For those who connect.
    pub connections: Vec<Connection>,
    /// Who proves himself by certificate when he connects to us.
    pub callers: Callers,
}

/// Lays the settings over what the store has.
///
/// # Errors
/// If something cannot be used or does not fit together; the text names it.
pub async fn read(config: &Config, store: &dyn Store) -> anyhow::Result<Outside> {
    let mut trunks: Vec<config::Trunk> = config.trunks.clone();
    for entry in store.trunks().await? {
        if trunks.iter().any(|trunk| trunk.name == entry.name) {
            tracing::info!(trunk = entry.name, "the settings stand before the store");
            continue;
        }
        let trunk = config::Trunk::from_text(&entry.name, &entry.settings)
            .map_err(|message| anyhow!("trunk {:?} in the store: {message}", entry.name))?;
        trunks.push(trunk);
    }
    let mut ids = BTreeMap::new();
    for (trunk, id) in trunks.iter().zip(1..) {
        if let Some((key, message)) = trunk.fault() {
            bail!("trunk {:?}: {key}: {message}", trunk.name);
        }
        if ids.insert(trunk.name.clone(), TrunkId(id)).is_some() {
            bail!("there are two trunks {:?}", trunk.name);
        }
    }
    let numbering = numbering(&config.numbers);
    let numbers = &config.numbers;
    if !trunks.is_empty() && costs_are_unbounded(numbers) {
        tracing::warn!(
            country_code = numbers.country_code,
            "it is not known which numbers of this country cost more: every user may call them as often as he likes; \
             set numbers.premium, or numbers.max_calls_per_day"
        );
    }
    let limits = limits(numbers.max_calls, numbers.max_calls_per_minute, numbers.max_calls_per_day);
    let permissions = store.permissions().await?;
    let plan = Plan {
        trunks: trunks.iter().map(|trunk| made(trunk, ids[&trunk.name])).collect(),
        routes: config.routes.iter().map(|it| route(it, &ids)).collect::<anyhow::Result<_>>()?,
        dids: dids(config, store, &numbering).await?,
        rights: Rights::to(numbers.permissions.iter().copied()),
        rights_of: permissions.into_iter().map(|(user, classes)| (user, Rights::to(classes))).collect(),
        numbering,
        limits,
    };
    let by_name = trunks.iter().filter(|trunk| trunk.identify == IdentifyBy::Certificate);
    let callers = by_name.filter_map(|trunk| Some((certificate_name(trunk), trunk.ca.as_deref()?)));
    Ok(Outside {
        plan,
        callers: Callers::new(callers)?,
        connections: trunks
            .iter()
            .map(|trunk| {
                connection(trunk, ids[&trunk.name]).with_context(|| format!("trunk {:?}", trunk.name))
            })
            .collect::<anyhow::Result<_>>()?,
    })
}

/// Keeps all trunks connected until the server stops.
pub fn connect(connections: Vec<Connection>, house: impl Fn(Arc<SystemDns>) -> House) {
    if connections.is_empty() {
        return;
    }
    let dns = Arc::new(SystemDns::new());
    for connection in connections {
        tokio::spawn(keep_trunk(connection, house(dns.clone())));
    }
}

fn numbering(numbers: &config::Numbers) -> Numbering {
    Numbering {
        country_code: numbers.country_code.clone(),
        international_prefix: numbers.international_prefix.clone(),
        national_prefix: numbers.national_prefix.clone(),
        outside_prefix: numbers.outside_prefix.clone(),
        anonymous_prefix: numbers.anonymous_prefix.clone(),
        emergency: numbers.emergency.iter().cloned().collect::<BTreeSet<_>>(),
        mobile: patterns(&numbers.mobile),
        premium: match &numbers.premium {
            Some(set) => patterns(set),
            None => Numbering::usual_premium(&numbers.country_code),
        },
        abroad: match &numbers.abroad {
            Some(set) => patterns(set),
            None => Numbering::usual_abroad(&numbers.country_code),
        },
    }
}

/// Whether users may call what costs most, as often as they like: nobody has said what that is, or how often.
fn costs_are_unbounded(numbers: &config::Numbers) -> bool {
    let is_limited = [numbers.max_calls, numbers.max_calls_per_minute, numbers.max_calls_per_day];
    let knows_costs = numbers.premium.is_some() || Numbering::knows_costs_of(&numbers.country_code);
    !knows_costs && is_limited.iter().all(Option::is_none)
}

fn patterns(patterns: &[NumberPattern]) -> Vec<Pattern> {
    patterns.iter().map(|pattern| pattern.0.clone()).collect()
}

fn limits(at_once: Option<u32>, per_minute: Option<u32>, per_day: Option<u32>) -> Limits {
    Limits { at_once, per_minute, per_day }
}

fn made(trunk: &config::Trunk, id: TrunkId) -> switch::Trunk {
    let domain = trunk.domain.clone().unwrap_or_else(|| trunk.host().to_owned());
    let domain = if domain.contains(':') { format!("[{domain}]") } else { domain };
    let transport = trunk.transport.map(transport);
    let identify = match trunk.identify {
        IdentifyBy::Flow => Identify::Flow,
        IdentifyBy::Certificate => Identify::Certificate(certificate_name(trunk).to_owned()),
        IdentifyBy::Address => {
            tracing::warn!(
                trunk = trunk.name,
                "calls of this trunk are known by its address, which can be forged"
            );
            let port = trunk.host_and_port().1;
            Identify::Address { transport: transport.unwrap_or(Transport::Udp), port }
        }
    };
    let credentials = trunk.user.clone().zip(trunk.password.clone());
    let user = trunk.user.clone().filter(|_| trunk.register);
    switch::Trunk {
        id,
        name: trunk.name.clone(),
        domain,
        registers: user.map(|user| Registers { user, expires: trunk.expires }),
        credentials: credentials.map(|(user, password)| Credentials {
            user,
            password,
            realm: trunk.realm.clone(),
        }),
        identify,
        trusted: trunk.trusted,
        limits: limits(trunk.max_calls, trunk.max_calls_per_minute, trunk.max_calls_per_day),
        codecs: trunk.codecs.iter().copied().map(codec).collect(),
        secure: match trunk.srtp {
            Srtp::Never => Sdes::Never,
            Srtp::Optional => Sdes::Optional,
            Srtp::Required => Sdes::Required,
        },
        dtmf: match trunk.dtmf {
            Dtmf::Rfc4733 => DtmfMode::Events,
            Dtmf::Info => DtmfMode::Info,
        },
        format: trunk.number_format.into(),
        caller_ids: CallerIds {
            usual: trunk.caller_id.clone(),
            allowed: patterns(&trunk.caller_ids),
            anonymous: trunk.anonymous,
        },
        ping_every: seconds(trunk.options_seconds),
    }
}

fn connection(trunk: &config::Trunk, id: TrunkId) -> anyhow::Result<Connection> {
    let (host, port) = trunk.host_and_port();
    let own = trunk.client_cert.as_deref().zip(trunk.client_key.as_deref());
    Ok(Connection {
        trunk: id,
        name: trunk.name.clone(),
        host: host.to_owned(),
        port,
        transport: trunk.transport.map(transport),
        path: trunk.path.clone(),
        trust: Trust::new(certificate_name(trunk), trunk.ca.as_deref(), own)?,
        keep_alive: seconds(trunk.keep_alive_seconds),
        stun: trunk.stun,
    })
}

fn certificate_name(trunk: &config::Trunk) -> &str {
    trunk.certificate_name.as_deref().unwrap_or_else(|| trunk.host())
}

fn route(route: &config::Route, ids: &BTreeMap<String, TrunkId>) -> anyhow::Result<Route> {
    let known = |name: &String| {
        ids.get(name).copied().ok_or_else(|| anyhow!("route {:?}: there is no trunk {name:?}", route.name))
    };
    Ok(Route {
        name: route.name.clone(),
        patterns: patterns(&route.patterns),
        trunks: route.trunks.iter().map(known).collect::<anyhow::Result<_>>()?,
        strip: route.strip,
        prepend: route.prepend.clone(),
        longest: route.max_minutes.map(|minutes| Duration::from_secs(u64::from(minutes) * 60)),
        from: route.from_trunks.iter().map(known).collect::<anyhow::Result<_>>()?,
    })
}

async fn dids(
    config: &Config,
    store: &dyn Store,
    numbering: &Numbering,
) -> anyhow::Result<BTreeMap<PhoneNumber, Did>> {
    let mut dids = BTreeMap::new();
    let mut stored = Vec::new();
    for entry in store.numbers().await? {
        let to =
            Ringing::try_from(entry.to).map_err(|message| anyhow!("number {}: {message}", entry.number))?;
        stored.push((entry.number, to));
    }
    let set = config.dids.iter().map(|did| (did.number.clone(), did.to.clone()));
    for (number, to) in stored.into_iter().chain(set) {
        let canonical = numbering
            .canonical(number.as_str())
            .with_context(|| format!("number {number}: is no number of the outside"))?;
        let rings = match &to {
            Ringing::Line(line) => Some(line.clone()),
            Ringing::Echo => ECHO.parse().ok(),
            Ringing::User(login) => match store.user_by_login(login).await? {
                Some(user) => store.line_of(user.id).await?.map(|line| line.number),
                None => None,
            },
        };
        match rings {
            Some(rings) => drop(dids.insert(canonical, Did::Internal(rings))),
            // who has left takes his number along, and nobody's start should fail for it
            None => {
                tracing::warn!(%number, ?to, "a number rings nobody: there is no such user, or no line of his")
            }
        }
    }
    Ok(dids)
}

fn seconds(seconds: u32) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}

const fn transport(transport: TrunkTransport) -> Transport {
    match transport {
        TrunkTransport::Udp => Transport::Udp,
        TrunkTransport::Tcp => Transport::Tcp,
        TrunkTransport::Tls => Transport::Tls,
        TrunkTransport::Ws => Transport::Ws,
        TrunkTransport::Wss => Transport::Wss,
    }
}

const fn codec(name: CodecName) -> Codec {
    match name {
        CodecName::Opus => Codec::Opus,
        CodecName::G722 => Codec::G722,
        CodecName::Pcmu => Codec::Pcmu,
        CodecName::Pcma => Codec::Pcma,
    }
}

#[cfg(test)]
mod tests {
    use model::{CallClass, Role};
    use store::{Memory, NewLine, NewUser, NumberEntry, TrunkEntry};

    use super::*;

    fn config(text: &str) -> Config {
        toml::from_str(text).unwrap()
    }

    #[tokio::test]
    async fn settings_stand_before_the_store_and_both_count() {
        let store = Memory::new();
        let anna = store.add_user(NewUser::of("anna", Role::User)).await.unwrap().id;
        let number = "1001".parse().unwrap();
        store.add_line(NewLine { user_id: anna, number, name: "a".into(), webrtc: true }).await.unwrap();
        for (name, settings) in [("one", "address = \"192.0.2.1\""), ("two", "address = \"192.0.2.2\"")] {
            store.set_trunk(&TrunkEntry { name: name.into(), settings: settings.into() }).await.unwrap();
        }
        for (number, to) in
            [("+33144500210", "echo"), ("+33144500211", "user:anna"), ("+33144500212", "user:x")]
        {
            store.set_number(&NumberEntry { number: number.parse().unwrap(), to: to.into() }).await.unwrap();
        }
        store.set_permissions(anna, Some(&BTreeSet::new())).await.unwrap();
        let outside = read(
            &config(
                "[[trunk]]\nname = \"one\"\naddress = \"192.0.2.9\"\n\
                 [[route]]\nname = \"all\"\npatterns = [\"+\"]\ntrunks = [\"two\", \"one\"]\n\
                 [[number]]\nnumber = \"01 44 50 02 10\"\nto = \"line:1001\"",
            ),
            &store,
        )
        .await
        .unwrap();
        let hosts: Vec<&str> =
            outside.connections.iter().map(|connection| connection.host.as_str()).collect();
        assert_eq!(hosts, ["192.0.2.9", "192.0.2.2"]);
        assert_eq!(outside.plan.routes[0].trunks, [TrunkId(2), TrunkId(1)]);
        let rings = Did::Internal("1001".parse().unwrap());
        let known: Vec<(&str, &Did)> =
            outside.plan.dids.iter().map(|(number, did)| (number.as_str(), did)).collect();
        assert_eq!(known, [("+33144500210", &rings), ("+33144500211", &rings)]);
        assert!(!outside.plan.rights_of(anna).allow(switch::Fare::Class(model::CallClass::Internal)));
    }

    #[test]
    fn what_costs_more_is_known_by_the_country_or_said_or_bounded_or_warned_of() {
        let numbers = |text: &str| config(&format!("[numbers]\n{text}")).numbers;
        let class = |text: &str, dialled: &str| {
            let numbering = numbering(&numbers(text));
            numbering.class_of(&numbering.canonical(dialled).unwrap())
        };
        for (text, dialled, expected) in [
            ("", "0899123456", CallClass::Premium),
            ("premium = []", "0899123456", CallClass::National),
            ("country_code = \"1\"", "+18765550123", CallClass::International),
            ("country_code = \"1\"\nabroad = []", "+18765550123", CallClass::National),
            ("country_code = \"1\"", "+19005550123", CallClass::Premium),
            ("country_code = \"49\"", "+870773123456", CallClass::Premium),
        ] {
            assert_eq!(class(text, dialled), expected, "{text} {dialled}");
        }
        assert!(costs_are_unbounded(&numbers("country_code = \"49\"")));
        for bounded in ["", "country_code = \"1\"", "country_code = \"49\"\nmax_calls_per_day = 200"] {
            assert!(!costs_are_unbounded(&numbers(bounded)), "{bounded}");
        }
        assert!(!costs_are_unbounded(&numbers("country_code = \"49\"\npremium = [\"+49900\"]")));
    }

    #[tokio::test]
    async fn what_does_not_fit_together_is_named() {
        let store = Memory::new();
        for (text, says) in [
            ("[[route]]\nname = \"r\"\npatterns = [\"+\"]\ntrunks = [\"nowhere\"]", "nowhere"),
            ("[[number]]\nnumber = \"1\"\nto = \"echo\"", "number 1"),
            ("[[trunk]]\nname = \"a\"\naddress = \"b\"\nca = \"/nothing.pem\"", "/nothing.pem"),
            (
                "[[trunk]]\nname = \"a\"\naddress = \"b\"\n[[trunk]]\nname = \"a\"\naddress = \"c\"",
                "two trunks",
            ),
        ] {
            let error = read(&config(text), &store).await.err().expect("refused");
            assert!(format!("{error:#}").contains(says), "{error:#}");
        }
        for (text, says) in [
            ("[[number]]\nnumber = \"+33144500210\"\nto = \"queue:sales\"", "no queue"),
            ("[[route]]\nname = \"r\"\npatterns = [\"_ABC\"]\ntrunks = []", "_ABC"),
        ] {
            let error = toml::from_str::<Config>(text).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
        store.set_trunk(&TrunkEntry { name: "odd".into(), settings: "colour = 1".into() }).await.unwrap();
        let error = read(&Config::default(), &store).await.err().expect("refused");
        assert!(error.to_string().contains("\"odd\""), "{error}");
    }
}
