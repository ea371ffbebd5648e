"""All settings of one installation: ``config.yaml``, then ``MAODOU_…`` from the environment and ``.env``.

The parts declare their own settings; :class:`Settings` only gives each a section. Whatever is wrong is
said with the file, the line, the key and what is allowed (``maodou/config_errors.py``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from dotenv import load_dotenv
from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from adapters.discord.settings import DiscordSettings
from adapters.feishu.settings import FeishuSettings
from adapters.web.settings import WebSettings
from asr_tts.room_settings import VOICE_SETTINGS
from asr_tts.settings import VoiceSettings
from bot.errors import UsageError
from bot.logs import MIN_SECRET_CHARS, LogSettings, Secrets, configure
from bot.room_settings import CORE_SETTINGS, Setting
from bot.settings import CoreSettings
from bot.store import StoreSettings
from finetune_xtuner.settings import IdentitySettings
from llm.settings import ModelSettings
from maodou.config_errors import WrongKey, explain, secrets_in, syntax_error
from maodou.config_file import config_path, named_config
from moderation.settings import FILTER_SETTINGS
from rag.room_settings import KNOWLEDGE_SETTINGS
from rag.settings import KnowledgeSettings
from recommender.settings import FEED_ROOM_SETTINGS, FeedSettings
from recommender.taste_settings import TASTE_SETTINGS

PREFIX = "MAODOU_"
SAMPLE_BASE = "default"
"""The knowledge base that a new room reads, and that the sample documents go into."""

ROOM_SETTINGS: tuple[Setting[Any], ...] = (
    *CORE_SETTINGS,
    *KNOWLEDGE_SETTINGS,
    *FILTER_SETTINGS,
    *VOICE_SETTINGS,
    *FEED_ROOM_SETTINGS,
    *TASTE_SETTINGS,
)
"""What a room can set, of all features; ``rooms:`` gives their defaults."""


class Settings(BaseSettings):
    """The whole of ``config.yaml``. A platform is configured when it has its section."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="_", env_nested_max_split=1
    )

    data_dir: Path = Field(Path("data"), description="Everything that is stored lies here.")
    database: SecretStr = Field(
        SecretStr(""), description="Empty: SQLite in data_dir. Or postgresql://user@host/name, or sqlite:////path."
    )
    durability: Literal["full", "normal"] = Field(
        "full", description="full survives the death of the machine, normal that of the process."
    )
    sample: bool = Field(True, description="Index this project's documentation when there is no knowledge base yet.")

    log: LogSettings = LogSettings()
    core: CoreSettings = CoreSettings()
    rooms: dict[str, Any] = Field(default_factory=dict, description="Defaults for every room, as /settings names them.")
    knowledge: KnowledgeSettings = KnowledgeSettings()
    feeds: FeedSettings = FeedSettings()
    model: ModelSettings | None = Field(
        None, description="A chat model that writes the answers; none: the documents' own words."
    )
    identity: IdentitySettings | None = Field(
        None,
        description="Who the bot is: questions about itself are answered by this form.",
    )
    voice: VoiceSettings = VoiceSettings()
    web: WebSettings | None = None
    discord: DiscordSettings | None = None
    feishu: FeishuSettings | None = None

    @field_validator("database")
    @classmethod
    def _known_database(cls, database: SecretStr) -> SecretStr:
        url = database.get_secret_value()
        if url and not url.startswith(("sqlite:///", "postgresql://")):
            raise ValueError(
                "allowed: nothing (SQLite in data_dir), sqlite:////path/to/file or postgresql://user@host/db"
            )
        return database

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, data_dir: Path) -> Path:
        return data_dir.expanduser().absolute()

    @field_validator("rooms")
    @classmethod
    def _known_room_settings(cls, rooms: dict[str, Any]) -> dict[str, Any]:
        known = {setting.name: setting for setting in ROOM_SETTINGS}
        for name, value in rooms.items():
            if name not in known:
                raise WrongKey(name, f"is no setting of a room; there are {', '.join(sorted(known))}")
            try:
                known[name].canonical(value)
            except ValueError:
                raise WrongKey(name, f"is {value!r}; allowed: {known[name].what_is_allowed().en}") from None
        return rooms

    @model_validator(mode="before")
    @classmethod
    def _bare_section_is_its_defaults(cls, data: Any) -> Any:
        """``web:`` with nothing below it configures the web room as it comes."""
        if isinstance(data, dict):
            return {key: {} if value is None and key in SECTIONS else value for key, value in data.items()}
        return data

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file; ``.env`` is in the environment by then (``load``)."""
        return env_settings, init_settings

    @property
    def serves_web(self) -> WebSettings | None:
        """The web room runs where it is configured, and where nothing else is."""
        return self.web if self.web is not None or self.platforms else WebSettings()

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms that have a section, other than the web room."""
        return tuple(name for name in PLATFORMS if getattr(self, name) is not None)

    @property
    def database_url(self) -> str:
        return self.database.get_secret_value() or f"sqlite:///{self.data_dir / 'maodou.db'}"

    def secrets(self) -> Secrets:
        """What must never be read in a log: every secret setting, and the database's password alone."""
        url = self.database.get_secret_value()
        values = [url, str(make_url(url).password or "")] if url else []
        values += [secret.get_secret_value() for secret in _secrets_of(self) if secret is not self.database]
        values += [os.environ.get(each.key_env, "") for each in (self.model.endpoints if self.model else ())]
        speech = (self.voice.ear.server, self.voice.mouth.server)
        values += [os.environ.get(each.key_env, "") for each in speech if each is not None]
        return Secrets(value for value in values if len(value) >= MIN_SECRET_CHARS)

    @property
    def store(self) -> StoreSettings:
        return StoreSettings(url=self.database_url, durability=self.durability)


PLATFORMS = ("discord", "feishu")
SECTIONS = tuple(
    name
    for name, field in Settings.model_fields.items()
    if name in ("log", "core", "knowledge", "feeds", "voice", "web", *PLATFORMS)
)


def load(path: Path | None = None) -> Settings:
    """Read everything. ``path``: the file; without it the one that ``maodou.config_file.config_path`` finds.

    A file that was named must exist. Relative folders in the file count from the file, those in the
    environment from here. Raises ``UsageError`` with every mistake, a line each.
    """
    file = config_path(path)
    document = _read_yaml(file) if named_config(path) or file.exists() else CommentedMap()
    _read_secrets(file.parent / ".env")
    given = _plain(document)
    _refuse_secrets(given, document, file)
    if isinstance(folder := given.setdefault("data_dir", "data"), str):
        given["data_dir"] = file.parent / folder
    if isinstance(identity := given.get("identity"), dict) and isinstance(form := identity.get("form"), str):
        identity["form"] = file.parent / Path(form).expanduser()
    try:
        return Settings(**given)
    except ValidationError as error:
        raise UsageError(explain(error, document, file, Settings, PREFIX)) from error
    except SettingsError as error:
        raise UsageError(f"In the environment: {error}. Lists and sections are written as JSON there.") from error


def begin(path: Path | None, *, quiet: bool = False) -> Settings:
    """How a command begins: the settings, and the log set up by them. ``quiet``: one that talks itself logs
    warnings alone."""
    settings = load(path)
    configure(settings.log.model_copy(update={"level": "warning"}) if quiet else settings.log, settings.secrets())
    return settings


def _read_yaml(file: Path) -> CommentedMap:
    try:
        document = YAML().load(file.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 (at byte {error.start}): save it as UTF-8.") from error
    except YAMLError as error:
        raise UsageError(syntax_error(error, file)) from error
    if document is None:
        return CommentedMap()
    if not isinstance(document, CommentedMap):
        raise UsageError(f"{file}, line 1: here must stand settings such as `durability: full`, not {document!r:.40}.")
    return document


def _read_secrets(file: Path) -> None:
    """``.env`` into the environment, where it does not say otherwise already."""
    if not file.exists():
        return
    try:
        load_dotenv(file, override=False)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}.") from error


def _plain(node: Any) -> Any:
    """Round-trip YAML as plain Python."""
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    for kind in (str, float):  # ruamel's own kinds of them remember how they were written
        if isinstance(node, kind):
            return kind(node)
    return node


def _refuse_secrets(given: dict[str, Any], document: CommentedMap, file: Path) -> None:
    """Secrets belong into ``.env``: a configuration is shown, copied and committed."""
    for path in secrets_in(Settings.model_json_schema()):
        value, node, line = given, document, 0
        for key in path:
            if not isinstance(value, dict) or key not in value:
                break
            line = node.lc.key(key)[0] + 1
            value, node = value[key], node[key]
        else:
            if value and (path != ("database",) or _has_password(str(value))):
                variable = PREFIX + "_".join(path).upper()
                raise UsageError(
                    f"{file}, line {line}: {'.'.join(path)} holds a secret. Put it into {file.parent / '.env'} as "
                    f"{variable}=…, and take it out here."
                )


def _secrets_of(model: BaseModel) -> Iterator[SecretStr]:
    for _, value in model:
        if isinstance(value, SecretStr):
            yield value
        elif isinstance(value, BaseModel):
            yield from _secrets_of(value)


def _has_password(url: str) -> bool:
    try:
        return make_url(url).password is not None
    except ArgumentError:
        return False
