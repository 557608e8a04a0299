//! Basic authentication (RFC 7617) with the web configuration's bcrypt hashes.
//!
//! bcrypt takes a tenth of a second on purpose. So it runs on threads of its own, few at a time, and its verdict is
//! remembered under a keyed hash whose key dies with the process: a scrape that was let in once costs nothing from then
//! on, however many strangers try. A user that is not known costs as much time as a wrong password.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::Response;
use data_encoding::BASE64;
use moka::future::Cache;
use tokio::sync::Semaphore;
use tokio::time::Duration;
use tokio::time::timeout;

use crate::serve::sentence;

/// Verdicts that are remembered; a hundred bytes each.
const VERDICTS: u64 = 1024;
/// Passwords that are verified at one time.
const AT_ONCE: usize = 2;
/// How long a password waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who may ask.
#[derive(Default)]
pub(super) struct Users {
    /// bcrypt hashes by name.
    hashes: BTreeMap<String, String>,
    /// What a user who is not there is verified against: the costliest of them.
    decoy: Option<String>,
}

impl Users {
    pub(super) fn new(hashes: BTreeMap<String, String>) -> Self {
        let decoy = hashes.values().max_by_key(|hash| cost(hash)).cloned();
        Self { hashes, decoy }
    }

    /// Whether everybody may ask.
    pub(super) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

fn cost(hash: &str) -> u32 {
    hash.parse::<bcrypt::HashParts>()
        .map_or(0, |parts| parts.get_cost())
}

/// Lets requests in or turns them away.
pub(super) struct Guard {
    /// Made when the first password comes: gathering the randomness takes longer than everything else at the start.
    key: OnceLock<hmac::Key>,
    verdicts: Cache<[u8; 32], bool>,
    turns: Semaphore,
}

/// Why a request is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No user and password, or not those of anybody.
    Unauthorized,
    /// Too many others are being verified.
    Busy,
}

impl Refusal {
    pub(super) fn answer(self) -> Response {
        let (status, text, name, value) = match self {
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "a user and a password are needed",
                header::WWW_AUTHENTICATE,
                "Basic realm=\"mailtls-exporter\", charset=\"UTF-8\"",
            ),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "too many passwords are being verified: ask again in 5 seconds",
                header::RETRY_AFTER,
                "5",
            ),
        };
        let mut answer = sentence(status, text);
        answer
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
        answer
    }
}

impl Guard {
    /// With a key of its own.
    pub(super) fn new() -> Self {
        Self {
            key: OnceLock::new(),
            verdicts: Cache::new(VERDICTS),
            turns: Semaphore::new(AT_ONCE),
        }
    }

    /// Whether a request with these headers comes from one of the users.
    pub(super) async fn admit(&self, users: &Users, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(decoy) = &users.decoy else {
            return Ok(());
        };
        let Some((user, password)) = credentials(headers) else {
            return Err(Refusal::Unauthorized);
        };
        let known = users.hashes.get(&user);
        let hash = known.unwrap_or(decoy);
        let is_right = self.verify(&user, &password, hash).await?;
        if is_right && known.is_some() {
            Ok(())
        } else {
            Err(Refusal::Unauthorized)
        }
    }

    async fn verify(&self, user: &str, password: &[u8], hash: &str) -> Result<bool, Refusal> {
        let tag = self.tag(user, password, hash);
        if let Some(verdict) = self.verdicts.get(&tag).await {
            return Ok(verdict);
        }
        let turn = timeout(PATIENCE, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(Refusal::Busy);
        };
        let (password, hash) = (password.to_vec(), hash.to_owned());
        let verdict = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash)).await;
        // What bcrypt cannot verify is not right.
        let is_right = matches!(verdict, Ok(Ok(true)));
        self.verdicts.insert(tag, is_right).await;
        Ok(is_right)
    }

    /// The hash is part of it: a changed password ends what was remembered of the old one.
    fn tag(&self, user: &str, password: &[u8], hash: &str) -> [u8; 32] {
        let key = self.key.get_or_init(|| {
            hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
                .expect("the operating system has random numbers")
        });
        let mut context = hmac::Context::with_key(key);
        for part in [user.as_bytes(), password, hash.as_bytes()] {
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
        let mut tag = [0; 32];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }
}

/// The user and the password of RFC 7617 §2.
fn credentials(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64.decode(encoded.trim().as_bytes()).ok()?;
    let colon = decoded.iter().position(|&byte| byte == b':')?;
    let (user, password) = decoded.split_at(colon);
    Some((
        String::from_utf8(user.to_vec()).ok()?,
        password.get(1..)?.to_vec(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        headers
    }

    fn basic(text: &str) -> HeaderMap {
        headers(&format!("Basic {}", BASE64.encode(text.as_bytes())))
    }

    fn users(users: &[(&str, &str)]) -> Users {
        let hash = |password: &str| bcrypt::hash(password, 4).unwrap();
        let hashes = users
            .iter()
            .map(|(user, password)| ((*user).to_owned(), hash(password)));
        Users::new(hashes.collect())
    }

    #[tokio::test]
    async fn lets_users_in_and_nobody_else() {
        let guard = Guard::new();
        let users = users(&[("alice", "secret:with colon"), ("bob", "ü")]);
        for (why, headers, expected) in [
            ("right", basic("alice:secret:with colon"), Ok(())),
            ("right once more", basic("alice:secret:with colon"), Ok(())),
            ("not ASCII", basic("bob:ü"), Ok(())),
            (
                "the scheme in lower case",
                { headers(&format!("basic {}", BASE64.encode("bob:ü".as_bytes()))) },
                Ok(()),
            ),
            (
                "another's password",
                basic("bob:secret:with colon"),
                Err(Refusal::Unauthorized),
            ),
            (
                "a password cut",
                basic("alice:secret"),
                Err(Refusal::Unauthorized),
            ),
            (
                "wrong once more",
                basic("alice:secret"),
                Err(Refusal::Unauthorized),
            ),
            (
                "nobody, with the decoy's password",
                basic("eve:ü"),
                Err(Refusal::Unauthorized),
            ),
            (
                "nobody, with the other's",
                basic("eve:secret:with colon"),
                Err(Refusal::Unauthorized),
            ),
            ("no colon", basic("alice"), Err(Refusal::Unauthorized)),
            ("no base64", headers("Basic ?"), Err(Refusal::Unauthorized)),
            (
                "another scheme",
                headers("Bearer abc"),
                Err(Refusal::Unauthorized),
            ),
            ("a zero byte", basic("alice:\0"), Err(Refusal::Unauthorized)),
            ("nothing", HeaderMap::new(), Err(Refusal::Unauthorized)),
        ] {
            assert_eq!(guard.admit(&users, &headers).await, expected, "{why}");
        }
        assert_eq!(
            guard.admit(&Users::default(), &HeaderMap::new()).await,
            Ok(())
        );
    }

    #[tokio::test]
    async fn what_was_verified_costs_no_turn() {
        let guard = Guard::new();
        let before = users(&[("alice", "old")]);
        assert_eq!(guard.admit(&before, &basic("alice:old")).await, Ok(()));
        guard.turns.close();
        assert_eq!(guard.admit(&before, &basic("alice:old")).await, Ok(()));
        let refused = guard.admit(&before, &basic("alice:new")).await;
        assert_eq!(refused, Err(Refusal::Busy), "a password not seen before");
        let after = users(&[("alice", "new")]);
        let refused = guard.admit(&after, &basic("alice:old")).await;
        assert_eq!(
            refused,
            Err(Refusal::Busy),
            "the verdict was about another hash"
        );
    }
}
