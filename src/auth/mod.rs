//! Who is asking: tokens, the keys behind them, sessions, passwords, who tries too often, and the caller of a request.

mod caller;
pub mod callers;
pub mod keys;
pub mod mail_tokens;
pub mod passwords;
pub mod secret;
pub mod sessions;
pub mod throttle;
pub mod tokens;

use actix_web::web::Data;

use callers::Callers;
use mail_tokens::MailTokens;
use passwords::Passwords;
use throttle::Throttle;

pub use caller::{Caller, CurrentUser, MaybeUser};

/// What guards accounts, for handlers that need several of it.
pub struct Guards {
    /// Hashes and checks.
    pub passwords: Data<Passwords>,
    /// Counts tries.
    pub throttle: Data<Throttle>,
    /// Makes the tokens of mails.
    pub mail_tokens: Data<MailTokens>,
    /// Remembers, and forgets, whose tokens are good.
    pub callers: Data<Callers>,
}
