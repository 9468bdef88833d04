"""Sending a message to addresses of apprise, by a process that is ended if it takes too long."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from jfcelery.project.masking import MASK, without_login

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jfcelery.project.notifications import NotificationRule

#: Seconds that sending one message to all its addresses may take.
TIMEOUT = 60.0
#: Characters of an error.
ERROR = 300
#: Shorter parts of an address stand in too many words to be masked.
_SHORTEST = 4
#: A host that one would know again; in addresses of services its place may be a token's.
_HOST = re.compile(r"localhost|[\w.-]+\.[\w-]+|\[[0-9a-f:]+\]", re.IGNORECASE)


def deliver(
    rule: NotificationRule, title: str, body: str, *, only: Sequence[int] | None = None
) -> dict[int, str]:
    """Send a message to the addresses of a rule.

    Args:
        rule: The rule.
        title: The message's subject.
        body: Its text.
        only: Numbers of the addresses that get it; by default all do.

    Returns:
        What went wrong, by the number of the address, without secrets; empty if nothing did.
    """
    urls = {
        number: url.get_secret_value()
        for number, url in enumerate(rule.urls)
        if only is None or number in only
    }
    errors = _run(urls, title, body)
    silent = f"no answer within {TIMEOUT:.0f} s"
    told = {number: errors.get(number, silent) for number in urls}
    return {
        number: f"{shown(urls[number])}: {masked(error, urls[number])}"[:ERROR]
        for number, error in told.items()
        if error
    }


def _run(urls: Mapping[int, str], title: str, body: str) -> dict[int, str]:
    """Return the errors of the addresses that were tried; an empty one says that it went well."""
    command = [sys.executable, "-P", "-m", "jfcelery.tasks.notifications.post"]
    order = json.dumps({"urls": urls, "title": title, "body": body}).encode()
    try:
        done = subprocess.run(
            command, input=order, capture_output=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as late:
        return _answers(late.stdout or b"")
    answers = _answers(done.stdout)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        text = said[-1] if said else f"the sending process ended with {done.returncode}"
        return {**dict.fromkeys(urls, text), **answers}
    return answers


def _answers(output: bytes) -> dict[int, str]:
    answers: dict[int, str] = {}
    for line in output.splitlines(keepends=True):
        if line.endswith(b"\n"):  # the last one may be cut off
            number, error = json.loads(line)
            answers[number] = error
    return answers


def shown(url: str) -> str:
    """Return an address as people may see it: how, and where if that is no secret."""
    scheme, _, rest = url.partition("://")
    try:
        host = urlsplit(url).netloc.rpartition("@")[2].partition(":")[0]
    except ValueError:
        host = ""
    return f"{scheme}://{host if rest and _HOST.fullmatch(host) else MASK}"


def masked(text: str, url: str) -> str:
    """Return a text without an address and the secrets in it."""
    for secret in sorted({url, *_parts(url)}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return without_login(text)


def _parts(url: str) -> Iterator[str]:
    """Yield all parts of an address that may be secrets: any but the way and a real host."""
    _, _, rest = url.partition("://")
    for part in re.split(r"[/@?&=:#,]", rest):
        if len(part) >= _SHORTEST and not _HOST.fullmatch(part) and not part.isdecimal():
            yield part
            yield unquote(part)
