//! Which pages may connect.

use std::fmt;

/// Which pages may connect, by the `Origin` header that browsers send along.
///
/// A browser lets any page open a WebSocket to any server and sends the server's cookies with it;
/// the origin is how a server tells its own pages from others'. A request without the header does
/// not come from a page and is accepted; one with another origin is refused with 403.
#[derive(Clone, Default)]
pub struct Origins {
    rule: Rule,
}

#[derive(Clone, Debug, Default)]
enum Rule {
    Any,
    #[default]
    SameHost,
    Listed(Vec<Allowed>),
}

/// An entry of the list. What it leaves out may be anything.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Allowed {
    scheme: Option<Box<str>>,
    /// Whether names below the host are meant as well.
    is_wildcard: bool,
    host: Box<str>,
    port: Option<u16>,
}

impl Origins {
    /// Pages of the host that the request names in its `Host` header, whatever the port and
    /// scheme: the default. Behind a proxy that replaces the header, use
    /// [`listed`](Self::listed).
    pub fn same_host() -> Self {
        Self::default()
    }

    /// Every page. For sockets that take a token from their clients and look at no cookie.
    pub fn any() -> Self {
        Self { rule: Rule::Any }
    }

    /// The pages listed, such as `https://example.com`, `//example.com` or `example.com` (any
    /// scheme and port), `//example.com:8080`, and `//*.example.com`, which means the host and
    /// every name below it. An entry with a scheme and no port means the scheme's own port.
    ///
    /// # Panics
    /// When an entry has no host, or a port that is none.
    #[track_caller]
    pub fn listed<T: AsRef<str>>(entries: impl IntoIterator<Item = T>) -> Self {
        let entries = entries.into_iter().map(|entry| {
            let entry = entry.as_ref();
            Allowed::parse(entry).unwrap_or_else(|| {
                panic!("{entry:?} is no origin; write it like https://example.com")
            })
        });
        Self {
            rule: Rule::Listed(entries.collect()),
        }
    }

    /// Whether a request may connect.
    pub(crate) fn allow(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(origin) = origin else {
            return true;
        };
        match &self.rule {
            Rule::Any => true,
            Rule::SameHost => match (Origin::parse(origin), host) {
                (Some(origin), Some(host)) => host_of(host).eq_ignore_ascii_case(origin.host),
                _ => false,
            },
            Rule::Listed(entries) => Origin::parse(origin)
                .is_some_and(|origin| entries.iter().any(|entry| entry.matches(&origin))),
        }
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rule.fmt(f)
    }
}

/// The value of an `Origin` header.
struct Origin<'a> {
    scheme: &'a str,
    host: &'a str,
    port: Option<u16>,
}

impl<'a> Origin<'a> {
    /// None for `null` and everything else without a host.
    fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let host = host_of(rest);
        let port = match rest[host.len()..].strip_prefix(':') {
            Some(port) => Some(port.parse().ok()?),
            None => default_port(scheme),
        };
        (!host.is_empty()).then_some(Self { scheme, host, port })
    }
}

impl Allowed {
    fn parse(entry: &str) -> Option<Self> {
        let (scheme, rest) = match entry.split_once("//") {
            Some(("", rest)) => (None, rest),
            Some((scheme, rest)) => (Some(scheme.strip_suffix(':')?), rest),
            None => (None, entry),
        };
        let rest = rest.trim_end_matches('/');
        let (is_wildcard, rest) = match rest.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let host = host_of(rest);
        let port = match &rest[host.len()..] {
            "" => scheme.and_then(default_port),
            port => Some(port.strip_prefix(':')?.parse().ok()?),
        };
        let is_host = !host.is_empty() && !host.contains(['*', '/']);
        is_host.then(|| Self {
            scheme: scheme.map(Into::into),
            is_wildcard,
            host: host.to_ascii_lowercase().into(),
            port,
        })
    }

    fn matches(&self, origin: &Origin<'_>) -> bool {
        let scheme = self.scheme.as_deref();
        scheme.is_none_or(|scheme| scheme.eq_ignore_ascii_case(origin.scheme))
            && (self.port.is_none() || self.port == origin.port)
            && self.is_host(&origin.host.to_ascii_lowercase())
    }

    fn is_host(&self, host: &str) -> bool {
        let below = || host.strip_suffix(&*self.host)?.strip_suffix('.');
        *host == *self.host || (self.is_wildcard && below().is_some())
    }
}

/// The host without its port; an IPv6 address keeps its brackets.
fn host_of(authority: &str) -> &str {
    let end = match authority.find(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    &authority[..end]
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_host_is_told_by_the_host_header() {
        let same = Origins::same_host();
        let allows = |origin, host| same.allow(Some(origin), Some(host));
        assert!(allows("http://example.com", "example.com:4000"));
        assert!(allows("https://EXAMPLE.com:8443", "example.com"));
        assert!(allows("http://[::1]:3000", "[::1]:4000"));
        assert!(!allows("http://evil.com", "example.com"));
        assert!(!allows("http://example.com.evil.com", "example.com"));
        assert!(!allows("null", "example.com"));
        assert!(!allows("file://", ""));
        assert!(!same.allow(Some("http://example.com"), None));
        assert!(same.allow(None, Some("example.com")), "no page, no origin");
    }

    #[test]
    fn entries_of_the_list_may_leave_parts_out() {
        let allows = |entry: &str, origin| Origins::listed([entry]).allow(Some(origin), None);
        assert!(allows("https://example.com", "https://example.com"));
        assert!(allows("https://example.com/", "https://example.com:443"));
        assert!(!allows("https://example.com", "http://example.com"));
        assert!(!allows("https://example.com", "https://example.com:8443"));
        assert!(allows("//example.com", "http://example.com:8080"));
        assert!(allows("example.com", "https://example.com"));
        assert!(allows("//example.com:8080", "http://example.com:8080"));
        assert!(!allows("//example.com:8080", "http://example.com"));
        assert!(allows("//*.example.com", "https://a.b.example.com"));
        assert!(allows("//*.example.com", "https://example.com"));
        assert!(!allows("//*.example.com", "https://notexample.com"));
        assert!(!allows("//example.com", "https://a.example.com"));
    }

    #[test]
    #[should_panic(expected = "is no origin")]
    fn an_entry_that_would_match_nothing_is_refused() {
        _ = Origins::listed(["https://exa*mple.com"]);
    }
}
