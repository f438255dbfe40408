//! Typed questions to the domain name system, and a zone of our own making to answer them.
//!
//! Whoever asks holds a [`Resolver`] and does not know which: [`StubResolver`] asks the servers
//! that it was given, over [`platform::Net`]; a [`Zone`] answers from maps, and can be served
//! over real DNS by a [`ZoneServer`], for rehearsals and tests.
//!
//! ```text
//!   mx, addresses, txt, ptr → lookup ─┬→ StubResolver → cache → packets → a server
//!                                     └→ Zone ← ZoneServer ← packets
//! ```
//!
//! One rule above all: only a server that says "there is no such name" makes
//! [`DnsError::NoSuchDomain`]. Silence, failures and nonsense are temporary, so that a dead
//! resolver bounces no mail.
//!
//! Standards: RFC 1034 and RFC 1035 (DNS), RFC 2308 (negative answers), RFC 5321 §5 and
//! RFC 7505 (MX), RFC 5452 (forged answers), RFC 6891 (EDNS), RFC 7766 (TCP).
//! Not here: which host to deliver to (crate `mta`), what SPF and DKIM records mean.

mod answer;
mod resolver;
mod stub;
mod wire;
mod zone;

pub use answer::{Answer, DnsError, Kind, Mx, Record, Security};
pub use resolver::{ADDRESSES_MAX, MX_MAX, Resolver};
pub use stub::{CNAMES_MAX, StubOptions, StubResolver, SystemServersError, Trust};
pub use zone::{Trouble, Zone, ZoneServer};
