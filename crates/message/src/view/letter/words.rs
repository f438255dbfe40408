//! The words by which mail programs and people mark quotes and endings, in the usual languages.
//!
//! Standards: none; these are customs.
//! Not here: what follows from them (module `letter`).

/// How attributions end or whom they name: the verb in small letters.
const VERBS: &[&str] = &[
    "wrote",
    "writes",
    "schrieb",
    "a écrit",
    "a ecrit",
    "escribió",
    "escribio",
    "ha scritto",
    "escreveu",
    "schreef",
    "skrev",
    "kirjoitti",
    "napisał",
    "napisal",
    "pisze",
    "napsal",
    "написал",
    "пишет",
    "пише",
    "írta",
    "yazdı",
    "έγραψε",
    "a scris",
    "đã viết",
    "写道",
    "寫道",
    "작성",
    "のメール",
    "さんは書きました",
    "kirjutas",
    "rakstīja",
    "rašė",
    "je napisao",
    "ha escrit",
    "menulis",
    "כתב",
    "كتب",
    "ने लिखा",
    "เขียน",
];

/// How attributions begin, in small letters.
const OPENERS: &[&str] = &[
    "on ",
    "am ",
    "le ",
    "el ",
    "il ",
    "em ",
    "op ",
    "den ",
    "w dniu ",
    "dnia ",
    "dne ",
    "in ",
    "at ",
    "no dia ",
    "в ",
    "у ",
    "στις ",
    "pe ",
    "vào ",
    "el dia ",
    "pada ",
    "mon",
    "tue",
    "wed",
    "thu",
    "fri",
    "sat",
    "sun",
    "ter ",
    "lør ",
    "fre ",
    "man ",
    "tir ",
    "ons ",
    "tor ",
    "søn ",
    "2",
];

/// What stands between dashes above an earlier message.
const ORIGINALS: &[&str] = &[
    "original message",
    "original-nachricht",
    "originalnachricht",
    "ursprüngliche nachricht",
    "ursprungliche nachricht",
    "message d'origine",
    "message d’origine",
    "message original",
    "mensaje original",
    "mensagem original",
    "messaggio originale",
    "oorspronkelijk bericht",
    "originele bericht",
    "исходное сообщение",
    "оригинальное сообщение",
    "оригінальне повідомлення",
    "oprindelig meddelelse",
    "opprinnelig melding",
    "ursprungligt meddelande",
    "originalmeddelande",
    "alkuperäinen viesti",
    "wiadomość oryginalna",
    "oryginalna wiadomość",
    "původní zpráva",
    "eredeti üzenet",
    "orijinal mesaj",
    "原始邮件",
    "原始郵件",
    "元のメッセージ",
    "원본 메시지",
    "forwarded message",
    "weitergeleitete nachricht",
    "message transféré",
    "mensaje reenviado",
    "mensagem encaminhada",
    "messaggio inoltrato",
    "doorgestuurd bericht",
    "пересылаемое сообщение",
    "пересланное сообщение",
    "vidarebefordrat meddelande",
    "videresendt melding",
    "videresendt meddelelse",
    "przekazana wiadomość",
    "přeposlaná zpráva",
    "转发的邮件",
    "転送されたメッセージ",
    "reply message",
    "original appointment",
];

/// Lines without dashes that do the same.
const ORIGINAL_LINES: &[&str] = &[
    "begin forwarded message:",
    "anfang der weitergeleiteten nachricht:",
    "début du message réexpédié :",
    "inizio messaggio inoltrato:",
    "inicio del mensaje reenviado:",
    "начало переадресованного сообщения:",
    "begin doorgestuurd bericht:",
];

/// What a field of an earlier message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderWord {
    From = 0,
    Date = 1,
    To = 2,
    Subject = 3,
}

const FROM: &[&str] = &[
    "from",
    "von",
    "de",
    "da",
    "van",
    "fra",
    "från",
    "lähettäjä",
    "od",
    "feladó",
    "kimden",
    "от",
    "від",
    "από",
    "发件人",
    "寄件者",
    "差出人",
    "보낸 사람",
    "dari",
    "expéditeur",
];
const DATE: &[&str] = &[
    "sent",
    "date",
    "gesendet",
    "datum",
    "envoyé",
    "enviado",
    "fecha",
    "inviato",
    "data",
    "verzonden",
    "sendt",
    "dato",
    "skickat",
    "lähetetty",
    "päiväys",
    "wysłano",
    "odesláno",
    "elküldve",
    "gönderildi",
    "tarih",
    "отправлено",
    "дата",
    "надіслано",
    "发送时间",
    "日期",
    "送信日時",
    "日付",
    "보낸 날짜",
    "enviada em",
    "enviado em",
];
const TO: &[&str] = &[
    "to",
    "an",
    "à",
    "para",
    "a",
    "aan",
    "til",
    "till",
    "vastaanottaja",
    "do",
    "komu",
    "címzett",
    "kime",
    "кому",
    "προς",
    "收件人",
    "宛先",
    "받는 사람",
    "kepada",
    "cc",
    "kopie",
    "копия",
];
const SUBJECT: &[&str] = &[
    "subject",
    "betreff",
    "objet",
    "asunto",
    "assunto",
    "oggetto",
    "onderwerp",
    "emne",
    "ämne",
    "aihe",
    "temat",
    "předmět",
    "tárgy",
    "konu",
    "тема",
    "θέμα",
    "主题",
    "主旨",
    "件名",
    "제목",
    "perihal",
];

/// Whole lines that greet at the end, without the sign after them.
const CLOSINGS: &[&str] = &[
    "thanks",
    "thank you",
    "many thanks",
    "thanks a lot",
    "thanks again",
    "thanks in advance",
    "thank you very much",
    "regards",
    "best regards",
    "kind regards",
    "warm regards",
    "best wishes",
    "best",
    "all the best",
    "cheers",
    "sincerely",
    "sincerely yours",
    "yours sincerely",
    "yours faithfully",
    "yours truly",
    "yours",
    "take care",
    "love",
    "br",
    "rgds",
    "kr",
    "mit freundlichen grüßen",
    "mit freundlichen grüssen",
    "mit freundlichem gruß",
    "freundliche grüße",
    "freundliche grüsse",
    "viele grüße",
    "viele grüsse",
    "beste grüße",
    "liebe grüße",
    "herzliche grüße",
    "schöne grüße",
    "grüße",
    "gruß",
    "mfg",
    "lg",
    "vg",
    "danke",
    "vielen dank",
    "cordialement",
    "bien cordialement",
    "bien à vous",
    "amicalement",
    "merci",
    "cordiali saluti",
    "distinti saluti",
    "saluti",
    "grazie",
    "saludos",
    "un saludo",
    "saludos cordiales",
    "atentamente",
    "gracias",
    "atenciosamente",
    "abraços",
    "obrigado",
    "obrigada",
    "met vriendelijke groet",
    "met vriendelijke groeten",
    "groeten",
    "groetjes",
    "bedankt",
    "med vänliga hälsningar",
    "vänliga hälsningar",
    "mvh",
    "hälsningar",
    "med venlig hilsen",
    "med vennlig hilsen",
    "hilsen",
    "ystävällisin terveisin",
    "terveisin",
    "pozdrawiam",
    "z poważaniem",
    "s pozdravem",
    "с уважением",
    "с наилучшими пожеланиями",
    "спасибо",
    "з повагою",
    "üdvözlettel",
    "saygılarımla",
    "με εκτίμηση",
    "cu stimă",
];

/// How the lines begin that phones and programs put below a text.
const DEVICES: &[&str] = &[
    "sent from my ",
    "sent from mail",
    "sent from yahoo",
    "sent from outlook",
    "sent from samsung",
    "sent with ",
    "sent via ",
    "sent using ",
    "get outlook for ",
    "von meinem ",
    "gesendet von ",
    "gesendet mit ",
    "diese nachricht wurde von meinem ",
    "envoyé de mon ",
    "envoyé depuis ",
    "envoyé à partir de ",
    "enviado desde mi ",
    "enviado do meu ",
    "enviado de mi ",
    "inviato da ",
    "verstuurd vanaf mijn ",
    "verzonden vanaf mijn ",
    "skickat från min ",
    "sendt fra min ",
    "lähetetty ",
    "wysłane z ",
    "wysłano z ",
    "odesláno z ",
    "отправлено с ",
    "надіслано з ",
    "iphone'umdan gönderildi",
    "iphoneから送信",
    "发自我的",
    "나의 iphone에서 보냄",
    "via mobile",
];

/// A cheap look, before lines are joined.
pub(super) fn may_begin_attribution(line: &str) -> bool {
    let line = line.trim_start_matches(['-', ' ', '*']);
    let is_whole = line.ends_with([':', '：']);
    let start: String = line.chars().take(12).flat_map(char::to_lowercase).collect();
    is_whole
        || line.starts_with(|sign: char| sign.is_ascii_digit())
        || OPENERS.iter().any(|opener| start.starts_with(opener))
}

/// Whether joined lines that end with a colon say whose words follow.
pub(super) fn is_attribution(text: &str, is_quoted_after: bool) -> bool {
    let small = text.to_lowercase();
    let digits = small.bytes().filter(u8::is_ascii_digit).count();
    let has_address = small.contains('@');
    let has_verb = VERBS.iter().any(|verb| small.contains(verb));
    match has_verb {
        true => digits > 2 || has_address || is_quoted_after,
        false => has_address && digits > 4 && small.contains('<') && header_word(text).is_none(),
    }
}

/// Whether a line announces an earlier message.
pub(super) fn is_original_line(line: &str) -> bool {
    let line = line.trim();
    if line.len() > 200 {
        return false;
    }
    let inside = line.trim_matches(['-', '_', '=', ' ']);
    let small = inside.to_lowercase();
    let is_between = line.starts_with("--") || line.starts_with("__") || line.starts_with("==");
    is_between && ORIGINALS.contains(&small.trim_end_matches(':').trim_end())
        || ORIGINAL_LINES.contains(&small.as_str())
}

/// The field of an earlier message that a line begins with; `*From:*` as well.
pub(super) fn header_word(line: &str) -> Option<HeaderWord> {
    let line = line.trim_start().trim_start_matches('*');
    let end = line.char_indices().take(20).find(|(_, sign)| matches!(sign, ':' | '：'))?.0;
    let word = line.get(..end)?.trim_end_matches(['*', ' ', '\u{a0}']).to_lowercase();
    let lists = [
        (HeaderWord::From, FROM),
        (HeaderWord::Date, DATE),
        (HeaderWord::To, TO),
        (HeaderWord::Subject, SUBJECT),
    ];
    lists.into_iter().find(|(_, words)| words.contains(&word.as_str())).map(|(kind, _)| kind)
}

/// Whether a whole line greets at the end.
pub(super) fn is_closing(line: &str) -> bool {
    let small = line.to_lowercase();
    let small = small.trim_end_matches([',', '.', '!', ' ']).trim_start_matches(['-', '–', ' ']);
    CLOSINGS.contains(&small)
}

/// Whether a phone or program wrote a line.
pub(super) fn is_device_line(line: &str) -> bool {
    let small = line.to_lowercase();
    DEVICES.iter().any(|start| small.starts_with(start))
}
