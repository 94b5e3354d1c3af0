//! Calls that may go round the gate, because somebody said so.

use crate::seen::Seen;
use serde::Deserialize;
use std::net::IpAddr;

/// A file of exceptions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exceptions {
    /// `"1.0"`.
    pub version: String,
    /// The exceptions.
    #[serde(default)]
    pub exceptions: Vec<Exception>,
}

/// Calls for which everything that is given holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Its name, for the report.
    pub name: String,
    /// Why it is one.
    pub reason: String,
    /// ARN of the caller, with `*` and `?`.
    #[serde(default)]
    pub arn: Option<String>,
    /// Address, network (`10.0.0.0/8`), or a name with `*` and `?`.
    #[serde(default)]
    pub source_ip: Option<String>,
    /// User agent, with `*` and `?`.
    #[serde(default)]
    pub user_agent: Option<String>,
    /// Operation, with `*` and `?`.
    #[serde(default)]
    pub operation: Option<String>,
    /// Model as in AWS's log, with `*` and `?`.
    #[serde(default)]
    pub model: Option<String>,
    /// RFC 3339: calls at or after this time are no exception any more.
    #[serde(default)]
    pub until: Option<String>,
}

impl Exceptions {
    /// Checks what the form does not say.
    ///
    /// # Errors
    /// What is wrong, with the exception's name.
    pub fn check(&self) -> Result<(), String> {
        if self.version != "1.0" {
            return Err(format!("`version` is `{}`; this program reads \"1.0\"", self.version));
        }
        for exception in &self.exceptions {
            let Exception { name, arn, source_ip, user_agent, operation, model, until, reason } = exception;
            if name.trim().is_empty() || reason.trim().is_empty() {
                return Err("every exception needs a `name` and a `reason`".to_owned());
            }
            if [arn, source_ip, user_agent, operation, model].iter().all(|field| field.is_none()) {
                return Err(format!(
                    "exception `{name}` would let every call pass: give `arn`, `source_ip`, `user_agent`, `operation` or `model`"
                ));
            }
            if let Some(text) = until.as_deref().filter(|text| crate::document::time(text).is_err()) {
                return Err(format!(
                    "exception `{name}`: `until: {text}` is no time; write 2027-01-31T00:00:00Z"
                ));
            }
            if let Some(text) =
                source_ip.as_deref().filter(|text| text.contains('/') && network(text).is_none())
            {
                return Err(format!(
                    "exception `{name}`: `source_ip: {text}` is no network; write 10.0.0.0/8"
                ));
            }
        }
        Ok(())
    }

    /// The first exception that a call is.
    pub(crate) fn of(&self, seen: &Seen) -> Option<&Exception> {
        self.exceptions.iter().find(|exception| exception.holds(seen))
    }
}

impl Exception {
    fn holds(&self, seen: &Seen) -> bool {
        let like = |pattern: &Option<String>, text: Option<&str>| {
            pattern.as_deref().is_none_or(|pattern| text.is_some_and(|text| glob(pattern, text)))
        };
        let until = self.until.as_deref().and_then(|text| crate::document::time(text).ok());
        like(&self.arn, seen.arn.as_deref())
            && like(&self.user_agent, seen.user_agent.as_deref())
            && like(&self.operation, Some(&seen.operation))
            && like(&self.model, seen.model.as_deref())
            && self.source_ip.as_deref().is_none_or(|pattern| from(pattern, seen.source_ip.as_deref()))
            && until.is_none_or(|until| seen.time_ms < until)
    }
}

fn from(pattern: &str, address: Option<&str>) -> bool {
    let Some(address) = address else { return false };
    match (network(pattern), address.parse::<IpAddr>()) {
        (Some((network, bits)), Ok(address)) => contains(network, bits, address),
        _ => glob(pattern, address),
    }
}

fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = text.split_once('/')?;
    let (address, bits) = (address.parse::<IpAddr>().ok()?, bits.parse::<u32>().ok()?);
    let width = if address.is_ipv4() { 32 } else { 128 };
    (bits <= width).then_some((address, bits))
}

fn contains(network: IpAddr, bits: u32, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            u32::from(network) & mask == u32::from(address) & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            u128::from(network) & mask == u128::from(address) & mask
        }
        _ => false,
    }
}

/// `*` is any text, `?` one character; everything else is itself.
fn glob(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // Where to go on when what follows the newest star does not fit.
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let before = text.clone();
        match (pattern.next(), text.next()) {
            (Some('*'), _) => {
                retry = Some((pattern.clone(), before.clone()));
                text = before;
            }
            (None, None) => return true,
            (Some('?'), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => {
                let Some((after_star, mut from)) = retry.take() else { return false };
                if from.next().is_none() {
                    return false;
                }
                pattern = after_star.clone();
                text = from.clone();
                retry = Some((after_star, from));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_and_networks() {
        for (pattern, text, expected) in [
            ("*", "", true),
            (
                "arn:aws:sts::*:assumed-role/Batch/*",
                "arn:aws:sts::123456789012:assumed-role/Batch/job-7",
                true,
            ),
            (
                "arn:aws:sts::*:assumed-role/Batch/*",
                "arn:aws:sts::123456789012:assumed-role/Other/job-7",
                false,
            ),
            ("a*b*c", "aXbYbc", true),
            ("a*b*c", "aXbYb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "a", false),
            ("*a", "aaab", false),
        ] {
            println!("{pattern} {text} {expected}");
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
        for (pattern, address, expected) in [
            ("10.0.0.0/8", "10.200.3.4", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "11.0.0.1", true),
            ("10.1.2.3/32", "10.1.2.3", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe00::1", false),
            ("10.0.0.0/8", "fd12::1", false),
            ("*.amazonaws.com", "lambda.amazonaws.com", true),
            ("192.0.2.*", "192.0.2.7", true),
        ] {
            println!("{pattern} {address} {expected}");
            assert_eq!(from(pattern, Some(address)), expected, "{pattern} {address}");
        }
    }

    #[test]
    fn an_exception_for_everything_is_an_error() {
        let exception = Exception { name: "all".into(), reason: "why not".into(), ..Exception::default() };
        let file = Exceptions { version: "1.0".into(), exceptions: vec![exception.clone()] };
        println!("{:?}", file.check());
        assert!(file.check().unwrap_err().contains("every call"));
        let arn = Exception { arn: Some("*".into()), until: Some("soon".into()), ..exception };
        assert!(
            Exceptions { version: "1.0".into(), exceptions: vec![arn] }
                .check()
                .unwrap_err()
                .contains("no time")
        );
    }
}
