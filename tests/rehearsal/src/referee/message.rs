//! A request and an answer as they came over HTTP.

use std::io::Read;

use flate2::read::GzDecoder;

use super::uri::Target;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: Target,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Decompressed.
    pub(crate) body: Vec<u8>,
}

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The request with its body as it is meant; `None` where the body is not what its encoding says.
    pub(crate) fn new(method: &str, target: &str, headers: Vec<(String, String)>, body: &[u8]) -> Option<Self> {
        let body = match find(&headers, "content-encoding") {
            Some("gzip") => {
                let mut plain = Vec::new();
                GzDecoder::new(body).read_to_end(&mut plain).ok()?;
                plain
            }
            Some(_) | None => body.to_vec(),
        };
        Some(Self { method: method.to_owned(), target: Target::parse(target), headers, body })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The service in the scope of the signature: `Credential=KEY/DATE/REGION/SERVICE/aws4_request`.
    pub(crate) fn scope(&self) -> Option<&str> {
        let authorization = self.header("authorization")?.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let credential = authorization.split(',').find_map(|part| part.trim().strip_prefix("Credential="))?;
        let mut parts = credential.rsplit('/');
        (parts.next() == Some("aws4_request")).then(|| parts.next()).flatten()
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}
