"""One file, the environment and a file of secrets become settings, or a sentence that says what to mend."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.errors import UsageError
from maodou.config import Settings, load
from tests.blocking import ROOT


def configured(text: str | bytes) -> Settings:
    Path("config.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return load()


def refused(text: str | bytes) -> str:
    with pytest.raises(UsageError) as caught:
        configured(text)
    return str(caught.value)


# ── what works ───────────────────────────────────────────────────────────────────────────────────────────


def test_without_any_file_everything_has_a_default(tmp_path: Path) -> None:
    settings = load()
    assert settings.data_dir == tmp_path / "data"
    assert settings.database_url == f"sqlite:///{tmp_path}/data/maodou.db"
    assert settings.serves_web is not None
    assert settings.serves_web.port == 7860


def test_the_file_we_ship_is_right_and_so_is_each_line_that_it_offers() -> None:
    shipped = (ROOT / "config.yaml").read_text("utf-8")
    assert configured(shipped).web is not None
    offered = re.findall(r"^ *#(?=\w).*$", shipped, re.MULTILINE)
    assert len(offered) >= 3
    for line in offered:
        configured(shipped.replace(line, line.replace("#", "", 1)))


def test_a_bare_section_is_its_defaults() -> None:
    web = configured("web:\n").web
    assert web is not None
    assert web.port == 7860


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAODOU_WEB_PORT", "7001")
    monkeypatch.setenv("MAODOU_DATA_DIR", "elsewhere")
    settings = configured("data_dir: here\nweb:\n  port: 7000\n  room_name: Kitchen\n")
    assert settings.web is not None
    assert (settings.web.port, settings.web.room_name) == (7001, "Kitchen")
    assert settings.data_dir == Path("elsewhere").absolute()


def test_elsewhere_the_settings_in_the_projects_folder_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    for folder in (project, elsewhere):
        folder.mkdir()
        monkeypatch.chdir(folder)
        assert load().data_dir == folder / "data"
    (project / "config.yaml").write_text("data_dir: state\n")
    assert load().data_dir == project / "state"
    monkeypatch.setenv("MAODOU_DATA_DIR", "mine")
    assert load().data_dir == elsewhere / "mine"
    monkeypatch.delenv("MAODOU_DATA_DIR")
    assert configured("").data_dir == elsewhere / "data"


def test_folders_in_the_file_count_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "bot.yaml").write_text("data_dir: ../state\n")
    assert load(Path("etc/bot.yaml")).data_dir == (tmp_path / "etc" / ".." / "state")


def test_secrets_come_from_the_env_file_and_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAODOU_WEB_PASSWORD", "")  # so that whatever the file sets is taken back afterwards
    monkeypatch.delenv("MAODOU_WEB_PASSWORD")
    Path(".env").write_text("MAODOU_WEB_PASSWORD=correct-horse\n")
    settings = configured("web:\n")
    assert settings.web is not None
    assert settings.web.password.get_secret_value() == "correct-horse"
    assert "correct-horse" not in repr(settings)
    assert "correct-horse" not in str(settings.model_dump())


def test_one_line_moves_to_postgresql() -> None:
    settings = configured("database: postgresql://maodou@db.example.org/maodou\n")
    assert settings.store.url == "postgresql://maodou@db.example.org/maodou"


# ── what does not ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("web:\n  prot: 1\n", "config.yaml, line 2: web has no setting 'prot'; did you mean port?"),
        ("\nweb:\n  port: abc\n", "config.yaml, line 3: web.port is 'abc'; it must be a whole number from 0 to 65535."),
        ("durability: fast\n", "config.yaml, line 1: durability is 'fast'; it must be one of full, normal."),
        ("web:\n  language: fr\n", "config.yaml, line 2: web.language is 'fr'; it must be one of zh, en."),
        ("knowlege:\n", "config.yaml, line 1: there is no setting 'knowlege'; did you mean knowledge?"),
        ("core:\n  operators: [1]\n", "config.yaml, line 2: core.operators[0] is 1; it must be text."),
        ("web: 7\n", "config.yaml, line 1: web is 7; it must be a section with settings of its own."),
        ("rooms:\n  language: zh\n  unasked: always\n", "config.yaml, line 3: rooms.unasked is 'always'; allowed: "),
        ("rooms:\n  unaskd: off\n", "config.yaml, line 2: rooms.unaskd is no setting of a room; there are "),
        ("knowledge:\n  embedding:\n    kind: lsa\n    dimensions: 3\n",
         "config.yaml, line 4: knowledge.embedding.dimensions is 3; it must be a whole number from 8 to 1024."),
        ("knowledge:\n  embedding:\n    kind: magic\n",
         "config.yaml, line 2: knowledge.embedding.kind must be one of 'none', 'lsa', 'endpoint', 'llama_index'."),
        ("knowledge:\n  embedding:\n    kind: endpoint\n    model: m\n",
         "config.yaml, line 2: knowledge.embedding.url is missing; it is text."),
        ("a: [1\nb: 2\n", "config.yaml, line 2, column 2: this is not YAML: expected ',' or ']'"),
        ("sample: true\nsample: false\n", 'config.yaml, line 2, column 1: this is not YAML: found duplicate key'),
        ("web:\n\tport: 1\n", "config.yaml, line 2, column 1: this is not YAML: found character '\\t'"),
        ("- 1\n", "config.yaml, line 1: here must stand settings such as"),
        (b"web:\n  room_name: \xd6\n", "config.yaml is not UTF-8 (at byte 18)"),
        ("database: mysql://root@h/d\n", "config.yaml, line 1: database is (hidden): allowed: nothing"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_what_is_allowed(text: str | bytes, sentence: str) -> None:
    assert refused(text).startswith(sentence)


def test_every_mistake_is_told_at_once_in_the_order_of_the_file() -> None:
    told = refused("web:\n  max_files: 0\n  port: -1\ndurability: fast\n").splitlines()
    assert [line.split(":")[0] for line in told] == [f"config.yaml, line {number}" for number in (2, 3, 4)]


def test_a_mistake_in_the_environment_is_told_by_the_variables_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAODOU_WEB_PORT", "many")
    assert refused("web:\n  port: 1\n").startswith("MAODOU_WEB_PORT in the environment: web.port is 'many'; it must be")
    monkeypatch.delenv("MAODOU_WEB_PORT")
    monkeypatch.setenv("MAODOU_CORE_OPERATORS", "anna")
    assert "written as JSON" in refused("")


def test_a_section_that_a_secret_alone_begins_is_told_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAODOU_FEISHU_APP_SECRET", "0123456789")
    told = refused("")
    assert told.startswith("config.yaml (for MAODOU_FEISHU_APP_SECRET in the environment): feishu.app_id is missing;")
    assert "0123456789" not in told


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ("web:\n  password: hunter2\n", "MAODOU_WEB_PASSWORD"),
        ("database: postgresql://bot:hunter2@db/maodou\n", "MAODOU_DATABASE"),
    ],
)
def test_a_secret_in_the_file_is_refused_without_being_shown(text: str, variable: str) -> None:
    told = refused(text)
    assert f"Put it into .env as {variable}=" in told
    assert "hunter2" not in told


def test_a_file_that_was_named_must_be_there() -> None:
    with pytest.raises(UsageError, match=r"nowhere\.yaml cannot be read: No such file"):
        load(Path("nowhere.yaml"))


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").mkdir()
    with pytest.raises(UsageError, match=r"config\.yaml cannot be read: Is a directory"):
        load()


def test_every_setting_that_measures_time_or_size_says_its_unit() -> None:
    measures = re.compile(r"(^|_)(timeout|pause|deadline|every|within|after|window|grace|keep|kept|size)(_|$)")
    units = ("_s", "_ms", "_minutes", "_hours", "_days", "_bytes", "_mib", "_chars", "_pings", "_messages")
    found = 0
    for definition in Settings.model_json_schema()["$defs"].values():
        for name, field in definition.get("properties", {}).items():
            if field.get("type") in ("integer", "number") and measures.search(name):
                found += 1
                assert name.endswith(units), f"{definition['title']}.{name}"
    assert found >= 5


def test_a_list_with_a_wrong_item_is_not_called_no_list() -> None:
    wrong_item = refused("model: {endpoints: [{url: foo}]}").splitlines()
    assert len(wrong_item) == 2
    assert "model.endpoints[0].url is 'foo'" in wrong_item[0]
    assert "model.endpoints[0].model is missing" in wrong_item[1]
    assert refused("model: {endpoints: []}").endswith("model.endpoints is []; it must be a list that is not empty.")
