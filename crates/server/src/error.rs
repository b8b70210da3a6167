//! Why a server did not start.

use std::io;

/// Why a server did not start. Each names the setting, its value and the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The listen setting is not an address.
    #[error("cannot listen on {listen:?}; give an address and a port, such as 127.0.0.1:4000")]
    Listen {
        /// The setting.
        listen: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The connection plane did not start: the port is taken, for instance.
    #[error(transparent)]
    Net(#[from] vaxel_net::StartError),
    /// A child of the supervision tree did not start.
    #[error("the supervision tree did not start")]
    Supervisor(#[source] vaxel_actor::StartError),
    /// The signals that end the server cannot be watched.
    #[error("cannot watch for signals")]
    Signals(#[source] io::Error),
}

impl ServerError {
    /// Whether somebody else listens on the address.
    pub fn is_address_taken(&self) -> bool {
        matches!(self, Self::Net(vaxel_net::StartError::Taken { .. }))
    }
}
