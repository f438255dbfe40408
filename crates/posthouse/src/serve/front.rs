//! Who is really there, where a load balancer stands in front of a listener.
//!
//! ```text
//!   connection ─▶ from a proxy? no: closed ─▶ its header ─▶ place for the peer's own address ─▶ session
//! ```
//!
//! Standards: the PROXY protocol, versions 1 and 2.
//! Not here: the header (crate `platform`), listeners without a proxy.

use std::sync::Arc;

use mta::Network;
use platform::accept::{Pass, refuse};
use platform::{AcceptLimits, Clock, Gate, Stream, proxy};
use tracing::warn;

/// What stands between a listener's connections and their sessions.
pub(super) struct Front {
    /// Who is believed; nobody: connections are what they seem.
    proxies: Vec<Network>,
    gate: Arc<Gate>,
    clock: Arc<dyn Clock>,
    /// What a peer hears for whom there is no place.
    refusal: Vec<u8>,
}

impl Front {
    pub(super) fn new(
        proxies: Vec<Network>,
        gate: &Arc<Gate>,
        clock: &Arc<dyn Clock>,
        refusal: Vec<u8>,
    ) -> Arc<Self> {
        Arc::new(Self { proxies, gate: Arc::clone(gate), clock: Arc::clone(clock), refusal })
    }

    /// Who counts the connections as they come: behind a proxy many share an address.
    pub(super) fn outer_gate(&self) -> Arc<Gate> {
        if self.proxies.is_empty() {
            return Arc::clone(&self.gate);
        }
        let connections_max = self.gate.limits().connections_max;
        Gate::new(AcceptLimits { connections_max, connections_per_address_max: connections_max })
    }

    /// The stream under its peer's own address, with the peer's place; `None` when it may not
    /// come in.
    pub(super) async fn admit(
        &self,
        stream: Box<dyn Stream>,
    ) -> Option<(Box<dyn Stream>, Option<Pass>)> {
        if self.proxies.is_empty() {
            return Some((stream, None));
        }
        let proxy = stream.peer();
        if !self.proxies.iter().any(|network| network.contains(proxy.ip())) {
            warn!(peer = %proxy, "not a proxy, and this listener is for proxies only");
            return None;
        }
        let mut stream = match proxy::read_header(stream, &*self.clock).await {
            Ok(stream) => stream,
            Err(error) => {
                warn!(%proxy, %error, "connection of a proxy closed");
                return None;
            }
        };
        let peer = stream.peer();
        let Some(pass) = self.gate.enter(peer.ip()) else {
            warn!(%peer, %proxy, "too many connections");
            refuse(&mut *stream, &self.refusal).await;
            return None;
        };
        Some((stream, Some(pass)))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use platform::{Net, SystemClock, TokioNet};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Our end and the other end of a connection on loopback.
    async fn connected() -> (Box<dyn Stream>, Box<dyn Stream>) {
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = TokioNet.listen(at).await.expect("a free port");
        let theirs = TokioNet.connect(None, listener.local()).await.expect("somebody listens");
        (listener.accept().await.expect("a connection"), theirs)
    }

    fn front(proxies: &[&str]) -> Arc<Front> {
        let proxies = proxies.iter().map(|text| text.parse().expect("a network")).collect();
        let limits = AcceptLimits { connections_max: 9, connections_per_address_max: 1 };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Front::new(proxies, &Gate::new(limits), &clock, b"421 4.7.0 no\r\n".to_vec())
    }

    #[tokio::test]
    async fn only_a_proxy_is_believed() {
        let header = b"PROXY TCP4 192.0.2.7 203.0.113.5 56324 25\r\n";
        let rows: [(&[&str], Option<&str>, &str); 3] = [
            (&["127.0.0.0/8"], Some("192.0.2.7"), "a proxy"),
            (&["10.0.0.0/8"], None, "somebody else, with a header"),
            (&[], Some("127.0.0.1"), "no proxies: the header is not even read"),
        ];
        for (proxies, wanted, why) in rows {
            let (ours, mut theirs) = connected().await;
            theirs.write_all(header).await.expect("room for it");
            let admitted = front(proxies).admit(ours).await;
            let peer = admitted.map(|(stream, _)| stream.peer().ip().to_string());
            assert_eq!(peer.as_deref(), wanted, "{why}");
        }
    }

    #[tokio::test]
    async fn places_are_counted_for_the_peer_and_not_for_its_proxy() {
        let front = front(&["127.0.0.0/8"]);
        assert_eq!(front.outer_gate().limits().connections_per_address_max, 9);
        let mut inside = Vec::new();
        for (peer, enters, why) in [
            ("192.0.2.7", true, "the first"),
            ("192.0.2.8", true, "another peer of the same proxy"),
            ("192.0.2.7", false, "a second time"),
        ] {
            let (ours, mut theirs) = connected().await;
            let header = format!("PROXY TCP4 {peer} 203.0.113.5 1 25\r\n");
            theirs.write_all(header.as_bytes()).await.expect("room for it");
            let admitted = front.admit(ours).await;
            assert_eq!(admitted.is_some(), enters, "{why}");
            if !enters {
                let mut heard = String::new();
                theirs.read_to_string(&mut heard).await.expect("an end");
                assert_eq!(heard, "421 4.7.0 no\r\n", "{why}");
            }
            inside.push(admitted);
        }
    }
}
