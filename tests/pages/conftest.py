"""All pages as files, for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from steepest.pages.page import registry, write_page


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    return {name: write_page(name, folder / f"{name}.html") for name in registry.names()}
