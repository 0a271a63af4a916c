//! Whether a file is what its author exported, and whether this machine computes what its author
//! computed.

use std::sync::Arc;

use crate::error::Cause;
use crate::loading::{ModelFile, SelfTest};
use crate::{Model, Result, Session};

/// The largest difference that passes, relative to the largest score of its row.
const TOLERANCE: f32 = 1e-4;

/// What a successful [`Model::verify`] did.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Verification {
    /// Event sequences played.
    pub sequences: usize,
    /// Scores compared.
    pub scores: usize,
    /// The largest difference from the stored scores, relative to the largest of its row.
    pub largest_difference: f32,
}

impl Model {
    /// Recomputes the fingerprint, plays the file's self-test from an empty state and compares
    /// the scores: none may be off by more than 1e-4 of the largest in its row. An active overlay
    /// does not matter.
    pub fn verify(self: &Arc<Self>) -> Result<Verification> {
        let mut file = ModelFile::parse(&self.bytes)?;
        let (found, expected) = (file.compute_fingerprint(), self.fingerprint());
        if found != expected {
            return Err(Cause::FingerprintMismatch { found, expected }.into());
        }
        let mut report = Verification { sequences: 0, scores: 0, largest_difference: 0.0 };
        let mut session = Session::new(Arc::clone(self));
        for case in SelfTest::take(&mut file.tensors, self.num_items())?.cases() {
            session.reset();
            // An overlay would change what the file's author computed.
            session.extend_under(None, case.events)?;
            let mut scores = vec![0.0; case.candidates.len()];
            session.score_under(None, case.candidates, &mut scores)?;
            let largest =
                case.scores.iter().fold(0.0, |largest: f32, score| largest.max(score.abs()));
            for ((&item, &expected), &found) in case.candidates.iter().zip(case.scores).zip(&scores)
            {
                let difference = (found - expected).abs();
                if difference > TOLERANCE * largest || difference.is_nan() {
                    let sequence = report.sequences;
                    return Err(Cause::SelfTest { sequence, item, found, expected }.into());
                }
                if difference > 0.0 {
                    report.largest_difference = report.largest_difference.max(difference / largest);
                }
            }
            report.sequences += 1;
            report.scores += scores.len();
        }
        Ok(report)
    }
}
