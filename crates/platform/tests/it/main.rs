//! The outside world, met from outside of the crate.

#[cfg(test)]
mod accept;
#[cfg(test)]
mod connection;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod pump;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tls_setup;
