//! The messages that are read: those of the corpora, and made ones of three sizes.

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use message::transfer::{base64, quoted_printable};

/// Files of the corpora that are no messages begin like this, or end otherwise.
const ENDINGS: [&str; 3] = ["eml", "msg", "raw"];

/// Messages that are read in one round.
pub(super) struct Input {
    pub(super) name: &'static str,
    pub(super) contents: Vec<Vec<u8>>,
}

impl Input {
    pub(super) fn octets(&self) -> usize {
        self.contents.iter().map(Vec::len).sum()
    }
}

/// All inputs; the corpora only if `POSTHOUSE_CORPORA` names their folder.
pub(super) fn all() -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    match env::var_os("POSTHOUSE_CORPORA") {
        Some(folder) => {
            let folder = PathBuf::from(folder);
            let contents =
                corpora([folder.join("mime"), folder.join("dsn"), folder.join("store")])?;
            inputs.push(Input { name: "corpora", contents });
        }
        None => println!("POSTHOUSE_CORPORA is not set: the corpora are not measured"),
    }
    for (name, octets, count) in
        [("10 KB", 10_000, 100), ("1 MB", 1_000_000, 10), ("50 MB", 50_000_000, 1)]
    {
        inputs.push(Input { name, contents: vec![made(octets); count] });
    }
    Ok(inputs)
}

fn corpora(folders: impl IntoIterator<Item = PathBuf>) -> Result<Vec<Vec<u8>>> {
    let mut contents = Vec::new();
    let mut folders: Vec<_> = folders.into_iter().collect();
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder);
        for entry in entries.with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if folder.ends_with("cur") || ENDINGS.contains(&ending.as_str()) {
                contents.push(fs::read(&path)?);
            }
        }
    }
    Ok(contents)
}

/// A message as people send it: text, HTML, and above 10 KB a file that fills it up.
fn made(octets: usize) -> Vec<u8> {
    let text = "Dear Ada,\r\n\r\nthe tea was lovely, and the café too.\r\n".repeat(25);
    let html = "<p>Dear Ada,</p>\r\n<p>the tea was <b>lovely</b>, and the café too.</p>\r\n";
    let encode = |text: &str| {
        let encoded = quoted_printable::encode_all(text.as_bytes(), quoted_printable::Mode::Text);
        String::from_utf8_lossy(&encoded).into_owned()
    };
    let mut content = String::new();
    for hop in 0..5 {
        content.push_str(&format!(
            "Received: from mx{hop}.example.org (mx{hop}.example.org [192.0.2.{hop}])\r\n\
             \tby mail.example.net (Posthouse) with ESMTPS id 4f{hop}7c2aa91\r\n\
             \tfor <ada@example.net>; Wed, 25 Nov 2026 03:5{hop}:00 +0100\r\n"
        ));
    }
    content.push_str(
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=2026;\r\n\
         \th=from:to:subject:date:message-id; bh=63IYtxpNtEan90vzJQT9iqnMeWHy9rlx8iFLnco1rRc=;\r\n\
         \tb=AoovfvadwxCx8Pp5yD62kw1AcKMQV32RhSrBsyw4qLrCVsQo1tIhxCUPdI7So9ipaxzn20YdVvHuP3f8\r\n\
         From: =?utf-8?q?Gr=C3=A9goire?= <gregoire@example.org>\r\n\
         To: Ada Lovelace <ada@example.net>, \"Babbage, Charles\" <charles@example.net>\r\n\
         Subject: =?utf-8?q?Caf=C3=A9?= and tea\r\nDate: Wed, 25 Nov 2026 03:51:00 +0100\r\n\
         Message-ID: <1234.5678@example.org>\r\nReferences: <1@example.org> <2@example.org>\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=outer\r\n\r\n\
         --outer\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n\
         --inner\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\n",
    );
    content.push_str(&encode(&text));
    content.push_str(
        "\r\n--inner\r\nContent-Type: text/html; charset=utf-8\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\n",
    );
    content.push_str(&encode(&html.repeat(60)));
    content.push_str("\r\n--inner--\r\n");
    let mut content = content.into_bytes();
    let rest = octets.saturating_sub(content.len()) / 78 * 57;
    if rest > 0 {
        content.extend_from_slice(
            b"--outer\r\nContent-Type: application/pdf; name=\"tea.pdf\"\r\n\
              Content-Disposition: attachment; filename=\"tea.pdf\"\r\n\
              Content-Transfer-Encoding: base64\r\n\r\n",
        );
        let mut encoder = base64::Encoder::default();
        encoder.feed(&noise(rest), &mut content);
        encoder.finish(&mut content);
    }
    content.extend_from_slice(b"--outer--\r\n");
    content
}

/// Octets that look like a compressed file; the same in each run.
pub(super) fn noise(octets: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(octets).collect()
}
