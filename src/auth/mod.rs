//! Authentication: tokens, the keys behind them, sessions, passwords, the throttle of attempts, and the caller of a request.

mod caller;
pub mod idempotency;
pub mod keys;
pub mod mail_tokens;
pub mod password_rules;
pub mod passwords;
pub mod secret;
pub mod session_cache;
pub mod sessions;
pub mod throttle;
pub mod tokens;

use std::sync::Arc;

use idempotency::BodyDigests;
use mail_tokens::MailTokens;
use passwords::Passwords;
use session_cache::SessionCache;
use sessions::Sessions;
use throttle::Throttle;
use tokens::AccessTokens;

pub use caller::{Caller, CurrentUser, MaybeUser};

/// The services that identify callers and protect accounts.
pub struct Auth {
    /// Issues and verifies access tokens.
    pub access: Arc<AccessTokens>,
    /// Opens, refreshes and ends sessions.
    pub sessions: Sessions,
    /// Identifies callers by their tokens, and caches them.
    pub cache: SessionCache,
    /// Hashes and checks passwords.
    pub passwords: Passwords,
    /// Counts attempts.
    pub throttle: Throttle,
    /// Makes the tokens of mails.
    pub mail_tokens: MailTokens,
    /// Recognises repeated requests.
    pub idempotency: BodyDigests,
}
