//! Globs of tool names outside of rules: what a token covers.

use crate::fold::fold;
use crate::glob::Glob;

/// Globs that select tools as `tools` of a rule does: whatever the case, by any form of the name.
#[derive(Debug, Clone)]
pub struct ToolGlobs(Vec<Glob>);

impl PartialEq for ToolGlobs {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().map(Glob::source).eq(other.0.iter().map(Glob::source))
    }
}

impl Eq for ToolGlobs {}

impl ToolGlobs {
    /// Parses globs.
    ///
    /// # Errors
    /// What is wrong with the first that is no glob, for people.
    pub fn parse<S: AsRef<str>>(globs: &[S]) -> Result<Self, String> {
        let one = |glob: &S| match glob.as_ref() {
            "" => Err("a glob of tools is empty".to_owned()),
            glob => Glob::parse(&fold(glob)),
        };
        globs.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// One of the globs matches one of the forms of a tool's name.
    #[must_use]
    pub fn select<S: AsRef<str>>(&self, names: &[S]) -> bool {
        names.iter().any(|name| {
            let name = fold(name.as_ref());
            self.0.iter().any(|glob| glob.matches(&name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_glob_and_any_form_of_the_name() {
        let cases: &[(&[&str], &[&str], bool)] = &[
            (&["*"], &["transfer_funds"], true),
            (&["get_*", "search"], &["Get_Balance"], true),
            (&["GET_*"], &["get_balance"], true),
            (&["get_*", "search"], &["search_all"], false),
            (&["bank/*"], &["transfer", "bank/transfer", "bank::transfer"], true),
            (&["bank/*"], &["transfer"], false),
            (&["GET /accounts/*"], &["GET /accounts/{id}"], true),
            (&["GET /accounts/*"], &["POST /accounts/{id}"], false),
            (&[], &["search"], false),
            (&["*"], &[], false),
        ];
        for (globs, names, expected) in cases {
            assert_eq!(ToolGlobs::parse(globs).unwrap().select(names), *expected, "{globs:?} {names:?}");
        }
        for bad in ["", "[a", "{a,b}"] {
            assert!(ToolGlobs::parse(&[bad]).is_err(), "{bad}");
        }
        println!("compared {} selections", cases.len());
    }
}
