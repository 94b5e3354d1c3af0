//! Who may answer.

use crate::ApprovalError;

/// Who answers: the holder of an admin token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approver {
    /// The token's name.
    pub name: String,
    /// The principal that the token belongs to, where it was made for one.
    pub principal: Option<String>,
}

impl Approver {
    /// Checks that it may answer for a call of `requester`. `approvers` are globs (`*`, `?`) of names or principals; empty:
    /// everybody. Case does not matter, neither for a glob nor for whether two names are the same person's.
    ///
    /// # Errors
    /// [`ApprovalError::Own`] and [`ApprovalError::Foreign`].
    pub fn check(
        &self,
        requester: &str,
        allow_self: bool,
        approvers: &[String],
    ) -> Result<(), ApprovalError> {
        if !allow_self && self.names().any(|name| same(name, requester)) {
            return Err(ApprovalError::Own(requester.to_owned()));
        }
        let named = |glob: &String| self.names().any(|name| matches(glob, name));
        if !approvers.is_empty() && !approvers.iter().any(named) {
            let approvers = approvers.iter().map(|glob| format!("`{glob}`")).collect::<Vec<_>>().join(", ");
            return Err(ApprovalError::Foreign { by: self.name.clone(), approvers });
        }
        Ok(())
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        [Some(self.name.as_str()), self.principal.as_deref()].into_iter().flatten()
    }

    /// As records and messages name it: `name`, or `name (principal)` where they differ.
    #[must_use]
    pub fn shown(&self) -> String {
        match &self.principal {
            Some(principal) if *principal != self.name => format!("{} ({principal})", self.name),
            _ => self.name.clone(),
        }
    }
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// `*` is any run of characters, `?` is one.
fn matches(glob: &str, text: &str) -> bool {
    let glob: Vec<char> = glob.to_lowercase().chars().collect();
    let text: Vec<char> = text.to_lowercase().chars().collect();
    // The last `*` seen, and how much of the text it has taken: going back there is all the backtracking that is needed.
    let (mut at, mut read, mut star) = (0, 0, None);
    loop {
        match (glob.get(at), text.get(read)) {
            (Some('*'), _) => {
                star = Some((at, read));
                at += 1;
            }
            (Some(pattern), Some(c)) if *pattern == '?' || pattern == c => {
                at += 1;
                read += 1;
            }
            (None, None) => return true,
            (_, next) => match (star, next) {
                (Some((from, taken)), Some(_)) => {
                    star = Some((from, taken + 1));
                    at = from + 1;
                    read = taken + 1;
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Token, its principal, who calls, `allow_self`, approvers, what comes of it.
    type Case<'a> = (&'a str, Option<&'a str>, &'a str, bool, &'a [&'a str], &'a str);

    #[test]
    fn who_may_answer() {
        let cases: &[Case<'_>] = &[
            ("ops", None, "app", false, &[], "ok"),
            ("ops", None, "app", false, &["*"], "ok"),
            ("app", None, "app", false, &[], "own"),
            ("App", None, "aPP", false, &[], "own"),
            ("ops", Some("app"), "app", false, &["*"], "own"),
            ("ops", Some("app"), "app", true, &["*"], "ok"),
            ("ops", Some("alice"), "app", false, &["alice"], "ok"),
            ("ops", Some("alice"), "app", false, &["ops-*", "al?ce"], "ok"),
            ("ops", Some("alice"), "app", false, &["bob", "ops-*"], "foreign"),
            ("ops", None, "app", false, &["OPS"], "ok"),
            ("app", None, "app", true, &["bob"], "foreign"),
        ];
        for (name, principal, requester, allow_self, approvers, expected) in cases {
            let approver = Approver { name: (*name).to_owned(), principal: principal.map(str::to_owned) };
            let approvers: Vec<String> = approvers.iter().map(|glob| (*glob).to_owned()).collect();
            let found = match approver.check(requester, *allow_self, &approvers) {
                Ok(()) => "ok",
                Err(ApprovalError::Own(_)) => "own",
                Err(ApprovalError::Foreign { .. }) => "foreign",
                Err(other) => panic!("{other}"),
            };
            assert_eq!(found, *expected, "{name} {principal:?} {requester} {approvers:?}");
        }
        println!("compared {} cases", cases.len());
    }

    #[test]
    fn globs() {
        let cases = [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*b*c", "axxbyybzc", true),
            ("a*b*c", "axxbyybz", false),
            ("?", "é", true),
            ("*@example.com", "Alice@Example.com", true),
            ("**a", "ba", true),
            ("a?", "a", false),
        ];
        for (glob, text, expected) in cases {
            assert_eq!(matches(glob, text), expected, "{glob} {text}");
        }
    }
}
