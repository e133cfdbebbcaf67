"""deploy/: the image and its three uses are as closed as they say, and get what the daemon needs."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from hedged.cli import exits
from hedged.cli.app import app
from hedged.service.loop import LEAVE_S_MAX

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
USES = ("paper", "alert", "live")

each_use = pytest.mark.parametrize("use", USES)


def composed(use: str) -> dict[str, Any]:
    """The service of one use, over what all have in common, as compose lays it."""
    own = service(DEPLOY / f"compose.{use}.yaml")
    extended = own.pop("extends")
    common = service(DEPLOY / extended["file"])
    return {**common, **own, "volumes": [*common["volumes"], *own["volumes"]]}


def service(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())["services"]["hedged"]
    return found


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of the image, stage by stage."""
    joined = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line.partition(" ") for line in joined.splitlines() if line and not line.startswith("#")]
    found: list[list[tuple[str, str]]] = []
    for word, _, rest in lines:
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest.strip()))
    return found


def last(instruction: str) -> str:
    """What the last stage says with *instruction*, once."""
    (said,) = [rest for word, rest in stages()[-1] if word == instruction]
    return said


# The image.


def test_the_base_is_one_tag_of_a_python_that_is_supported() -> None:
    bases = {rest.partition(" ")[0] for stage in stages() for word, rest in stage if word == "FROM"}
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]

    assert bases == {"python:3.12-slim-bookworm"}
    assert "Programming Language :: Python :: 3.12" in asked


def test_the_daemon_is_not_root_and_writes_to_its_state_only() -> None:
    user = last("USER")

    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert last("VOLUME") == last("WORKDIR") == "/state"
    assert "HEDGED__SERVICE__STATE_DIR=/state" in last("ENV")
    assert f"-o {user.partition(':')[0]}" in last("RUN")


def test_every_part_is_a_wheel_whose_hash_is_known() -> None:
    (install,) = [rest for word, rest in stages()[0] if word == "RUN" and "pip install" in rest]

    assert "--require-hashes" in install
    assert "--only-binary=:all:" in install
    assert "pip install" not in " ".join(rest for _, rest in stages()[-1])


def test_what_is_copied_is_what_the_builder_is_given() -> None:
    given = {line[1:] for line in ignored() if line.startswith("!")}
    copied = {
        rest.split()[0]
        for stage in stages()
        for word, rest in stage
        if word == "COPY" and "--" not in rest
    }

    assert ignored()[0] == "*"
    assert copied == given
    assert all((ROOT / name).exists() for name in given)


def ignored() -> list[str]:
    lines = (DEPLOY / "Containerfile.dockerignore").read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_it_asks_the_daemon_itself_whether_it_is_well() -> None:
    options, _, command = last("HEALTHCHECK").partition(" CMD ")
    words: list[str] = yaml.safe_load(command)
    known = get_command(app).commands["status"].params  # type: ignore[attr-defined]

    assert words == ["hedged", "status", "--healthy"]
    assert any("--healthy" in option.opts for option in known)
    assert "--start-period=15m" in options
    assert exits.UNEXPECTED == 1  # what a health check calls unhealthy


def test_it_ends_as_the_daemon_wants_to() -> None:
    assert last("STOPSIGNAL") == "SIGTERM"
    assert yaml.safe_load(last("ENTRYPOINT")) == ["hedged"]
    assert yaml.safe_load(last("CMD")) == ["run"]


def test_the_packages_of_the_image_are_those_of_the_lock_without_the_tools() -> None:
    whole, image = (packages(ROOT / name) for name in ("requirements.lock", "deploy/requirements.lock"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tools, needed = (
        {re.split(r"[<>=\[;]", line)[0].lower().replace("_", "-") for line in lines}
        for lines in (project["optional-dependencies"]["dev"], project["dependencies"])
    )

    assert image.items() <= whole.items()
    assert needed <= image.keys()
    assert tools.isdisjoint(image.keys() - {"pyyaml"})


def packages(lock: Path) -> dict[str, str]:
    """Each package of *lock* with its version and hashes."""
    blocks = re.split(r"\n(?=[a-z])", lock.read_text())
    return {block.partition("==")[0]: block.strip() for block in blocks if "==" in block}


# The uses.


@each_use
def test_a_use_has_no_right_it_can_do_without(use: str) -> None:
    made = composed(use)

    assert made["user"] == last("USER")
    assert made["read_only"] is True
    assert made["cap_drop"] == ["ALL"]
    assert made["security_opt"] == ["no-new-privileges:true"]
    assert made["ulimits"] == {"core": 0}
    assert [mount.partition(":")[0] for mount in made["tmpfs"]] == ["/tmp"]
    assert not {"privileged", "cap_add", "ports", "network_mode", "pid", "ipc"} & made.keys()


@each_use
def test_a_use_writes_to_its_own_state_and_to_nothing_else(use: str) -> None:
    whole = yaml.safe_load((DEPLOY / f"compose.{use}.yaml").read_text())
    settings, state = composed(use)["volumes"]

    assert (settings["read_only"], settings["bind"]["create_host_path"]) == (True, False)
    assert state == "state:/state"
    assert whole["volumes"].keys() == {"state"}
    assert whole["name"] == f"hedged-{use}"  # so that no two uses share a state


@each_use
def test_a_use_has_the_time_to_finish_its_step(use: str) -> None:
    made = composed(use)

    assert float(made["stop_grace_period"].removesuffix("s")) >= LEAVE_S_MAX + 10
    assert made["init"] is True
    assert made["restart"] == "unless-stopped"


@each_use
def test_no_secret_is_in_the_environment(use: str) -> None:
    made = composed(use)
    for name, given in made["environment"].items():
        assert name == "HEDGED_CONFIG" or (name.endswith("_FILE") and given.startswith("/run/secrets/"))
    files = {given.rpartition("/")[2] for name, given in made["environment"].items() if "_FILE" in name}

    assert files == set(made.get("secrets", []))
    assert made["environment"]["HEDGED_CONFIG"] == f"/etc/hedged/{use}.toml"


def test_only_the_live_use_sends_orders_by_itself_and_paper_has_no_key() -> None:
    assert composed("live")["command"] == ["run", "--live"]
    for use in ("live", "alert"):
        assert set(composed(use)["secrets"]) == {"main.api_key", "main.api_secret"}
    assert not {"command", "secrets"} & composed("paper").keys()
    assert "command" not in composed("alert")


def test_settings_and_keys_beside_the_compose_files_are_never_committed() -> None:
    lines = (ROOT / ".gitignore").read_text().splitlines()

    assert {"/deploy/etc/", "/deploy/keys/"} <= set(lines)
    assert composed("live")["volumes"][0]["source"] == "./etc"


# The pages.


@pytest.mark.parametrize("page", ["deploy/README.md", "systemd/README.md"])
def test_every_command_of_a_page_exists(page: str) -> None:
    found = 0
    for line in re.findall(r"hedged(?:-at \w+)? ([a-z][^`#\n]*)", commands(page)):
        words = [word for word in shlex.split(line, comments=True) if not word.startswith("$")]
        command: Any = get_command(app)
        while words and hasattr(command, "commands"):
            assert words[0] in command.commands, f"{page}: {line}"
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known, f"{page}: {line}"
        found += 1

    assert found >= 4


def commands(page: str) -> str:
    """What stands in the page's blocks and between its backticks."""
    text = (ROOT / page).read_text().replace("exec hedged ", "")
    blocks = re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    inline = re.findall(
        r"`(hedged[^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    )
    return "\n".join([*blocks, *inline])
