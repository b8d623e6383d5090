//! From where is a key accepted, and which proxies are believed: addresses in every usual spelling.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use parsimony_engine::AddressRule;
use parsimony_http::TrustProxy;
use serde_json::Value;

/// The bits of an IPv6 address before the IPv4 address it stands for.
const MAPPED_BITS: u8 = 96;

/// Reads a list of addresses and networks into a rule; an empty list accepts nobody.
pub(super) fn rule(option: &str, written: &[String]) -> Result<AddressRule, String> {
    let nets = nets(option, written)?;
    Ok(Box::new(move |address| nets.iter().any(|net| net.contains(&address.to_canonical()))))
}

/// Reads a list of addresses and networks.
pub(super) fn nets(option: &str, written: &[String]) -> Result<Vec<IpNet>, String> {
    let bad = |text: &str| {
        format!("{option}: {text:?} is neither an address such as 10.0.0.1 or ::1 nor a network such as 10.0.0.0/8.")
    };
    written.iter().map(|text| net(text.trim()).ok_or_else(|| bad(text))).collect()
}

fn net(text: &str) -> Option<IpNet> {
    match text {
        // Parse: these stand for every address of their kind.
        "0.0.0.0" => Some(Ipv4Net::default().into()),
        "::" | "::0" => Some(Ipv6Net::default().into()),
        _ => match text.parse::<IpAddr>() {
            Ok(address) => Some(address.to_canonical().into()),
            Err(_) => text.parse().ok().map(canonical),
        },
    }
}

/// A network of IPv4 addresses that are written as IPv6 is one of IPv4 addresses.
fn canonical(net: IpNet) -> IpNet {
    let IpNet::V6(six) = net else { return net };
    let four = (six.prefix_len() >= MAPPED_BITS).then(|| six.addr().to_ipv4_mapped()).flatten();
    four.and_then(|four| Ipv4Net::new(four, six.prefix_len() - MAPPED_BITS).ok()).map_or(net, IpNet::V4)
}

/// Reads `trustProxy`: a flag, a number of hops, or addresses, networks and Express's names for networks.
pub(super) fn trust_proxy(written: Option<&Value>) -> Result<TrustProxy, String> {
    let bad = || "trustProxy must be true, false, a number of hops, or a list of addresses.".to_owned();
    let list: Vec<&str> = match written {
        None | Some(Value::Null | Value::Bool(false)) => return Ok(TrustProxy::Nobody),
        Some(Value::Bool(true)) => return Ok(TrustProxy::Everybody),
        Some(Value::Number(hops)) => {
            let hops = hops.as_u64().and_then(|hops| usize::try_from(hops).ok()).ok_or_else(bad)?;
            return Ok(if hops == 0 { TrustProxy::Nobody } else { TrustProxy::Hops(hops) });
        }
        Some(Value::String(text)) => text.split(',').collect(),
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.as_str().ok_or_else(bad)).collect::<Result<_, _>>()?
        }
        Some(Value::Object(_)) => return Err(bad()),
    };
    let mut all = Vec::new();
    for text in list.into_iter().map(str::trim).filter(|text| !text.is_empty()) {
        match text {
            "loopback" => all.extend([v4([127, 0, 0, 0], 8), v6([0, 0, 0, 0, 0, 0, 0, 1], 128)]),
            "linklocal" => all.extend([v4([169, 254, 0, 0], 16), v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10)]),
            "uniquelocal" => all.extend([
                v4([10, 0, 0, 0], 8),
                v4([172, 16, 0, 0], 12),
                v4([192, 168, 0, 0], 16),
                v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
            ]),
            _ => all.extend(nets("trustProxy", &[text.to_owned()])?),
        }
    }
    Ok(if all.is_empty() { TrustProxy::Nobody } else { TrustProxy::Addresses(all) })
}

fn v4(bytes: [u8; 4], bits: u8) -> IpNet {
    Ipv4Net::new(Ipv4Addr::from(bytes), bits).unwrap_or_default().into()
}

fn v6(groups: [u16; 8], bits: u8) -> IpNet {
    Ipv6Net::new(Ipv6Addr::from(groups), bits).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_in_every_spelling() {
        for (written, address, accepted) in [
            (&["127.0.0.1", "::1"][..], "127.0.0.1", true),
            (&["127.0.0.1", "::1"][..], "::1", true),
            (&["127.0.0.1"][..], "::ffff:127.0.0.1", true),
            (&["::ffff:127.0.0.1"][..], "127.0.0.1", true),
            (&["::ffff:10.0.0.0/104"][..], "10.9.9.9", true),
            (&["127.0.0.1"][..], "127.0.0.2", false),
            (&["127.0.0.1"][..], "::1", false),
            (&["0.0.0.0/0"][..], "8.8.8.8", true),
            (&["0.0.0.0/0"][..], "2001:db8::1", false),
            (&["0.0.0.0"][..], "8.8.8.8", true),
            (&["::/0"][..], "2001:db8::1", true),
            (&["::0"][..], "2001:db8::1", true),
            (&["::"][..], "2001:db8::1", true),
            (&["::0"][..], "8.8.8.8", false),
            (&["10.1.2.3/8"][..], "10.9.9.9", true),
            (&[" 10.0.0.0/8 "][..], "10.9.9.9", true),
            (&["2001:db8::/32"][..], "2001:db8:1::1", true),
            (&[][..], "127.0.0.1", false),
        ] {
            let written: Vec<String> = written.iter().map(|text| (*text).to_owned()).collect();
            let rule = rule("masterKeyIps", &written).unwrap();
            assert_eq!(rule(address.parse().unwrap()), accepted, "{written:?} {address}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_by_name() {
        for bad in ["localhost", "10.0.0", "10.0.0.0/33", "::1/129", "1.2.3.4:80", ""] {
            let error = nets("masterKeyIps", &[bad.to_owned()]).unwrap_err();
            assert!(error.starts_with("masterKeyIps: ") && error.contains(bad), "{error}");
        }
    }

    #[test]
    fn proxies_as_express_names_them() {
        let nets = |list: &[&str]| TrustProxy::Addresses(list.iter().map(|text| text.parse().unwrap()).collect());
        for (written, expected) in [
            (json!(null), TrustProxy::Nobody),
            (json!(false), TrustProxy::Nobody),
            (json!([]), TrustProxy::Nobody),
            (json!(""), TrustProxy::Nobody),
            (json!(0), TrustProxy::Nobody),
            (json!(true), TrustProxy::Everybody),
            (json!(2), TrustProxy::Hops(2)),
            (json!("loopback, 10.0.0.0/8"), nets(&["127.0.0.0/8", "::1/128", "10.0.0.0/8"])),
            (json!(["10.0.0.1"]), nets(&["10.0.0.1/32"])),
        ] {
            assert_eq!(trust_proxy(Some(&written)).unwrap(), expected, "{written}");
        }
        for bad in [json!({}), json!(-1), json!(["x"]), json!([1])] {
            assert!(trust_proxy(Some(&bad)).is_err(), "{bad}");
        }
    }
}
