//! Memory that is needed soon. Of hundreds of peers that are sent the same packet in turn nothing is left
//! in the processor's caches from one packet to the next, and waiting for one line of memory after
//! the other would take longer than all the work. So it is asked for some peers in advance.

/// How long a line of the processor's caches is, in bytes.
const LINE: usize = 64;

/// Has the processor fetch something. It waits for nothing, and changes nothing but how soon it is there.
#[inline]
pub(crate) fn prefetch<T: ?Sized>(thing: &T) {
    let bytes = std::ptr::from_ref(thing).cast::<u8>();
    for at in (0..size_of_val(thing)).step_by(LINE) {
        fetch(bytes.wrapping_add(at));
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn fetch(line: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    #[expect(
        unsafe_code,
        reason = "a hint: it may name any address, and reads nothing that the program sees"
    )]
    // SAFETY: SSE is part of x86_64, and the instruction never faults.
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(line.cast());
    }
}

/// Others have no stable name for it in the standard library.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn fetch(_: *const u8) {}
