//! Mail in motion, over real sockets on loopback.

#[cfg(test)]
mod journey;
#[cfg(test)]
mod support;
