//! Mail in motion, over real sockets on loopback.

#[cfg(test)]
mod binary;
#[cfg(test)]
mod carry;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod fairness;
#[cfg(test)]
mod forwarding;
#[cfg(test)]
mod gathering;
#[cfg(test)]
mod greylisting;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod journey;
#[cfg(test)]
mod lmtp;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod peer;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod reception;
#[cfg(test)]
mod relayed_domains;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod sending;
#[cfg(test)]
mod support;
#[cfg(test)]
mod trusted;
#[cfg(test)]
mod waiting;
