"""The program with which OpenSSH asks a person who has no terminal: it passes the question on.

It runs by itself, without the package: ssh starts it for each question, with the question as its
argument, and takes what it prints for the answer (``SSH_ASKPASS`` in ssh(1)).
"""

from __future__ import annotations

import json
import os
import socket
import sys

#: Environment variable with the path of the socket where the questions go.
VARIABLE = "JFCELERY_ASKPASS"


def main() -> int:
    """Pass the question on, and print the answer; status 1 if there is none."""
    question = {
        "text": sys.argv[1] if len(sys.argv) > 1 else "",
        "hint": os.environ.get("SSH_ASKPASS_PROMPT", ""),
    }
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(os.environ[VARIABLE])
        asked.sendall(json.dumps(question).encode() + b"\n")
        answer = json.loads(asked.makefile().readline() or "null")
    if answer is None or (question["hint"] == "confirm" and answer.strip().lower() != "yes"):
        return 1
    sys.stdout.write(f"{answer}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
