//! Signs requests as the SDKs do, or wrongly in one chosen respect.

use super::Request;
use crate::fake::Key;
use anyhow::Result;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use sha2::{Digest, Sha256};
use std::time::{Duration, SystemTime};

#[derive(Debug, Clone)]
pub struct Signer {
    pub key: (String, String),
    pub session_token: Option<String>,
    pub region: String,
    pub service: String,
    pub time: SystemTime,
}

impl Signer {
    /// For us-east-1 and service `bedrock`, now.
    #[must_use]
    pub fn new((id, secret): Key) -> Self {
        Self {
            key: (id.to_owned(), secret.to_owned()),
            session_token: None,
            region: "us-east-1".to_owned(),
            service: "bedrock".to_owned(),
            time: SystemTime::now(),
        }
    }

    #[must_use]
    pub fn region(mut self, region: &str) -> Self {
        region.clone_into(&mut self.region);
        self
    }

    #[must_use]
    pub fn service(mut self, service: &str) -> Self {
        service.clone_into(&mut self.service);
        self
    }

    #[must_use]
    pub fn at(mut self, time: SystemTime) -> Self {
        self.time = time;
        self
    }

    /// Adds `x-amz-date`, `x-amz-security-token` and `authorization`. Signs the host and every header that is there.
    ///
    /// # Errors
    /// A header or the path cannot be signed.
    pub fn sign(&self, mut request: Request) -> Result<Request> {
        let (added, _) = self.instructions(&request, SigningSettings::default())?;
        for (name, value) in added {
            request = request.header(&name, value);
        }
        Ok(request)
    }

    /// As the JavaScript SDK signs for HTTP/2: `:authority` in the place of `host`, the hash of the body in a header.
    /// Written out, because `aws-sigv4` cannot hold that name.
    ///
    /// # Errors
    /// A header is not UTF-8, or the time is out of range.
    pub fn sign_authority(&self, request: Request) -> Result<Request> {
        let time = jiff::Timestamp::try_from(self.time)?.strftime("%Y%m%dT%H%M%SZ").to_string();
        let hash = request.body_sha256();
        let request =
            request.header("x-amz-content-sha256", hash.as_str()).header("x-amz-date", time.as_str());
        let mut headers = vec![(":authority", request.host.as_str())];
        for (name, value) in &request.headers {
            headers.push((name, std::str::from_utf8(value)?.trim()));
        }
        headers.sort_unstable();
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect::<String>();
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let mut query: Vec<&str> = query.split('&').collect();
        query.sort_unstable();
        let path = path.split('/').map(encode).collect::<Vec<_>>().join("/");
        let canonical = format!("{}\n{path}\n{}\n{lines}\n{names}\n{hash}", request.method, query.join("&"));
        let day: String = time.chars().take(8).collect();
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let digest = hex::encode(Sha256::digest(canonical.as_bytes()));
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}");
        let (id, secret) = &self.key;
        let key = v4::generate_signing_key(secret, self.time, &self.region, &self.service);
        let signature = v4::calculate_signature(key, to_sign.as_bytes());
        let credential = format!("Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
        Ok(request.header("authorization", format!("AWS4-HMAC-SHA256 {credential}")))
    }

    /// Adds the signature to the query; signs the host only.
    ///
    /// # Errors
    /// As [`Signer::sign`].
    pub fn presign(&self, mut request: Request, life: Duration) -> Result<Request> {
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(life);
        let headers = std::mem::take(&mut request.headers);
        let (_, added) = self.instructions(&request, settings)?;
        request.headers = headers;
        for (name, value) in added {
            let separator = if request.path.contains('?') { '&' } else { '?' };
            request.path.push(separator);
            request.path.push_str(&format!("{name}={}", encode(&value)));
        }
        Ok(request)
    }

    #[expect(clippy::type_complexity, reason = "two lists of pairs")]
    fn instructions(
        &self,
        request: &Request,
        settings: SigningSettings,
    ) -> Result<(Vec<(String, String)>, Vec<(String, String)>)> {
        let (id, secret) = &self.key;
        let identity = Credentials::new(id, secret, self.session_token.clone(), None, "e2e").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(self.time)
            .settings(settings)
            .build()?
            .into();
        let mut headers = vec![("host", request.host.as_str())];
        for (name, value) in &request.headers {
            headers.push((name, std::str::from_utf8(value)?));
        }
        let uri = format!("https://{}{}", request.host, request.path);
        let body = SignableBody::Bytes(&request.body);
        let signable = SignableRequest::new(&request.method, uri, headers.into_iter(), body)?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        let headers =
            instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let query = instructions
            .params()
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.to_string()))
            .collect();
        Ok((headers, query))
    }
}

fn encode(value: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    value.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
