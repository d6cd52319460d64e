"""The settings of one deploy host: a TOML file and the environment, read once into frozen values.

The file is named by `COUNTERSIGN_CONFIG` or `--config`; paths in it are relative to its folder.
Every value may be set in the environment instead, as `COUNTERSIGN_<SECTION>__<NAME>`, and
`DATABASE_URL` is taken where no other database is named. Secrets are named by file, never held in
the TOML. Unknown names are refused: a misspelt limit must not silently be no limit.
"""

import os
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from controller.kernel.errors import Refused

CONFIG_VARIABLE = "COUNTERSIGN_CONFIG"


class BadSettings(Refused):
    """The settings file or an environment variable is not what we read."""

    code = "settings.invalid"


class NoSettings(Refused):
    """A command needs the settings of a deploy host and none were named."""

    code = "settings.missing"

    def __init__(self) -> None:
        super().__init__(
            "no settings file is named",
            hint=f"set {CONFIG_VARIABLE} or pass --config (`init --demo-keys` makes one)",
        )


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Hex40 = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Hex64 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ControllerSection(_Section):
    """Who this controller is and where it keeps what it may lose."""

    name: Name = Field(default="countersign", description="names the audit branch audit/<name>")
    environment: Name = Field(default="production", description="the one environment it serves")
    state_dir: Path = Field(default=Path("state"), description="embedded database, logs and caches")


class RepositorySection(_Section):
    """The artifact repository this controller follows."""

    path: Path = Field(default=Path(), description="a local repository, bare or not")
    branch: str = Field(default="main", description="the branch people sign", min_length=1)
    baseline: Hex40 | None = Field(
        default=None, description="the commit that history must descend from"
    )


class RemoteAddressSection(_Section):
    """Where a remote is and how to get in: by a key of our own over ssh, by a token over https."""

    url: str | None = Field(
        default=None, description="https://, ssh:// or file://, no secret in it"
    )
    ssh_key_file: Path | None = Field(default=None, description="a private key, mode 0600")
    known_hosts_file: Path | None = Field(default=None, description="the host's key stands there")
    user: str = Field(default="git", description="the user that goes with the token")
    token_file: Path | None = Field(default=None, description="a token or password, mode 0600")
    ca_file: Path | None = Field(default=None, description="a CA of your own, for https")


class RemoteSection(RemoteAddressSection):
    """The remote repository that is followed; `repository.path` is not set beside it."""

    deadline_seconds: float = Field(default=300, gt=0, le=86_400)
    look_seconds: float = Field(default=20, gt=0, le=3_600)
    max_bytes: int = Field(default=2 * 1024**3, ge=1024**2)
    second: RemoteAddressSection | None = Field(
        default=None, description="another copy: both have to tell one history"
    )
    audit: RemoteAddressSection | None = Field(
        default=None, description="how the audit branch is pushed; its url is remote.url by default"
    )

    @model_validator(mode="after")
    def _first_first(self) -> Self:
        if self.url is None and self.model_fields_set:
            raise ValueError("name the remote: url")
        if self.second is not None and self.second.url is None:
            raise ValueError("name the second remote: second.url")
        return self


class TrustSection(_Section):
    """The root of trust, pinned out of band."""

    root: Path = Field(description="the pinned root envelope on this host")
    root_sha256: Hex64 = Field(description="SHA-256 of its payload, as `root show` prints it")


class AuditSection(_Section):
    """How audit commits are signed."""

    key: Path | None = Field(
        default=None, description="the controller's private audit key (OpenSSH, mode 0600)"
    )


class DatabaseSection(_Section):
    """Which PostgreSQL holds production; without a URL an embedded one is started."""

    url: SecretStr | None = Field(default=None, description="a PostgreSQL URL")
    url_file: Path | None = Field(default=None, description="a file that holds the URL")
    run_as: str | None = Field(
        default=None, description="the user the embedded server runs as when started by root"
    )
    statement_timeout_seconds: int = Field(default=600, gt=0)
    lock_timeout_seconds: int = Field(default=10, gt=0)
    idle_in_transaction_timeout_seconds: int = Field(default=120, gt=0)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.url is not None and self.url_file is not None:
            raise ValueError("name the database by url or by url_file, not both")
        return self


class GuardSection(_Section):
    """When a plan that removes rows waits for a signed acknowledgement."""

    removed_share: Decimal = Field(default=Decimal("0.01"), ge=0, le=1)
    removed_rows: int = Field(default=1000, ge=0)
    small_rows: int = Field(default=20, ge=0, description="removing so few is never held")


class CommitsSection(_Section):
    """Which commits have to be signed by a key of the root's role `commit`."""

    verify: Literal["none", "head", "first-parent", "all"] = Field(
        default="none", description="which of the commits that are new"
    )


class HeartbeatSection(_Section):
    """How old the news may be that the branch is the newest there is."""

    max_staleness_seconds: int = Field(
        default=7200, gt=0, description="an older heartbeat is an alarm, never an outage"
    )


class WindowSection(_Section):
    """A time, again and again, in which new revisions are let in, or are not."""

    kind: Literal["deny", "allow"] = Field(description="deny wins")
    schedule: str = Field(description="a cron expression of five fields")
    minutes: int = Field(description="how long it lasts, a week at most")
    zone: str = Field(default="UTC", description="an IANA time zone")
    reason: str = Field(min_length=1, max_length=200, description="what people are told")

    @model_validator(mode="after")
    def _can_be_worked_out(self) -> Self:
        from controller.adapters.calendar import Schedule  # noqa: PLC0415  hosts without windows

        try:
            Schedule.parse(self.schedule, self.minutes, self.zone)
        except Refused as error:
            raise ValueError(str(error)) from None
        return self


class DaemonSection(_Section):
    """How often a controller that goes on running looks when nobody asks it to."""

    poll_seconds: float = Field(default=15, gt=0, le=3_600)
    poll_jitter: float = Field(default=0.1, ge=0, le=0.5)
    renew_seconds: float = Field(
        default=20, gt=0, le=600, description="the lease is renewed so often and lasts three times"
    )
    silent_seconds: float = Field(
        default=1_800, gt=0, description="a role that shows no life for so long is started again"
    )
    stop_seconds: float = Field(default=30, gt=0, description="how long a role may take to end")


class DriftSection(_Section):
    """What is done about live rows that nobody declared."""

    mode: Literal["report", "ack", "heal"] = Field(
        default="report", description="say it; heal when owners signed for it; heal unasked"
    )
    interval_seconds: float = Field(default=300, ge=1, le=86_400)
    heal_max_rows: int = Field(default=100, ge=1, description="more wait for the owners")
    heal_per_hour: int = Field(default=3, ge=1, description="more wait for the owners")


class TelemetrySection(_Section):
    """What shows how a controller is doing, besides its log."""

    metrics_host: str = Field(default="127.0.0.1", min_length=1)
    metrics_port: int | None = Field(default=None, ge=0, le=65_535)
    traces_url: str | None = Field(default=None, pattern=r"^https?://[^\s?#]+$")
    traces_token_file: Path | None = Field(default=None, description="a token, mode 0600")
    traces_ca_file: Path | None = Field(default=None, description="a CA of your own")


class OidcSection(_Section):
    """Who says that a caller of the API may: a bearer token is asked for where an issuer is set."""

    issuer: str | None = Field(default=None, pattern=r"^https?://[^\s?#]+$")
    audience: str | None = Field(default=None, min_length=1)
    algorithms: tuple[Literal["ES256", "ES384", "Ed25519", "RS256", "PS256"], ...] = Field(
        default=("ES256",), min_length=1
    )
    ca_file: Path | None = Field(default=None, description="a CA of your own, for the issuer")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.issuer is None) != (self.audience is None):
            raise ValueError("name both the issuer and the audience, or none of them")
        return self


class ApiSection(_Section):
    """Where the HTTP API listens, to whom it answers, and how much it takes on."""

    host: str = Field(default="127.0.0.1", min_length=1, description="an address of this host")
    port: int = Field(default=8380, ge=0, le=65_535)
    cert_file: Path | None = Field(default=None, description="TLS: the chain, in PEM")
    key_file: Path | None = Field(default=None, description="TLS: the private key, mode 0600")
    connections: int = Field(default=1_000, ge=1, le=100_000)
    requests: int = Field(default=256, ge=1, le=10_000, description="requests at work at once")
    keep_alive_seconds: int = Field(default=15, ge=1, le=3_600)
    stop_seconds: int = Field(default=10, ge=1, le=600)
    database_connections: int = Field(default=8, ge=1, le=100)
    database_seconds: float = Field(default=5, gt=0, le=600)
    oidc: OidcSection = OidcSection()

    @model_validator(mode="after")
    def _both_files(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("name both cert_file and key_file, or none of them")
        return self


class WebhookSection(_Section):
    """One sender of webhooks."""

    secret_file: Path = Field(description="what it signs with, 16 bytes or more, mode 0600")


class WebhooksSection(_Section):
    """Who may ask for a look by a webhook: a sender without a section is not heard."""

    github: WebhookSection | None = None
    gitlab: WebhookSection | None = None
    gitea: WebhookSection | None = None
    generic: WebhookSection | None = None
    wake_seconds: float = Field(default=1, gt=0, le=3_600)


class NotifySection(_Section):
    """One receiver of notices; secrets, and addresses that are secrets, stand in files."""

    name: Name = Field(description="what commands and errors call it")
    kind: Literal["webhook", "slack", "pagerduty", "github", "gitea"]
    url: str | None = Field(default=None, description="where it is")
    url_file: Path | None = Field(default=None, description="a file that holds the address")
    secret_file: Path | None = Field(default=None, description="webhook: what it is signed with")
    token_file: Path | None = Field(
        default=None, description="pagerduty: the routing key; github, gitea: a token"
    )
    ca_file: Path | None = Field(default=None, description="a CA of your own")
    proxy: str | None = Field(
        default=None, pattern=r"^http://[A-Za-z0-9.\[\]:-]+/?$", description="http://HOST:PORT"
    )
    on: tuple[Literal["failure", "success"], ...] = ("failure",)
    min_severity: Literal["warning", "error"] = "error"
    repeat_minutes: int = Field(default=240, ge=0, le=43_200, description="0: never again")
    repository: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*/[A-Za-z0-9_][A-Za-z0-9_.-]*$",
        description="github, gitea: OWNER/NAME",
    )
    context: str | None = Field(default=None, pattern=r"^[\x21-\x7e]{1,100}$")
    target_url: str | None = Field(default=None, pattern=r"^https?://[\x21-\x7e]{1,500}$")

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        needed, may = _NOTIFY[self.kind]
        named = self.model_fields_set - _NOTIFY_ALWAYS
        missing, stray = needed - named, named - needed - may
        if missing or stray:
            words = [f"{one} is missing" for one in sorted(missing)]
            words += [f"{one} is not for this kind" for one in sorted(stray)]
            raise ValueError(f"{self.kind}: {', '.join(words)}")
        if self.kind == "webhook" and (self.url is None) == (self.url_file is None):
            raise ValueError("webhook: name the address by url or by url_file, one of them")
        return self


_NOTIFY_ALWAYS = {"name", "kind", "ca_file", "proxy"}
_MESSAGES = {"on", "min_severity", "repeat_minutes"}
_STATUSES = {"context", "target_url"}
_NOTIFY: dict[str, tuple[set[str], set[str]]] = {
    "webhook": ({"secret_file"}, {"url", "url_file", *_MESSAGES}),
    "slack": ({"url_file"}, _MESSAGES),
    "pagerduty": ({"token_file"}, {"url", *_MESSAGES}),
    "github": ({"token_file", "repository"}, {"url", *_STATUSES}),
    "gitea": ({"url", "token_file", "repository"}, _STATUSES),
}
"""What each kind needs, and what it may have."""


class Settings(BaseSettings):
    """Everything one deploy host decides."""

    model_config = SettingsConfigDict(
        env_prefix="COUNTERSIGN_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    controller: ControllerSection = ControllerSection()
    repository: RepositorySection = RepositorySection()
    remote: RemoteSection = RemoteSection()
    trust: TrustSection
    audit: AuditSection = AuditSection()
    database: DatabaseSection = DatabaseSection()
    daemon: DaemonSection = DaemonSection()
    guards: GuardSection = GuardSection()
    drift: DriftSection = DriftSection()
    commits: CommitsSection = CommitsSection()
    heartbeat: HeartbeatSection = HeartbeatSection()
    windows: tuple[WindowSection, ...] = ()
    api: ApiSection = ApiSection()
    webhooks: WebhooksSection = WebhooksSection()
    notify: tuple[NotifySection, ...] = ()
    telemetry: TelemetrySection = TelemetrySection()
    folder: Path = Field(default=Path(), exclude=True, description="where relative paths start")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Prefer the environment to the file; read nothing else."""
        del settings_cls, dotenv_settings, file_secret_settings
        return (env_settings, init_settings)

    @model_validator(mode="after")
    def _one_repository(self) -> Self:
        if self.remote.url is not None and "path" in self.repository.model_fields_set:
            raise ValueError("name the repository by repository.path or by remote.url, not both")
        return self

    @model_validator(mode="after")
    def _receivers_apart(self) -> Self:
        names = [one.name for one in self.notify]
        if len(set(names)) < len(names):
            raise ValueError("each [[notify]] has a name of its own")
        return self

    def path(self, path: Path) -> Path:
        """Return a path of these settings as an absolute one."""
        return (self.folder / path.expanduser()).resolve()

    def database_url(self) -> str | None:
        """Return the URL of the database, or `None` for the embedded one."""
        if self.database.url is not None:
            return self.database.url.get_secret_value()
        if self.database.url_file is not None:
            return _secret(self.path(self.database.url_file))
        return None


def named_file(option: Path | None) -> Path:
    """Return the settings file that `--config` or the environment names, or refuse."""
    if option is None:
        raise NoSettings
    return option


def ambient() -> dict[str, str]:
    """Return the environment that we were started in, for a child that acts for its person."""
    return dict(os.environ)


def agent_socket() -> Path | None:
    """Return where the person's ssh-agent listens, if there is one."""
    named = os.environ.get("SSH_AUTH_SOCK")
    return Path(named) if named else None


def load(file: Path) -> Settings:
    """Read and check a settings file; the environment wins over it."""
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSettings(f"{file}: {error.strerror}", hint=f"check {_named_by(file)}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadSettings(f"{file}: {error}") from None
    database = data.setdefault("database", {})
    is_open = isinstance(database, dict) and not {"url", "url_file"} & database.keys()
    if is_open and (url := os.environ.get("DATABASE_URL")):
        database["url"] = url
    try:
        return Settings(**{**data, "folder": file.resolve().parent})
    except ValidationError as error:
        raise BadSettings(f"{file}: {_problems(error)}", hint="see docs/settings.md") from None


def _named_by(file: Path) -> str:
    """Return what the person named a settings file with."""
    named = os.environ.get(CONFIG_VARIABLE)
    return CONFIG_VARIABLE if named is not None and Path(named) == file else "--config"


def _problems(error: ValidationError) -> str:
    # Never the input itself: it may be a secret.
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_url=False)
    )


def _secret(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadSettings(f"{file}: {error.strerror}") from None
