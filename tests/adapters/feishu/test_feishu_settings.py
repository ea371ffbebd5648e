"""What is said before anything runs: a wrong setting, a missing secret; and what an import costs."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import SecretStr, ValidationError

from adapters.feishu.adapter import FeishuPlatform
from adapters.feishu.settings import FeishuSettings
from bot.errors import UsageError


def test_the_secret_is_asked_for_by_its_name() -> None:
    with pytest.raises(UsageError, match="MAODOU_FEISHU_APP_SECRET"):
        FeishuPlatform(FeishuSettings(app_id="cli_1"))


def test_the_secret_is_not_shown() -> None:
    settings = FeishuSettings(app_id="cli_1", app_secret=SecretStr("hush"), encrypt_key=SecretStr("hush"))
    assert "hush" not in repr(settings) + str(settings.model_dump())


def test_a_webhook_with_neither_key_nor_token_is_not_configured() -> None:
    with pytest.raises(ValidationError, match="ENCRYPT_KEY"):
        FeishuSettings(app_id="cli_1", mode="webhook")


@pytest.mark.parametrize("domain", ["http://open.feishu.cn", "ftp://127.0.0.1", "feishu.cn", ""])
def test_only_encrypted_domains_or_this_machine(domain: str) -> None:
    with pytest.raises(ValidationError, match="allowed"):
        FeishuSettings(app_id="cli_1", domain=domain)


@pytest.mark.parametrize(
    ("domain", "url"),
    [
        ("feishu", "https://open.feishu.cn"),
        ("lark", "https://open.larksuite.com"),
        ("https://feishu.example.org/", "https://feishu.example.org"),
        ("http://127.0.0.1:3300", "http://127.0.0.1:3300"),
    ],
)
def test_domains(domain: str, url: str) -> None:
    assert FeishuSettings(app_id="cli_1", domain=domain).base_url == url


def test_the_library_is_imported_only_when_feishu_runs() -> None:
    """It costs seconds and 150 MB."""
    program = (
        "import sys; from adapters.feishu.adapter import FeishuPlatform; "
        "from adapters.feishu.settings import FeishuSettings; "
        "FeishuPlatform(FeishuSettings(app_id='cli_1', app_secret='s')); "
        "sys.exit(any(name.split('.')[0] == 'lark_oapi' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
