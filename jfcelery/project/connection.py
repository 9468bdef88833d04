"""SSH connection data: of a worker, of the gateways before it, of a data-transfer node."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, Field, SecretStr, Tag

from jfcelery.project.model import ConfigModel


def _kind(value: Any) -> str:
    return "command" if isinstance(value, str) else "connection"


#: A proxy command (as ssh's ProxyCommand), or the connection data of a jump host.
Gateway = Annotated[
    Annotated[str, Tag("command")] | Annotated["ConnectionData", Tag("connection")],
    Discriminator(_kind),
]


class ConnectionData(ConfigModel):
    """How one machine is reached by SSH."""

    host: str = Field(
        min_length=1, description="Host name, address, or alias from `~/.ssh/config`."
    )
    user: str | None = Field(
        default=None, description="Login name; by default that of `~/.ssh/config` or the local one."
    )
    port: int | None = Field(
        default=None, ge=1, le=65535, description="Port; by default that of `~/.ssh/config` or 22."
    )
    password: SecretStr | None = Field(
        default=None,
        description="Password. Better a key and an agent, or a reference: `${VAR}` or `file:PATH`.",
    )
    key_filename: str | list[str] | None = Field(
        default=None,
        description="Private key file, or list of them, to try; `~` is expanded. By default the "
        "agent's and those of `~/.ssh`.",
    )
    passphrase: SecretStr | None = Field(
        default=None, description="Passphrase of the private key; better a reference: `${VAR}`."
    )
    gateway: Gateway | None = Field(
        default=None,
        description="How to get there: the connection data of a jump host, which may have a "
        "gateway itself, or a proxy command as in ssh's ProxyCommand.",
    )
    connect_kwargs: dict[str, Any] | None = Field(
        default=None,
        description="Further arguments for paramiko's `SSHClient.connect`.",
    )

    @property
    def label(self) -> str:
        """The connection as people write it: ``user@host:port``."""
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"{user}{self.host}{port}"

    @property
    def identity(self) -> str:
        """What tells connections apart, gateways included, secrets excluded."""
        if self.gateway is None:
            return self.label
        before = self.gateway if isinstance(self.gateway, str) else self.gateway.identity
        return f"{self.label} via {before}"

    @property
    def has_credentials(self) -> bool:
        """Whether a password, key or connect argument is given."""
        return bool(self.password or self.key_filename or self.passphrase or self.connect_kwargs)

    def get_connect_kwargs(self) -> dict[str, Any]:
        """Return the arguments for paramiko's ``connect``, **secrets in clear**."""
        arguments = dict(self.connect_kwargs or {})
        if self.password:
            arguments["password"] = self.password.get_secret_value()
        if self.passphrase:
            arguments["passphrase"] = self.passphrase.get_secret_value()
        if self.key_filename:
            names = self.key_filename
            arguments["key_filename"] = (
                str(Path(names).expanduser())
                if isinstance(names, str)
                else [str(Path(name).expanduser()) for name in names]
            )
        return arguments
