//! The host that takes the mail of all other domains: it keeps it, shows it, sends nothing on.
//!
//! Standards: RFC 5321 (SMTP).
//! Not here: the session (crate `smtp`), the pump (crate `platform`).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use envelope::EnhancedStatus;
use message::Message;
use platform::{
    AcceptLimits, Acceptor, Clock, Disk, Drive, Gate, Interrupt, Net, Next, Pump, PumpLimits,
    Random, RealDisk, Shutdown, Start, Stream, SystemClock, SystemRandom, TlsFacts, TokioNet,
};
use smtp::Reply;
use smtp::server::{self, Answer, Event, ForwardPath, Session};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::place::CATCHER;
use crate::cli::visible;
use crate::failure::{Failure, of_file};

/// Messages that wait to be shown.
const WAITING_MAX: usize = 100;
/// Largest message that is caught.
const MESSAGE_OCTETS_MAX: u64 = 50 << 20;

/// Takes all other mail.
#[derive(Debug)]
pub(super) struct Catcher {
    caught: Mutex<Receiver<Caught>>,
    shutdown: Shutdown,
}

/// A message that was caught.
#[derive(Debug)]
pub(super) struct Caught {
    sender: String,
    recipients: Vec<String>,
    subject: String,
    file: PathBuf,
}

impl Caught {
    /// What is shown of it.
    pub(super) fn lines(&self) -> [String; 2] {
        let recipients = self.recipients.join(", ");
        [
            format!("caught  from <{}> to {}", visible(&self.sender), visible(&recipients)),
            format!("        {}  ({})", visible(&self.subject), self.file.display()),
        ]
    }
}

impl Catcher {
    /// Begins to take mail, and keeps it in `folder`.
    pub(super) async fn start(at: SocketAddr, folder: &Path) -> Result<Self, Failure> {
        let socket = TokioNet
            .listen(at)
            .await
            .map_err(|error| Failure::new(format!("the catcher cannot have {at}: {error}")))?;
        RealDisk.make_dir(folder).map_err(|error| of_file("make the folder", folder, &error))?;
        let (sender, caught) = channel(WAITING_MAX);
        let shutdown = Shutdown::new();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let acceptor = Acceptor {
            clock: Arc::clone(&clock),
            shutdown: shutdown.clone(),
            gate: Gate::new(AcceptLimits::default()),
            refusal: Vec::new(),
        };
        let pump = Arc::new(Pump {
            clock,
            tls: None,
            shutdown: shutdown.clone(),
            limits: PumpLimits::default(),
        });
        let folder = folder.to_owned();
        tokio::spawn(async move {
            let session = move |stream: Box<dyn Stream>| {
                let (pump, catch) = (Arc::clone(&pump), Catch::new(&folder, &sender));
                async move {
                    platform::serve(stream, Start::Clear, catch, &pump).await;
                }
            };
            acceptor.run(socket, session).await;
        });
        Ok(Self { caught: Mutex::new(caught), shutdown })
    }

    /// The next message that was caught. Cancel safe.
    pub(super) async fn next(&self) -> Caught {
        match self.caught.lock().await.recv().await {
            Some(caught) => caught,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Catcher {
    fn drop(&mut self) {
        self.shutdown.end_now();
    }
}

/// A session that says yes to everything.
#[derive(Debug)]
struct Catch {
    session: Session,
    folder: PathBuf,
    caught: Sender<Caught>,
    sender: String,
    recipients: Vec<String>,
    content: Vec<u8>,
}

impl Catch {
    fn new(folder: &Path, caught: &Sender<Caught>) -> Self {
        let config = server::Config {
            hostname: CATCHER.0.to_owned(),
            greeting: "takes all mail and sends none".to_owned(),
            message_size_max: MESSAGE_OCTETS_MAX,
            ..server::Config::default()
        };
        Self {
            session: Session::new(Arc::new(config)),
            folder: folder.to_owned(),
            caught: caught.clone(),
            sender: String::new(),
            recipients: Vec::new(),
            content: Vec::new(),
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Sender(sender) => {
                self.recipients.clear();
                let address = sender.reverse_path.address();
                self.sender = address.map(ToString::to_string).unwrap_or_default();
                self.session.answer(Answer::Accept);
            }
            Event::Recipient(recipient) => {
                self.recipients.push(match recipient.forward_path {
                    ForwardPath::Postmaster => "postmaster".to_owned(),
                    ForwardPath::Address(address) => address.to_string(),
                });
                self.session.answer(Answer::Accept);
            }
            Event::ContentBegins => {
                self.content.clear();
                self.session.answer(Answer::Accept);
            }
            Event::Content(octets) => self.content.extend_from_slice(&octets),
            Event::ContentEnds { fault: None } => {
                let reply = self.keep();
                self.session.answer(reply);
            }
            Event::Connect | Event::Hello(_) => self.session.answer(Answer::Accept),
            // Nothing else asks: neither TLS nor AUTH is offered.
            _ => {}
        }
    }

    fn keep(&mut self) -> Reply {
        let name = format!("{:016x}.eml", SystemRandom.u64());
        let file = self.folder.join(name);
        if RealDisk.write_whole(&file, &self.content).is_err() {
            let text = "The message cannot be kept";
            return Reply::new(451, EnhancedStatus::new(4, 3, 0), text);
        }
        let subject = Message::parse(&self.content).subject().unwrap_or_default().into_owned();
        let caught = Caught {
            sender: std::mem::take(&mut self.sender),
            recipients: std::mem::take(&mut self.recipients),
            subject,
            file,
        };
        // Where too many wait to be shown, the file is there all the same.
        self.caught.try_send(caught).ok();
        Reply::new(250, EnhancedStatus::new(2, 0, 0), "Caught; it goes no further")
    }
}

impl Drive for Catch {
    fn receive(&mut self, octets: &[u8]) {
        self.session.receive(octets);
    }

    async fn advance(&mut self, output: &mut Vec<u8>) -> Next {
        while let Some(event) = self.session.poll() {
            self.event(event);
        }
        self.session.output_into(output);
        if self.session.is_closed() {
            Next::Close
        } else {
            Next::Read { within: self.session.timeout() }
        }
    }

    fn enter_tls(&mut self, _: TlsFacts) {}

    async fn interrupt(&mut self, _: Interrupt, _: &mut Vec<u8>) {}
}
