//! The proxy that the environment names for a server. Pure.
//!
//! Read as every client of Kubernetes reads it (Go's `golang.org/x/net/http/httpproxy`): the variable
//! by the server's scheme, in capitals first; a proxy without a scheme is spoken to by HTTP; what is
//! in `NO_PROXY`, `localhost` and loopback addresses go straight.

use std::net::IpAddr;

use http::Uri;

use super::ConnectError;

/// The proxy on the way to this server; `var` is the environment.
pub(super) fn of(
    server: &Uri,
    var: impl Fn(&str) -> Option<String>,
) -> Result<Option<Uri>, ConnectError> {
    let var = |name: &str| {
        let set = |name: &str| var(name).filter(|value| !value.trim().is_empty());
        set(name).or_else(|| set(&name.to_ascii_lowercase()))
    };
    let (name, port) = match server.scheme_str() {
        Some("http") => ("HTTP_PROXY", 80),
        _ => ("HTTPS_PROXY", 443),
    };
    let Some(proxy) = var(name) else { return Ok(None) };
    let host = server.host().unwrap_or_default();
    if is_excepted(host, server.port_u16().unwrap_or(port), &var("NO_PROXY").unwrap_or_default()) {
        return Ok(None);
    }
    match address(proxy.trim()) {
        Some(address) => Ok(Some(address)),
        None => Err(ConnectError::Proxy { variable: name, value: without_secret(&proxy) }),
    }
}

/// A proxy's address; `HOST:PORT` alone is one by HTTP.
fn address(text: &str) -> Option<Uri> {
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let uri: Uri = text.parse().ok()?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    (known && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}

/// What may be shown of a proxy: no name and no password.
fn without_secret(proxy: &str) -> String {
    match proxy.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => proxy.to_owned(),
    }
}

/// Whether a server is reached without a proxy: names with and without their domain, `*`, addresses
/// and blocks of them, each with or without a port.
fn is_excepted(host: &str, port: u16, list: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let ip: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || ip.is_some_and(|ip| ip.is_loopback()) {
        return true;
    }
    list.split(',').any(|entry| {
        let entry = entry.trim().to_ascii_lowercase();
        if entry == "*" {
            return true;
        }
        if let (Some(ip), Some((base, length))) = (ip, entry.split_once('/')) {
            return in_block(ip, base, length);
        }
        let (name, wanted) = parted(&entry);
        let is_port = wanted.is_none_or(|wanted| wanted == port.to_string());
        let is_host = match (ip, name.parse::<IpAddr>()) {
            (Some(ip), named) => named == Ok(ip),
            (None, Ok(_)) => false,
            (None, Err(_)) => fits(&host, name),
        };
        is_host && is_port
    })
}

/// Host and port of an entry.
fn parted(entry: &str) -> (&str, Option<&str>) {
    if let Some(rest) = entry.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').unwrap_or((rest, ""));
        return (host, rest.strip_prefix(':'));
    }
    match entry.split_once(':') {
        // More than one colon and no brackets: an IPv6 address.
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (entry, None),
    }
}

/// `example.com` means itself and what is below; `.example.com` and `*.example.com` what is below.
fn fits(host: &str, name: &str) -> bool {
    let below = |domain: &str| host.strip_suffix(domain).is_some_and(|front| front.ends_with('.'));
    match name.strip_prefix("*.").or_else(|| name.strip_prefix('.')) {
        Some("") | None if name.is_empty() || name.starts_with(['.', '*']) => false,
        Some(domain) => below(domain),
        None => host == name || below(name),
    }
}

fn in_block(ip: IpAddr, base: &str, length: &str) -> bool {
    use IpAddr::{V4, V6};
    let (Ok(base), Ok(length)) = (base.parse(), length.parse::<u32>()) else { return false };
    match (ip, base) {
        (V4(ip), V4(base)) if length <= 32 => {
            let shift = 32 - length;
            u32::from(ip).checked_shr(shift) == u32::from(base).checked_shr(shift)
        }
        (V6(ip), V6(base)) if length <= 128 => {
            let shift = 128 - length;
            u128::from(ip).checked_shr(shift) == u128::from(base).checked_shr(shift)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(server: &str, vars: &[(&str, &str)]) -> Result<Option<String>, String> {
        let var = |name: &str| {
            let found = vars.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        of(&server.parse().unwrap(), var)
            .map(|proxy| proxy.map(|uri| uri.to_string()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_proxy_without_a_scheme_is_spoken_to_by_http() {
        for (value, wanted) in [
            ("proxy.example:3128", "http://proxy.example:3128/"),
            (" 192.0.2.1:3128\n", "http://192.0.2.1:3128/"),
            ("[2001:db8::1]:3128", "http://[2001:db8::1]:3128/"),
            ("user:word@proxy.example", "http://user:word@proxy.example/"),
            ("http://proxy.example:3128", "http://proxy.example:3128/"),
            ("https://proxy.example", "https://proxy.example/"),
        ] {
            let found = proxy("https://10.96.0.1", &[("HTTPS_PROXY", value)]);
            assert_eq!(found, Ok(Some(wanted.to_owned())), "{value}");
        }
    }

    #[test]
    fn the_variable_is_that_of_the_servers_scheme_in_capitals_first() {
        let vars = [("HTTPS_PROXY", "a:1"), ("https_proxy", "b:1"), ("http_proxy", "c:1")];
        assert_eq!(proxy("https://k", &vars), Ok(Some("http://a:1/".to_owned())));
        assert_eq!(proxy("https://k", &vars[1..]), Ok(Some("http://b:1/".to_owned())));
        assert_eq!(proxy("http://k", &vars), Ok(Some("http://c:1/".to_owned())));
        let empty = [("HTTPS_PROXY", " "), ("https_proxy", "")];
        assert_eq!(proxy("https://k", &empty), Ok(None));
    }

    #[test]
    fn what_is_no_proxy_is_refused_with_the_variable_and_without_its_password() {
        for value in ["ftp://x", "http://", "a b", "socks5://user:word@p:1"] {
            let error = proxy("https://k", &[("HTTPS_PROXY", value)]).unwrap_err();
            assert!(error.contains("HTTPS_PROXY") && !error.contains("word"), "{error}");
        }
    }

    #[test]
    fn no_proxy_excepts_names_domains_addresses_blocks_and_ports() {
        let straight = |server: &str, list: &str| {
            let vars = [("HTTPS_PROXY", "p:1"), ("NO_PROXY", list)];
            proxy(server, &vars).unwrap().is_none()
        };
        for (server, list) in [
            ("https://10.96.0.1", "10.96.0.0/12"),
            ("https://10.96.0.1", "10.96.0.1"),
            ("https://10.96.0.1:6443", "x,10.96.0.1:6443,"),
            ("https://[fd00::1]", "fd00::/8"),
            ("https://[fd00::1]", "fd00::1"),
            ("https://[fd00::1]:6443", "[fd00::1]:6443"),
            ("https://api.example.com", ".example.com"),
            ("https://api.example.com", "*.example.com"),
            ("https://api.example.com", "x, Example.COM"),
            ("https://example.com", "example.com:443"),
            ("https://anything", "x,*"),
            ("https://localhost:6443", ""),
            ("https://127.0.0.1:6443", "x"),
            ("https://[::1]:6443", "x"),
        ] {
            assert!(straight(server, list), "{server} in {list:?}");
        }
        for (server, list) in [
            ("https://10.96.0.1", "10.0.0.0/12"),
            ("https://10.96.0.1", "10.96.0.0/40"),
            ("https://10.96.0.1", "10.96.0.1:6443"),
            ("https://10.96.0.1", ",, ,/,:,.,*."),
            ("https://badexample.com", "example.com"),
            ("https://example.com", ".example.com"),
            ("https://example.com", "*.example.com"),
            ("https://example.com:6443", "example.com:443"),
            ("https://[fd00::1]", "10.0.0.0/0"),
        ] {
            assert!(!straight(server, list), "{server} in {list:?}");
        }
    }
}
