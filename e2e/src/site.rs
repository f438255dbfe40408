//! One mail system: its folder with configuration and accounts, and its command line.
//!
//! Standards: none of its own.
//! Not here: the running server (`server`).

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;

use crate::folder::Folder;
use crate::network::Network;
use crate::program::{Run, ours};
use crate::server::Server;

/// The password of every account.
pub const PASSWORD: &str = "correct horse, battery 5taple!";

/// What a system is like.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The server's name.
    pub hostname: &'a str,
    /// The domain of its accounts.
    pub domain: &'a str,
    /// Local parts of its accounts.
    pub accounts: &'a [&'a str],
    /// Listeners: protocol, address, tls.
    pub listeners: &'a [(&'a str, &'a str, &'a str)],
    /// What else stands in the configuration: whole sections.
    pub sections: &'a str,
    /// Where the data folder is; in the system's own folder unless said.
    pub data_dir: &'a str,
    /// Variables in the environment of its programs.
    pub environment: &'a [(&'a str, &'a str)],
    /// In which network it lives; on the machine's loopback unless said.
    pub network: Option<Arc<Network>>,
}

/// Every way in that exists, on ports that the system chooses.
const LISTENERS: &[(&str, &str, &str)] = &[
    ("smtp", "127.0.0.1:0", "starttls"),
    ("submission", "127.0.0.1:0", "starttls"),
    ("submission", "127.0.0.1:0", "implicit"),
    ("pop3", "127.0.0.1:0", "none"),
    ("pop3", "127.0.0.1:0", "starttls"),
    ("pop3", "127.0.0.1:0", "implicit"),
];

impl Default for Plan<'_> {
    fn default() -> Self {
        Self {
            hostname: "mx.home.test",
            domain: "home.test",
            accounts: &["ada", "bob"],
            listeners: LISTENERS,
            sections: "",
            data_dir: "data",
            environment: &[],
            network: None,
        }
    }
}

/// One mail system.
#[derive(Debug)]
pub struct Site {
    /// Where everything of it lies, and room for what a test writes.
    pub folder: Folder,
    data_dir: String,
    environment: Vec<(String, String)>,
    network: Option<Arc<Network>>,
}

impl Default for Site {
    fn default() -> Self {
        Self::new(&Plan::default())
    }
}

impl Site {
    /// Writes the configuration, makes the domain and the accounts.
    pub fn new(plan: &Plan<'_>) -> Self {
        let site = Self {
            folder: Folder::new(),
            data_dir: plan.data_dir.to_owned(),
            environment: plan
                .environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            network: plan.network.clone(),
        };
        site.folder.write("posthouse.toml", configuration(plan));
        site.posthouse(&["domain", "add", plan.domain]).succeed();
        if !plan.accounts.is_empty() {
            let addresses: Vec<_> =
                plan.accounts.iter().map(|local| format!("{local}@{}", plan.domain)).collect();
            let mut arguments = vec!["account", "add", "--password-stdin"];
            arguments.extend(addresses.iter().map(String::as_str));
            site.posthouse(&arguments).input(format!("{PASSWORD}\n")).succeed();
        }
        site
    }

    /// Starts the server and waits until it accepts connections.
    pub fn start(&self) -> Server {
        Server::start(self)
    }

    /// A `posthouse` command for this system.
    pub fn posthouse(&self, arguments: &[&str]) -> Run {
        Run::command(self.command()).args(arguments)
    }

    /// Lines of JSON that a command prints.
    pub fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.posthouse(arguments).args(["--json"]).succeed().output();
        let read = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        output.lines().map(read).collect()
    }

    /// How many messages an account has.
    pub fn messages(&self, address: &str) -> u64 {
        self.json(&["account", "list"])
            .iter()
            .find(|account| account["address"] == address)
            .and_then(|account| account["messages"].as_u64())
            .unwrap_or_else(|| panic!("no account {address}"))
    }

    /// Everything that is known of one message, as `trace` prints it.
    pub fn trace(&self, id: &str) -> String {
        self.posthouse(&["trace", id]).succeed().output()
    }

    /// Demands that the store is whole. The server may run.
    pub fn verify(&self) {
        self.posthouse(&["verify"]).succeed();
    }

    /// The certificate that signs the server's.
    pub fn ca(&self) -> String {
        let data = self.folder.root().join(&self.data_dir);
        data.join("tls/ca.pem").to_str().expect("a UTF-8 path").to_owned()
    }

    /// `posthouse --config …`, in the network where this system lives.
    pub(crate) fn command(&self) -> Command {
        let mut command = match &self.network {
            Some(network) => network.command(ours("posthouse")),
            None => Command::new(ours("posthouse")),
        };
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.arg("--config").arg(self.configuration_file());
        command
    }

    fn configuration_file(&self) -> PathBuf {
        self.folder.path("posthouse.toml")
    }
}

fn configuration(plan: &Plan<'_>) -> String {
    let mut text = format!("hostname = {:?}\ndata_dir = {:?}\n", plan.hostname, plan.data_dir);
    for (protocol, address, tls) in plan.listeners {
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "\n[[listener]]\nprotocol = {protocol:?}\nbind = [{address:?}]\ntls = {tls:?}\n"
        );
    }
    let in_clear = |listener: &(&str, &str, &str)| listener.0 != "smtp" && listener.2 == "none";
    if plan.listeners.iter().any(in_clear) {
        text.push_str("\n[auth]\nallow_cleartext = true\n\n");
    }
    text.push_str(plan.sections);
    text
}
