//! The resolver and the zone, with real packets on the loopback interface.

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod packets;
#[cfg(test)]
mod support;
#[cfg(test)]
mod zone;
