//! The actor: the user of the request that a transaction is part of. The events that the transaction writes name this user.

tokio::task_local! {
    static ACTOR: i64;
}

/// Run `work` as this user, to whom everything that it writes is attributed.
pub async fn acting<F: Future>(user: i64, work: F) -> F::Output {
    ACTOR.scope(user, work).await
}

/// Return the current actor, if it is a known user.
pub fn current() -> Option<i64> {
    ACTOR.try_with(|user| *user).ok()
}

/// Carry the current actor over to `work` that continues in another task. Call this where the actor is known.
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let user = current();
    async move {
        match user {
            Some(user) => acting(user, work).await,
            None => work.await,
        }
    }
}
