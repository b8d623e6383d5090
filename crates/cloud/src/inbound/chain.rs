//! Whose certificate is it: fetched from where a service keeps its own, and followed up to an authority that is trusted.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use parsimony_model::Date;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::ring::RSA_PKCS1_2048_8192_SHA256;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS;
use x509_parser::prelude::FromDer;

use super::verifier::Mismatch;
use crate::outbound::{HttpClient, HttpRequest};

/// How many certificates are remembered.
const CERTIFICATES_MAX: usize = 16;

/// How many certificates may stand between that of a service and that of an authority.
const BETWEEN_MAX: usize = 4;

/// How long a certificate may take to come.
const FETCH_TIME_MAX: Duration = Duration::from_secs(10);

/// How large a certificate may be.
const CERTIFICATE_BYTES_MAX: usize = 64 << 10;

/// What is known of the certificates of a service.
pub(super) struct Issued {
    /// Whether one may be fetched from this URL.
    pub(super) comes_from: fn(&str) -> bool,
    /// Whether one may be for this name.
    pub(super) is_for: fn(&str) -> bool,
    /// The domains at which their authorities keep what stands between.
    pub(super) authorities: &'static [&'static str],
}

/// The certificate of a service, and those that lead from it to an authority.
type Chain = Arc<[CertificateDer<'static>]>;

/// The certificates that were fetched, and who is trusted.
#[derive(Clone, Default)]
pub(super) struct Certificates {
    known: Arc<Mutex<Vec<(String, Chain)>>>,
    /// Only these; `None` trusts whom browsers trust.
    roots: Option<Arc<[TrustAnchor<'static>]>>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("certificates")
    }
}

impl Certificates {
    /// Trusts the authorities in this PEM and nobody else.
    pub(super) fn trust(&mut self, pem: &str) -> Result<(), String> {
        let told = |error: &dyn fmt::Display| format!("the certificates of the authority cannot be read: {error}");
        let read = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
        let read = read.map_err(|error| told(&error))?;
        let anchor = |der: &CertificateDer<'_>| anchor_from_trusted_cert(der).map(|anchor| anchor.to_owned());
        let anchors: Result<Vec<_>, _> = read.iter().map(anchor).collect();
        let anchors = anchors.map_err(|error| told(&error))?;
        if anchors.is_empty() {
            return Err(told(&"there is none"));
        }
        self.roots = Some(anchors.into());
        Ok(())
    }

    /// Whether this is signed by the certificate at a URL, and that one is the service's at this time.
    pub(super) async fn verify(
        &self,
        (issued, http, now): (&Issued, &dyn HttpClient, Date),
        url: &str,
        (signed, tag): (&[u8], &[u8]),
    ) -> Result<(), Mismatch> {
        if !(issued.comes_from)(url) {
            return Err(Mismatch::Foreign);
        }
        let chain = self.at((issued, http, now), url).await?;
        self.follow(issued, &chain, now)?;
        let own = chain.first().ok_or(Mismatch::Malformed)?;
        let own = EndEntityCert::try_from(own).map_err(|_no_certificate| Mismatch::Malformed)?;
        own.verify_signature(RSA_PKCS1_2048_8192_SHA256, signed, tag).map_err(|_wrong| Mismatch::Wrong)
    }

    /// The chain of the certificate at a URL that has been found good.
    async fn at(&self, of: (&Issued, &dyn HttpClient, Date), url: &str) -> Result<Chain, Mismatch> {
        if let Some(chain) = self.known.lock().iter().find_map(|(own, chain)| (own == url).then(|| Arc::clone(chain))) {
            return Ok(chain);
        }
        let chain: Chain = self.fetch(of, url).await?.into();
        let mut known = self.known.lock();
        if known.len() >= CERTIFICATES_MAX {
            known.remove(0);
        }
        known.push((url.to_owned(), Arc::clone(&chain)));
        Ok(chain)
    }

    /// Fetches a certificate, and where it comes without them, those between it and its authority: each says where.
    async fn fetch(
        &self,
        (issued, http, now): (&Issued, &dyn HttpClient, Date),
        url: &str,
    ) -> Result<Vec<CertificateDer<'static>>, Mismatch> {
        let mut chain = read(&get(http, url).await?)?;
        while matches!(self.follow(issued, &chain, now), Err(Mismatch::Untrusted)) && chain.len() <= BETWEEN_MAX {
            let next = chain.last().and_then(|last| issuer_url(last, issued.authorities));
            let Some(next) = next else { break };
            chain.extend(read(&get(http, &next).await?)?);
        }
        chain.truncate(BETWEEN_MAX + 1);
        Ok(chain)
    }

    /// Whether a chain leads to an authority that is trusted, at this time, from a certificate of the service.
    fn follow(&self, issued: &Issued, chain: &[CertificateDer<'static>], now: Date) -> Result<(), Mismatch> {
        let (own, between) = chain.split_first().ok_or(Mismatch::Malformed)?;
        let own = EndEntityCert::try_from(own).map_err(|_no_certificate| Mismatch::Malformed)?;
        let seconds = u64::try_from(now.millis().div_euclid(1_000)).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let roots = self.roots.as_deref().unwrap_or(webpki_roots::TLS_SERVER_ROOTS);
        own.verify_for_usage(ALL_VERIFICATION_ALGS, roots, between, now, KeyUsage::server_auth(), None, None)
            .map_err(|_nobody_s| Mismatch::Untrusted)?;
        if own.valid_dns_names().any(issued.is_for) { Ok(()) } else { Err(Mismatch::Foreign) }
    }
}

async fn get(http: &dyn HttpClient, url: &str) -> Result<Vec<u8>, Mismatch> {
    let request = HttpRequest {
        method: "GET".to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        time_max: FETCH_TIME_MAX,
        answer_bytes_max: CERTIFICATE_BYTES_MAX,
    };
    let response = http.send(request).await.map_err(|failure| Mismatch::Unreached(failure.to_string()))?;
    if response.status != 200 {
        return Err(Mismatch::Unreached(format!("it was answered with {}", response.status)));
    }
    Ok(response.body)
}

/// The certificates of a file: in PEM any number, in DER one.
fn read(file: &[u8]) -> Result<Vec<CertificateDer<'static>>, Mismatch> {
    if X509Certificate::from_der(file).is_ok() {
        return Ok(vec![CertificateDer::from(file.to_vec())]);
    }
    let read = CertificateDer::pem_slice_iter(file).collect::<Result<Vec<_>, _>>();
    read.ok().filter(|read| !read.is_empty()).ok_or(Mismatch::Malformed)
}

/// Where the certificate is that a certificate was signed by, if its authority keeps it at one of these domains.
fn issuer_url(certificate: &CertificateDer<'_>, domains: &[&str]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let access = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(access) => Some(access),
        _ => None,
    })?;
    let issuers =
        access.accessdescs.iter().filter(|place| place.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS);
    let mut urls = issuers.filter_map(|place| match place.access_location {
        GeneralName::URI(url) => Some(url),
        _ => None,
    });
    urls.find(|url| is_at(url, domains)).map(str::to_owned)
}

/// Whether a plain URL is at one of these domains, or below it. What comes from there proves itself, so it need not be HTTPS.
fn is_at(url: &str, domains: &[&str]) -> bool {
    let Some((host, _)) = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).and_then(plain_parts)
    else {
        return false;
    };
    domains.iter().any(|domain| host.strip_suffix(domain).is_some_and(|below| below.is_empty() || below.ends_with('.')))
}

/// The host and the path of what follows the `//` of a URL, if it is as plain as those of certificates are: nothing in it can
/// be read in two ways.
pub(super) fn plain_parts(rest: &str) -> Option<(&str, &str)> {
    let (host, path) = rest.split_once('/')?;
    let is_plain = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    (is_plain(host, "-.") && is_plain(path, "-._/") && !path.contains("..")).then_some((host, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_comes_from_its_authority() {
        for (url, expected) in [
            ("http://crt.r2m01.amazontrust.com/r2m01.cer", true),
            ("https://amazontrust.com/a.cer", true),
            ("http://evilamazontrust.com/a.cer", false),
            ("http://amazontrust.com.evil.example/a.cer", false),
            ("http://amazontrust.com:81/a.cer", false),
            ("http://a@amazontrust.com/a.cer", false),
            ("http://127.0.0.1/a.cer", false),
            ("ftp://amazontrust.com/a.cer", false),
        ] {
            assert_eq!(is_at(url, &["amazontrust.com"]), expected, "{url}");
        }
    }

    #[test]
    fn an_authority_that_cannot_be_read_is_told() {
        for pem in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(Certificates::default().trust(pem).unwrap_err().contains("authority"), "{pem}");
        }
    }
}
