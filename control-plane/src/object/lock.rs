//! Objects that nobody may change for a while: S3 Object Lock.
//!
//! The library of object storage does not know the headers, and headers that come after it has signed a request are refused by
//! AWS. So requests are signed once more: with the headers, by the same rules and with the same credentials, as late as one can.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html>

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use object_store::ClientOptions;
use object_store::aws::{AwsAuthorizer, AwsCredentialProvider};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};
use std::pin::Pin;

/// How an object is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lock {
    /// Against whom.
    pub mode: LockMode,
    /// Until when, Unix milliseconds.
    pub until_ms: u64,
}

/// Against whom an object is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LockMode {
    /// Who has the right `s3:BypassGovernanceRetention` can still delete it
    Governance,
    /// Nobody can delete it, the account's owner included
    Compliance,
}

impl LockMode {
    /// As S3 writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            LockMode::Governance => "GOVERNANCE",
            LockMode::Compliance => "COMPLIANCE",
        }
    }
}

/// Makes clients that lock what they put.
#[derive(Debug)]
pub(super) struct Connector {
    lock: Lock,
    credentials: AwsCredentialProvider,
}

impl Connector {
    pub(super) fn new(lock: Lock, credentials: AwsCredentialProvider) -> Self {
        Connector { lock, credentials }
    }
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Locking { inner, lock: self.lock, credentials: self.credentials.clone() }))
    }
}

#[derive(Debug)]
struct Locking {
    inner: HttpClient,
    lock: Lock,
    credentials: AwsCredentialProvider,
}

impl Locking {
    async fn execute(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if makes_object(request.method(), request.uri().query()) {
            let credential = self.credentials.get_credential().await;
            let credential = credential.map_err(|error| HttpError::new(HttpErrorKind::Request, error))?;
            let scope = Scope::of(request.headers()).ok_or_else(|| unsigned("its signature has no scope"))?;
            let until = retain_until(self.lock.until_ms)
                .ok_or_else(|| unsigned("the time of the lock is out of range"))?;
            let headers = request.headers_mut();
            headers.remove(AUTHORIZATION);
            headers.insert("x-amz-object-lock-mode", HeaderValue::from_static(self.lock.mode.as_str()));
            headers.insert("x-amz-object-lock-retain-until-date", until);
            // A lock is taken with this header or Content-MD5 only, whatever checksum is there:
            // <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>
            if headers.contains_key("x-amz-checksum-sha256") {
                headers.insert("x-amz-sdk-checksum-algorithm", HeaderValue::from_static("SHA256"));
            }
            let authorizer = AwsAuthorizer::new(&credential, &scope.service, &scope.region);
            authorizer
                .with_sign_payload(scope.digest.is_some())
                .authorize(&mut request, scope.digest.as_deref());
        }
        self.inner.execute(request).await
    }
}

impl HttpService for Locking {
    fn call<'a, 'b>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(self.execute(request))
    }
}

/// PutObject and CreateMultipartUpload take the headers; the parts of an upload do not.
fn makes_object(method: &Method, query: Option<&str>) -> bool {
    let has = |name: &str| {
        query.unwrap_or_default().split('&').any(|pair| pair.split('=').next().unwrap_or_default() == name)
    };
    match *method {
        Method::PUT => query.is_none_or(str::is_empty),
        Method::POST => has("uploads"),
        _ => false,
    }
}

/// What a signed request was signed for.
#[derive(Debug, PartialEq, Eq)]
struct Scope {
    region: String,
    service: String,
    /// SHA-256 of the body; `None`: it was not signed.
    digest: Option<Vec<u8>>,
}

impl Scope {
    fn of(headers: &HeaderMap) -> Option<Scope> {
        let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
        let credential = text.split_once("Credential=")?.1.split(',').next()?;
        // key/date/region/service/aws4_request
        let mut parts = credential.rsplit('/').skip(1);
        let (service, region) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let digest = headers.get("x-amz-content-sha256")?.to_str().ok()?;
        Some(Scope { region, service, digest: hex::decode(digest).ok() })
    }
}

fn retain_until(ms: u64) -> Option<HeaderValue> {
    let time = jiff::Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    HeaderValue::from_str(&format!("{time:.3}")).ok()
}

fn unsigned(why: &'static str) -> HttpError {
    HttpError::new(HttpErrorKind::Request, std::io::Error::other(format!("cannot lock an object: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::aws::AwsCredential;

    #[test]
    fn what_makes_an_object_is_locked_and_nothing_else() {
        for (method, query, expected) in [
            (Method::PUT, None, true),
            (Method::PUT, Some("partNumber=1&uploadId=x"), false),
            (Method::POST, Some("uploads="), true),
            (Method::POST, Some("uploads"), true),
            (Method::POST, Some("uploadId=x"), false),
            (Method::GET, None, false),
            (Method::DELETE, Some("uploadId=x"), false),
        ] {
            println!("{method} {query:?}: {expected}");
            assert_eq!(makes_object(&method, query), expected);
        }
    }

    /// Keeps what it is sent.
    #[derive(Debug, Default, Clone)]
    struct Kept(std::sync::Arc<std::sync::Mutex<Vec<HttpRequest>>>);

    impl HttpService for Kept {
        fn call<'a, 'b>(
            &'a self,
            request: HttpRequest,
        ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'b>>
        where
            'a: 'b,
            Self: 'b,
        {
            self.0.lock().unwrap().push(request);
            Box::pin(async { Err(HttpError::new(HttpErrorKind::Unknown, std::io::Error::other("kept"))) })
        }
    }

    fn hmac(key: &[u8], text: &str) -> Vec<u8> {
        use hmac::{KeyInit, Mac};
        let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }

    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>, as it is written there.
    fn signature(request: &HttpRequest, signed: &str, scope: &str, secret: &str) -> String {
        use sha2::Digest;
        let header = |name: &str| request.headers().get(name).unwrap().to_str().unwrap().to_owned();
        let headers: String = signed.split(';').map(|name| format!("{name}:{}\n", header(name))).collect();
        let (uri, digest) = (request.uri(), header("x-amz-content-sha256"));
        let canonical = format!(
            "{}\n{}\n{}\n{headers}\n{signed}\n{digest}",
            request.method(),
            uri.path(),
            uri.query().unwrap_or_default()
        );
        let hash = hex::encode(sha2::Sha256::digest(canonical));
        let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{hash}", header("x-amz-date"));
        let key = scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, part| hmac(&key, part));
        hex::encode(hmac(&key, &text))
    }

    #[tokio::test]
    async fn the_headers_of_the_lock_are_signed_with_the_rest() {
        signed(Method::PUT, "").await;
        signed(Method::POST, "?uploads=").await;
    }

    async fn signed(method: Method, query: &str) {
        let kept = Kept::default();
        let credential =
            AwsCredential { key_id: "AKID".to_owned(), secret_key: "secret".to_owned(), token: None };
        let provider: AwsCredentialProvider =
            std::sync::Arc::new(object_store::StaticCredentialProvider::new(credential));
        let lock = Lock { mode: LockMode::Compliance, until_ms: 1_800_000_000_000 };
        let inner = HttpClient::new(kept.clone());
        let locking = Locking { inner, lock, credentials: provider };
        let uri = format!("https://bucket.s3.eu-central-1.amazonaws.com/prefix/records.jsonl{query}");
        let request = http::Request::builder().method(method).uri(uri)
            .header("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
            .header("authorization", "AWS4-HMAC-SHA256 Credential=AKID/20261121/eu-central-1/s3/aws4_request, SignedHeaders=host, Signature=00")
            .body(object_store::client::HttpRequestBody::empty());
        locking.call(request.unwrap()).await.unwrap_err();
        let requests = kept.0.lock().unwrap();
        let request = &requests[0];
        let said = request.headers().get(AUTHORIZATION).unwrap().to_str().unwrap();
        println!("{said}");
        let part = |name: &str| said.split_once(name).unwrap().1.split(',').next().unwrap().trim().to_owned();
        let (signed, scope) = (part("SignedHeaders="), part("Credential=AKID/"));
        for name in
            ["x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-content-sha256", "host"]
        {
            assert!(signed.split(';').any(|one| one == name), "{name} in {signed}");
        }
        assert_eq!(part("Signature="), signature(request, &signed, &scope, "secret"));
        assert_eq!(request.headers()["x-amz-object-lock-mode"], "COMPLIANCE");
    }

    #[test]
    fn the_scope_is_read_from_the_first_signature() {
        let mut headers = HeaderMap::new();
        let text = "AWS4-HMAC-SHA256 Credential=AKID/20261121/eu-central-1/s3/aws4_request, SignedHeaders=host, Signature=00";
        headers.insert(AUTHORIZATION, HeaderValue::from_static(text));
        headers.insert("x-amz-content-sha256", HeaderValue::from_static("UNSIGNED-PAYLOAD"));
        let scope = Scope { region: "eu-central-1".to_owned(), service: "s3".to_owned(), digest: None };
        assert_eq!(Scope::of(&headers), Some(scope));
        assert_eq!(retain_until(1_800_000_000_123).unwrap(), "2027-01-15T08:00:00.123Z");
    }
}
