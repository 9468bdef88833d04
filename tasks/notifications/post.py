"""The process that sends: an order as JSON comes in, a line for each address goes out."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from io import StringIO


def main() -> None:
    """Send the message that standard input describes."""
    order: dict[str, Any] = json.load(sys.stdin)
    for number, url in order["urls"].items():
        answer = [int(number), send(url, order["title"], order["body"])]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def send(url: str, title: str, body: str) -> str:
    """Send a message to one address; return what went wrong, empty if nothing did."""
    try:
        import apprise
    except ImportError:
        return "apprise is not installed: pip install 'jfcelery[notify]'"
    asset = apprise.AppriseAsset(app_id="jfcelery", app_desc="jfcelery", app_url="")
    with apprise.LogCapture(level=apprise.logging.WARNING, fmt="%(message)s") as said:
        try:
            service = apprise.Apprise.instantiate(url, asset=asset)
            if service is None:
                return f"apprise does not understand the address. {_words(said)}".strip()
            sender = apprise.Apprise(asset=asset)
            sender.add(service)
            went_well = bool(sender.notify(body=body, title=title, body_format="text"))
        except Exception as error:  # noqa: BLE001 - the outermost edge of somebody else's code
            return f"{type(error).__name__}: {error}"
        return "" if went_well else _words(said) or "it was not taken; apprise does not say why"


def _words(said: StringIO) -> str:
    return " ".join(said.getvalue().split())


if __name__ == "__main__":
    main()
