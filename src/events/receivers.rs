//! The single list of the types of jobs.

use super::job::Receiver;
use crate::models::job_payload::{
    CallWebhook, DigestPosts, RemoveFiles, SendAccountNotice, SendDigest, SendToken, SendTokenIfKnown,
};

/// Return every type of jobs.
pub(super) fn receivers() -> Vec<Receiver> {
    vec![
        Receiver::of::<SendTokenIfKnown>(),
        Receiver::of::<SendToken>(),
        Receiver::of::<SendAccountNotice>(),
        Receiver::of::<DigestPosts>(),
        Receiver::of::<SendDigest>(),
        Receiver::of::<CallWebhook>(),
        Receiver::of::<RemoveFiles>(),
    ]
}

#[cfg(test)]
mod tests {
    use strum::VariantArray;

    use super::*;
    use crate::models::job::JobKind;

    #[test]
    fn every_kind_of_job_has_one_receiver() {
        let known: Vec<JobKind> = receivers().iter().map(|receiver| receiver.kind).collect();
        for kind in JobKind::VARIANTS {
            assert_eq!(known.iter().filter(|known| *known == kind).count(), 1, "{kind:?}");
        }
    }
}
