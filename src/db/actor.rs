//! Who acts: the user of the request that a transaction is part of, which the events that it writes tell.

tokio::task_local! {
    static ACTOR: i64;
}

/// What `work` writes is this user's doing.
pub async fn acting<F: Future>(user: i64, work: F) -> F::Output {
    ACTOR.scope(user, work).await
}

/// Whose doing it is, if a known user's.
pub fn current() -> Option<i64> {
    ACTOR.try_with(|user| *user).ok()
}

/// The same for `work` that goes on in a task of its own: begin it where the actor is known.
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let user = current();
    async move {
        match user {
            Some(user) => acting(user, work).await,
            None => work.await,
        }
    }
}
