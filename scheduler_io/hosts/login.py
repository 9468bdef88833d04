"""Logging in: which keys and passwords are tried, in which order, and what a refusal means."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paramiko
from paramiko.ssh_exception import BadAuthenticationType

from jfcelery.errors import AuthenticationError, LoginNeededError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Tried where nobody names a key.
DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa", "id_dsa", "id_ecdsa_sk", "id_ed25519_sk")

_PASSWORD_PROMPT = re.compile(r"pass(word|wort|code|phrase)?\b", re.IGNORECASE)
_CODE_PROMPT = re.compile(
    r"one.?time|\botp\b|token|verification|authenticat(or|ion) code|\bcode\b|passcode|duo|2fa|mfa",
    re.IGNORECASE,
)


@dataclass
class Login:
    """All that may be tried to log in to one machine.

    It has the shape of paramiko's ``AuthStrategy``: ``authenticate(transport)``.

    Args:
        user: Login name.
        host: The machine as people write it.
        key_files: Private keys to try first.
        passphrase: Of these keys.
        password: Of the user.
        pkey: A key object, tried first.
        use_agent: Whether the SSH agent's keys are tried.
        use_defaults: Whether the keys of ``~/.ssh`` are tried.
    """

    user: str
    host: str
    key_files: list[str] = field(default_factory=list)
    passphrase: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    pkey: Any = field(default=None, repr=False)
    use_agent: bool = True
    use_defaults: bool = True

    def __post_init__(self) -> None:
        self._tried: list[str] = []
        self._questions: list[str] = []
        self._agent: Any = None

    def authenticate(self, transport: Any) -> list[Any]:
        """Log in.

        Raises:
            AuthenticationError: Everything was refused.
            LoginNeededError: The host wants what only a person can give.
        """
        self._tried, self._questions = [], []
        try:
            methods = self._try_keys(transport)
            if methods is None or self._try_words(transport, methods):
                return []
            raise self._refusal(transport, methods)
        finally:
            if self._agent is not None:
                self._agent.close()

    # Keys ------------------------------------------------------------------------------------

    def _try_keys(self, transport: Any) -> list[str] | None:
        """Try all keys; return None once logged in, else the methods that are still open."""
        methods: list[str] = ["publickey", "password", "keyboard-interactive"]
        for label, key in self._keys():
            self._tried.append(label)
            try:
                left = transport.auth_publickey(self.user, key)
            except BadAuthenticationType as exc:
                return list(exc.allowed_types)
            except paramiko.AuthenticationException:
                continue
            except paramiko.SSHException as exc:
                if not transport.is_active():
                    raise self._too_many(exc) from exc
                self._tried[-1] += f" ({exc})"
                continue
            return list(left) or None
        return methods

    def _keys(self) -> Iterator[tuple[str, Any]]:
        if self.pkey is not None:
            yield "pkey", self.pkey
        agent = list(self._agent_keys()) if self.use_agent or self.key_files else []
        named = list(dict.fromkeys(str(Path(name).expanduser()) for name in self.key_files))
        used = set()
        for name in named:
            for label, key in self._from_file(name, agent):
                used.add(key.asbytes())
                yield label, key
        if self.use_agent:
            yield from (pair for pair in agent if pair[1].asbytes() not in used)
        if self.use_defaults and not named:
            for name in DEFAULT_KEYS:
                path = Path("~/.ssh").expanduser() / name
                if path.is_file():
                    yield from self._from_file(str(path), [])

    def _from_file(self, name: str, agent: list[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
        """Yield the key in a file, or the agent's copy of one that needs a passphrase."""
        held = {key.asbytes(): (label, key) for label, key in agent}
        public = _public_blob(name)
        if public in held:
            yield f"key {name} (held by the agent)", held[public][1]
            return
        try:
            yield f"key {name}", load_key(name, self.passphrase or self.password)
        except paramiko.PasswordRequiredException:
            self._tried.append(f"key {name} (needs its passphrase)")
        except (paramiko.SSHException, OSError, ValueError, TypeError) as exc:
            self._tried.append(f"key {name} ({type(exc).__name__}: {exc})")

    def _agent_keys(self) -> Iterator[tuple[str, Any]]:
        try:
            self._agent = paramiko.Agent()
            keys = self._agent.get_keys()
        except (paramiko.SSHException, OSError) as exc:
            self._tried.append(f"agent ({exc})")
            return
        for key in keys:
            yield f"agent's key {getattr(key, 'comment', '') or key.get_name()}", key

    # Passwords and questions ---------------------------------------------------------------------

    def _try_words(self, transport: Any, methods: list[str]) -> bool:
        if self.password is not None and "password" in methods:
            self._tried.append("password")
            try:
                methods = list(transport.auth_password(self.user, self.password, fallback=False))
            except BadAuthenticationType as exc:
                methods = list(exc.allowed_types)
            except paramiko.AuthenticationException:
                pass
            if not methods:
                return True
        return "keyboard-interactive" in methods and self._answer_questions(transport)

    def _answer_questions(self, transport: Any) -> bool:
        self._tried.append("keyboard-interactive")
        try:
            left = transport.auth_interactive(self.user, self._answers)
        except BadAuthenticationType:
            self._tried.pop()
            return False
        except paramiko.AuthenticationException:
            return False
        return not left

    def _answers(self, _title: str, _text: str, prompts: list[tuple[str, bool]]) -> list[str]:
        answers = []
        for prompt, _echo in prompts:
            asks_code = _CODE_PROMPT.search(prompt) or not _PASSWORD_PROMPT.search(prompt)
            if asks_code or self.password is None:
                self._questions.append(prompt.strip())
                answers.append("")
            else:
                answers.append(self.password)
        return answers

    # Refusals ----------------------------------------------------------------------------------

    def _refusal(self, transport: Any, methods: list[str]) -> Exception:
        if self._questions:
            return LoginNeededError(
                f"{self.host}: the host asks for {self._questions[-1]!r}: a person must log in",
                remedy="Set interactive_login: true for the worker and run: jfc worker login NAME",
            )
        if not transport.is_active():
            return self._too_many(None)
        tried = "; ".join(self._tried) or "nothing, as no key and no password was found"
        return AuthenticationError(
            f"{self.host}: the login is refused; tried: {tried}; it accepts: "
            f"{', '.join(methods) or 'nothing else'}",
            remedy="Check user, key_filename, passphrase and password of the worker; "
            "try the same with: ssh -v",
        )

    def _too_many(self, cause: Exception | None) -> AuthenticationError:
        return AuthenticationError(
            f"{self.host}: the host hung up during the login ({cause or 'too many attempts'}); "
            f"tried: {'; '.join(self._tried)}",
            remedy="Name the right key by key_filename, so that fewer are tried.",
        )


def load_key(name: str, passphrase: str | None) -> Any:
    """Return the private key of a file, with its certificate if one lies beside it.

    Raises:
        paramiko.PasswordRequiredException: It is encrypted and no passphrase is given.
        paramiko.SSHException: It is no key, or the passphrase is wrong.
    """
    failure: Exception = paramiko.SSHException("no private key of a known type")
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            key = kind.from_private_key_file(name, passphrase)
        except paramiko.PasswordRequiredException:
            raise
        except (paramiko.SSHException, ValueError) as exc:
            failure = exc
            continue
        certificate = Path(f"{name}-cert.pub")
        if certificate.exists():
            key.load_certificate(str(certificate))
        return key
    raise failure


def _public_blob(name: str) -> bytes | None:
    """Return the public key beside a private key's file."""
    try:
        return base64.b64decode(Path(f"{name}.pub").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
