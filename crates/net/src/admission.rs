//! Who may come in: connections in total and by address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use slab::Slab;

use crate::limits::Limits;

/// Shared by all shards. Loopback takes no lock, other addresses one at accept and one at the end.
#[derive(Debug)]
pub(crate) struct Admission {
    open: AtomicUsize,
    connections_max: usize,
    per_address_max: usize,
    is_loopback_exempt: bool,
    addresses: Mutex<Addresses>,
}

#[derive(Debug, Default)]
struct Addresses {
    index: HashMap<IpAddr, usize>,
    counts: Slab<(IpAddr, usize)>,
}

/// A connection's place, four bytes. Has to be given back by [`Admission::leave`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u32);

/// The place of whoever is not counted by address.
const EXEMPT: Place = Place(u32::MAX);

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Total,
    Address,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            open: AtomicUsize::new(0),
            connections_max: limits.connections_max,
            per_address_max: limits.connections_per_address_max,
            is_loopback_exempt: limits.is_loopback_exempt,
            addresses: Mutex::default(),
        }
    }

    pub(crate) fn enter(&self, peer: SocketAddr) -> Result<Place, Refusal> {
        if self.open.fetch_add(1, Relaxed) >= self.connections_max {
            self.open.fetch_sub(1, Relaxed);
            return Err(Refusal::Total);
        }
        let address = peer.ip().to_canonical();
        if self.is_loopback_exempt && address.is_loopback() {
            return Ok(EXEMPT);
        }
        let place = self.enter_address(network(address));
        if place.is_err() {
            self.open.fetch_sub(1, Relaxed);
        }
        place
    }

    fn enter_address(&self, address: IpAddr) -> Result<Place, Refusal> {
        let mut addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Addresses { index, counts } = &mut *addresses;
        let slot = *index
            .entry(address)
            .or_insert_with(|| counts.insert((address, 0)));
        let count = &mut counts[slot].1;
        if *count >= self.per_address_max {
            if *count == 0 {
                counts.remove(slot);
                index.remove(&address);
            }
            return Err(Refusal::Address);
        }
        *count += 1;
        Ok(Place(slot as u32))
    }

    pub(crate) fn leave(&self, place: Place) {
        self.open.fetch_sub(1, Relaxed);
        if place == EXEMPT {
            return;
        }
        let mut addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (address, count) = &mut addresses.counts[place.0 as usize];
        *count -= 1;
        if *count == 0 {
            let address = *address;
            addresses.counts.remove(place.0 as usize);
            addresses.index.remove(&address);
        }
    }
}

/// Gives a place back when dropped, for connections that have left the shard's table.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) admission: Arc<Admission>,
    pub(crate) place: Place,
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.admission.leave(self.place);
    }
}

/// What counts as one address: an IPv6 customer has a /64, not one address.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(
            address.to_bits() & !u128::from(u64::MAX),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(connections_max: usize, connections_per_address_max: usize) -> Admission {
        let limits = Limits {
            connections_max,
            connections_per_address_max,
            ..Limits::default()
        };
        Admission::new(&limits)
    }

    fn peer(address: &str) -> SocketAddr {
        SocketAddr::new(address.parse().unwrap(), 1)
    }

    #[test]
    fn the_total_is_bounded() {
        let admission = admission(2, 9);
        let first = admission.enter(peer("127.0.0.1")).unwrap();
        admission.enter(peer("192.0.2.1")).unwrap();
        assert_eq!(admission.enter(peer("127.0.0.1")), Err(Refusal::Total));
        admission.leave(first);
        assert!(admission.enter(peer("127.0.0.1")).is_ok());
    }

    #[test]
    fn an_address_is_bounded_and_forgotten() {
        let admission = admission(100, 2);
        let places: Vec<_> = (0..2)
            .map(|_| admission.enter(peer("192.0.2.1")).unwrap())
            .collect();
        assert_eq!(admission.enter(peer("192.0.2.1")), Err(Refusal::Address));
        assert_eq!(
            admission.enter(peer("::ffff:192.0.2.1")),
            Err(Refusal::Address)
        );
        assert!(admission.enter(peer("192.0.2.2")).is_ok());
        for place in places {
            admission.leave(place);
        }
        assert!(admission.enter(peer("192.0.2.1")).is_ok());
        assert_eq!(admission.open.load(Relaxed), 2);
        assert_eq!(admission.addresses.lock().unwrap().index.len(), 2);
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let admission = admission(100, 1);
        admission.enter(peer("2001:db8::1")).unwrap();
        assert_eq!(
            admission.enter(peer("2001:db8::ffff")),
            Err(Refusal::Address)
        );
        assert!(admission.enter(peer("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn loopback_counts_when_asked_to() {
        let limits = Limits {
            connections_per_address_max: 1,
            is_loopback_exempt: false,
            ..Limits::default()
        };
        let admission = Admission::new(&limits);
        admission.enter(peer("127.0.0.1")).unwrap();
        assert_eq!(admission.enter(peer("127.0.0.1")), Err(Refusal::Address));
    }

    #[test]
    fn loopback_is_exempt() {
        let admission = admission(100, 1);
        for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(admission.enter(peer(address)).is_ok());
        }
    }
}
