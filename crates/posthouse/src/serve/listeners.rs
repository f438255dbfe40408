//! All addresses that we listen on: bound before anything is said, then served.
//!
//! Standards: RFC 5321, RFC 6409, RFC 1939, RFC 8314 §3.
//! Not here: the accept loop and the pumps (crate `platform`), proxies (`front`).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use access::{MaildropLocks, Pop3, Pop3Config, Pop3Tls};
use mta::reception::Service;
use mta::{Mta, Reception, ReceptionConfig};
use platform::tls::{ALPN_POP3, ALPN_SMTP};
use platform::{
    AcceptLimits, Acceptor, Gate, Net, Pump, PumpLimits, ServerTls, Shutdown, Start, TokioNet,
};
use pop3::server::ClearLogin;
use smtp::server::{self, AuthInClear};
use tracing::debug;

use super::certificate::Certificate;
use super::front::Front;
use crate::config::{self, Config, Protocol, Security};
use crate::engine::Engine;
use crate::failure::Failure;

/// Sockets that are bound, each with its listener in the configuration.
pub(crate) struct Listeners {
    bound: Vec<(config::Listener, Box<dyn platform::net::Listener>)>,
}

impl Listeners {
    /// Binds every address of the configuration, or none.
    pub(crate) async fn bind(config: &Config) -> Result<Self, Failure> {
        let mut bound = Vec::new();
        for listener in &config.listeners {
            for address in &listener.bind {
                let socket = TokioNet
                    .listen(*address)
                    .await
                    .map_err(|error| not_bound(listener, *address, &error))?;
                bound.push((listener.clone(), socket));
            }
        }
        Ok(Self { bound })
    }

    /// Where other mail servers reach us, with the ports that we got.
    pub(crate) fn smtp_addresses(&self) -> Vec<SocketAddr> {
        self.bound
            .iter()
            .filter(|(listener, _)| listener.protocol == Protocol::Smtp)
            .map(|(_, socket)| socket.local())
            .collect()
    }

    /// `ready smtp/starttls=127.0.0.1:2525 …`
    pub(crate) fn ready_line(&self) -> String {
        let mut line = "ready".to_owned();
        for (listener, socket) in &self.bound {
            line.push_str(&format!(" {listener}={}", socket.local()));
        }
        line
    }

    /// Serves them all until we shut down.
    pub(crate) fn serve(
        self,
        config: &Config,
        engine: &Engine,
        mta: &Arc<Mta>,
        certificate: &Certificate,
        shutdown: &Shutdown,
    ) -> Result<(), Failure> {
        let count = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
        let gate = Gate::new(AcceptLimits {
            connections_max: count(config.limits.connections),
            connections_per_address_max: count(config.limits.connections_per_ip),
        });
        let desk = Desk {
            config,
            engine,
            mta,
            policy: super::wiring::policy(config),
            certificate,
            shutdown,
            gate: &gate,
            locks: MaildropLocks::default(),
        };
        for (listener, socket) in self.bound {
            match listener.protocol {
                Protocol::Smtp | Protocol::Lmtp | Protocol::Submission => {
                    desk.smtp(&listener, socket)?;
                }
                Protocol::Pop3 => desk.pop3(&listener, socket)?,
            }
        }
        Ok(())
    }
}

/// The listener for other mail servers as the configuration has it, where no server runs.
pub(crate) fn supposed(config: &Config, engine: &Engine) -> Result<Arc<Reception>, Failure> {
    let smtp = || config.listeners.iter().filter(|found| found.protocol == Protocol::Smtp);
    let listener = smtp().next().ok_or_else(no_smtp_listener)?;
    let listening = smtp().flat_map(|listener| listener.bind.iter().copied()).collect();
    let mta = super::wiring::mta(config, engine, listening)?;
    reception(config, listener, mta, super::wiring::policy(config))
}

/// Nobody can bring us mail.
pub(crate) fn no_smtp_listener() -> Failure {
    Failure::new("there is no listener for other mail servers")
        .remedy("add a [[listener]] with protocol = \"smtp\"")
}

/// What decides about the mail of a listener.
fn reception(
    config: &Config,
    listener: &config::Listener,
    mta: Arc<Mta>,
    policy: Arc<mta::policy::Policy>,
) -> Result<Arc<Reception>, Failure> {
    let service = match listener.protocol {
        Protocol::Submission => Service::Submission,
        Protocol::Lmtp => Service::Lmtp,
        Protocol::Smtp | Protocol::Pop3 => {
            Service::Smtp { relay_from: networks(config, "relay_from", &listener.relay_from)? }
        }
    };
    let settings = ReceptionConfig {
        service,
        tls: match listener.security {
            Security::None => server::Tls::None,
            Security::StartTls => server::Tls::Offered,
            Security::Implicit => server::Tls::Implicit,
        },
        auth_in_clear: match config.allow_cleartext {
            true => AuthInClear::Allowed,
            false => AuthInClear::Refused,
        },
    };
    let proxies = networks(config, "xclient_from", &listener.xclient_from)?;
    Ok(Reception::behind_proxies(mta, settings, policy, proxies))
}

fn networks(
    config: &Config,
    key: &str,
    written: &[config::Network],
) -> Result<Vec<mta::Network>, Failure> {
    let network = |network: &config::Network| {
        network
            .to_string()
            .parse::<mta::Network>()
            .map_err(|error| Failure::new(format!("{key}: {error}")).in_path(&config.file))
    };
    written.iter().map(network).collect()
}

/// What every listener's service is made of.
struct Desk<'a> {
    config: &'a Config,
    engine: &'a Engine,
    mta: &'a Arc<Mta>,
    policy: Arc<mta::policy::Policy>,
    certificate: &'a Certificate,
    shutdown: &'a Shutdown,
    gate: &'a Arc<Gate>,
    locks: MaildropLocks,
}

impl Desk<'_> {
    fn smtp(
        &self,
        listener: &config::Listener,
        socket: Box<dyn platform::net::Listener>,
    ) -> Result<(), Failure> {
        let policy = Arc::clone(&self.policy);
        let reception = reception(self.config, listener, Arc::clone(self.mta), policy)?;
        if listener.protocol == Protocol::Smtp {
            self.engine.reception.get_or_init(|| Arc::clone(&reception));
        }
        let pump = Arc::new(self.pump(listener, ALPN_SMTP)?);
        let start = start(listener);
        let (front, acceptor) = self.front(listener, "421 4.7.0 Too many connections\r\n")?;
        tokio::spawn(async move {
            let session = move |stream: Box<dyn platform::Stream>| {
                let (reception, pump) = (Arc::clone(&reception), Arc::clone(&pump));
                let front = Arc::clone(&front);
                async move {
                    let Some((stream, _place)) = front.admit(stream).await else { return };
                    let drive = reception.session(stream.peer());
                    let ended = platform::serve(stream, start, drive, &pump).await;
                    debug!(?ended, "smtp session ended");
                }
            };
            acceptor.run(socket, session).await;
        });
        Ok(())
    }

    fn pop3(
        &self,
        listener: &config::Listener,
        socket: Box<dyn platform::net::Listener>,
    ) -> Result<(), Failure> {
        let service = Pop3::new(
            Pop3Config {
                hostname: self.config.hostname.to_string(),
                tls: match listener.security {
                    Security::None => Pop3Tls::None,
                    Security::StartTls => Pop3Tls::Stls,
                    Security::Implicit => Pop3Tls::Implicit,
                },
                clear_login: match self.config.allow_cleartext {
                    true => ClearLogin::Allowed,
                    false => ClearLogin::Refused,
                },
            },
            Arc::clone(&self.engine.store),
            Arc::clone(&self.engine.directory),
            Arc::clone(&self.engine.clock),
            self.locks.clone(),
        );
        let pump = Arc::new(self.pump(listener, ALPN_POP3)?);
        let start = start(listener);
        let (front, acceptor) = self.front(listener, "-ERR [SYS/TEMP] Too many connections\r\n")?;
        tokio::spawn(async move {
            let session = move |stream: Box<dyn platform::Stream>| {
                let (service, pump) = (Arc::clone(&service), Arc::clone(&pump));
                let front = Arc::clone(&front);
                async move {
                    let Some((stream, _place)) = front.admit(stream).await else { return };
                    let drive = service.session(stream.peer());
                    let ended = platform::serve(stream, start, drive, &pump).await;
                    debug!(?ended, "pop3 session ended");
                }
            };
            acceptor.run(socket, session).await;
        });
        Ok(())
    }

    fn pump(&self, listener: &config::Listener, alpn: &[&str]) -> Result<Pump, Failure> {
        let tls = match listener.security {
            Security::None => None,
            Security::StartTls | Security::Implicit => Some(
                ServerTls::new(self.certificate.identity(), alpn)
                    .map_err(|error| Failure::new(error.to_string()))?,
            ),
        };
        Ok(Pump {
            clock: Arc::clone(&self.engine.clock),
            tls,
            shutdown: self.shutdown.clone(),
            limits: PumpLimits::default(),
        })
    }

    /// What a refused peer hears makes sense only where it expects clear text.
    fn front(
        &self,
        listener: &config::Listener,
        refusal: &str,
    ) -> Result<(Arc<Front>, Acceptor), Failure> {
        let refusal = match listener.security {
            Security::Implicit => Vec::new(),
            Security::None | Security::StartTls => refusal.as_bytes().to_vec(),
        };
        let proxies = networks(self.config, "proxy_from", &listener.proxy_from)?;
        let clock = &self.engine.clock;
        let front = Front::new(proxies, self.gate, clock, refusal.clone());
        let acceptor = Acceptor {
            clock: Arc::clone(clock),
            shutdown: self.shutdown.clone(),
            gate: front.outer_gate(),
            refusal,
        };
        Ok((front, acceptor))
    }
}

fn start(listener: &config::Listener) -> Start {
    match listener.security {
        Security::Implicit => Start::Tls,
        Security::None | Security::StartTls => Start::Clear,
    }
}

/// Why an address cannot be ours.
pub(crate) fn not_bound(
    listener: &config::Listener,
    address: SocketAddr,
    error: &io::Error,
) -> Failure {
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "another program has this port (see: ss -ltnp 'sport = :{}'); stop it, or choose another",
            address.port()
        ),
        io::ErrorKind::PermissionDenied => "ports below 1024 need root, or: setcap \
             cap_net_bind_service=+ep on the program, or AmbientCapabilities in its systemd unit"
            .to_owned(),
        io::ErrorKind::AddrNotAvailable => {
            "this host has no such address; see: ip address".to_owned()
        }
        _ => "choose another address under [[listener]]".to_owned(),
    };
    Failure::new(format!("the {listener} listener cannot have {address}: {error}")).remedy(remedy)
}
