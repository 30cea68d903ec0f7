//! What can go wrong before anything is served.

use std::io;

use rekindle_model::ModelError;
use rekindle_settings::SettingError;

/// A service or server that cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// A setting out of range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The model does not run on its device.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}; there may be a limit on them (`ulimit -u`)")]
    Thread(io::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}{}", hint(source))]
    Bind {
        /// What was asked for.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The network fails while it is served.
    #[error("cannot serve: {0}")]
    Serve(io::Error),
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program listens there: choose another port, 0 for any that is free"
        }
        io::ErrorKind::PermissionDenied => "; ports below 1024 need rights: choose a higher one",
        io::ErrorKind::AddrNotAvailable => {
            "; this machine does not have that address: 127.0.0.1 is for this machine alone, 0.0.0.0 for all of its networks"
        }
        _ => "",
    }
}
