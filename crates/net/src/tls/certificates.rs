//! The certificate of a server, which may change while it runs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection};
use thiserror::Error;

use super::TlsSession;

/// TLS 1.2 and 1.3 with one certificate, which can be replaced while the server runs.
///
/// Cloning copies a pointer: give one clone to [`NetConfig::tls`](crate::NetConfig::tls) and keep
/// another. After [`reload`](Self::reload) or [`replace`](Self::replace) new connections get the
/// new certificate; those that are open go on with the old one and are not dropped.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    current: Arc<Current>,
}

/// Why a certificate cannot be used. The one in use, if there is one, stays.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file is not there or may not be read.
    #[error("cannot read {}; check the path and its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system or the parser said.
        source: pem::Error,
    },
    /// The certificates are not in PEM form.
    #[error("the certificate chain is not in PEM form")]
    Chain(#[source] pem::Error),
    /// There is no certificate in the chain.
    #[error("the certificate chain is empty; the server's own certificate comes first in it")]
    NoCertificate,
    /// The key is not in PEM form.
    #[error("the private key is not in PEM form (PKCS#8, PKCS#1 or SEC1)")]
    Key(#[source] pem::Error),
    /// The key is of an unknown kind, or not that of the certificate.
    #[error("the private key does not fit the certificate")]
    Mismatch(#[source] rustls::Error),
    /// [`Tls::reload`] without files to read.
    #[error("the certificate did not come from files; use replace")]
    NoFiles,
}

/// What new connections get.
#[derive(Debug)]
struct Current {
    key: RwLock<Arc<CertifiedKey>>,
    files: Option<(PathBuf, PathBuf)>,
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let key = self.key.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&key))
    }
}

impl Tls {
    /// A certificate chain, the server's own first, and its private key, both in PEM form.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Ok(Self::new(parse(chain, key)?, None))
    }

    /// The same from files, which [`reload`](Self::reload) reads again.
    pub fn from_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, TlsError> {
        let files = (chain.as_ref().to_owned(), key.as_ref().to_owned());
        Ok(Self::new(read(&files)?, Some(files)))
    }

    fn new(key: CertifiedKey, files: Option<(PathBuf, PathBuf)>) -> Self {
        let current = Arc::new(Current {
            key: RwLock::new(Arc::new(key)),
            files,
        });
        let builder =
            ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let Ok(builder) = builder else {
            unreachable!("the provider knows ciphers of TLS 1.2 and 1.3")
        };
        let resolver: Arc<Current> = Arc::clone(&current);
        let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            config: Arc::new(config),
            current,
        }
    }

    /// Reads the files again, when a certificate has been renewed. Blocks for as long as that
    /// takes. On an error the certificate in use stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let files = self.current.files.as_ref().ok_or(TlsError::NoFiles)?;
        self.set(read(files)?);
        Ok(())
    }

    /// Takes another certificate, in PEM form. On an error the one in use stays.
    pub fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), TlsError> {
        self.set(parse(chain, key)?);
        Ok(())
    }

    fn set(&self, key: CertifiedKey) {
        let mut current = self
            .current
            .key
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(key);
    }

    /// A session for a connection that was just accepted.
    pub(crate) fn session(&self) -> Option<TlsSession> {
        let connection = ServerConnection::new(Arc::clone(&self.config)).ok()?;
        Some(TlsSession::new(connection))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.current.files)
            .finish_non_exhaustive()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn read((chain, key): &(PathBuf, PathBuf)) -> Result<CertifiedKey, TlsError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| TlsError::Read { path, source }
    };
    let certificates = CertificateDer::pem_file_iter(chain).map_err(failed(chain))?;
    let certificates: Result<Vec<_>, _> = certificates.collect();
    let certificates = certificates.map_err(failed(chain))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(failed(key))?;
    fit(certificates, key)
}

fn parse(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, TlsError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
    let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Key)?;
    fit(certificates.map_err(TlsError::Chain)?, key)
}

fn fit(
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, TlsError> {
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    CertifiedKey::from_der(certificates, key, &provider()).map_err(TlsError::Mismatch)
}
