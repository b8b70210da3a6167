//! Sessions in signed cookies, and the tokens that guard them.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::COOKIE;
use serde_json::{Map, Value};

use crate::signer::{Signer, random_bytes};

/// Where a session keeps the secret that its CSRF tokens are made from.
const CSRF_KEY: &str = "_csrf_token";

/// A session: members by name.
pub type Session = Map<String, Value>;

/// Sessions in signed cookies, shared by an application's pages and its sockets.
///
/// A page gives the browser a cookie ([`set_cookie`](Self::set_cookie)) and writes a token into
/// itself ([`csrf_token`](Self::csrf_token)). The page's script connects with the token as the
/// param `_csrf_token`, and the connect hook sees the session. A site of somebody else can make a
/// browser send the cookie, but cannot know the token; its connects see no session.
///
/// The cookie is signed, not encrypted: its owner can read it. It ends after
/// [`max_age`](Self::max_age), 14 days by default.
///
/// ```
/// use vaxel_channels::{Sessions, Socket};
///
/// let sessions = Sessions::new("a secret of 32 bytes at the least");
/// let mut session = sessions.begin();
/// session.insert("user_id".into(), 7.into());
/// let header = sessions.set_cookie(&session);
/// let token = sessions.csrf_token(&session);
/// # assert!(header.starts_with("_vaxel_session=") && token.is_some());
/// let socket = Socket::new().session(sessions);
/// ```
#[derive(Clone)]
pub struct Sessions {
    signer: Signer,
    cookie: Box<str>,
    max_age: Duration,
}

impl Sessions {
    /// Sessions signed with a secret, which must be the same wherever they are read.
    ///
    /// # Panics
    /// When the secret has fewer than 32 bytes.
    pub fn new(secret: impl AsRef<[u8]>) -> Self {
        let secret = secret.as_ref();
        assert!(
            secret.len() >= 32,
            "a session secret of {} bytes can be guessed; give 32 or more",
            secret.len()
        );
        Self {
            signer: Signer::new(secret),
            cookie: "_vaxel_session".into(),
            max_age: Duration::from_secs(14 * 86_400),
        }
    }

    /// Names the cookie. Default `_vaxel_session`.
    #[must_use]
    pub fn cookie(mut self, name: &str) -> Self {
        self.cookie = name.into();
        self
    }

    /// How old a session may be. Default 14 days.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// A session with nothing but the secret of its CSRF tokens.
    pub fn begin(&self) -> Session {
        let secret = URL_SAFE_NO_PAD.encode(random_bytes::<18>());
        Session::from_iter([(CSRF_KEY.to_owned(), Value::String(secret))])
    }

    /// The value of a `Set-Cookie` header that gives a browser this session: for the whole site,
    /// out of reach of scripts, not sent along by requests that other sites make in the
    /// background. Behind TLS, append `; Secure`.
    pub fn set_cookie(&self, session: &Session) -> String {
        let json = serde_json::to_vec(session).expect("a map of values has a JSON form");
        let value = self.signer.sign("session", &json);
        let (name, seconds) = (&self.cookie, self.max_age.as_secs());
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax")
    }

    /// The session of a request, if its cookie is there and was made here.
    pub fn read(&self, headers: &HeaderMap) -> Option<Session> {
        let cookies = headers.get_all(COOKIE).iter();
        let mut pairs = cookies
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.find(|(name, _)| *name == &*self.cookie)?;
        let json = self.signer.verify("session", value, self.max_age)?;
        serde_json::from_slice(&json).ok()
    }

    /// A token for the pages of this session; `None` when the session was not
    /// [begun](Self::begin) here.
    pub fn csrf_token(&self, session: &Session) -> Option<String> {
        let secret = session.get(CSRF_KEY)?.as_str()?;
        Some(self.signer.sign("csrf", secret.as_bytes()))
    }

    /// The session of a request, if `token` was made for it.
    pub fn verified(&self, headers: &HeaderMap, token: &str) -> Option<Session> {
        let session = self.read(headers)?;
        let secret = self.signer.verify("csrf", token, self.max_age)?;
        (session.get(CSRF_KEY)?.as_str()?.as_bytes() == secret).then_some(session)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("cookie", &self.cookie)
            .field("max_age", &self.max_age)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; 32] = [7; 32];

    fn request(set_cookie: &str) -> HeaderMap {
        let (pair, _) = set_cookie.split_once(';').unwrap();
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "theme=dark".parse().unwrap());
        headers.append(COOKIE, format!("a=b; {pair}").parse().unwrap());
        headers
    }

    #[test]
    fn a_session_comes_back_with_its_own_token_only() {
        let sessions = Sessions::new(SECRET);
        let mut session = sessions.begin();
        session.insert("user".into(), "ada".into());
        let headers = request(&sessions.set_cookie(&session));
        assert_eq!(sessions.read(&headers), Some(session.clone()));
        let token = sessions.csrf_token(&session).unwrap();
        assert_eq!(sessions.verified(&headers, &token), Some(session));
        let other = sessions.csrf_token(&sessions.begin()).unwrap();
        assert_eq!(sessions.verified(&headers, &other), None);
        assert_eq!(sessions.verified(&headers, ""), None);
        assert_eq!(sessions.verified(&HeaderMap::new(), &token), None);
    }

    #[test]
    fn a_cookie_signed_elsewhere_or_of_another_name_is_none() {
        let theirs = Sessions::new([8; 32]);
        let headers = request(&theirs.set_cookie(&theirs.begin()));
        assert_eq!(Sessions::new(SECRET).read(&headers), None);
        let sessions = Sessions::new(SECRET).cookie("other");
        let headers = request(&Sessions::new(SECRET).set_cookie(&sessions.begin()));
        assert_eq!(sessions.read(&headers), None);
    }

    #[test]
    #[should_panic(expected = "give 32 or more")]
    fn a_short_secret_is_refused() {
        _ = Sessions::new("secret");
    }
}
