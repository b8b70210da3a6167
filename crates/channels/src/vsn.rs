//! Which serializer a client asks for with its `vsn` parameter.

/// The version of the protocol spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Version {
    /// Objects without `join_ref`, for clients older than phoenix.js 1.3.
    V1,
    /// Arrays of five.
    V2,
}

impl Version {
    /// The version for the value of `vsn`; none means that the connect is refused.
    ///
    /// As in Phoenix, `1.0.x` selects V1, `2.0.x` selects V2 and no value means `1.0.0`.
    pub(crate) fn select(vsn: Option<&str>) -> Option<Self> {
        let Some(vsn) = vsn else {
            return Some(Self::V1);
        };
        let (core, is_prerelease) = split(vsn)?;
        let mut numbers = core.split('.');
        let (major, minor) = (number(numbers.next()?)?, number(numbers.next()?)?);
        let patch = number(numbers.next()?)?;
        // A prerelease sorts before its release, so `2.0.0-rc.1` is older than the oldest match.
        if numbers.next().is_some() || (is_prerelease && patch == 0) {
            return None;
        }
        match (major, minor) {
            (1, 0) => Some(Self::V1),
            (2, 0) => Some(Self::V2),
            _ => None,
        }
    }
}

/// Cuts build metadata and a prerelease off a semantic version.
fn split(vsn: &str) -> Option<(&str, bool)> {
    let vsn = match vsn.split_once('+') {
        Some((_, "")) => return None,
        Some((vsn, _)) => vsn,
        None => vsn,
    };
    match vsn.split_once('-') {
        Some((_, "")) => None,
        Some((core, _)) => Some((core, true)),
        None => Some((vsn, false)),
    }
}

fn number(text: &str) -> Option<u64> {
    let is_plain =
        text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_select_serializers() {
        let cases = [
            (None, Some(Version::V1)),
            (Some("1.0.0"), Some(Version::V1)),
            (Some("1.0.7"), Some(Version::V1)),
            (Some("2.0.0"), Some(Version::V2)),
            (Some("2.0.1-rc.1"), Some(Version::V2)),
            (Some("2.0.0+build"), Some(Version::V2)),
            (Some("2.0.0-rc.1"), None),
            (Some("1.1.0"), None),
            (Some("3.0.0"), None),
            (Some("123.1.1"), None),
            (Some("2.0"), None),
            (Some("2.0.0.0"), None),
            (Some("02.0.0"), None),
            (Some("2.0.+1"), None),
            (Some("abc"), None),
            (Some(""), None),
        ];
        for (vsn, version) in cases {
            assert_eq!(Version::select(vsn), version, "vsn {vsn:?}");
        }
    }
}
