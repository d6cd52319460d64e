"""Bearer tokens, against an identity provider that answers over HTTP, and against forgers."""

import asyncio
import base64
import hmac
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from starlette.requests import Request

from controller.adapters import outbound
from controller.adapters.clock import SystemClock
from controller.web.access import Scope, Unauthenticated
from controller.web.auth import TOKEN_MAX_BYTES, Tokens
from controller.web.jwks import (
    STALE_SECONDS,
    TTL_SECONDS,
    UNKNOWN_SECONDS,
    KeyStore,
    NoKeys,
)
from tests.support.api import Api, serving, settings
from tests.support.issuer import AUDIENCE, Issuer, issuing, new_key, secret_of

GUARD = new_key("guard")


class Hands:
    """A clock and a stopwatch that are moved by hand."""

    def __init__(self) -> None:
        self.passed = 0.0
        self._began = SystemClock().now()

    def now(self) -> datetime:
        """Return the instant."""
        return self._began + timedelta(seconds=self.passed)

    def seconds(self) -> float:
        """Return what the stopwatch shows."""
        return self.passed


@pytest.fixture(scope="module")
def provider() -> Iterator[Issuer]:
    with issuing() as running:
        yield running


@pytest.fixture
def issuer(provider: Issuer) -> Issuer:
    """Return a provider that nobody has asked yet."""
    provider.keys, provider.status, provider.named = [new_key("first")], 200, ""
    provider.asked.clear()
    return provider


@pytest.fixture
def hands() -> Hands:
    return Hands()


Make = Callable[..., Tokens]


@pytest.fixture
def made(issuer: Issuer, hands: Hands) -> Make:
    """Return what makes a verifier of the provider's tokens."""

    def make(*algorithms: str) -> Tokens:
        route = outbound.Route("issuer")

        def fetch(url: str) -> bytes:
            return outbound.send(route, outbound.Call("GET", url)).body

        store = KeyStore(issuer.url, algorithms or ("ES256",), fetch, now=hands.seconds)
        return Tokens(store, AUDIENCE, hands)

    return make


def refuses(tokens: Tokens, token: str) -> bool:
    """Whether a token is refused as every bad one is."""
    with pytest.raises(Unauthenticated) as refusal:
        tokens.verify(token)
    assert refusal.value.headers["www-authenticate"].endswith('error="invalid_token"')
    assert str(refusal.value) == "the token is not good here"
    return True


@pytest.mark.allows("api.forged-token")
def test_a_token_of_the_issuer_is_let_in_with_its_scopes(issuer: Issuer, made: Make) -> None:
    bearer = made().verify(issuer.token())

    assert bearer.subject == "somebody"
    assert bearer.scopes == {"directory:read", "status:read"}
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["others", AUDIENCE]},
        {"scope": None, "scp": ["directory:read", "status:read"]},
        {"nbf": None},
        {"iat": None},
        {"sub": None},
    ],
)
def test_a_lawful_token_may_look_so(issuer: Issuer, made: Make, changes: dict[str, Any]) -> None:
    assert made().verify(issuer.token(**changes)).scopes >= {"directory:read"}


@pytest.mark.parametrize("kind", ["JWT", "jwt", "AT+JWT", "application/at+jwt"])
def test_a_token_says_of_what_type_it_is(issuer: Issuer, made: Make, kind: str) -> None:
    assert made().verify(issuer.token({"typ": kind}))


@pytest.mark.stops("api.forged-token")
@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"aud": "others"},
        {"aud": ["others"]},
        {"aud": None},
        {"aud": [[AUDIENCE]]},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": -1},
        {"exp": 10**30},
        {"exp": 1_000_000_000},
        {"nbf": 4_000_000_000},
        {"nbf": "now"},
        {"iat": 4_000_000_000},
        {"scope": 7},
        {"scope": {"directory:read": True}},
    ],
)
def test_a_token_with_other_claims_is_refused(
    issuer: Issuer, made: Make, changes: dict[str, Any]
) -> None:
    assert refuses(made(), issuer.token(**changes))


@pytest.mark.parametrize(
    "header",
    [
        {"kid": "unknown"},
        {"kid": None},
        {"kid": 7},
        {"typ": None},
        {"typ": "dpop+jwt"},
        {"typ": 7},
        {"jku": "https://elsewhere.example/keys"},
        {"x5u": "https://elsewhere.example/chain"},
    ],
)
def test_a_token_with_another_header_is_refused(
    issuer: Issuer, made: Make, header: dict[str, Any]
) -> None:
    assert refuses(made(), _signed(issuer, header, issuer.claims()))


def _encoded(words: bytes) -> str:
    return base64.urlsafe_b64encode(words).rstrip(b"=").decode()


def _signed(issuer: Issuer, header: dict[str, Any], claims: Any) -> str:
    """Sign whatever is given with the issuer's key, by hand."""
    key = issuer.keys[0]
    head = {"alg": "ES256", "typ": "at+jwt", "kid": key.kid, **header}
    words = {name: value for name, value in head.items() if value is not None}
    data = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signed = f"{_encoded(json.dumps(words).encode())}.{_encoded(data)}"
    private = key.private_key
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    r, s = utils.decode_dss_signature(private.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{_encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _with_a_secret(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    words = [_encoded(json.dumps(one).encode()) for one in (header, claims)]
    signed = ".".join(words)
    return f"{signed}.{_encoded(hmac.digest(secret, signed.encode(), 'sha256'))}"


def test_the_hand_that_signs_above_signs_well(issuer: Issuer, made: Make) -> None:
    assert made().verify(_signed(issuer, {}, issuer.claims()))


@pytest.mark.parametrize("claims", [b"[]", b"7", b"null", b"{", b"\xff", b"[" * 5_000])
def test_a_payload_that_is_no_object_is_refused(issuer: Issuer, made: Make, claims: bytes) -> None:
    assert refuses(made(), _signed(issuer, {}, claims))


@pytest.mark.stops("api.forged-token")
def test_the_forgeries_of_the_books_are_refused(issuer: Issuer, made: Make) -> None:
    tokens, ours = made(), issuer.keys[0]
    assert isinstance(ours, ECKey)
    claims = issuer.claims()
    stranger = new_key("first")
    head = {"typ": "at+jwt", "kid": "first"}
    nobody = f"{_encoded(json.dumps({**head, 'alg': 'none'}).encode())}."
    forged = [
        _with_a_secret({**head, "alg": "HS256"}, claims, secret_of(ours)),
        jwt.encode({**head, "alg": "ES256"}, claims, stranger),
        jwt.encode(
            {**head, "alg": "ES256", "jwk": stranger.as_dict(private=False)}, claims, stranger
        ),
        f"{nobody}{_encoded(json.dumps(claims).encode())}.",
        issuer.token().rpartition(".")[0] + ".",
        issuer.token().rpartition(".")[0] + "." + _encoded(b"\0" * 64),
        issuer.token()[:-4],
        issuer.token() + "A",
        "a.b.c",
        "..",
        "",
        "é.é.é",
        "." * 10_000,
        "A" * (TOKEN_MAX_BYTES + 1),
    ]

    assert all(refuses(tokens, one) for one in forged)
    assert tokens.verify(issuer.token())


def test_a_payload_that_was_exchanged_is_refused(issuer: Issuer, made: Make) -> None:
    head, _, signature = issuer.token().split(".")
    more = _encoded(json.dumps(issuer.claims(scope="metrics:read")).encode())

    assert refuses(made(), f"{head}.{more}.{signature}")


def test_another_algorithm_has_to_be_named_in_the_settings(issuer: Issuer, made: Make) -> None:
    key = RSAKey.generate_key(2048, parameters={"kid": "rsa", "use": "sig"})
    issuer.keys.insert(0, key)
    token = issuer.token({"alg": "RS256"})

    assert refuses(made(), token)
    assert made("ES256", "RS256").verify(token)


def test_keys_that_are_not_for_signing_count_for_nothing(issuer: Issuer, made: Make) -> None:
    encrypts = ECKey.generate_key("P-256", parameters={"kid": "enc", "use": "enc"})
    issuer.keys.insert(0, encrypts)

    assert refuses(made(), _signed(issuer, {}, issuer.claims()))


def test_two_keys_of_one_name_are_nobodys(issuer: Issuer, made: Make) -> None:
    issuer.keys.append(new_key("first"))
    issuer.keys.append(new_key("other"))

    assert refuses(made(), issuer.token())


@given(st.text(max_size=200) | st.from_regex(r"\A[\w-]{1,60}\.[\w-]{1,60}\.[\w-]{1,60}\Z"))
def test_whatever_is_no_token_is_refused(token: str) -> None:
    def fetch(_url: str) -> bytes:
        raise AssertionError("a stranger makes us ask the issuer")

    tokens = Tokens(KeyStore("https://x.example", ("ES256",), fetch), AUDIENCE, Hands())

    assert refuses(tokens, token)


def test_a_new_key_is_found_and_the_old_one_goes(issuer: Issuer, made: Make, hands: Hands) -> None:
    tokens, old = made(), issuer.token()
    tokens.verify(old)
    issuer.keys = [new_key("second")]
    hands.passed += UNKNOWN_SECONDS

    assert tokens.verify(issuer.token()).subject == "somebody"
    assert refuses(tokens, old)


def test_strangers_do_not_make_us_ask_again_and_again(
    issuer: Issuer, made: Make, hands: Hands
) -> None:
    tokens = made()
    tokens.verify(issuer.token())
    for _ in range(100):
        refuses(tokens, _signed(issuer, {"kid": "unknown"}, issuer.claims()))
    asked = len(issuer.asked)
    hands.passed += UNKNOWN_SECONDS
    for _ in range(100):
        refuses(tokens, _signed(issuer, {"kid": "unknown"}, issuer.claims()))

    assert asked == 2
    assert len(issuer.asked) == 3


def test_an_issuer_that_is_away_is_done_without_for_a_day(
    issuer: Issuer, made: Make, hands: Hands
) -> None:
    tokens, token = made(), issuer.token(exp=4_000_000_000)
    tokens.verify(token)
    issuer.status = 503
    hands.passed = STALE_SECONDS - 1
    assert tokens.verify(token)
    assert "503" in tokens.problem()

    hands.passed = STALE_SECONDS + UNKNOWN_SECONDS
    with pytest.raises(NoKeys):
        tokens.verify(token)

    issuer.status = 200
    hands.passed += UNKNOWN_SECONDS
    assert tokens.verify(token)
    assert tokens.problem() == ""


def test_an_issuer_that_was_never_there_lets_nobody_in(
    issuer: Issuer, made: Make, hands: Hands
) -> None:
    issuer.status = 500
    tokens = made()
    with pytest.raises(NoKeys):
        tokens.verify(issuer.token())

    issuer.status = 200
    hands.passed += UNKNOWN_SECONDS
    assert tokens.verify(issuer.token())


def test_an_issuer_that_calls_itself_otherwise_is_not_believed(issuer: Issuer, made: Make) -> None:
    issuer.named = issuer.url + "/"
    with pytest.raises(NoKeys, match="names itself otherwise"):
        made().verify(issuer.token())


def test_keys_are_fetched_anew_after_a_while_and_not_before(
    issuer: Issuer, made: Make, hands: Hands
) -> None:
    tokens, token = made(), issuer.token(exp=4_000_000_000)
    for passed in (0.0, TTL_SECONDS - 1):
        hands.passed = passed
        tokens.verify(token)
    before = issuer.asked.count("/keys")
    hands.passed = TTL_SECONDS
    tokens.verify(token)

    assert (before, issuer.asked.count("/keys")) == (1, 2)
    assert issuer.asked.count("/.well-known/openid-configuration") == 1


def admits(tokens: Tokens, token: str) -> None:
    """Let a request with a token in, or raise."""
    headers = [(b"authorization", f"Bearer {token}".encode())]
    scope = {"type": "http", "method": "GET", "headers": headers}
    asyncio.run(tokens.admit(Request(scope), Scope.STATUS))


def test_a_token_is_checked_once_and_again_when_the_keys_are_others(
    issuer: Issuer, made: Make, hands: Hands
) -> None:
    tokens, token = made(), issuer.token()
    admits(tokens, token)
    admits(tokens, token)
    assert len(tokens._remembered) == 1

    issuer.keys = [new_key("second")]
    hands.passed = TTL_SECONDS / 2
    with pytest.raises(Unauthenticated):
        tokens.verify(_signed(issuer, {"kid": "unknown"}, issuer.claims()))
    with pytest.raises(Unauthenticated):
        admits(tokens, token)


def test_a_token_that_is_remembered_ends_when_it_says(
    issuer: Issuer, made: Make, hands: Hands
) -> None:
    tokens, token = made(), issuer.token(exp=int(hands.now().timestamp()) + 100)
    for passed in (0, 0, 99, 159):
        hands.passed = passed
        admits(tokens, token)
    hands.passed = 160
    with pytest.raises(Unauthenticated):
        admits(tokens, token)


def test_so_many_tokens_are_remembered_and_no_more(issuer: Issuer, made: Make) -> None:
    tokens = made()
    tokens._remembered_max = 3
    admits(tokens, issuer.token())
    for number in range(9):
        admits(tokens, issuer.token(sub=str(number)))

    assert len(tokens._remembered) == 3


@pytest.fixture(scope="module")
def guarded(
    provider: Issuer, town_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    """Return a server that asks for tokens of the provider."""
    provider.keys, provider.status, provider.named = [GUARD], 200, ""
    more = f'[api.oidc]\nissuer = "{provider.url}"\naudience = "{AUDIENCE}"\n'
    file = settings(tmp_path_factory.mktemp("guarded"), town_url, 'host = "0.0.0.0"\n' + more)
    with serving(file) as running:
        yield running


@pytest.fixture
def trusted(guarded: Api, provider: Issuer) -> Issuer:
    """Return the provider with the key that the server knows it by."""
    del guarded
    provider.keys = [GUARD]
    return provider


@pytest.mark.stops("api.open-door")
@pytest.mark.parametrize(
    ("target", "scope"),
    [
        ("/v1/resolve/bic/ALDRDEFF", "directory:read"),
        ("/v1/participants/alder-bank", "directory:read"),
        ("/v1/changes?since=0", "directory:read"),
        ("/v1/status", "status:read"),
        ("/v1/events", "events:read"),
        ("/metrics", "metrics:read"),
    ],
)
def test_each_route_asks_for_its_scope(
    guarded: Api, trusted: Issuer, target: str, scope: str
) -> None:
    others = "directory:read status:read events:read metrics:read".replace(scope, "")

    def ask(**changes: Any) -> int:
        return guarded.get(target, authorization=f"Bearer {trusted.token(**changes)}").status

    nobody = guarded.get(target)
    assert nobody.status == 401
    assert nobody.headers["www-authenticate"] == 'Bearer realm="countersign"'
    assert ask(scope=scope) == 200
    assert ask(scope=others) == 403
    assert ask(scope="") == 403
    assert ask(scope=scope, exp=1_000_000_000) == 401
    assert guarded.get(target, authorization="Basic YTpi").status == 401
    assert guarded.get(target, authorization="Bearer").status == 401


def test_a_batch_is_refused_before_its_body_is_read(guarded: Api) -> None:
    assert guarded.post("/v1/resolve:batch", {"questions": []}).status == 401
    assert guarded.ask("POST", "/v1/resolve:batch", b"x" * 600_000).status == 401


@pytest.mark.allows("api.open-door")
def test_health_is_open_and_the_page_is_for_any_token(guarded: Api, trusted: Issuer) -> None:
    token = f"Bearer {trusted.token(scope='')}"

    assert guarded.get("/healthz").status == 200
    assert guarded.get("/readyz").status == 200
    assert guarded.get("/openapi.json").status == 401
    assert guarded.get("/openapi.json", authorization=token).status == 200


def test_no_token_is_ever_told(guarded: Api, trusted: Issuer) -> None:
    good, bad = trusted.token(), trusted.token(aud="others")
    for token in (good, bad):
        got = guarded.get("/v1/status", authorization=f"Bearer {token}")
        assert token.encode() not in got.body
        assert token.rpartition(".")[2] not in guarded.said


@pytest.mark.stops("api.open-door")
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "no-such-host.invalid"])
def test_nobody_serves_others_without_asking_who_they_are(
    town_url: str, tmp_path: Path, host: str
) -> None:
    file = settings(tmp_path, town_url, f'host = "{host}"\n')

    with pytest.raises(AssertionError, match="no issuer of tokens is named"), serving(file):
        pass
