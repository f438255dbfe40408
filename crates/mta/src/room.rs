//! Room that many share: what one takes, the others do not have.
//!
//! Standards: none.
//! Not here: content in flight, which the store's spool counts itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many octets for all together.
#[derive(Debug)]
pub(crate) struct Room {
    octets_max: usize,
    used: AtomicUsize,
}

/// There is no room left; later there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Room {
    pub(crate) fn new(octets_max: usize) -> Arc<Self> {
        Arc::new(Self { octets_max, used: AtomicUsize::new(0) })
    }

    /// A share that has nothing yet.
    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share { room: Arc::clone(self), octets: 0 }
    }
}

/// What one has of a room; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    room: Arc<Room>,
    octets: usize,
}

impl Share {
    /// Takes so many octets more.
    pub(crate) fn grow(&mut self, octets: usize) -> Result<(), Full> {
        let before = self.room.used.fetch_add(octets, Ordering::Relaxed);
        if before.saturating_add(octets) > self.room.octets_max {
            self.room.used.fetch_sub(octets, Ordering::Relaxed);
            return Err(Full);
        }
        self.octets = self.octets.saturating_add(octets);
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.room.used.fetch_sub(self.octets, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_has_the_others_have_not() {
        let room = Room::new(10);
        let (mut one, mut two) = (room.share(), room.share());
        assert_eq!(one.grow(6), Ok(()));
        assert_eq!(two.grow(6), Err(Full));
        assert_eq!(two.grow(4), Ok(()), "a refused wish takes nothing");
        drop(one);
        assert_eq!(two.grow(6), Ok(()), "what was given back");
    }
}
