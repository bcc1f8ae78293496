"""The commands of the README, its pages and cloudbuild.yaml, against Google's documentation."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import check_jsonschema
import jsonschema
import openai
import pathspec
import pytest
import ruamel.yaml
from helpers.server import KEY, ROOT, bare_environment, free_port, wait_until_open

PAGES = [ROOT / "README.md", *sorted((ROOT / ".github" / "docs").glob("*.md"))]
README = "\n".join(page.read_text() for page in PAGES)
CLOUD_BUILD = ruamel.yaml.YAML(typ="safe").load(ROOT / "cloudbuild.yaml")

SCRIPTS = {
    **{
        f"README {number}": block
        for number, block in enumerate(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
    },
    **{f"README line {number}": line for number, line in enumerate(re.findall(r"`(gcloud [^`]+)`", README))},
    **{f"cloudbuild {step['id']}": step["script"] for step in CLOUD_BUILD["steps"] if "script" in step},
    "cloudbuild header": "\n".join(
        line.removeprefix("#   ")
        for line in (ROOT / "cloudbuild.yaml").read_text().splitlines()
        if line.startswith("#   ")
    ),
}
each_script = pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)

RUNS = {"project", "region", "quiet", "format"}
"""Flags that every command of gcloud takes, or every one that names a place."""

FLAGS = {
    # https://cloud.google.com/sdk/gcloud/reference/functions/deploy
    "functions deploy": {
        "allow-unauthenticated",
        "build-service-account",
        "clear-secrets",
        "concurrency",
        "cpu",
        "entry-point",
        "gen2",
        "max-instances",
        "memory",
        "min-instances",
        "no-allow-unauthenticated",
        "runtime",
        "service-account",
        "set-build-env-vars",
        "set-env-vars",
        "set-secrets",
        "source",
        "timeout",
        "trigger-http",
        "update-env-vars",
    },
    "functions describe": {"gen2"},
    # https://cloud.google.com/sdk/gcloud/reference/run/deploy
    "run deploy": {
        "allow-unauthenticated",
        "base-image",
        "concurrency",
        "cpu",
        "cpu-boost",
        "function",
        "memory",
        "min-instances",
        "service-account",
        "set-build-env-vars",
        "set-env-vars",
        "set-secrets",
        "source",
        "timeout",
    },
    "run services update": {"cpu-boost", "min-instances", "update-env-vars", "vpc-connector"},
    "iam roles create": {"permissions", "title"},
    "monitoring dashboards create": {"config-from-file"},
    "alpha monitoring policies create": {"policy-from-file"},
    "run services add-iam-policy-binding": {"member", "role"},
    "builds submit": {"config", "ignore-file", "substitutions"},
    "secrets create": {"data-file"},
    "secrets add-iam-policy-binding": {"member", "role"},
    "secrets versions add": {"data-file"},
    "secrets versions access": {"secret"},
    "services enable": set(),
    "config set": set(),
    "iam service-accounts create": set(),
    "iam service-accounts add-iam-policy-binding": {"member", "role"},
    "projects add-iam-policy-binding": {"member", "role"},
    "storage buckets create": {"location", "uniform-bucket-level-access"},
    "storage buckets update": {"lifecycle-file"},
    "storage buckets add-iam-policy-binding": {"member", "role"},
    "auth print-identity-token": {"audiences"},
    "auth application-default login": set(),
    # https://cloud.google.com/sdk/gcloud/reference/logging/metrics/create
    "logging read": {"freshness"},
    "logging metrics create": {"config-from-file", "description", "log-filter"},
}
"""Command → the flags of its reference that are of use here."""


def words(line):
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    return list(lexer)


def commands(script):
    """The gcloud commands of a script, each as its words."""
    for line in script.replace("\\\n", " ").splitlines():
        for start in re.finditer(r"\bgcloud\b", line):
            arguments = re.split(r"\s[|&;)]|\)$", line[start.end() :])[0]
            yield words(arguments.replace("$(", " ").strip(")"))


DEPLOYED = [
    (name, command)
    for name, script in SCRIPTS.items()
    for command in commands(script)
    if command[:2] in (["functions", "deploy"], ["run", "deploy"])
]
each_deployment = pytest.mark.parametrize(
    "command", [command for _, command in DEPLOYED], ids=[name for name, _ in DEPLOYED]
)


def flag(command, name):
    (value,) = [word.partition("=")[2] for word in command if word.partition("=")[0] == f"--{name}"]
    return value


def test_cloud_build_file_matches_its_schema():
    schema = Path(check_jsonschema.__file__).parent / "builtin_schemas" / "vendor" / "cloudbuild.json"
    jsonschema.validate(CLOUD_BUILD, json.loads(schema.read_text()))


def test_cloud_build_tests_deploys_and_sends_a_request():
    assert [step["id"] for step in CLOUD_BUILD["steps"]] == ["test", "deploy", "ask"]
    used = set(re.findall(r"\$\{?(_[A-Z]+)", (ROOT / "cloudbuild.yaml").read_text()))
    assert used == set(CLOUD_BUILD["substitutions"])


@each_script
def test_scripts_are_valid_shell(script):
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@each_script
def test_the_flags_of_gcloud_are_documented(script):
    for command in commands(script):
        plain = " ".join(word for word in command if not word.startswith("-"))
        names = [name for name in FLAGS if plain == name or plain.startswith(f"{name} ")]
        assert names, plain
        flags = {word[2:].partition("=")[0] for word in command if word.startswith("--")}
        assert flags <= FLAGS[max(names, key=len)] | RUNS


def test_all_ways_to_deploy_are_found():
    assert [command[0] for _, command in DEPLOYED] == ["functions", "functions", "run", "functions"]


@each_deployment
def test_a_stream_has_a_thread(command):
    threads = re.search(r"THREADS=(\d+)", " ".join(command))
    assert flag(command, "concurrency") == (threads[1] if threads else "$_THREADS")
    assert 'setdefault("THREADS", "500")' in (ROOT / "main.py").read_text()
    assert CLOUD_BUILD["substitutions"]["_THREADS"] == "500"


@each_deployment
def test_the_ways_to_deploy_agree(command):
    assert flag(command, "timeout").rstrip("s") == "3600"
    assert (flag(command, "cpu"), flag(command, "memory")) == ("1", "1Gi")
    assert flag(command, "entry-point" if command[0] == "functions" else "function") == "vertex_compat"
    runtime = flag(command, "runtime" if command[0] == "functions" else "base-image")
    assert f"python:{runtime[6]}.{runtime[7:]}-slim" == CLOUD_BUILD["steps"][0]["name"]


@pytest.mark.parametrize("with_variable", [True, False])
def test_bytecode_of_the_build_is_valid_in_the_image(tmp_path, with_variable):
    """The buildpack compiles the source; then the image gives all files another time.

    https://github.com/GoogleCloudPlatform/buildpacks/blob/main/cmd/python/functions_framework/main.go
    """
    (variable,) = {flag(command, "set-build-env-vars") for _, command in DEPLOYED}
    environment = bare_environment() | {"PYTHONDONTWRITEBYTECODE": "1"}
    upload_to(tmp_path)
    subprocess.run(
        [sys.executable, "-m", "compileall", "-f", "-q", "."],
        cwd=tmp_path,
        env=environment | (dict([variable.split("=")]) if with_variable else {}),
        check=True,
    )
    for path in tmp_path.rglob("*.py"):
        os.utime(path, (315_532_801, 315_532_801))
    done = subprocess.run(
        [sys.executable, "-v", "-c", "import vertex_compat.app"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    stale = re.findall(r"bytecode is stale for '(vertex_compat[^']*)'", done.stderr)
    assert ("vertex_compat.app" in stale) is not with_variable
    assert bool(stale) is not with_variable


def built(step, tmp_path, **substitutions):
    """Run a step of the build with a gcloud that answers and records its arguments."""
    gcloud = tmp_path / "gcloud"
    gcloud.write_text(
        "#!/bin/sh\n"
        f"printf '%s\\n' \"$*\" >>{tmp_path}/told\n"
        'case "$*" in\n'
        '  *describe*) echo "$URL" ;;\n'
        f'  *secrets*) echo "me:{KEY},other:sk-other-0123456789" ;;\n'
        f'  *identity-token*) echo "{KEY}" ;;\n'
        "esac\n"
    )
    gcloud.chmod(0o755)
    script = tmp_path / "script"
    script.write_text(
        next(build_step["script"] for build_step in CLOUD_BUILD["steps"] if build_step["id"] == step)
    )
    variables = {"PROJECT_ID": "my-project", **CLOUD_BUILD["substitutions"], **substitutions}
    environment = bare_environment() | variables | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    workspace = tmp_path / "workspace"
    shutil.copytree(ROOT / ".ci", workspace / ".ci", dirs_exist_ok=True)
    done = subprocess.run(
        ["bash", script],
        cwd=workspace,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done, (tmp_path / "told").read_text().splitlines()


@pytest.mark.parametrize(
    ("access", "kind"), [("public", "--allow-unauthenticated"), ("private", "--no-allow-unauthenticated")]
)
def test_the_build_deploys_what_the_readme_deploys(tmp_path, access, kind):
    done, invocations = built("deploy", tmp_path, _ACCESS=access)
    assert (done.returncode, done.stderr) == (0, "")
    (by_build,) = [line.split() for line in invocations]
    (by_readme,) = [
        deployment
        for name, deployment in DEPLOYED
        if "README" in name and deployment[0] == "functions" and kind in deployment
    ]
    filled = [
        word.replace("$PROJECT_ID", "my-project").replace("$REGION", "us-central1") for word in by_readme
    ]
    own = {"--quiet", "--clear-secrets"} | {word for word in by_build if "--build-service-account" in word}
    assert set(by_build) - own == set(filled)


def test_the_build_can_set_location_and_threads(tmp_path):
    _, invocations = built("deploy", tmp_path, _LOCATION="eu", _THREADS="200")
    assert "THREADS=200,GOOGLE_CLOUD_PROJECT=my-project,GOOGLE_CLOUD_LOCATION=eu" in invocations[0]


@pytest.mark.parametrize("access", ["public", "private"])
def test_the_build_sends_a_request_to_the_deployment(serve, tmp_path, access):
    server = serve(VERTEX_COMPAT_API_KEYS=f"me:{KEY}")
    done, _ = built("ask", tmp_path, _ACCESS=access, URL=server.url)
    assert done.returncode == 0, done.stderr
    assert "You said: Say hello." in json.loads(done.stdout)["choices"][0]["message"]["content"]
    assert KEY not in done.stdout + done.stderr


# What goes up


def left_by(ignore_file):
    """The files that an upload takes, by gitignore's rules."""
    spec = pathspec.GitIgnoreSpec.from_lines(ignore_file.read_text().splitlines())
    git_ignored = pathspec.GitIgnoreSpec.from_lines((ROOT / ".gitignore").read_text().splitlines())
    paths = (
        path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file() and ".git" not in path.parts
    )
    return {path for path in paths if not spec.match_file(path) and not git_ignored.match_file(path)}


UPLOADED = left_by(ROOT / ".gcloudignore")


def test_only_the_function_is_uploaded():
    settings = {"vertex_compat.toml"}  # where there is one
    assert {path.parts[0] for path in UPLOADED} - settings == {"main.py", "requirements.txt", "vertex_compat"}
    assert not [path for path in UPLOADED if "emulator" in path.parts]


def upload_to(folder):
    """Copy what is uploaded."""
    for path in UPLOADED:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / path)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    """A folder with the uploaded files only, and a Python with their requirements only."""
    folder = tmp_path_factory.mktemp("deployed")
    upload_to(folder)
    python = folder / ".venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", folder / ".venv"], check=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=1"]
    done = subprocess.run(
        [*install, "-r", folder / "requirements.txt"], capture_output=True, text=True, check=False
    )
    if done.returncode and "CI" not in os.environ:
        pytest.skip(f"no packages to be had: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr
    return python


def test_uploaded_files_run_as_on_cloud_run(deployed, emulator, tmp_path):
    folder = deployed.parents[2]
    port = free_port()
    log = tmp_path / "log"
    environment = (
        bare_environment()
        | emulator.env
        | {
            "CLOUDSDK_CONFIG": os.devnull,
            "FUNCTION_TARGET": "vertex_compat",
            "FUNCTION_SIGNATURE_TYPE": "http",
            "K_CONFIGURATION": "vertex-compat",
            "K_REVISION": "vertex-compat-00001-abc",
            "K_SERVICE": "vertex-compat",
            "PORT": str(port),
            "THREADS": "500",
            "VERTEX_COMPAT_API_KEYS": f"me:{KEY}",
        }
    )
    command = [deployed.parent / "functions-framework", "--source", folder / "main.py"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
    try:
        wait_until_open(port, process, log)
        with openai.OpenAI(
            base_url=f"http://127.0.0.1:{port}", api_key=KEY, max_retries=0, timeout=20
        ) as client:
            for model in ("gemini-3.8-flash", "claude-sonnet-5-5"):
                params: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
                assert client.chat.completions.create(**params).choices[0].message.content
                chunks = list(client.chat.completions.create(**params, stream=True))
                assert chunks[-1].choices[0].finish_reason == "stop"
    finally:
        process.terminate()
        process.wait(20)
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert [(line["key"], line["status"], line["severity"]) for line in lines] == [("me", 200, "INFO")] * 4


def test_locked_packages_are_those_of_the_requirements():
    def pins(path):
        return set(re.findall(r"^([a-z0-9-]+==[^ ;\n\\]+)", path.read_text(), re.MULTILINE))

    lock = ROOT / ".ci" / "requirements.lock"
    assert pins(ROOT / "requirements.txt") <= pins(lock)
    assert len(re.findall(r"^[a-z0-9-]+==", lock.read_text(), re.MULTILINE)) < lock.read_text().count(
        "--hash=sha256:"
    )
