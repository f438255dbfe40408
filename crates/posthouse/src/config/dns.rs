//! `[dns]`: whom we ask for names.
//!
//! Standards: RFC 1035 (DNS).
//! Not here: asking (crate `dns`).

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;
use toml::Spanned;

use super::fault::{Fault, Source};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    #[serde(default)]
    servers: Vec<Spanned<String>>,
}

impl Written {
    pub(super) fn check(&self, source: &Source<'_>) -> Result<Vec<SocketAddr>, Fault> {
        self.servers.iter().map(|written| server(written, source)).collect()
    }
}

fn server(written: &Spanned<String>, source: &Source<'_>) -> Result<SocketAddr, Fault> {
    let text = written.get_ref();
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(address);
    }
    let remedy = match text.parse::<IpAddr>() {
        Ok(ip) => format!("add the port: \"{}\"", SocketAddr::new(ip, 53)),
        Err(_) => "write an address with its port, such as \"127.0.0.1:53\"".to_owned(),
    };
    Err(source.fault(written, format!("{text:?} is not the address of a DNS server"), remedy))
}
