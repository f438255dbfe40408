//! A message in lines for people.
//!
//! Standards: none of its own.
//! Not here: colours of anything else (the programs).

use std::fmt::Write as _;

use memchr::memchr_iter;

use super::visible::{visible, visible_line};
use crate::address::AddressList;
use crate::message::Message;
use crate::part::{Part, PartKind};
use crate::report::{self, Action, Report};

/// The widest first column of a tree that the other columns are lined up with.
const TREE_WIDTH_MAX: usize = 48;

/// Whether lines may be coloured.
///
/// Example: [`show`](super::show).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paint {
    /// Nothing but text.
    #[default]
    Plain,
    /// With colours as terminals know them (ECMA-48).
    Coloured,
}

#[derive(Clone, Copy)]
enum Ink {
    Strong,
    Faint,
    Good,
    Doubtful,
    Bad,
}

impl Paint {
    fn dye(self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Strong => "1",
            Ink::Faint => "2",
            Ink::Good => "32",
            Ink::Doubtful => "33",
            Ink::Bad => "31",
        };
        match self {
            Self::Coloured if !text.is_empty() => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            _ => text.to_owned(),
        }
    }
}

/// The fields that people look at, the tree, the report, the text and the defects.
pub(super) fn overview(message: &Message<'_>, paint: Paint) -> String {
    let report = report::read(message).map(|report| report_lines(&report, paint));
    let found = defects(message, paint);
    let wrong = match found.as_str() {
        "" => String::new(),
        lines => format!("{}\n{lines}", paint.dye(Ink::Strong, "Defects")),
    };
    let sections = [
        fields(message, paint),
        tree(message, paint),
        report.unwrap_or_default(),
        text(message),
        wrong,
    ];
    sections.iter().filter(|section| !section.is_empty()).cloned().collect::<Vec<_>>().join("\n")
}

fn fields(message: &Message<'_>, paint: Paint) -> String {
    let mut lines = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let label = paint.dye(Ink::Faint, &format!("{name:<12}"));
            lines.push_str(&format!("{label}{}\n", visible_line(value)));
        }
    };
    let people = |list: AddressList| {
        list.mailboxes().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    line("From:", &people(message.from()));
    line("Sender:", &people(message.sender()));
    line("Reply-To:", &people(message.reply_to()));
    line("To:", &people(message.to()));
    line("Cc:", &people(message.cc()));
    line("Bcc:", &people(message.bcc()));
    line("Date:", &message.date().map(|date| date.to_string()).unwrap_or_default());
    line("Subject:", &message.subject().unwrap_or_default());
    line("Message-ID:", &message.message_id().map(|id| id.to_string()).unwrap_or_default());
    line("Size:", &size(message.source().len()));
    lines
}

/// One line for each part: where it is, its type, decoded size, encoding, charset and names.
pub(super) fn tree(message: &Message<'_>, paint: Paint) -> String {
    let rows = rows(message);
    let mut lines = tree_of(&rows, paint, "");
    for row in &rows {
        let files = row.part.embedded_files();
        if !files.is_empty() {
            writeln!(lines, "in the text of {}:", row.id).ok();
        }
        for file in files {
            let (id, name) = (paint.dye(Ink::Strong, file.id()), visible_line(&file.file_name()));
            let encoding = paint.dye(Ink::Faint, file.encoding().as_str());
            let size = size(file.decoded().octets.len());
            writeln!(lines, "  {id} \"{name}\"  {size}  {encoding}").ok();
        }
    }
    for row in &rows {
        let files = row.part.tnef_files();
        if !files.is_empty() {
            writeln!(lines, "packed in {}:", row.id).ok();
        }
        for (number, file) in (1..).zip(files) {
            let id = paint.dye(Ink::Strong, &format!("{}/{number}", row.id));
            let (name, form) = (visible_line(&file.file_name()), paint.dye(Ink::Faint, "tnef"));
            writeln!(lines, "  {id} \"{name}\"  {}  {form}", size(file.octets.len())).ok();
        }
    }
    // One level is enough: what lies deeper is shown when that part is shown.
    for row in &rows {
        let Some(opened) = row.part.open_encoded() else { continue };
        writeln!(lines, "decoded from {}:", row.id).ok();
        let inner = opened.message();
        lines.push_str(&tree_of(&self::rows(&inner), paint, "  "));
    }
    lines
}

fn tree_of(rows: &[Row<'_>], paint: Paint, indent: &str) -> String {
    let width = rows.iter().map(Row::columns).max().unwrap_or_default().min(TREE_WIDTH_MAX);
    let size_width = rows.iter().map(|row| row.size.len()).max().unwrap_or_default();
    let mut lines = String::new();
    for row in rows {
        let gap = " ".repeat(width.saturating_sub(row.columns()));
        let (id, branch) = (paint.dye(Ink::Strong, &row.id), paint.dye(Ink::Faint, &row.branch));
        let space = if row.id.is_empty() { "" } else { " " };
        let Row { content_type, size, part, .. } = row;
        let details = details(part, paint);
        lines.push_str(&format!(
            "{indent}{branch}{id}{space}{content_type}{gap}  {size:>size_width$}{details}\n"
        ));
    }
    lines
}

/// What is known of a part besides its type and size, after two spaces each.
fn details(part: &Part<'_>, paint: Paint) -> String {
    let mut pieces = Vec::new();
    if part.kind() == PartKind::Leaf {
        pieces.push(paint.dye(Ink::Faint, part.transfer_encoding().as_str()));
    }
    if let Some(charset) = part.content_type().charset() {
        pieces.push(paint.dye(Ink::Faint, &visible_line(charset)));
    }
    if let Some(disposition) = part.disposition() {
        pieces.push(disposition.kind.as_str().to_owned());
    }
    if let Some(name) = part.file_name() {
        pieces.push(format!("\"{}\"", visible_line(&name)));
    }
    if let Some(description) = part.description().filter(|text| !text.is_empty()) {
        pieces.push(format!("({})", visible_line(&description)));
    }
    if let Some(subject) = part.message().and_then(|inner| inner.header().subject()) {
        pieces.push(format!("Subject: {}", visible_line(&subject)));
    }
    pieces.iter().fold(String::new(), |all, piece| all + "  " + piece)
}

struct Row<'m> {
    branch: String,
    id: String,
    content_type: String,
    size: String,
    part: Part<'m>,
}

impl Row<'_> {
    fn columns(&self) -> usize {
        let space = usize::from(!self.id.is_empty());
        self.branch.chars().count() + self.id.len() + space + self.content_type.chars().count()
    }
}

/// Every part with its branch of the tree, each before its own parts.
fn rows<'m>(message: &'m Message<'_>) -> Vec<Row<'m>> {
    let mut rows = Vec::new();
    let mut waiting = vec![(message.root(), String::new(), String::new())];
    while let Some((part, branch, below)) = waiting.pop() {
        let mut inner: Vec<_> = part.parts().chain(part.message()).collect();
        let mut is_last = true;
        while let Some(child) = inner.pop() {
            let (own, deeper) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            waiting.push((child, format!("{below}{own}"), format!("{below}{deeper}")));
            is_last = false;
        }
        // A multipart that is a whole message has the number of the part around it.
        let is_numbered = part.parent().is_none_or(|parent| parent.id() != part.id());
        let id = if is_numbered { part.id() } else { String::new() };
        let content_type = visible_line(&part.content_type().to_string());
        let size = size(part.decoded().len());
        rows.push(Row { branch, id, content_type, size, part });
    }
    rows
}

/// The text to show, and nothing in it that is not seen.
pub(super) fn text(message: &Message<'_>) -> String {
    let mut text = visible(&message.text_to_show());
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn report_lines(report: &Report, paint: Paint) -> String {
    let title = match report.kind {
        report::ReportKind::Delivery => "Delivery report",
        report::ReportKind::Disposition => "Disposition report",
        report::ReportKind::Abuse => "Abuse report",
    };
    let mut lines = paint.dye(Ink::Strong, title);
    if let Some(id) = &report.original_message_id {
        lines.push_str(&format!(" about {}", visible_line(&id.to_string())));
    }
    lines.push('\n');
    for one in &report.recipients {
        lines.push_str(&format!("  {}", visible_line(&one.address)));
        if let Some(action) = one.action {
            let ink = match action {
                Action::Failed => Ink::Bad,
                Action::Delayed => Ink::Doubtful,
                Action::Delivered | Action::Relayed | Action::Expanded => Ink::Good,
            };
            lines.push_str(&format!("  {}", paint.dye(ink, action.as_str())));
        }
        if let Some(status) = one.status {
            lines.push_str(&format!("  {status}"));
        }
        if one.is_permanent() {
            lines.push_str("  for good");
        }
        if let Some(host) = &one.remote_mta {
            lines.push_str(&format!("  by {}", visible_line(host)));
        }
        if let Some(diagnostic) = &one.diagnostic {
            lines.push_str(&format!("\n    {}", visible_line(diagnostic)));
        }
        lines.push('\n');
    }
    lines
}

/// One line for each defect: its code, its place, and what it means.
pub(super) fn defects(message: &Message<'_>, paint: Paint) -> String {
    let mut lines = String::new();
    let (mut line, mut counted) = (1, 0);
    for defect in message.examine() {
        // They come in the order of their places, so every line is counted once.
        let passed = message.source().get(counted..defect.offset).unwrap_or_default();
        line += memchr_iter(b'\n', passed).count();
        counted = defect.offset.max(counted);
        let code = paint.dye(Ink::Doubtful, defect.code.code());
        write!(lines, "{code}: line {line}, octet {}", defect.offset).ok();
        if !defect.part.is_empty() {
            write!(lines, ", part {}", defect.part).ok();
        }
        writeln!(lines, ": {}", defect.code.explanation()).ok();
    }
    lines
}

/// A size as people read it: `4.2 KiB`.
fn size(octets: usize) -> String {
    const UNITS: [&str; 3] = ["KiB", "MiB", "GiB"];
    if octets < 1024 {
        return format!("{octets} B");
    }
    let mut tenths = octets.saturating_mul(10) / 1024;
    let mut units = UNITS.iter().peekable();
    let mut unit = units.next();
    while tenths >= 10_240 && units.peek().is_some() {
        tenths /= 1024;
        unit = units.next();
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, unit.copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_read_well() {
        let table = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (4_300, "4.1 KiB"),
            (50 << 20, "50.0 MiB"),
        ];
        for (octets, shown) in table {
            assert_eq!(size(octets), shown);
        }
        assert!(size(usize::MAX).ends_with(" GiB"), "no overflow");
    }
}
