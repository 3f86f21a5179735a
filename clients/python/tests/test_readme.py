"""The README is true: its first task runs, and every other block is Python that mypy accepts."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PATIENCE, Home, ask, eventually, interpreter, sources_know

from bgtask import _wire

README = (Path(__file__).parents[1] / "README.md").read_text()
PYTHON = re.findall(r"^```python\n(.*?)^```$", README, re.M | re.S)
MANIFEST = re.findall(r"^```toml\n(.*?)^```$", README, re.M | re.S)[0]


def test_every_block_has_the_right_types(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    for number, block in enumerate(PYTHON):
        (tmp_path / f"block_{number}.py").write_text(block)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "."]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


async def test_the_first_task_runs(broker: Home) -> None:
    tasks, app = PYTHON[:2]
    broker.write_program("hello_tasks.py", tasks)
    (broker.path / "hello.py").write_text(app)
    (broker.path / "bgtask.toml").write_text(re.sub(r"^read = .*$", f"read = {interpreter()}", MANIFEST, flags=re.M))
    (broker.root / "apps/org.example.Hello.toml").symlink_to(broker.path / "bgtask.toml")
    await installed("org.example.Hello")

    environment = {name: value for name, value in os.environ.items() if name != "BGTASK_APP_ID"}
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-u", broker.path / "hello.py", env=environment, stdout=asyncio.subprocess.PIPE
    )

    async def line() -> str:
        assert program.stdout is not None
        return (await asyncio.wait_for(program.stdout.readline(), PATIENCE)).decode()

    try:
        assert await line() == "Hello waits for a change of the time zone\n"
        await sources_know()
        broker.world.zone("Asia/Tokyo")
        for step in range(20, 101, 20):
            assert await line() == f"{step} %\n"
        assert await line() == "Hello from another process\n"
    finally:
        program.kill()
        await program.wait()


async def installed(app: str) -> None:
    """Waits until the broker has seen a manifest."""

    async def look() -> bool | None:
        apps = [_wire.plain(info)["id"] for info in await ask("ListApps")]
        return True if app in apps else None

    await eventually(f"{app} is installed", look)
