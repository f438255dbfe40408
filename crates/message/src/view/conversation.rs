//! What belongs together: base subjects, and whom an answer should go to.
//!
//! Standards: RFC 5256 §2.1 (base subject) and §3 (references), RFC 5322 §3.6.2 (Reply-To), RFC 2369 §3.4
//! (List-Post); Mail-Followup-To is a custom.
//! Not here: building threads.

use std::collections::BTreeSet;

use crate::address::{AddressList, Mailbox};
use crate::header::Header;
use crate::message_id::MessageId;

/// A subject without what replies and lists put around it.
///
/// Example: [`BaseSubject::of`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseSubject {
    /// What messages of one conversation have in common; compare without regard to case.
    pub text: String,
    /// Whether something shows a reply or a forwarded message.
    pub is_reply: bool,
}

impl BaseSubject {
    /// Takes `Re:`, `Fwd:`, `[list]` and their like away.
    ///
    /// ```
    /// let base = message::BaseSubject::of("Re: [list] Re: Tea (fwd)");
    /// assert_eq!((base.text.as_str(), base.is_reply), ("Tea", true));
    /// ```
    pub fn of(subject: &str) -> Self {
        let spaced = subject.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut text = spaced.as_str();
        let mut is_reply = false;
        loop {
            text = without_trailers(text, &mut is_reply);
            text = without_leaders(text, &mut is_reply);
            // RFC 5256 §2.1 (6): `[fwd: … ]` around all of it.
            let inside = without_prefix(text, "[fwd:").and_then(|rest| rest.strip_suffix(']'));
            let Some(inside) = inside else { break };
            is_reply = true;
            text = inside.trim();
        }
        Self { text: text.to_owned(), is_reply }
    }
}

fn without_trailers<'s>(text: &'s str, is_reply: &mut bool) -> &'s str {
    let mut text = text.trim_end();
    while let Some(rest) = text.len().checked_sub("(fwd)".len()).and_then(|at| {
        let (rest, end) = text.split_at_checked(at)?;
        end.eq_ignore_ascii_case("(fwd)").then_some(rest)
    }) {
        *is_reply = true;
        text = rest.trim_end();
    }
    text
}

fn without_leaders<'s>(text: &'s str, is_reply: &mut bool) -> &'s str {
    let mut text = text.trim_start();
    loop {
        if let Some(rest) = after_reply_mark(text) {
            *is_reply = true;
            text = rest;
            continue;
        }
        match after_blob(text) {
            Some(rest) if !rest.is_empty() => text = rest,
            _ => return text,
        }
    }
}

/// `subj-refwd`, maybe after blobs: `[list] re [2]: `.
fn after_reply_mark(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(after) = after_blob(rest) {
        rest = after;
    }
    let rest = ["re", "fwd", "fw"].iter().find_map(|word| without_prefix(rest, word))?;
    let rest = rest.trim_start();
    let rest = after_blob(rest).unwrap_or(rest);
    Some(rest.strip_prefix(':')?.trim_start())
}

/// `subj-blob`: `[anything but brackets] `.
fn after_blob(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('[')?;
    let end = inside.find(['[', ']'])?;
    inside.get(end..)?.strip_prefix(']').map(str::trim_start)
}

fn without_prefix<'s>(text: &'s str, prefix: &str) -> Option<&'s str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Whom an answer should go to.
///
/// ```
/// let content = b"From: ada@example.org\r\nTo: bob@example.net, Carl <c@example.com>\r\n\
///     List-Post: <mailto:tea@example.org>\r\n\r\n";
/// let message = message::Message::parse(content);
/// let replies = message.header().reply_addresses();
/// assert_eq!(replies.authors.mailboxes().next().unwrap().address, "ada@example.org");
/// assert_eq!(replies.everybody.mailboxes().count(), 3);
/// assert_eq!(replies.list.unwrap().address, "tea@example.org");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplyAddresses {
    /// For an answer to the authors.
    pub authors: AddressList,
    /// For an answer to everybody: the first of these are addressees, the others get copies.
    pub everybody: AddressList,
    /// For an answer to the mailing list, if it came from one that may be written to.
    pub list: Option<Mailbox>,
}

impl Header<'_> {
    /// The messages that this one goes back to, the oldest first, each once and never itself: the
    /// key of its thread. References counts; where it names nobody, the first id of In-Reply-To
    /// does (RFC 5256 §3).
    ///
    /// ```
    /// let content = b"Message-ID: <c@x>\r\nIn-Reply-To: <b@x>\r\nReferences: <a@x> <b@x> <a@x>\r\n\r\n";
    /// let message = message::Message::parse(content);
    /// let ids: Vec<_> = message.header().ancestors().iter().map(|id| id.to_string()).collect();
    /// assert_eq!(ids, ["a@x", "b@x"]);
    /// ```
    pub fn ancestors(&self) -> Vec<MessageId> {
        let mut ids = self.references();
        if ids.is_empty() {
            ids = self.in_reply_to().into_iter().take(1).collect();
        }
        let own = self.message_id();
        let mut seen = BTreeSet::new();
        ids.retain(|id| Some(id) != own.as_ref() && seen.insert(id.clone()));
        ids
    }

    /// Whom an answer should go to. The reader's own addresses are not taken out.
    pub fn reply_addresses(&self) -> ReplyAddresses {
        let mut authors = self.reply_to();
        if authors.is_empty() {
            authors = self.from();
        }
        let followup = self.field("Mail-Followup-To");
        let followup = followup.map(|field| AddressList::parse(field.raw_value()));
        let everybody = match followup.filter(|list| !list.is_empty()) {
            Some(list) => list,
            None => {
                let all = [authors.clone(), self.to(), self.cc()];
                let mut seen = BTreeSet::new();
                all.iter()
                    .flat_map(AddressList::mailboxes)
                    .filter(|mailbox| !mailbox.address.is_empty())
                    .filter(|mailbox| seen.insert(mailbox.address.to_lowercase()))
                    .cloned()
                    .collect()
            }
        };
        ReplyAddresses { authors, everybody, list: self.list_post() }
    }

    /// The address of List-Post: the first `mailto:` in it (RFC 2369 §3.4).
    fn list_post(&self) -> Option<Mailbox> {
        let value = self.value("List-Post")?;
        let link =
            value.split(['<', '>', ',']).find_map(|part| without_prefix(part.trim(), "mailto:"))?;
        let address = link.split('?').next().unwrap_or_default().trim();
        (!address.is_empty()).then(|| Mailbox::new(address))
    }
}

#[cfg(test)]
mod tests {
    use super::BaseSubject;
    use crate::HeaderSection;

    #[test]
    fn base_subjects_follow_rfc_5256() {
        #[rustfmt::skip]
        let table = [
            ("Tea", "Tea", false, "nothing to take away"),
            ("Re: Tea", "Tea", true, "a reply"),
            ("RE : Fwd:Fw: Tea", "Tea", true, "several"),
            ("[list] Tea", "Tea", false, "a list"),
            ("[list] Re: [list] Tea", "Tea", true, "a list twice"),
            ("Re[2]: Tea", "Tea", true, "a counted reply"),
            ("Re [x] : Tea (fwd) (FWD)", "Tea", true, "trailers"),
            ("[fwd: Re: Tea]", "Tea", true, "all in brackets"),
            ("[Fwd: [list] Tea (fwd)]", "Tea", true, "mixed"),
            ("[list]", "[list]", false, "a blob alone is the subject"),
            ("[a] [b]", "[b]", false, "the last blob stays"),
            ("Re:", "", true, "nothing left"),
            ("Reply: Tea", "Reply: Tea", false, "another word"),
            ("  a \t b ", "a b", false, "white space"),
            ("Ré: Tea", "Ré: Tea", false, "a letter of two octets"),
        ];
        for (subject, text, is_reply, why) in table {
            let base = BaseSubject::of(subject);
            assert_eq!((base.text.as_str(), base.is_reply), (text, is_reply), "{why}: {subject}");
        }
    }

    #[test]
    fn answers_go_where_they_should() {
        let reply = |header: &str| {
            let content = format!("{header}\r\n");
            let section = HeaderSection::parse(content.as_bytes());
            let reply = section.header().reply_addresses();
            let show = |list: &crate::AddressList| {
                list.mailboxes().map(|one| one.address.clone()).collect::<Vec<_>>().join(" ")
            };
            let list = reply.list.map(|one| one.address).unwrap_or_default();
            [show(&reply.authors), show(&reply.everybody), list].join("|")
        };
        #[rustfmt::skip]
        let table = [
            ("From: a@x\r\nTo: b@x, A@x\r\nCc: c@x\r\n", "a@x|a@x b@x c@x|", "ordinary"),
            ("From: a@x\r\nReply-To: r@x\r\nTo: b@x\r\n", "r@x|r@x b@x|", "Reply-To"),
            ("From: a@x\r\nTo: l@x\r\nMail-Followup-To: l@x\r\nList-Post: <mailto:l@x?subject=y>\r\n", "a@x|l@x|l@x", "a list"),
            ("From: a@x\r\nList-Post: NO (closed)\r\n", "a@x|a@x|", "a closed list"),
        ];
        for (header, expected, why) in table {
            assert_eq!(reply(header), expected, "{why}");
        }
    }

    #[test]
    fn ancestors_are_those_of_rfc_5256() {
        #[rustfmt::skip]
        let table = [
            ("", "", "the first of its thread"),
            ("References: <a@x> <b@x>\r\nIn-Reply-To: <z@x>\r\n", "a@x b@x", "References count"),
            ("In-Reply-To: <a@x> <b@x>\r\n", "a@x", "without them, the first id"),
            ("References: nonsense\r\nIn-Reply-To: <a@x>\r\n", "a@x", "or without an id in them"),
            ("Message-ID: <a@x>\r\nReferences: <a@x> <b@x>\r\n", "b@x", "nobody is his own ancestor"),
        ];
        for (fields, expected, why) in table {
            let content = format!("{fields}\r\n");
            let section = HeaderSection::parse(content.as_bytes());
            let ids: Vec<_> =
                section.header().ancestors().iter().map(ToString::to_string).collect();
            assert_eq!(ids.join(" "), expected, "{why}");
        }
    }
}
