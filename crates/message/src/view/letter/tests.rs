//! Texts as people and programs write them.

use super::{Letter, SegmentKind};

/// Each segment as its kind's letter; quoted ones as their level.
fn shape(text: &str) -> String {
    let letter = Letter::read(text, Some("Ada Lovelace"));
    let together: String = letter.segments().iter().map(|one| letter.text(one)).collect();
    assert_eq!(together, text, "nothing is lost");
    let sign = |kind| match kind {
        SegmentKind::Own => 'o',
        SegmentKind::Attribution => 'a',
        SegmentKind::Quoted(level) => char::from_digit(u32::try_from(level).unwrap(), 10).unwrap(),
        SegmentKind::Original => 'x',
        SegmentKind::Closing => 'c',
        SegmentKind::Signature => 's',
    };
    letter.segments().iter().map(|one| sign(one.kind)).collect()
}

#[test]
fn texts_are_cut_where_people_see_it() {
    #[rustfmt::skip]
    let table = [
        ("Hello\n", "o", "nothing else"),
        ("", "", "nothing at all"),
        ("\n\n", "o", "empty lines"),
        ("Yes\n> No?\n>> Yes!\n> > Yes!\n", "o12", "RFC 3676 §4.5: levels, with and without spaces"),
        (">From here on\nwe go\n", "o", "what an mbox did to a line"),
        ("> a\n>From b\n", "1", "but quoted lines are quoted"),
        ("Hi\n-- \nAda\nExample Ltd\n", "os", "RFC 3676 §4.3: a signature"),
        ("Hi\r\n--\r\nAda\r\n", "os", "with CRLF, and the space lost on the way"),
        ("Hi\n-- \nAda\n\nOn 3 May 2026, Bob wrote:\n> x\n", "osa1", "a signature above a quote"),
        ("On 3 May 2026, Bob wrote:\n> x\nAnswer\n> y\nAnswer\n", "a1o1o", "answers between"),
        ("x\n\nOn Mon, 3 May 2026 at 10:00, Bob Someone\n<bob@example.net> wrote:\n> y", "oa1", "a folded attribution"),
        ("x\nAm 3. Mai 2026 um 10:00 schrieb Bob:\n> y", "oa1", "German"),
        ("x\nLe 3 mai 2026 à 10:00, Bob a écrit :\n> y", "oa1", "French"),
        ("x\nEl 3 may 2026, Bob escribió:\n> y", "oa1", "Spanish"),
        ("x\nOp 3 mei 2026 schreef Bob:\n> y", "oa1", "Dutch"),
        ("x\n3 мая 2026 г., Боб написал:\n> y", "oa1", "Russian"),
        ("x\n2026年5月3日 Bob <bob@example.net> 写道：\n> y", "oa1", "Chinese"),
        ("x\nOn 3 May 2026, Bob wrote:\ny\nz\n", "oax", "what follows is not marked"),
        ("As he wrote:\nwe go\n", "o", "a sentence"),
        ("At 10:00 we met:\nme and you\n", "o", "no verb, no address"),
        ("x\n-----Original Message-----\nFrom: b\n", "ox", "Outlook"),
        ("x\n----- Ursprüngliche Nachricht -----\nVon: b\n", "ox", "Outlook, German"),
        ("x\n\nFrom: Bob\nSent: Monday\nTo: Ada\nSubject: y\n\nz", "ox", "a header block"),
        ("x\n\n*Von:* Bob\n*Gesendet:* Montag\n*An:* Ada\n*Betreff:* y\n\nz", "ox", "bold, German"),
        ("To: be\nor not\n", "o", "one word is no header block"),
        ("x\n\nSent from my iPhone\n", "os", "a phone"),
        ("x\n\nBest regards,\nAda\n", "oc", "a greeting"),
        ("x\n\nAda\n", "oc", "the author's name"),
        ("Ada\n", "o", "which is all there is"),
        ("Thanks\n", "o", "the same"),
        ("Thanks,\nthis is a longer text that goes on and on and says what there is to say in it\n", "o", "a text that begins so"),
    ];
    for (text, expected, why) in table {
        assert_eq!(shape(text), expected, "{why}: {text:?}");
    }
}

#[test]
fn each_side_can_be_asked_for() {
    let text = "Yes\n\nCheers\nAda\n-- \nLtd\n\nOn 3 May 2026, Bob wrote:\n> x\n";
    let letter = Letter::read(text, None);
    assert_eq!(letter.own(), "Yes");
    assert_eq!(letter.without_quotes(), "Yes\n\nCheers\nAda\n-- \nLtd");
    assert_eq!(letter.signature(), Some("Ltd"));
    assert_eq!(Letter::read("> x\n", None).own(), "");
}

#[test]
fn long_texts_take_linear_time() {
    for line in ["On 1 wrote:\n", "--\n", "From: a\n", ">\n", "On 12:34\n", "Thanks\n", "\n"] {
        let text = line.repeat(30_000);
        let letter = Letter::read(&text, Some("Ada"));
        assert_eq!(letter.segments().last().map(|one| one.range.end), Some(text.len()));
    }
}
