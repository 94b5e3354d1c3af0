//! Checkpoints: whose they are, and whether the keys that one trusts have signed them.

use super::super::checkpoint::Checkpoint;
use super::super::cosignature::WitnessKey;
use super::super::keys::VerifyingKey;
use super::super::note::{NoteError, SignedNote};
use super::finding::{Code, Finding};

/// Reads a checkpoint and checks that it is one of the log of that name, signed by one of the keys. Of a log that went on under
/// another name (`NAME/2`, after its store was put back to an earlier state) the earlier name counts as well, if a key of it is given:
/// the records are one series.
///
/// # Errors
/// What is wrong with it.
pub fn check_checkpoint(
    note: &str,
    origin: &str,
    keys: &[VerifyingKey],
) -> Result<(Checkpoint, SignedNote), Finding> {
    let (checkpoint, note) = Checkpoint::parse_note(note).map_err(|error| {
        Finding::of_log(Code::MalformedCheckpoint, format!("a checkpoint is not well-formed: {error}"))
    })?;
    let size = checkpoint.size;
    let about = |code, why: String| Finding::at(code, size, "", why);
    let own: Vec<VerifyingKey> = keys.iter().filter(|key| key.name() == checkpoint.origin).cloned().collect();
    if checkpoint.origin != origin && own.is_empty() {
        let why =
            format!("the checkpoint of {size} records is of the log `{}`, not `{origin}`", checkpoint.origin);
        return Err(about(Code::WrongOrigin, why));
    }
    match note.verify(&own) {
        Ok(_) => Ok((checkpoint, note)),
        Err(NoteError::Unsigned) => {
            let why = format!("the checkpoint of {size} records is signed by none of the given keys");
            Err(about(Code::UnknownKey, why))
        }
        Err(error) => Err(about(Code::BadSignature, format!("the checkpoint of {size} records: {error}"))),
    }
}

/// Which of these witnesses have cosigned a checkpoint, each with the time that it gives, Unix seconds; what is wrong with
/// the cosignatures of others.
pub fn check_cosignatures(
    size: u64,
    note: &SignedNote,
    witnesses: &[WitnessKey],
) -> (Vec<(String, u64)>, Vec<Finding>) {
    let (mut seen, mut found) = (Vec::new(), Vec::new());
    for witness in witnesses {
        match witness.cosigned(note) {
            Ok(Some(time_s)) => seen.push((witness.name().to_owned(), time_s)),
            Ok(None) => {
                let why = format!("`{}` has not cosigned the checkpoint of {size} records", witness.name());
                found.push(Finding::at(Code::NotCosigned, size, "", why));
            }
            Err(error) => {
                let why = format!("the checkpoint of {size} records: {error}");
                found.push(Finding::at(Code::BadSignature, size, "", why));
            }
        }
    }
    (seen, found)
}
