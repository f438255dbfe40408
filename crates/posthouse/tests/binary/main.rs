//! The program as users run it: exit codes, what stands on which stream, with and without a
//! server, and how a server begins and ends.

mod archive;
mod explain;
mod orders;
mod site;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use self::site::{CONFIGURATION, Said, Server, Site, converse};

/// A configuration whose server takes mail for anybody from loopback and can send to nobody.
fn relaying() -> String {
    CONFIGURATION.replacen(
        "tls = \"starttls\"",
        "tls = \"starttls\"\nrelay_from = [\"127.0.0.0/8\"]",
        1,
    ) + "[outbound]\nroutes = { \"away.example\" = \"127.0.0.1:1\" }\n[queue]\nretry = [\"1h\"]\n"
}

/// Domains whose mail is handed on.
fn relay_domains(site: &Site) {
    site.run(&["domain", "add", "backup.example", "--backup-mx"]).done();
    site.run(&["domain", "add", "inside.example", "--route", "[2001:db8::7]:2525"]).done();
    site.run(&["domain", "add", "x.example", "--route", "2001:db8::7:25"]).fails_with(2, "a port");
    let list = site.run(&["domain", "list"]).done();
    assert!(list.contains("backup.example  backup MX\n"), "{list}");
    assert!(list.contains("inside.example  route to [2001:db8::7]:2525\n"), "{list}");
    let list = site.run(&["--json", "domain", "list"]).done();
    assert!(list.contains(r#""relay":{"by":"backup-mx"}"#), "{list}");
    let check = site.run(&["check"]).out;
    let told = check.contains("2 local domains, 2 domains whose mail is handed on");
    assert!(told || check.contains("its store is not looked at"), "{check}");
    let account = ["account", "add", "a@backup.example"];
    site.run(&account).fails_with(1, "is handed on (backup MX)");
    site.run(&["domain", "remove", "backup.example"]).done();
    site.run(&["domain", "remove", "inside.example"]).done();
}

/// The same commands, whoever does them.
fn administer(site: &Site) {
    site.run(&["domain", "add", "example.org"]).done();
    site.run(&["domain", "add", "Example.NET"]).done();
    assert_eq!(site.run(&["domain", "list"]).done(), "example.net\nexample.org\n");
    site.run_with(
        &["account", "add", "anna@example.org", "bob@example.org", "--password-stdin"],
        "correct horse\n",
    )
    .done();
    let made = site.run(&["account", "add", "eve@example.net", "--quota", "1GiB"]);
    assert!(made.done().starts_with("eve@example.net  password "));
    let accounts = site.run(&["--json", "account", "list"]).done();
    let accounts: Vec<serde_json::Value> =
        accounts.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(accounts.len(), 3);
    let eve = accounts.iter().find(|found| found["address"] == "eve@example.net").expect("eve");
    assert_eq!((&eve["messages"], &eve["quota"]), (&0.into(), &(1_u64 << 30).into()));
    site.run(&["account", "set", "eve@example.net", "--quota", "2KiB"]).done();
    let shown = site.run(&["account", "show", "eve@example.net"]).done();
    assert!(shown.contains("quota    2.0 KiB"), "{shown}");
    site.run(&["account", "set", "eve@example.net", "--quota", "none"]).done();
    assert!(site.run(&["account", "show", "eve@example.net"]).done().contains("quota    none"));
    relay_domains(site);

    site.run(&["alias", "add", "@example.net", "anna@example.org", "x@elsewhere.example"]).done();
    let aliases = site.run(&["--json", "alias", "list"]).done();
    assert!(aliases.contains(r#""alias":"@example.net""#), "{aliases}");
    site.run(&["alias", "remove", "@example.net"]).done();
    assert_eq!(site.run(&["alias", "list"]).done(), "", "no entries are no output");
    assert_eq!(site.run(&["queue", "list"]).done(), "");
    site.run_with(&["account", "password", "bob@example.org", "--password-stdin"], "new word!\n")
        .done();
    site.run(&["account", "remove", "bob@example.org"]).done();
    site.run(&["verify"]).done();

    site.run(&["domain", "remove", "example.org"]).fails_with(1, "in use");
    site.run(&["account", "add", "a@elsewhere.example"]).fails_with(1, "posthouse domain add");
    site.run(&["account", "show", "no@example.org"]).fails_with(1, "there is no account");
    site.run(&["account", "add", "anna@example.org"]).fails_with(1, "exists already");
    site.run(&["trace", "nothing@example.org"]).fails_with(1, "nothing is known");
    site.run(&["queue", "show", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]).fails_with(1, "no submission");
    site.run(&["alias", "add", "not an address", "anna@example.org"])
        .fails_with(2, "cannot be an alias");
}

#[test]
fn commands_work_without_a_server() {
    administer(&Site::new(CONFIGURATION));
}

#[test]
fn commands_work_beside_a_server() {
    let site = Site::new(CONFIGURATION);
    let server = site.serve();
    administer(&site);
    assert_eq!(server.end(), Some(0));
    let left = site.run(&["account", "list"]).done();
    assert_eq!(left.lines().count(), 2, "what the server did is there afterwards: {left}");
}

#[test]
fn wrong_use_is_told_and_does_nothing() {
    let site = Site::new(CONFIGURATION);
    let table: [(&[&str], &str, &str); 8] = [
        (&["domain", "ad", "example.org"], "unrecognized subcommand", "a typo"),
        (&["serve", "--daemon"], "unexpected argument", "an unknown option"),
        (&["account", "add"], "ADDRESSES", "a missing argument"),
        (&["account", "add", "no-address"], "invalid value", "no address"),
        (&["account", "add", "a@example.org", "--quota", "2GB"], "is not a size", "a bad size"),
        (&["account", "add", "a@example.org", "--password", "x"], "--password-stdin", "C07"),
        (&["account", "password", "a@example.org", "x"], "--password-stdin", "C07"),
        (&["queue", "show", "1"], "is not an id", "no id"),
    ];
    for (arguments, words, why) in table {
        let said = site.run(arguments);
        said.fails_with(2, words);
        assert!(!said.err.contains("hunter2"), "{why}");
        assert!(!site.path("data").exists(), "{why}: nothing is made");
    }
    let said = site.run_with(&["account", "add", "a@example.org", "--password-stdin"], "");
    said.fails_with(1, "the password cannot be read");
}

#[test]
fn a_bad_configuration_stops_everything_with_its_place() {
    let site = Site::new("hostname = \"mx.example.org\"\ndata_dir = \"data\"\nlisteners = 1\n");
    for arguments in [&["serve"] as &[&str], &["domain", "list"]] {
        let said = site.run(arguments);
        said.fails_with(1, "(./posthouse.toml:3:1): did you mean \"listener\"?");
    }
    let said = site.run(&["check"]);
    assert_eq!(said.code, Some(1));
    assert!(said.out.starts_with("error"), "{said:?}");
    site.run(&["--config", "none.toml", "domain", "list"]).fails_with(1, "none.toml");
    assert!(!site.path("data").exists());
}

#[test]
fn help_is_for_whoever_asks_nothing() {
    let site = Site::new(CONFIGURATION);
    let help = site.run(&[]).done();
    assert!(help.contains("posthouse try"), "{help}");
    assert_eq!(site.run(&["--help"]).done(), help);
    assert!(site.run(&["--version"]).done().starts_with("posthouse "));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let site = Site::new(CONFIGURATION);
    site.run(&["domain", "add", "example.org"]).done();
    let mut child = site
        .command()
        .args(["domain", "list"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    drop(child.stdout.take());
    let said = Said::of(&child.wait_with_output().expect("ended"));
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
}

#[test]
fn init_makes_a_server_that_starts_and_never_overwrites() {
    let site = Site::new(CONFIGURATION);
    let arguments =
        ["init", "--dir", "srv", "--hostname", "mx.example.org", "--domain", "example.org"];
    let said = site.run(&arguments).done();
    for words in [
        "account   postmaster@example.org\npassword  ",
        "MX   10 mx.example.org.",
        "v=spf1 mx -all",
        "_submissions._tcp.example.org.",
        "posthouse --config srv/posthouse.toml check",
    ] {
        assert!(said.contains(words), "{words} in {said}");
    }
    let before = fs::read_to_string(site.path("srv/posthouse.toml")).expect("written");
    site.run(&arguments).fails_with(1, "never overwrites");
    let after = fs::read_to_string(site.path("srv/posthouse.toml")).expect("there");
    assert_eq!(before, after);
    let accounts = site.run(&["--config", "srv/posthouse.toml", "account", "list"]).done();
    assert!(accounts.starts_with("postmaster@example.org"));

    let foreign = ["--admin", "me@elsewhere.example"];
    let mut arguments = arguments.to_vec();
    arguments[2] = "other";
    arguments.extend(foreign);
    site.run(&arguments).fails_with(2, "is not an address of example.org");
    assert!(!site.path("other").exists());
}

#[test]
fn init_makes_nothing_in_the_store_when_its_file_cannot_be_written() {
    let site = Site::new(CONFIGURATION);
    let obstacle = site.path("srv/posthouse.toml.draft");
    fs::create_dir_all(&obstacle).expect("made");
    let arguments =
        ["init", "--dir", "srv", "--hostname", "mx.example.org", "--domain", "example.org"];
    site.run(&arguments).fails_with(1, "cannot write the configuration");
    assert!(!site.path("srv/data").exists() && !site.path("srv/posthouse.toml").exists());
    fs::remove_dir(&obstacle).expect("removed");
    let said = site.run(&arguments).done();
    assert!(said.contains("password  "), "{said}");
    assert!(!obstacle.exists(), "the draft became the configuration");
}

#[test]
fn init_goes_on_where_another_one_was_broken_off() {
    let arguments = ["init", "--dir", ".", "--hostname", "mx.test", "--domain", "example.org"];
    let site = Site::new(CONFIGURATION);
    site.run(&["domain", "add", "example.org"]).done();
    fs::remove_file(site.path("posthouse.toml")).expect("there");
    let said = site.run(&arguments).done();
    assert!(said.contains("password  "), "it died before the account was made: {said}");

    fs::remove_file(site.path("posthouse.toml")).expect("there");
    let said = site.run(&arguments);
    assert!(said.err.contains("postmaster@example.org was there and keeps"), "{}", said.err);
    assert!(!said.done().contains("password  "), "no password that would not work");
}

#[test]
fn the_second_server_hears_who_the_first_one_is() {
    let site = Site::new(CONFIGURATION);
    let server = site.serve();
    let said = site.run(&["serve"]);
    said.fails_with(1, &format!("process {} serves", server.child.id()));
    assert_eq!(server.end(), Some(0));
    assert_eq!(site.serve().end(), Some(0), "free again");
}

/// A password that was in the server's memory is in no file that a crash leaves.
#[test]
fn a_server_keeps_its_memory_to_itself() {
    let site = Site::new(CONFIGURATION);
    let server = site.serve();
    let of = |name: &str| {
        let path = format!("/proc/{}/{name}", server.child.id());
        fs::read_to_string(path).expect("the kernel tells it")
    };
    let line = |text: String, begin: &str| {
        let found = text.lines().find(|line| line.starts_with(begin)).expect(begin).to_owned();
        found.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(line(of("status"), "NoNewPrivs:"), ["NoNewPrivs:", "1"]);
    let core = line(of("limits"), "Max core file size");
    assert_eq!(core.get(4..6), Some(&["0".to_owned(), "0".to_owned()][..]), "{core:?}");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn the_unit_for_systemd_gives_the_server_little() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dist/posthouse.service");
    let analyze = std::process::Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", "--threshold=15", unit])
        .output();
    let Ok(said) = analyze else {
        println!("there is no systemd-analyze: the unit is not judged");
        return;
    };
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
}

#[test]
fn a_killed_server_leaves_nothing_in_the_way() {
    let site = Site::new(CONFIGURATION);
    let server = site.serve();
    site.run(&["domain", "add", "example.org"]).done();
    server.signal(Signal::SIGKILL);
    drop(server);
    assert!(site.path("data/control.sock").exists(), "it could not tidy up");
    assert_eq!(site.run(&["domain", "list"]).done(), "example.org\n");
    let server = site.serve();
    assert_eq!(site.run(&["domain", "list"]).done(), "example.org\n");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn a_taken_port_is_one_clear_line() {
    #[expect(clippy::disallowed_methods, reason = "the test is the other program")]
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let site = Site::new(&CONFIGURATION.replacen("127.0.0.1:0", &address, 1));
    let said = site.run(&["serve"]);
    said.fails_with(1, &format!("the smtp/starttls listener cannot have {address}"));
    assert_eq!(said.err.lines().count(), 1, "{said:?}");
    let said = site.run(&["check"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("ss -ltnp"), "{said:?}");
}

#[test]
fn a_server_begins_and_ends_without_anybody_to_talk_to() {
    let site = Site::new(CONFIGURATION);
    let mut child = site
        .command()
        .args(["serve", "--while-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    drop(child.stderr.take());
    drop(child.stdout.take());
    // Ready or not: the control socket answers once it is.
    assert_eq!(site.run(&["domain", "list"]).done(), "");
    drop(child.stdin.take());
    assert_eq!(child.wait().expect("ended").code(), Some(0));
}

#[test]
fn sessions_that_do_nothing_do_not_hold_up_the_end() {
    let site = Site::new(CONFIGURATION);
    let server = site.serve();
    #[expect(clippy::disallowed_methods, reason = "a client from outside")]
    let mut client = TcpStream::connect(server.address("smtp/starttls")).expect("connected");
    client.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
    let mut greeting = [0; 4];
    client.read_exact(&mut greeting).expect("greeted");
    assert_eq!(&greeting, b"220 ");
    assert_eq!(server.end(), Some(0));
    let mut rest = String::new();
    client.read_to_string(&mut rest).expect("closed in good order");
    assert!(rest.contains("421 "), "{rest}");
}

#[test]
fn the_data_folder_is_nobody_elses_business() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new(CONFIGURATION);
    let server = site.serve();
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let data = site.path("data");
    assert_eq!(mode(&data), 0o700);
    for entry in fs::read_dir(&data).expect("readable") {
        let path = entry.expect("an entry").path();
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
    for entry in fs::read_dir(data.join("tls")).expect("readable") {
        let path = entry.expect("an entry").path();
        let is_key = path.to_string_lossy().contains("key");
        assert!(!is_key || mode(&path) == 0o600, "{}", path.display());
    }
    assert_eq!(server.end(), Some(0));
}

#[test]
fn a_deep_data_folder_still_has_a_control_socket() {
    let deep = "d".repeat(60);
    let configuration =
        CONFIGURATION.replace("\"data\"", &format!("\"{deep}/{deep}/{deep}/data\""));
    let site = Site::new(&configuration);
    let server = site.serve();
    site.run(&["domain", "add", "example.org"]).done();
    assert_eq!(site.run(&["domain", "list"]).done(), "example.org\n");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn the_rehearsal_succeeds_and_cleans_up() {
    let site = Site::new(CONFIGURATION);
    let folder = site.path("try");
    let said = site.run(&["try", "--once", "--dir", folder.to_str().expect("text")]);
    let log = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    assert_eq!(said.code, Some(0), "{said:?}\n{}\n{}", log("castle/log"), log("harbour/log"));
    for step in [
        "formatted",
        "C: MAIL FROM:<anna@castle.example>",
        "queued      bob@harbour.example",
        "MX found    ",
        "connected   mx.harbour.example [127.0.0.12]",
        "S: 250 2.0.0 Ok: delivered as ",
        "stored      bob@harbour.example",
        "✓ all ",
        "the author's status of bob@harbour.example: queued → accepted (250 2.0.0",
        "→ delivered",
        "Both letters arrived",
    ] {
        assert!(said.out.contains(step), "{step} is missing in\n{}", said.out);
    }
    for system in ["castle", "harbour"] {
        assert!(!folder.join(system).join("data/control.sock").exists(), "{system} has ended");
        let config = format!("{}/{system}/posthouse.toml", folder.display());
        site.run(&["--config", &config, "verify"]).done();
    }
}

#[test]
fn a_rehearsal_ends_at_once_and_leaves_nothing_behind() {
    for (signal, why) in [(Signal::SIGINT, "Ctrl-C"), (Signal::SIGHUP, "its terminal is gone")] {
        let site = Site::new(CONFIGURATION);
        let temporary = site.path("tmp");
        fs::create_dir(&temporary).expect("made");
        let mut child = site
            .command()
            .args(["try", "--once"])
            .env("TMPDIR", &temporary)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let first = lines.next().expect("a line").expect("text");
        assert!(first.starts_with("starting two mail systems"), "{first}");
        let pid = i32::try_from(child.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("sent");
        assert_eq!(child.wait().expect("ended").code(), Some(1), "{why}");
        assert_eq!(fs::read_dir(&temporary).expect("there").count(), 0, "{why}");
    }
}

#[test]
fn many_commands_at_once_take_turns() {
    let site = Site::new(CONFIGURATION);
    let names: Vec<String> = (0..8).map(|number| format!("d{number}.example")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| site.run(&["domain", "add", name]).done());
        }
        // A server that starts in between is asked by those that come after it.
        scope.spawn(|| assert_eq!(site.serve().end(), Some(0)));
    });
    assert_eq!(site.run(&["domain", "list"]).done().lines().count(), names.len());
}

/// Sends a letter that will wait, and gives its id.
fn waiting_letter(server: &Server) -> String {
    let reply = converse(
        server.address("smtp/starttls"),
        &[
            "EHLO client.example",
            "MAIL FROM:<anna@here.example>",
            "RCPT TO:<bob@away.example>",
            "DATA",
            "Subject: waits\r\nMessage-ID: <waits@here.example>\r\n\r\nHello\r\n.",
        ],
    );
    assert!(reply.starts_with("250 2.0.0 Ok: queued as "), "{reply}");
    reply.split(' ').next_back().expect("an id").to_owned()
}

#[test]
fn a_waiting_letter_is_steered_and_followed_to_its_end() {
    let site = Site::new(&relaying());
    let server = site.serve();
    let id = waiting_letter(&server);
    let state = || {
        let line = site.run(&["--json", "queue", "list"]).done();
        let entry: serde_json::Value = serde_json::from_str(&line).expect("one entry");
        assert_eq!((&entry["id"], &entry["sender"]), (&id[..].into(), &"anna@here.example".into()));
        entry["recipients"][0]["state"].as_str().expect("a state").to_owned()
    };
    while state() != "deferred" {
        std::thread::yield_now();
    }
    let follower = site
        .command()
        .args(["trace", "--follow", "<waits@here.example>"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    site.run(&["queue", "hold", &id]).done();
    assert_eq!(state(), "held");
    site.run(&["queue", "release", &id, "--recipient", "bob@away.example"]).done();
    assert_ne!(state(), "held");
    site.run(&["queue", "hold", &id, "--recipient", "eve@away.example"])
        .fails_with(1, "no recipient eve@away.example");
    site.run(&["queue", "cancel", &id]).done();
    let followed = Said::of(&follower.wait_with_output().expect("ended")).done();
    for words in ["received", "queued      bob@away.example", "deferred", "held", "cancelled"] {
        assert!(followed.contains(words), "{words} in {followed}");
    }
    assert_eq!(site.run(&["queue", "list"]).done(), "");
    let shown = site.run(&["trace", &id]).done();
    assert!(shown.contains("no answer   "), "{shown}");
    assert_eq!(server.end(), Some(0));
    assert_eq!(site.run(&["trace", &id]).done(), shown, "the same without the server");
}

#[test]
fn all_that_matches_is_found_and_steered() {
    let site = Site::new(&relaying());
    let server = site.serve();
    let id = waiting_letter(&server);
    let find = |options: &[&str]| {
        let command: Vec<_> =
            ["--json", "queue", "search"].iter().chain(options).copied().collect();
        let lines = site.run(&command).done();
        lines.lines().filter(|line| line.contains(&id)).count()
    };
    while find(&["--state", "deferred"]) == 0 {
        std::thread::yield_now();
    }
    #[rustfmt::skip]
    let rows: [(&[&str], usize, &str); 9] = [
        (&[], 1, "anything"),
        (&["--sender", "Anna@here.example", "--state", "open"], 1, "case does not matter"),
        (&["--sender", "@here.example", "--domain", "away.example"], 1, "both are so"),
        (&["--sender", "@here.example", "--domain", "here.example"], 0, "one is not"),
        (&["--sender", "<>"], 0, "it is no notice"),
        (&["--recipient", "bob@away.example", "--since", "1h", "-n", "1"], 1, "just now"),
        (&["--until", "1h"], 0, "it is not so old"),
        (&["--state", "failed"], 0, "it has not failed"),
        (&["-n", "0"], 0, "none was asked for"),
    ];
    for (options, wanted, why) in rows {
        assert_eq!(find(options), wanted, "{why}");
    }
    site.run(&["queue", "hold", "--domain", "away.example"]).done();
    assert_eq!(find(&["--state", "held"]), 1);
    site.run(&["queue", "hold", "--domain", "elsewhere.example"]).fails_with(1, "nothing waits");
    site.run(&["queue", "hold"]).fails_with(2, "");
    site.run(&["queue", "search", "--login", "eve@here.example"]).fails_with(1, "no account");
    site.run(&["queue", "release", "--sender", "@here.example"]).done();
    assert_eq!(find(&["--state", "held"]), 0);
    assert_eq!(server.end(), Some(0));
    site.run(&["queue", "cancel", "--recipient", "bob@away.example"]).done();
    assert_eq!(find(&["--state", "cancelled"]), 1, "settled, and without the server");
    assert_eq!(find(&["--state", "open"]), 0);
    assert_eq!(site.serve().end(), Some(0));
    assert_eq!(find(&[]), 1, "it is kept for a month");
}

#[test]
fn what_is_settled_is_kept_as_long_as_was_asked() {
    let site = Site::new(&(relaying() + "keep_events = \"1s\"\n"));
    let server = site.serve();
    let id = waiting_letter(&server);
    assert_eq!(server.end(), Some(0));
    site.run(&["queue", "cancel", &id]).done();
    assert!(site.run(&["queue", "search"]).done().contains(&id), "it is settled, and there");
    // A server forgets when it starts; the test ends by its harness when it never does.
    while site.run(&["queue", "search"]).done().contains(&id) {
        assert_eq!(site.serve().end(), Some(0));
    }
    site.run(&["trace", &id]).fails_with(1, "");
}

#[test]
fn a_long_queue_is_told_whole_and_in_order() {
    // More than two pages, and the last one not full.
    const LETTERS: usize = 205;
    let site = Site::new(&relaying());
    let server = site.serve();
    let mut lines = vec!["EHLO client.example"];
    for _ in 0..LETTERS {
        lines.extend([
            "MAIL FROM:<anna@here.example>",
            "RCPT TO:<bob@away.example>",
            "DATA",
            "Subject: waits\r\n\r\nHello\r\n.",
        ]);
    }
    let last = converse(server.address("smtp/starttls"), &lines);
    let list = site.run(&["--json", "queue", "list"]).done();
    let ids: Vec<String> = list
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .map(|entry| entry["id"].as_str().expect("an id").to_owned())
        .collect();
    assert_eq!(ids.len(), LETTERS);
    assert!(ids.is_sorted_by(|older, newer| older < newer), "oldest first, each once");
    assert!(last.ends_with(ids.last().expect("some")), "{last}");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn whoever_waits_for_news_does_not_hold_up_the_end() {
    let site = Site::new(&relaying());
    let server = site.serve();
    let id = waiting_letter(&server);
    let mut follower = site
        .command()
        .args(["trace", "--follow", &id])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let mut lines = BufReader::new(follower.stdout.take().expect("piped")).lines();
    lines.next().expect("a line").expect("text");
    assert_eq!(server.end(), Some(0));
    let said = Said::of(&follower.wait_with_output().expect("ended"));
    said.fails_with(1, "the server is ending");
}

#[test]
fn rubbish_on_the_control_socket_harms_nobody() {
    use std::os::unix::net::UnixStream;
    let site = Site::new(CONFIGURATION);
    let server = site.serve();
    let table: [(&[u8], &str); 6] = [
        (b"", "nothing"),
        (b"GET / HTTP/1.1\r\n\r\n", "another protocol: a frame of a gigabyte"),
        (b"\x00\x00\x00\x02{}", "no question"),
        (b"\x00\x00\x00\xff{", "half a frame"),
        (b"\x00\x00\x00\x24{\"version\":2,\"request\":\"from later\"}", "another version"),
        (b"\x00\x00\x00\x1e{\"version\":1,\"request\":\"what\"}", "an unknown request"),
    ];
    for (octets, why) in table {
        let mut stream = UnixStream::connect(site.path("data/control.sock")).expect(why);
        stream.write_all(octets).expect(why);
        stream.shutdown(std::net::Shutdown::Write).expect(why);
        let mut said = Vec::new();
        // A reset is an answer, too.
        stream.read_to_end(&mut said).ok();
        let said = String::from_utf8_lossy(&said);
        assert!(!said.contains("end"), "{why}: {said}");
        assert!(!why.contains("version") || said.contains("speaks version 2"), "{why}: {said}");
    }
    assert_eq!(site.run(&["domain", "list"]).done(), "");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn check_tells_everything_at_once_and_changes_nothing() {
    #[expect(clippy::disallowed_methods, reason = "the test is the other program")]
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let bad = CONFIGURATION.replacen("127.0.0.1:0", &address, 1)
        + "[tls]\nmode = \"files\"\ncertificate = \"none.pem\"\nkey = \"none.pem\"\n";
    let site = Site::new(&bad);
    let said = site.run(&["--json", "check"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let findings: Vec<serde_json::Value> =
        said.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let errors: Vec<&str> = findings
        .iter()
        .filter(|finding| finding["level"] == "error")
        .map(|finding| {
            assert!(finding["remedy"].is_string(), "{finding}");
            finding["what"].as_str().expect("text")
        })
        .collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].contains("none.pem") && errors[1].contains(&address), "{errors:?}");
    assert!(!site.path("data").exists(), "nothing is made");

    let good = Site::new(CONFIGURATION);
    let server = good.serve();
    let said = good.run(&["check"]).done();
    assert!(said.contains(&format!("process {} serves", server.child.id())), "{said}");
    assert_eq!(server.end(), Some(0));
    assert!(good.run(&["check"]).done().contains("no domain is local"));
}

#[test]
fn domain_show_compares_with_what_is_published() {
    use std::sync::Arc;
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let zone = dns::Zone::new();
    zone.mx("example.org", 10, "mx.example.org");
    zone.address("mx.example.org", std::net::IpAddr::from([192, 0, 2, 7]));
    zone.txt("example.org", "v=spf1 include:elsewhere.example ~all");
    zone.txt("example.org", "some-site-verification=1");
    let server = runtime
        .block_on(dns::ZoneServer::serve(
            &platform::TokioNet,
            Arc::new(platform::SystemClock),
            std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
            zone,
        ))
        .expect("a DNS server");
    let site = Site::new(&format!("{CONFIGURATION}[dns]\nservers = [\"{}\"]\n", server.address()));
    site.run(&["domain", "show", "example.org"]).fails_with(1, "posthouse domain add");
    site.run(&["domain", "add", "example.org"]).done();
    let said = site.run(&["domain", "show", "example.org"]).done();
    let lines: Vec<String> =
        said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let line = |start: &str| lines.iter().find(|line| line.starts_with(start)).expect(start);
    assert!(line("mx.example.org. A").ends_with("; published"), "{said}");
    assert!(line("example.org. MX").ends_with("; published"), "{said}");
    assert!(line("_dmarc.example.org.").ends_with("; MISSING"), "{said}");
    let spf = line("example.org. TXT");
    assert!(spf.ends_with("; DIFFERENT: v=spf1 include:elsewhere.example ~all"), "{said}");
}
