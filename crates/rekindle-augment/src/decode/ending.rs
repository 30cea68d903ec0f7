//! What other crates' decoders say of a file that is cut short.
//!
//! Owns: telling the end of the bytes from other damage. It does not own the error that is made of it.

use std::error::Error;
use std::io::ErrorKind;

/// Whether an error was caused by the end of the bytes.
pub(super) fn ends_early(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>()
            && error.kind() == ErrorKind::UnexpectedEof
        {
            return true;
        }
        // The `gif` crate's own error for it cannot be told apart by its type.
        if error.to_string().ends_with("Unexpected End of File") {
            return true;
        }
        cause = error.source();
    }
    false
}
