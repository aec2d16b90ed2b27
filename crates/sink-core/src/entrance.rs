//! What of a connector runs where an element is written.

use std::sync::Weak;

use crate::{
    convert::{ConvertError, ElementConverter},
    destination::{Destination, Entry as _, Lane},
    inbox::Arrival,
};

/// Converter and destination behind one pointer, so that a write makes one call through it, and the
/// compiler sees all that happens there.
pub(crate) trait Pieces<T, E>: Send + Sync {
    /// An element as an entry, with its size and its lane.
    fn arrival(&self, element: T) -> Result<Arrival<E>, ConvertError>;
}

pub(crate) struct Entrance<C, D> {
    pub(crate) converter: C,
    /// The destination, and its connections, end with the driver, whoever keeps a handle.
    pub(crate) destination: Weak<D>,
}

impl<T, C, D> Pieces<T, D::Entry> for Entrance<C, D>
where
    C: ElementConverter<T, Entry = D::Entry>,
    D: Destination,
{
    fn arrival(&self, element: T) -> Result<Arrival<D::Entry>, ConvertError> {
        let entry = self.converter.convert(element)?;
        let size = entry.size_bytes();
        // Without a destination there is no driver, and the entry will not come in.
        let destination = self.destination.upgrade();
        let lane = destination.map_or(Lane::SHARED, |destination| destination.lane(&entry));
        Ok(Arrival { entry, size, lane })
    }
}
