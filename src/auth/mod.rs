//! Authentication: tokens, the keys behind them, sessions, passwords, the throttle of attempts, and the caller of a request.

mod caller;
pub mod keys;
pub mod mail_tokens;
pub mod passwords;
pub mod secret;
pub mod session_cache;
pub mod sessions;
pub mod throttle;
pub mod tokens;

use actix_web::web::Data;

use mail_tokens::MailTokens;
use passwords::Passwords;
use session_cache::SessionCache;
use throttle::Throttle;

pub use caller::{Caller, CurrentUser, MaybeUser};

/// The services that protect accounts, for handlers that need several of them.
pub struct Guards {
    /// Hashes and checks passwords.
    pub passwords: Data<Passwords>,
    /// Counts attempts.
    pub throttle: Data<Throttle>,
    /// Makes the tokens of mails.
    pub mail_tokens: Data<MailTokens>,
    /// Identifies callers by their tokens, and evicts them from the cache.
    pub callers: Data<SessionCache>,
}
