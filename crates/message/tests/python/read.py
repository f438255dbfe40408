"""Reads files with Python's `email`, policy default, and prints what it finds, a line of JSON each.

Arguments: a file with the names of the files to read, one a line.
"""

import email
import email.policy
import hashlib
import json
import sys


def addresses(message, name):
    return [one.addr_spec for field in message.get_all(name, []) for one in field.addresses]


def attempt(read):
    """What `read` returns, or the exception that the library raises where it should not."""
    try:
        return read()
    except Exception as error:
        return {"raises": type(error).__name__}


def decoded(part):
    content = part.get_payload(decode=True) or b""
    content = content.replace(b"\r\n", b"\n").strip()
    return hashlib.sha256(content).hexdigest()


# What holds a message; Python opens every other message/* too, as if it did.
MESSAGES = {"message/rfc822", "message/global", "message/news"}


def kind_of(part):
    kind = part.get_content_type()
    if not part.is_multipart() or (kind.startswith("message/") and kind not in MESSAGES):
        return "leaf"
    return "message" if kind in MESSAGES else "multipart"


def walk(part):
    yield part
    if kind_of(part) != "leaf":
        for inner in part.get_payload():
            yield from walk(inner)


def describe(part):
    kind = kind_of(part)
    shown = {
        "kind": kind,
        "type": attempt(part.get_content_type),
        "fields": [name for name, _ in part.raw_items()],
        "file_name": attempt(lambda: part.get_filename() or ""),
    }
    if kind == "leaf" and not part.is_multipart():
        shown["body"] = attempt(lambda: decoded(part))
    return shown


def read(path):
    with open(path, "rb") as file:
        message = email.message_from_binary_file(file, policy=email.policy.default)
    date = lambda: message["date"].datetime.isoformat() if message["date"] and message["date"].datetime else ""
    return {
        "subject": attempt(lambda: str(message["subject"] or "")),
        "from": attempt(lambda: addresses(message, "from")),
        "to": attempt(lambda: addresses(message, "to")),
        "cc": attempt(lambda: addresses(message, "cc")),
        "date": attempt(date),
        "parts": attempt(lambda: [describe(part) for part in walk(message)]),
    }


with open(sys.argv[1]) as names:
    for name in names.read().splitlines():
        line = json.dumps(attempt(lambda: read(name)), ensure_ascii=False) + "\n"
        sys.stdout.buffer.write(line.encode("utf-8", "surrogatepass"))
