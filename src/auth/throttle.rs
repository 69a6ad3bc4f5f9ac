//! The throttle: a client that attempts too many logins, registrations or mails must wait. The attempts are counted in the
//! database, so they count across all nodes.
//!
//! An attempt is counted before its outcome is known, and uncounted if it succeeds: otherwise a hundred parallel attempts would all
//! count as the first. A rejected attempt is not counted, so the wait that the client was given does not grow.

use std::time::Duration;

use actix_web::http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use aws_lc_rs::hmac;
use chrono::{TimeDelta, Utc};
use diesel::PgConnection;
use prometheus_client::metrics::counter::Counter;

use super::secret::Secret;
use crate::error::{Code, Error, Result};
use crate::metrics::LabeledMetric;
use crate::models::account_token::TokenPurpose;
use crate::models::names::{Email, fold};
use crate::models::throttle::{self, Rule};

/// A kind of attempts that are counted together, and how many of them cost no wait.
#[derive(Debug)]
pub struct Policy {
    /// The name that clients see.
    name: &'static str,
    /// Attempts that cost no wait.
    free: i32,
    /// Seconds within which as many attempts as `free` are forgiven, evenly. So an office in which one user or another always
    /// mistypes never fills its bucket.
    window: i32,
}

/// Logins to one account.
static LOGIN_ACCOUNT: Policy = Policy { name: "login-account", free: 10, window: 900 };
/// Logins from one network, whichever user logs in: an office has one address.
static LOGIN_NETWORK: Policy = Policy { name: "login-network", free: 50, window: 900 };
/// Passwords that a logged-in user must give again.
static PASSWORD: Policy = Policy { name: "password", free: 10, window: 900 };
/// Registrations from one network.
static REGISTRATION: Policy = Policy { name: "registration", free: 30, window: 3600 };
/// Mails that clients request to one address.
static MAIL_ADDRESS: Policy = Policy { name: "mail-address", free: 3, window: 3600 };
/// Mails to new addresses that a logged-in user requests.
static MAIL_USER: Policy = Policy { name: "mail-user", free: 5, window: 3600 };
/// Mails that clients request from one network.
static MAIL_NETWORK: Policy = Policy { name: "mail-network", free: 20, window: 3600 };

static POLICIES: [&Policy; 7] =
    [&LOGIN_ACCOUNT, &LOGIN_NETWORK, &PASSWORD, &REGISTRATION, &MAIL_ADDRESS, &MAIL_USER, &MAIL_NETWORK];

/// The age from which a bucket may be purged. It is longer than any window, so an older bucket has drained, or nearly so.
pub const FORGETS_AFTER: TimeDelta = TimeDelta::hours(2);

/// The settings of the throttle.
#[derive(Clone, Debug)]
pub struct ThrottleOptions {
    /// Whether clients must wait at all.
    pub is_on: bool,
    /// Maximum wait.
    pub longest_delay: TimeDelta,
    /// How long a network counts as one of a user's known networks after a login.
    pub known_network: TimeDelta,
}

/// Counts attempts, and makes clients wait.
#[derive(Clone)]
pub struct Throttle {
    key: hmac::Key,
    options: ThrottleOptions,
    refused: LabeledMetric<Counter>,
}

/// What an attempt counts in: a policy, and the account, network or address to which it applies.
#[derive(Clone, Debug)]
pub struct Bucket {
    policy: &'static Policy,
    key: Vec<u8>,
}

/// The buckets in which a login counts.
#[derive(Clone, Debug)]
pub struct LoginBuckets {
    network: Bucket,
    accounts: Vec<(Option<i64>, Bucket)>,
}

impl Throttle {
    /// Create the throttle from the settings. `refused` counts the attempts that must wait, by the name of the policy.
    pub fn new(secret: &Secret, options: &ThrottleOptions, refused: LabeledMetric<Counter>) -> Self {
        for policy in POLICIES {
            refused.of(policy.name);
        }
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret.derive("throttle")),
            options: options.clone(),
            refused,
        }
    }

    fn bucket(&self, policy: &'static Policy, of: &[&str]) -> Bucket {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [policy.name].iter().chain(of) {
            context.update(part.as_bytes());
            context.update(&[0]);
        }
        Bucket { policy, key: context.sign().as_ref().to_vec() }
    }

    /// Return the buckets in which a registration from this network counts.
    pub fn registration(&self, network: &str) -> Vec<Bucket> {
        vec![self.bucket(&REGISTRATION, &[network])]
    }

    /// Return the buckets in which a request for a mail counts. Each purpose is counted separately: a client that requests
    /// confirmations of another user's address must not keep that user from setting a new password.
    pub fn mail(&self, purpose: TokenPurpose, email: &Email, network: &str) -> Vec<Bucket> {
        let of = [purpose.as_str(), email.key()];
        vec![self.bucket(&MAIL_ADDRESS, &of), self.bucket(&MAIL_NETWORK, &[network])]
    }

    /// Return the buckets in which a user's request for a new address counts, which sends a mail there.
    pub fn own_mail(&self, email: &Email, user_id: i64) -> Vec<Bucket> {
        let address = self.bucket(&MAIL_ADDRESS, &[TokenPurpose::ConfirmAddress.as_str(), email.key()]);
        vec![address, self.bucket(&MAIL_USER, &[&user_id.to_string()])]
    }

    /// Return the buckets in which asking a user for the password again counts.
    pub fn password(&self, user_id: i64) -> Vec<Bucket> {
        vec![self.bucket(&PASSWORD, &[&user_id.to_string()])]
    }

    /// Return the buckets in which a login counts: the network, and every account that it may mean. An account has a separate
    /// bucket for each network from which its owner has recently logged in, so that strangers elsewhere cannot lock the owner out.
    pub fn login(
        &self,
        conn: &mut PgConnection,
        login: &str,
        users: &[i64],
        network: &str,
    ) -> Result<LoginBuckets> {
        let known_users =
            throttle::users_known_in(conn, users, network, Utc::now() - self.options.known_network)?;
        let mut accounts: Vec<_> = users
            .iter()
            .map(|user| {
                let id = user.to_string();
                let whose =
                    if known_users.contains(user) { vec!["user", &id, network] } else { vec!["user", &id] };
                (Some(*user), self.bucket(&LOGIN_ACCOUNT, &whose))
            })
            .collect();
        if accounts.is_empty() {
            accounts.push((None, self.bucket(&LOGIN_ACCOUNT, &["login", &fold(login)])));
        }
        Ok(LoginBuckets { network: self.bucket(&LOGIN_NETWORK, &[network]), accounts })
    }

    /// Count an attempt in all of these buckets, or in none: 429 if one is blocked, which rolls the transaction back. Use a
    /// separate transaction, since its commit does not wait for the disk.
    pub fn take<'a>(
        &self,
        conn: &mut PgConnection,
        buckets: impl IntoIterator<Item = &'a Bucket>,
    ) -> Result<()> {
        if !self.options.is_on {
            return Ok(());
        }
        throttle::commit_asynchronously(conn)?;
        let mut buckets: Vec<_> = buckets.into_iter().collect();
        // Always in the same order, so that two transactions that wait for each other's rows cannot deadlock.
        buckets.sort_by(|a, b| a.key.cmp(&b.key));
        for bucket in &buckets {
            let rule = Rule {
                free: bucket.policy.free,
                window: bucket.policy.window,
                longest: self.options.longest_delay,
            };
            if !throttle::take(conn, &bucket.key, rule)? {
                let keys: Vec<_> = buckets.iter().map(|bucket| bucket.key.clone()).collect();
                let wait = throttle::blocked_for(conn, &keys)?;
                self.refused.of(bucket.policy.name).inc();
                return Err(refusal(bucket.policy, wait.to_std().unwrap_or_default()));
            }
        }
        Ok(())
    }

    /// Uncount an attempt that succeeded. Use a separate transaction, as for [`Throttle::take`].
    pub fn give_back(&self, conn: &mut PgConnection, buckets: &[Bucket]) -> Result<()> {
        throttle::commit_asynchronously(conn)?;
        let mut keys: Vec<_> =
            buckets.iter().filter(|_| self.options.is_on).map(|bucket| &bucket.key).collect();
        // In the same order as [`Throttle::take`].
        keys.sort_unstable();
        for key in keys {
            throttle::give_back(conn, key)?;
        }
        Ok(())
    }

    /// Record that this user has logged in from this network. Nothing counts against the account any more. The attempt still counts
    /// against another account that the login may have meant. Use a separate transaction, as for [`Throttle::take`].
    pub fn succeed(
        &self,
        conn: &mut PgConnection,
        buckets: &LoginBuckets,
        user_id: i64,
        network: &str,
    ) -> Result<()> {
        throttle::commit_asynchronously(conn)?;
        throttle::remember_network(conn, user_id, network)?;
        if !self.options.is_on {
            return Ok(());
        }
        let own = buckets.accounts.iter().filter(|(user, _)| *user == Some(user_id));
        let mut keys: Vec<_> = own.map(|(_, bucket)| (&bucket.key, true)).collect();
        keys.push((&buckets.network.key, false));
        // In the same order as [`Throttle::take`].
        keys.sort_unstable();
        for (key, is_account) in keys {
            if is_account {
                throttle::empty(conn, key)?;
            } else {
                throttle::give_back(conn, key)?;
            }
        }
        Ok(())
    }
}

impl LoginBuckets {
    /// Return the buckets of the accounts and of the network.
    pub fn all(&self) -> Vec<Bucket> {
        self.accounts.iter().map(|(_, bucket)| bucket.clone()).chain([self.network.clone()]).collect()
    }
}

/// 429 with the wait in whole seconds, and with the exceeded policy in the header fields of draft-ietf-httpapi-ratelimit-headers.
fn refusal(policy: &Policy, wait: Duration) -> Error {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let seconds = seconds.max(1);
    let mut error = Error::refused(
        Code::TooManyAttempts,
        format!("Too many attempts. Try again in {seconds} s. Earlier attempts do not prolong the wait."),
    )
    .header(RETRY_AFTER, HeaderValue::from(seconds));
    let fields = [
        ("ratelimit-policy", format!("\"{}\";q={};w={}", policy.name, policy.free, policy.window)),
        ("ratelimit", format!("\"{}\";r=0;t={seconds}", policy.name)),
    ];
    for (name, value) in fields {
        // A policy's name and numbers always make a valid header value.
        if let Ok(value) = HeaderValue::from_str(&value) {
            error = error.header(HeaderName::from_static(name), value);
        }
    }
    error
}
