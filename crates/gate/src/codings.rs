//! Whether the gate may ask for an answer that is not compressed.

use portcullis_bedrock::{Entrance, Head};

/// Who has a say in a request's `accept-encoding`. What must be inspected must be readable, and many clients ask for gzip without
/// minding: where no signature covers the header, the gate asks for a plain answer instead of refusing a compressed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codings {
    /// Nobody asked for any.
    Unsaid,
    /// The caller asked, and the gate may ask otherwise.
    Open,
    /// The caller's signature covers it.
    Signed,
}

impl Codings {
    const NAME: &'static [u8] = b"accept-encoding";

    /// Of a request with these headers.
    pub(crate) fn of(head: &Head<'_>, entrance: &Entrance) -> Self {
        if values(head, Self::NAME).next().is_none() {
            return Self::Unsaid;
        }
        if matches!(entrance, Entrance::Gateway(_)) {
            // The request is signed anew behind the gate.
            return Self::Open;
        }
        // Wherever a list of signed headers can stand; a list that only looks like one costs nothing but a plain answer.
        let signed = |value: &[u8]| -> bool {
            value.windows(Self::NAME.len()).any(|window| window.eq_ignore_ascii_case(Self::NAME))
        };
        match values(head, b"authorization").any(signed) || signed(head.path) {
            true => Self::Signed,
            false => Self::Open,
        }
    }
}

fn values<'a>(head: &'a Head<'_>, name: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    let named = head.headers.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_bedrock::GatewayEndpoint;

    #[test]
    fn a_signed_header_is_left_alone() {
        let gateway =
            Entrance::Gateway(GatewayEndpoint { region: "us-east-1".to_owned(), services: Vec::new() });
        let sigv4 = |signed: &str| {
            format!(
                "AWS4-HMAC-SHA256 Credential=AKID/20261121/us-east-1/bedrock/aws4_request, SignedHeaders={signed}, Signature=00"
            )
        };
        let presigned = "/model/m/invoke?X-Amz-SignedHeaders=Accept-Encoding%3Bhost";
        for (entrance, path, headers, expected) in [
            (&Entrance::Intercepted, "/", vec![("authorization", sigv4("host"))], Codings::Unsaid),
            (
                &Entrance::Intercepted,
                "/",
                vec![("Accept-Encoding", "gzip".to_owned()), ("authorization", sigv4("host"))],
                Codings::Open,
            ),
            (
                &Entrance::Intercepted,
                "/",
                vec![
                    ("accept-encoding", "gzip".to_owned()),
                    ("Authorization", sigv4("accept;accept-encoding;host")),
                ],
                Codings::Signed,
            ),
            (
                &Entrance::Intercepted,
                presigned,
                vec![("accept-encoding", "gzip".to_owned())],
                Codings::Signed,
            ),
            (
                &gateway,
                "/",
                vec![
                    ("accept-encoding", "gzip".to_owned()),
                    ("authorization", sigv4("accept-encoding;host")),
                ],
                Codings::Open,
            ),
            (
                &Entrance::Intercepted,
                "/v1/messages",
                vec![("accept-encoding", "gzip, deflate".to_owned()), ("x-api-key", "k".to_owned())],
                Codings::Open,
            ),
        ] {
            let headers: Vec<_> = headers
                .into_iter()
                .map(|(name, value)| (name.as_bytes().to_vec(), value.into_bytes()))
                .collect();
            let head = Head {
                method: b"POST",
                authority: b"h",
                path: path.as_bytes(),
                headers: &headers,
                server_name: None,
                end_of_stream: false,
            };
            let found = Codings::of(&head, entrance);
            println!("{path} {} headers -> {found:?}", headers.len());
            assert_eq!(found, expected);
        }
    }
}
