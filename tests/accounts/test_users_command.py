"""`querist users` as an administrator types it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("argon2", reason="the extra web is not installed")
from click.testing import CliRunner, Result

from querist.cli import cli
from querist.core.errors import AccountError
from querist.pipeline.accounts.people import audit_log
from querist.pipeline.accounts.sign_in import invited, of_token, sign_in
from querist.pipeline.project import Project

PASSWORD = "correct horse battery"


def users(folder: Path, *arguments: str, typed: str = "") -> Result:
    done = CliRunner().invoke(cli, ["users", *arguments, "--project", str(folder)], input=typed)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_an_account_is_made_with_the_password_from_standard_input(folder: Path) -> None:
    assert "no account yet" in users(folder, "list").output
    done = users(folder, "add", "ada", "--role", "lead", typed=f"{PASSWORD}\nanything\n")
    assert done.output == "added ada as lead\n"
    assert sign_in(Project(folder), "ada", PASSWORD, address="")
    assert users(folder, "list").output == "ada  lead  active\n"
    with pytest.raises(AccountError, match="10 to 200 characters, this one 0"):
        users(folder, "add", "bob")


def test_a_password_is_no_argument(folder: Path) -> None:
    assert users(folder, "add", "ada", PASSWORD).exit_code == 2
    assert "--password" not in users(folder, "add", "--help").output


def test_an_invitation_is_printed_as_a_link(folder: Path) -> None:
    done = users(folder, "add", "bob", "--invite", "--url", "https://label.example/")
    secret = re.search(r"^https://label\.example/invite/([\w.-]+)$", done.output, re.MULTILINE)[1]
    assert invited(Project(folder), secret) == "bob"
    assert users(folder, "list").output == "bob  annotator  invited\n"
    again = users(folder, "invite", "bob").output
    assert re.search(r"^http://localhost:8765/invite/[\w.-]+$", again, re.MULTILINE)
    assert "once, within a week" in again


def test_a_token_is_shown_once_and_revoked_by_its_id(folder: Path) -> None:
    users(folder, "add", "bob", "--invite")
    secret = users(folder, "token", "bob", "--scope", "tasks", "--scope", "labels", "--days", "30").stdout.strip()
    person = of_token(Project(folder), secret)
    assert (person.name, sorted(person.scopes)) == ("bob", ["labels", "tasks"])
    listed = users(folder, "list").output
    assert secret not in listed
    id = re.search(r"^token (\w{12})  bob  labels tasks  until 20\d\d-\d\d-\d\d  last used 20", listed, re.MULTILINE)[1]
    assert json.loads(users(folder, "list", "--json").output)["tokens"][0]["id"] == id
    assert users(folder, "revoke", id).output == "revoked a token of bob\n"
    assert of_token(Project(folder), secret) is None


def test_roles_and_doors_change_and_the_log_tells(folder: Path) -> None:
    users(folder, "add", "bob", "--invite")
    assert users(folder, "role", "bob", "admin").output == "bob is admin now\n"
    assert users(folder, "disable", "bob").output == "disabled bob\n"
    assert users(folder, "list").output == "bob  admin  disabled\n"
    assert users(folder, "enable", "bob").output == "enabled bob\n"
    whats = [entry["what"] for entry in json.loads(users(folder, "log", "--json").output)]
    assert whats == ["user added", "invited", "role changed", "user disabled", "user enabled"]
    (line,) = users(folder, "log", "--last", "1").output.splitlines()
    assert line.endswith(": user enabled  user=bob")
    assert len(audit_log(Project(folder))) == 5


def test_an_unknown_name_is_one_sentence(folder: Path) -> None:
    command = [sys.executable, "-m", "querist", "users", "disable", "bob"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "error: unknown user 'bob'. Available: none.\n")
