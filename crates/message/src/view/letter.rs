//! What a text is made of: the author's own words, what is quoted, how it ends.
//!
//! [`Letter::read`] cuts a text into [`Segment`]s that follow each other without a gap, so a
//! client that folds quotes draws segment after segment and loses nothing. Only a line that is
//! exactly `-- ` is a signature by a standard; the rest is what mail programs do.
//!
//! ```text
//!   Thanks, that helps.            Own
//!   Best regards,                  Closing
//!   Ada
//!   --                             Signature
//!   Ada Lovelace, Example Ltd
//!   On 3 May, Bob wrote:           Attribution
//!   > Did you see it?              Quoted (level 1)
//! ```
//!
//! Standards: RFC 3676 §4.3 (`-- `) and §4.5 (`>`); attribution lines, header blocks and
//! closings are customs.
//! Not here: joining flowed text (module `flowed`).

mod words;

use std::ops::Range;

/// What a segment of a text is.
///
/// Example: [`Letter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SegmentKind {
    /// What the author wrote.
    Own,
    /// The lines that say whose words follow: `On 3 May, Bob wrote:`.
    Attribution,
    /// Lines that begin with `>`, as many levels deep (RFC 3676 §4.5); at least 1.
    Quoted(usize),
    /// An earlier message that is not marked line by line, with the header block or line that
    /// begins it; it goes on to the end.
    Original,
    /// `Best regards` and a name, or the name alone.
    Closing,
    /// From `-- ` on (RFC 3676 §4.3), or a line such as `Sent from my phone`.
    Signature,
}

/// Lines of a text that are one thing.
///
/// Example: [`Letter`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// What they are.
    pub kind: SegmentKind,
    /// Where they are in the text, in octets, with their line ends.
    pub range: Range<usize>,
}

/// A text for people, cut into segments.
///
/// ```
/// use message::{Letter, SegmentKind};
/// let letter = Letter::read("Yes!\n\nOn 3 May 2026, Bob wrote:\n> Tea?\n", None);
/// let kinds: Vec<_> = letter.segments().iter().map(|segment| segment.kind).collect();
/// assert_eq!(kinds, [SegmentKind::Own, SegmentKind::Attribution, SegmentKind::Quoted(1)]);
/// assert_eq!(letter.own(), "Yes!");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter<'t> {
    text: &'t str,
    segments: Vec<Segment>,
}

/// Lines that may make up one attribution; programs fold them at 76 characters.
const ATTRIBUTION_LINES_MAX: usize = 3;
/// Octets of an attribution: a date, a name and an address are shorter in every script.
const ATTRIBUTION_OCTETS_MAX: usize = 600;
/// Lines in which a header block must show what it is.
const HEADER_BLOCK_LINES_MAX: usize = 8;
/// Lines, empty ones left out, in which a letter may end; longer ones are no mere greeting.
const CLOSING_LINES_MAX: usize = 12;
/// Characters of a line of a closing; more is a sentence.
const CLOSING_CHARACTERS_MAX: usize = 60;

impl<'t> Letter<'t> {
    /// Cuts a text, whose line ends are LF or CRLF. With the author's name, as From gives it, a
    /// name that stands below the text is found without a greeting above it.
    pub fn read(text: &'t str, author: Option<&str>) -> Self {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let mut kinds = vec![SegmentKind::Own; lines.len()];
        let mut at = 0;
        while at < lines.len() {
            at = mark(&lines, at, &mut kinds);
        }
        end_of_own(&lines, author, &mut kinds);
        empty_lines(&lines, &mut kinds);
        Self { text, segments: joined(&lines, &kinds) }
    }

    /// The segments in their order; together they are the text.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The text of a segment.
    pub fn text(&self, segment: &Segment) -> &'t str {
        self.text.get(segment.range.clone()).unwrap_or_default()
    }

    /// What the author wrote, without quotes, closing and signature; empty where a message only
    /// forwards or only quotes.
    pub fn own(&self) -> String {
        self.only(|kind| kind == SegmentKind::Own)
    }

    /// What the author wrote with its closing and signature: all but the quotes.
    pub fn without_quotes(&self) -> String {
        use SegmentKind::{Closing, Own, Signature};
        self.only(|kind| matches!(kind, Own | Closing | Signature))
    }

    /// The signature, without `-- `.
    pub fn signature(&self) -> Option<&'t str> {
        let segment = self.segments.iter().find(|one| one.kind == SegmentKind::Signature)?;
        let text = self.text(segment);
        let text = match text.split_once('\n') {
            Some((first, rest)) if first.trim_end() == "--" => rest,
            _ => text,
        };
        Some(text.trim())
    }

    fn only(&self, is_wanted: impl Fn(SegmentKind) -> bool) -> String {
        let wanted = self.segments.iter().filter(|segment| is_wanted(segment.kind));
        let text: String = wanted.map(|segment| self.text(segment)).collect();
        text.trim().to_owned()
    }
}

/// Says what the line at `at` is, and maybe those after it; gives the first that is open.
fn mark(lines: &[&str], at: usize, kinds: &mut [SegmentKind]) -> usize {
    let line = lines.get(at).copied().unwrap_or_default();
    let level = level_at(lines, at);
    if level > 0 {
        set(kinds, at..at + 1, SegmentKind::Quoted(level));
        return at + 1;
    }
    if let Some(end) = attribution(lines, at) {
        set(kinds, at..end, SegmentKind::Attribution);
        // Without marked lines after it, it introduces all the rest.
        let mut rest = lines.get(end..).unwrap_or_default().iter();
        let next = rest.find(|line| !line.trim().is_empty());
        if next.is_none_or(|line| quote_level(line) > 0) {
            return end;
        }
        set(kinds, end..lines.len(), SegmentKind::Original);
        return lines.len();
    }
    if words::is_original_line(line) || is_header_block(lines, at) {
        set(kinds, at..lines.len(), SegmentKind::Original);
        return lines.len();
    }
    if line.trim_end() == "--" {
        let end = signature_end(lines, at);
        set(kinds, at..end, SegmentKind::Signature);
        return end;
    }
    at + 1
}

fn set(kinds: &mut [SegmentKind], range: Range<usize>, kind: SegmentKind) {
    kinds.get_mut(range).unwrap_or_default().fill(kind);
}

/// Where the signature ends that begins at `at`: before what is quoted.
fn signature_end(lines: &[&str], at: usize) -> usize {
    let is_end = |index: &usize| {
        let line = lines.get(*index).copied().unwrap_or_default();
        quote_level(line) > 0
            || line.trim_end() == "--"
            || words::is_original_line(line)
            || attribution(lines, *index).is_some()
            || is_header_block(lines, *index)
    };
    (at + 1..lines.len()).find(is_end).unwrap_or(lines.len())
}

/// Levels of `>` at the start of a line; spaces may stand between them.
fn quote_level(line: &str) -> usize {
    let marks = line.bytes().take_while(|octet| matches!(octet, b'>' | b' '));
    if line.starts_with('>') { marks.filter(|octet| *octet == b'>').count() } else { 0 }
}

/// The same, but a line that an mbox file changed to `>From ` is not quoted.
fn level_at(lines: &[&str], at: usize) -> usize {
    let level = |at: usize| lines.get(at).map_or(0, |line| quote_level(line));
    let own = level(at);
    let is_changed = own == 1
        && lines.get(at).is_some_and(|line| line.starts_with(">From "))
        && level(at + 1) == 0
        && at.checked_sub(1).is_none_or(|before| level(before) == 0);
    if is_changed { 0 } else { own }
}

/// Where the attribution ends that begins at `at`.
fn attribution(lines: &[&str], at: usize) -> Option<usize> {
    let first = lines.get(at)?.trim();
    if !words::may_begin_attribution(first) {
        return None;
    }
    let mut text = String::new();
    for (count, line) in lines.get(at..)?.iter().take(ATTRIBUTION_LINES_MAX).enumerate() {
        let line = line.trim();
        if line.is_empty() || text.len() + line.len() > ATTRIBUTION_OCTETS_MAX {
            return None;
        }
        text.push_str(line);
        text.push(' ');
        if line.ends_with([':', '：']) {
            let end = at + count + 1;
            let mut rest = lines.get(end..)?.iter().take(2).filter(|line| !line.trim().is_empty());
            let is_quoted = rest.next().is_some_and(|line| quote_level(line) > 0);
            return words::is_attribution(text.trim(), is_quoted).then_some(end);
        }
    }
    None
}

/// Whether the fields of an earlier message begin here: `From: … Sent: … To: … Subject: …`.
fn is_header_block(lines: &[&str], at: usize) -> bool {
    let kind_at = |at: usize| words::header_word(lines.get(at).copied().unwrap_or_default());
    let is_first = at.checked_sub(1).is_none_or(|before| kind_at(before).is_none());
    if !is_first || kind_at(at).is_none() {
        return false;
    }
    let mut found = [false; 4];
    for line in lines.get(at..).unwrap_or_default().iter().take(HEADER_BLOCK_LINES_MAX) {
        if line.trim().is_empty() {
            break;
        }
        if let Some(slot) = words::header_word(line).and_then(|kind| found.get_mut(kind as usize)) {
            *slot = true;
        }
    }
    let [from, date, to, subject] = found;
    from && usize::from(date) + usize::from(to) + usize::from(subject) >= 2
}

/// Finds how the author's own text ends: by a device's line, a greeting, or a name.
fn end_of_own(lines: &[&str], author: Option<&str>, kinds: &mut [SegmentKind]) {
    let mut begin = 0;
    while begin < lines.len() {
        let is_own = |at: &usize| kinds.get(*at) == Some(&SegmentKind::Own);
        let end = (begin..lines.len()).find(|at| !is_own(at)).unwrap_or(lines.len());
        if let Some((at, kind)) = ending(lines.get(begin..end).unwrap_or_default(), author) {
            set(kinds, begin + at..end, kind);
        }
        begin = end + 1;
    }
}

/// Where the ending of some own text begins, and what it is.
fn ending(lines: &[&str], author: Option<&str>) -> Option<(usize, SegmentKind)> {
    let mut best = None;
    let mut count = 0;
    for (at, line) in lines.iter().enumerate().rev() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        count += 1;
        if count > CLOSING_LINES_MAX || line.chars().nth(CLOSING_CHARACTERS_MAX).is_some() {
            break;
        }
        let has_more = count > 1;
        let has_text = lines.iter().take(at).any(|line| !line.trim().is_empty());
        if has_more
            && has_text
            && line.len() >= 4
            && line.bytes().all(|octet| octet == b'-' || octet == b'_')
        {
            return Some((at, SegmentKind::Signature));
        }
        if count == 1 && words::is_device_line(line) {
            best = Some((at, SegmentKind::Signature));
        } else if has_text
            && (words::is_closing(line) || author.is_some_and(|name| is_name(line, name)))
        {
            best = Some((at, SegmentKind::Closing));
        }
    }
    best
}

/// Whether a line is the author's name, or its first word.
fn is_name(line: &str, author: &str) -> bool {
    let line = line.trim_start_matches(['-', '–', '—', '~', ' ']).trim_end_matches(['.', ',']);
    let first = author.split_whitespace().next().unwrap_or_default();
    !line.is_empty()
        && [author.trim(), first].iter().any(|name| line.to_lowercase() == name.to_lowercase())
}

/// Empty lines belong to what stands above them.
fn empty_lines(lines: &[&str], kinds: &mut [SegmentKind]) {
    let mut above = None;
    for (line, kind) in lines.iter().zip(kinds) {
        match above {
            Some(above) if line.trim().is_empty() => *kind = above,
            _ => above = Some(*kind),
        }
    }
}

fn joined(lines: &[&str], kinds: &[SegmentKind]) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut at = 0;
    for (line, kind) in lines.iter().zip(kinds) {
        let end = at + line.len();
        match segments.last_mut() {
            Some(last) if last.kind == *kind => last.range.end = end,
            _ => segments.push(Segment { kind: *kind, range: at..end }),
        }
        at = end;
    }
    segments
}

#[cfg(test)]
mod tests;
