//! A body within the body: CountTokens carries an InvokeModel body in base64.

use super::PayloadKind;
use super::facts::Facts;
use super::flaw::Flaw;
use super::interpreter::{Interpreter, Reading};
use super::tables;
use super::tokenizer::Tokenizer;
use crate::unbase64::{Fault, Unbase64};

/// Decodes and reads the inner body as it comes, in constant memory.
#[derive(Debug, Clone)]
pub(super) struct Nested {
    tokenizer: Tokenizer,
    interpreter: Interpreter,
    base64: Unbase64,
}

impl Default for Nested {
    fn default() -> Self {
        Nested {
            tokenizer: Tokenizer::default(),
            interpreter: Interpreter::new(tables::root(PayloadKind::InvokeModel)),
            base64: Unbase64::default(),
        }
    }
}

impl Nested {
    pub(super) fn push(&mut self, part: &[u8], facts: &mut Facts) -> Result<(), Flaw> {
        let Self { tokenizer, interpreter, base64 } = self;
        let mut reading = Reading { interpreter, facts };
        let read = |bytes: &[u8]| tokenizer.push(bytes, &mut reading).map_err(|fault| fault.flaw);
        base64.push(part, read).map_err(|fault| match fault {
            Fault::NotBase64 => Flaw::BadBase64,
            Fault::Reader(flaw) => flaw,
        })
    }

    pub(super) fn finish(mut self, facts: &mut Facts) -> Result<(), Flaw> {
        if !self.base64.is_whole() {
            return Err(Flaw::BadBase64);
        }
        let mut reading = Reading { interpreter: &mut self.interpreter, facts };
        self.tokenizer.finish(&mut reading).map_err(|fault| fault.flaw)
    }
}
