//! Test results as JUnit XML, the form that CI systems read.

use super::snippet::Paint;
use super::tree;
use crate::app::RuleView;
use portcullis_policy::testcase::{CaseResult, TestReport};
use std::time::Duration;

/// The document. `why` gives the rules that explain a failure.
pub(super) fn write(
    bundle: &str,
    report: &TestReport<'_>,
    elapsed: Duration,
    why: impl Fn(&CaseResult<'_>) -> Vec<RuleView>,
) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (tests, failures, time) = (report.results.len(), report.failed(), seconds(elapsed));
    xml.push_str(&format!(
        "<testsuites name=\"{}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" time=\"{time}\">\n",
        escaped(bundle)
    ));
    let each = elapsed.checked_div(u32::try_from(tests).unwrap_or(u32::MAX)).unwrap_or_default();
    for file in report.results.chunk_by(|a, b| a.case.path == b.case.path) {
        let Some(first) = file.first() else { continue };
        let failures = file.iter().filter(|result| !result.passed()).count();
        let time = seconds(each.saturating_mul(u32::try_from(file.len()).unwrap_or(u32::MAX)));
        let path = escaped(&first.case.path);
        xml.push_str(&format!(
            "  <testsuite name=\"{path}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\" time=\"{time}\">\n",
            file.len()
        ));
        for result in file {
            one(&mut xml, result, &seconds(each), &why);
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn one(
    xml: &mut String,
    result: &CaseResult<'_>,
    time: &str,
    why: &impl Fn(&CaseResult<'_>) -> Vec<RuleView>,
) {
    let case = result.case;
    let (name, path) = (escaped(&case.name), escaped(&case.path));
    let open = format!(
        "    <testcase name=\"{name}\" classname=\"{path}\" file=\"{path}\" line=\"{}\" time=\"{time}\"",
        case.line
    );
    xml.push_str(&open);
    if result.passed() {
        xml.push_str("/>\n");
        return;
    }
    let lines: Vec<String> = result
        .mismatches
        .iter()
        .map(|one| format!("{}: expected {}, got {}", one.what, one.expected, one.got))
        .collect();
    let mut detail: Vec<u8> = lines.join("\n").into_bytes();
    detail.push(b'\n');
    for rule in why(result) {
        // Writing to memory does not fail.
        let _ = tree::print_rule(&mut detail, Paint::none(), &rule, "");
    }
    let (message, detail) = (escaped(&lines.join("; ")), escaped(&String::from_utf8_lossy(&detail)));
    xml.push_str(&format!(
        ">\n      <failure message=\"{message}\" type=\"mismatch\">{detail}</failure>\n    </testcase>\n"
    ));
}

fn seconds(time: Duration) -> String {
    format!("{:.6}", time.as_secs_f64())
}

/// XML 1.0 text: markup escaped, what no document may contain replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            '\r' => out.push_str("&#13;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if (c as u32) < 0x20 => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_name_has_breaks_the_document() {
        assert_eq!(
            escaped("a<b>&\"c\"\u{1b}[0m\u{0}\n模"),
            "a&lt;b&gt;&amp;&quot;c&quot;\u{fffd}[0m\u{fffd}\n模"
        );
    }
}
