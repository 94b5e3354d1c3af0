//! What an answer said, in the words of the outcome.

use portcullis_bedrock::{AnswerFlaw, AnswerSummary};
use portcullis_protocol::AnswerFacts;

/// The facts that are read from the answer; what of it was let out is [`crate::passed::Passed::tell`]'s to say.
pub(crate) fn answer_facts(summary: AnswerSummary) -> AnswerFacts {
    AnswerFacts { flaw: summary.flaw.map(|flaw| flaw_code(flaw).to_owned()), ..AnswerFacts::default() }
}

/// The stable code of a flaw, see docs/errors.md.
pub(crate) const fn flaw_code(flaw: AnswerFlaw) -> &'static str {
    match flaw {
        AnswerFlaw::Encoded => "answer_encoded",
        AnswerFlaw::Unreadable => "answer_unreadable",
        AnswerFlaw::Truncated => "stream_truncated",
        AnswerFlaw::Broken => "stream_broken",
        AnswerFlaw::TooLong => "answer_too_large",
    }
}
