//! What is recorded when a task ends, and what of it the workers voted for.
//!
//! Of most deals the digest is that of the result's content, and where the result lies is the
//! pool's word alone. Of a deal with bound results it is the hash of the very bytes that are
//! recorded: they name the result's zip by its CID, which follows from the bytes of the zip, so
//! every worker knows them before anything is stored. Worker, scheduler and requester compute them
//! here, because one byte more would be another vote. Left out is how content becomes a digest and
//! a zip, and a zip a CID (`poco-result`).

use crate::deal::Deal;
use crate::mark::{Conditions, DealConditions};
use crate::task::TaskView;
use crate::types::ResultDigest;
use alloc::format;
use alloc::string::String;
use alloy_primitives::{Bytes, keccak256};

/// What the end of a task records, by the terms of its deal.
///
/// Journals tell the variants by their places: a new one goes to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Recorded {
    /// Where the result lies, for which nobody votes.
    Location,
    /// What the callback gets, whose hash is the digest, and where the result lies, for which
    /// nobody votes.
    CallbackAndLocation,
    /// Where the result lies, in bytes whose hash is the digest.
    BoundLocation,
    /// What the callback gets, whose hash is the digest, and nothing else.
    BoundCallback,
}

impl Recorded {
    /// What the tasks of `deal` record, under what it keeps.
    #[must_use]
    pub fn of(deal: &Deal, kept: DealConditions) -> Self {
        match (kept.has(Conditions::BOUND_RESULTS), deal.callback.is_zero()) {
            (false, true) => Self::Location,
            (false, false) => Self::CallbackAndLocation,
            (true, true) => Self::BoundLocation,
            (true, false) => Self::BoundCallback,
        }
    }

    /// Whether a contract waits for bytes from the app.
    #[must_use]
    pub fn has_callback(self) -> bool {
        match self {
            Self::Location | Self::BoundLocation => false,
            Self::CallbackAndLocation | Self::BoundCallback => true,
        }
    }

    /// Whether workers vote for the zip as it is, so that all of them must make the same.
    #[must_use]
    pub fn binds_zip(self) -> bool {
        match self {
            Self::BoundLocation => true,
            Self::Location | Self::CallbackAndLocation | Self::BoundCallback => false,
        }
    }

    /// What is voted for when the content of the result has the digest `content`, and its zip
    /// belongs at `location`.
    #[must_use]
    pub fn digest(self, content: ResultDigest, location: &str) -> ResultDigest {
        match self {
            Self::BoundLocation => ResultDigest(keccak256(self.results(location))),
            Self::Location | Self::CallbackAndLocation | Self::BoundCallback => content,
        }
    }

    /// The `results` of a task whose result lies at `location`: JSON as clients of the reference
    /// read it.
    ///
    /// A location is `/ipfs/` and a CID that was computed or parsed: nothing in it is escaped.
    #[must_use]
    pub fn results(self, location: &str) -> Bytes {
        match self {
            Self::Location | Self::CallbackAndLocation | Self::BoundLocation => {
                let text = format!(r#"{{"storage":"ipfs","location":"{location}"}}"#);
                Bytes::from(text.into_bytes())
            }
            Self::BoundCallback => Bytes::new(),
        }
    }

    /// Whether what is recorded of a completed task is what its workers voted for; `None` where
    /// the deal does not ask for that.
    #[must_use]
    pub fn is_as_voted(self, view: &TaskView) -> Option<bool> {
        let is_digest = |bytes: &Bytes| ResultDigest(keccak256(bytes)) == view.digest;
        match self {
            Self::Location | Self::CallbackAndLocation => None,
            Self::BoundLocation => Some(is_digest(&view.results)),
            Self::BoundCallback => {
                Some(is_digest(&view.results_callback) && view.results.is_empty())
            }
        }
    }
}

/// Where a zip with this CID belongs.
#[must_use]
pub fn location_of(cid: &str) -> String {
    format!("/ipfs/{cid}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, B256};

    const CONTENT: ResultDigest = ResultDigest(B256::repeat_byte(7));

    fn bound() -> DealConditions {
        DealConditions::new(Conditions::BOUND_RESULTS, Address::ZERO)
    }

    fn deal(callback: Address) -> Deal {
        Deal { callback, ..Deal::default() }
    }

    #[test]
    fn only_a_bound_deal_votes_for_where_its_result_lies() {
        let (none, some) = (deal(Address::ZERO), deal(Address::repeat_byte(1)));
        let text = br#"{"storage":"ipfs","location":"/ipfs/bafy"}"#;
        let location = location_of("bafy");
        for (deal, kept, recorded) in [
            (&none, DealConditions::NONE, Recorded::Location),
            (&some, DealConditions::NONE, Recorded::CallbackAndLocation),
            (&none, bound(), Recorded::BoundLocation),
            (&some, bound(), Recorded::BoundCallback),
        ] {
            assert_eq!(Recorded::of(deal, kept), recorded);
            let is_bound = recorded == Recorded::BoundLocation;
            assert_eq!(recorded.binds_zip(), is_bound);
            assert_eq!(recorded.digest(CONTENT, &location) == CONTENT, !is_bound);
            assert_eq!(recorded.has_callback(), !deal.callback.is_zero());
            let results = recorded.results(&location);
            assert_eq!(results.is_empty(), recorded == Recorded::BoundCallback);
            assert!(results.is_empty() || results.as_ref() == text);
        }
        let digest = Recorded::BoundLocation.digest(CONTENT, &location);
        assert_eq!(digest, ResultDigest(keccak256(text)));
        assert_ne!(digest, Recorded::BoundLocation.digest(CONTENT, "/ipfs/bafk"));
    }

    #[test]
    fn what_is_recorded_is_held_against_the_digest() {
        let results = Recorded::BoundLocation.results("/ipfs/bafy");
        let digest = ResultDigest(keccak256(&results));
        let view = TaskView { results, digest, ..TaskView::default() };
        assert_eq!(Recorded::BoundLocation.is_as_voted(&view), Some(true));
        assert_eq!(Recorded::BoundCallback.is_as_voted(&view), Some(false));
        assert_eq!(Recorded::Location.is_as_voted(&view), None);
        let other = Recorded::BoundLocation.results("/ipfs/bafk");
        let moved = TaskView { results: other, ..view.clone() };
        assert_eq!(Recorded::BoundLocation.is_as_voted(&moved), Some(false));

        let callback = Bytes::from_static(b"value");
        let digest = ResultDigest(keccak256(&callback));
        let alone = TaskView { results_callback: callback, digest, ..TaskView::default() };
        assert_eq!(Recorded::BoundCallback.is_as_voted(&alone), Some(true));
        let beside = TaskView { results: view.results, ..alone };
        assert_eq!(Recorded::BoundCallback.is_as_voted(&beside), Some(false));
    }

    #[test]
    fn the_place_of_each_variant_is_what_journals_know_it_by() {
        // Journals that hold whether there is a callback in this place, as false or true, are read
        // as the first two.
        let all = [
            Recorded::Location,
            Recorded::CallbackAndLocation,
            Recorded::BoundLocation,
            Recorded::BoundCallback,
        ];
        for (place, recorded) in all.into_iter().enumerate() {
            assert_eq!(recorded as usize, place);
        }
    }
}
