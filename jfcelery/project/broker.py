"""The message broker: Redis, embedded by default."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from jfcelery.project.address import REMEDY, is_plain_address
from jfcelery.project.model import ConfigModel

#: Kinds of addresses that Celery's Redis transport takes.
SCHEMES = ("redis", "rediss", "redis+socket")


def _is_redis(url: str) -> str:
    if url.partition("://")[0] not in SCHEMES:
        msg = "not the address of a Redis; write redis://HOST:PORT/0, rediss://... for TLS, or "
        msg += "redis+socket:///PATH"
        raise ValueError(msg)
    if not is_plain_address(url):
        raise ValueError(REMEDY)
    return url


class TLSConfig(ConfigModel):
    """TLS on the way to Redis."""

    ca_certs: Path | None = Field(
        default=None, description="File with the certificates to trust; by default the system's."
    )
    certfile: Path | None = Field(
        default=None, description="File with the client's own certificate."
    )
    keyfile: Path | None = Field(default=None, description="File with the key of that certificate.")
    check_hostname: bool = Field(
        default=True, description="Whether the server's certificate must name its host."
    )


class BrokerConfig(ConfigModel):
    """A Redis of one's own instead of the embedded one."""

    url: Annotated[str, AfterValidator(_is_redis)] = Field(
        description="Address: `redis://USER:PASSWORD@HOST:PORT/0`, `rediss://...` for TLS, "
        "`redis+socket:///PATH`. Keep the password in `${VAR}` or `file:PATH`.",
    )
    tls: TLSConfig | None = Field(
        default=None,
        description="Options of TLS; only with `rediss://`. By default the system's trust.",
    )
    key_prefix: str = Field(
        default="jfcelery:",
        description="Prefix of all keys in Redis, so that one Redis may serve other programs too.",
    )

    @model_validator(mode="after")
    def _tls_only_with_rediss(self) -> BrokerConfig:
        if self.tls and not self.url.startswith("rediss:"):
            msg = "`tls` has no effect on this `url`; write rediss:// instead of redis://"
            raise ValueError(msg)
        return self
