//! What stands between a decoder that panics and the caller.
//!
//! Owns: that a panic inside a decoder becomes an error of this one image, without a word on the terminal. Decoders of other crates have
//! panicked on valid files; one picture must not end a training.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

use crate::error::AugmentError;
use crate::format::Format;

thread_local! {
    /// How many guards this thread is inside of.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

type Hook = Box<dyn Fn(&PanicHookInfo) + Send + Sync>;

/// A hook that leaves out panics that are caught here and passes on all others.
fn silent_inside(report: Hook) -> Hook {
    Box::new(move |information| {
        if DEPTH.get() == 0 {
            report(information);
        }
    })
}

/// Runs a decoder; a panic is [`AugmentError::DecoderPanicked`].
///
/// The first call puts a hook before the one that reports panics, which leaves out those that are caught here and passes on all others.
/// Programs that are built to abort on a panic still do.
pub(super) fn guarded<T>(
    format: Format,
    decode: impl FnOnce() -> Result<T, AugmentError>,
) -> Result<T, AugmentError> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        panic::set_hook(silent_inside(panic::take_hook()));
    });
    DEPTH.set(DEPTH.get() + 1);
    // What the decoder leaves half done is dropped with it; it borrows nothing but the bytes.
    let result = panic::catch_unwind(AssertUnwindSafe(decode));
    DEPTH.set(DEPTH.get() - 1);
    result.unwrap_or_else(|payload| {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Err(AugmentError::DecoderPanicked {
            format,
            reason: text.unwrap_or_else(|| "no reason given".to_owned()),
        })
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_decoder_that_panics_is_one_bad_image_and_says_nothing_and_other_panics_are_reported() {
        // A reporter that counts those of this thread.
        let reported = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&reported);
        let this = std::thread::current().id();
        let before = panic::take_hook();
        panic::set_hook(silent_inside(Box::new(move |information| {
            match std::thread::current().id() == this {
                true => {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
                false => before(information),
            }
        })));
        let rows = [0u8; 3];
        let at = std::hint::black_box(7);
        let error = guarded(Format::Tiff, || Ok(rows[at])).unwrap_err();
        let AugmentError::DecoderPanicked { format, reason } = &error else {
            panic!("{error}");
        };
        assert!(
            *format == Format::Tiff && reason.contains("out of bounds"),
            "{error}"
        );
        let error = guarded::<()>(Format::Bmp, || panic!("{} rows", 3)).unwrap_err();
        assert!(error.to_string().contains("3 rows"), "{error}");
        assert_eq!(reported.load(Ordering::Relaxed), 0);
        assert_eq!(guarded(Format::Png, || Ok(5)), Ok(5));
        let other = panic::catch_unwind(|| panic!("not a decoder's"));
        assert!(other.is_err());
        assert_eq!(reported.load(Ordering::Relaxed), 1);
    }
}
