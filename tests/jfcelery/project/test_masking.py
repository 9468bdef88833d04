"""Secrets are replaced in whatever text they stand; the rest of it stays."""

from __future__ import annotations

import subprocess
import sys
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jfcelery.project.address import is_plain_address
from jfcelery.project.masking import MASK, SHORTEST, Redactor, masked, secrets_in, without_login

SECRET = "hunter2-and-more"
#: Whatever a keyboard has, but what ends a word.
passwords = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\"'<>|*"),
    min_size=SHORTEST + 4,
)


@pytest.mark.parametrize(
    "address",
    [
        f"mongodb://me:{SECRET}@h:27017/db",
        f"mongodb://me:{SECRET}@a:1,b:2/db?replicaSet=x",
        f"mongodb+srv://me:a@{SECRET}@h/db",
        f"mongodb://me:a/{SECRET}@h/db",
        f"redis://:a?{SECRET}@h/0",
        f"rediss://me:a#{SECRET}@h/0",
        f"redis+socket://me:{SECRET}@/run/s",
        f"https://me:a@{SECRET}@h/path",
        f"mongodb://h/?tls=true&tlsCertificateKeyFilePassword={SECRET}",
        f"https://h/hook?token={SECRET}#x",
    ],
)
def test_an_address_is_shown_without_its_secret(address: str) -> None:
    """Even where the password is not encoded as it should be."""
    for text in (address, f"cannot reach {address}: refused", f'["{address}", "me@h"]'):
        assert SECRET not in without_login(text)
        assert MASK in without_login(text)
    assert SECRET not in str(masked({"any": [address]}))


@pytest.mark.parametrize(
    "text",
    [
        "git+https://example.org/tool@v1.2",
        "redis://h:6379/0",
        "me@example.org wrote to file:///tmp/x?pass",
        "https://example.org/a?page=2",
        "nothing",
    ],
)
def test_what_holds_no_secret_stays(text: str) -> None:
    """Addresses without a login, and what only looks like one."""
    assert without_login(text) == text


@pytest.mark.parametrize("value", ["false", "True", "None"])
def test_a_switch_is_no_secret(value: str) -> None:
    """A variable may be called like a secret and hold none: its value stands in any text."""
    redact = Redactor(secrets_in({"export": {"TOKENIZERS_PARALLELISM": value, "KEY_PASS": SECRET}}))
    assert redact(f"restart: {value}, {SECRET}") == f"restart: {value}, {MASK}"


@pytest.mark.parametrize(
    "start, part, scheme",
    [("", "a", "https"), ("https://h/x?", "pass", "https"), ("", "mongodb://", "redis")],
)
def test_a_long_text_takes_no_longer_for_it(start: str, part: str, scheme: str) -> None:
    """It was by its length times itself: hours for the error of a job that prints a large array."""
    text = f"{start}{part * 250_000} {scheme}://"
    code = "import sys; from jfcelery.project.masking import without_login as w; "
    code += "sys.stdout.write(w(sys.stdin.read()))"
    argv = [sys.executable, "-c", code]
    done = subprocess.run(
        argv, input=f"{text}me:{SECRET}@h/", capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout == f"{text}{MASK}@h/"


@given(passwords, st.booleans(), st.sampled_from(["mongodb", "mongodb+srv", "redis", "rediss"]))
def test_any_password_of_a_database_is_found(password: str, encoded: bool, scheme: str) -> None:
    """Wherever a text repeats it, as it is or as the address has it."""
    written = quote(password, safe="") if encoded else password
    address = f"{scheme}://me:{written}@host/0"
    redact = Redactor(secrets_in({"store": [{"uri": address}]}))
    assert redact(f"{address} refused {password}, {written}.") == (
        f"{scheme}://{MASK}@host/0 refused {MASK}, {MASK}."
    )


@pytest.mark.parametrize(
    "data",
    [
        {"password": SECRET},
        {"connect_kwargs": {"Passphrase": SECRET}},
        {"export": {"SITE_API_KEY": SECRET}},
        {"uri": f"mongodb://h/?tlsCertificateKeyFilePassword={SECRET}"},
        {"urls": [f"https://me:{SECRET}@h/x"]},
    ],
)
def test_secrets_are_found_by_where_they_stand(data: dict[str, Any]) -> None:
    """Under a name that says so, in a login, behind an address."""
    assert SECRET in set(secrets_in(data))
    assert SECRET not in str(masked(data))


@pytest.mark.parametrize(
    "address",
    [
        "mongodb://h",
        "mongodb://me:p%40ss@a:1,b:2/db?replicaSet=rs0&authSource=$external",
        "mongodb+srv://me:x@cluster0.example.org/db",
        "mongodb://%2Ftmp%2Fmongodb-27017.sock/db",
        "mongodb://[::1]:27017/",
        "redis:///0",
        "redis://:secret@h:6379/0",
        "redis://me:a:b@h",
        "rediss://h:6380/1?ssl_cert_reqs=required",
        "redis+socket:///run/redis/s",
        "redis+socket://me:x@/run/redis/s?virtual_host=1",
    ],
)
def test_addresses_that_all_read_alike(address: str) -> None:
    """Hosts, ports, sockets and encoded passwords."""
    assert is_plain_address(address)


@pytest.mark.parametrize(
    "login", ["me:a@b", "me:a/b", "me:1/b", ":a#b", "me:a?b", "me:a[b", "me:a b", "me:a]b"]
)
@pytest.mark.parametrize("scheme", ["mongodb", "redis"])
def test_a_password_that_ends_the_login_makes_no_address(scheme: str, login: str) -> None:
    """A part of it would be taken for the host or the database."""
    assert not is_plain_address(f"{scheme}://{login}@host/0")
