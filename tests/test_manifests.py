"""All manifests agree with the root's Cargo.toml. Package.swift can state only a name."""

import json
import re
import shutil
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKSPACE = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]
CORE = tomllib.loads((ROOT / "rust/core/Cargo.toml").read_text())["package"]
VERSION, HOME, LICENSE = WORKSPACE["version"], WORKSPACE["homepage"], WORKSPACE["license"]
[AUTHOR] = WORKSPACE["authors"]
SUMMARY = CORE["description"].partition(":")[0]
"""How the description of every package of the engine begins."""

PYTHON = "pyproject.toml", "training/pyproject.toml", "examples/server/pyproject.toml"
NPM = "rust/wasm/js/package.json", "rust/wasm/package.json", "examples/web/package.json"


def text(path: str) -> str:
    return (ROOT / path).read_text()


def python_project(path: str) -> dict[str, Any]:
    return tomllib.loads(text(path))["project"]


@pytest.fixture(scope="module")
def crates() -> list[dict[str, Any]]:
    """The crates of the workspace and all that they depend on."""
    command = ["cargo", "metadata", "--format-version=1", "--locked"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["packages"]


def test_crates(crates):
    ours = [crate for crate in crates if crate["source"] is None]
    shared = WORKSPACE.keys() - {"readme", "documentation"}
    for crate in ours:
        stated = {key: crate[key.replace("-", "_")] for key in shared}
        assert stated == {key: WORKSPACE[key] for key in shared}, crate["name"]
    [published] = [crate for crate in ours if crate["publish"] is None]
    assert published["name"] == "recgrela"
    assert published["documentation"] == WORKSPACE["documentation"]
    assert published["readme"] == "../../README.md"


def test_the_crate_outside_the_workspace():
    package = tomllib.loads(text("rust/wasm/bindgen/Cargo.toml"))["package"]
    for key in ("edition", "authors", "license", "homepage", "repository"):
        assert package[key] == WORKSPACE[key]


def test_docs_rs_documents_the_features_for_users():
    features = set(CORE["metadata"]["docs"]["rs"]["features"])
    manifest = tomllib.loads(text("rust/core/Cargo.toml"))["features"]
    assert features == set(manifest) - {"default", "internals"} - set(manifest["default"])


@pytest.mark.parametrize("path", PYTHON)
def test_python(path):
    project = python_project(path)
    assert project["license"] == LICENSE
    assert project["authors"] == [{"name": AUTHOR}]
    assert project["urls"] == {
        "Homepage": HOME,
        "Documentation": WORKSPACE["documentation"],
        "Repository": WORKSPACE["repository"],
        "Issues": f"{HOME}/issues",
    }
    assert ("version" in project) != ("version" in project.get("dynamic", []))
    assert project.get("version", VERSION) == VERSION


def test_versions_of_the_python_packages():
    assert f'\n__version__ = "{VERSION}"\n' in text("training/recgrela_train/version.py")
    project = python_project("pyproject.toml")
    assert project["optional-dependencies"]["train"] == [f"recgrela-train=={VERSION}"]
    major, minor, _ = map(int, VERSION.split("."))
    needed = f"recgrela>={major}.{minor},<{major}.{minor + 1}"
    assert needed in python_project("examples/server/pyproject.toml")["dependencies"]


@pytest.mark.parametrize("path", NPM)
def test_npm(path):
    package = json.loads(text(path))
    assert (package["license"], package["homepage"]) == (LICENSE, HOME)
    if not package.get("private"):
        assert (package["version"], package["author"]) == (VERSION, AUTHOR)
        assert package["repository"]["url"] == WORKSPACE["repository"]
        assert (ROOT / package["repository"]["directory"]).is_dir()
        assert package["bugs"] == f"{HOME}/issues"


def test_kotlin():
    tree = ElementTree.parse(ROOT / "examples/kotlin/pom.xml")

    def field(path: str) -> str | None:
        value = tree.findtext("./" + "/".join(f"{{*}}{name}" for name in path.split("/")))
        return value and value.replace("${project.url}", HOME)

    assert (field("name"), field("version"), field("url")) == ("recgrela", VERSION, HOME)
    assert field("scm/url") == WORKSPACE["repository"]
    assert field("issueManagement/url") == f"{HOME}/issues"
    assert field("scm/connection") == field("scm/developerConnection")
    assert field("scm/connection") == f"scm:git:{WORKSPACE['repository']}.git"
    assert field("licenses/license/name") == LICENSE
    assert field("licenses/license/url") and field("developers/developer/url") == HOME
    assert field("developers/developer/name") == AUTHOR
    assert field("description").startswith(f"{SUMMARY}: ")


def test_swift_and_pkg_config():
    assert 'name: "Recgrela",' in text("examples/swift/Package.swift")
    template = text("rust/ffi/recgrela.pc.in")
    assert f"\nName: recgrela\nDescription: {SUMMARY}\n" in template
    assert f"\nLicense: {LICENSE}\n" in template


def test_names_and_descriptions_of_the_engine():
    npm = json.loads(text("rust/wasm/js/package.json"))
    for package in (CORE, python_project("pyproject.toml"), npm):
        assert package["name"] == "recgrela"
        assert package["description"].startswith(f"{SUMMARY}: ")


def test_citation():
    citation = yaml.safe_load(text("CITATION.cff"))
    assert (citation["version"], citation["license"]) == (VERSION, LICENSE)
    assert (citation["url"], citation["repository-code"]) == (HOME, WORKSPACE["repository"])
    assert citation["authors"] == [{"name": AUTHOR}]
    assert citation["title"] == f"recgrela: {SUMMARY[0].lower()}{SUMMARY[1:]}"


def test_other_files_that_state_the_home_or_the_compiler():
    assert f"[recgrela]({HOME})" in text("training/README.md")
    assert f"Rust {WORKSPACE['rust-version']} or newer" in text("docs/rust.md")


@pytest.mark.parametrize("folder", ["training", "rust/core"])
def test_a_package_carries_the_licence(folder):
    assert text(f"{folder}/LICENSE") == text("LICENSE")


def allows(allowed: list[str], expression: str) -> bool:
    """Whether an SPDX expression is satisfied. Old crates write `/` for `OR`."""
    identifier = r"[\w.-]+(?: WITH [\w.-]+)?"
    operators = {"AND": "and", "OR": "or"}

    def value(found: re.Match[str]) -> str:
        return operators.get(found[0], str(found[0] in allowed))

    return eval(re.sub(identifier, value, expression.replace("/", " OR ")))


def test_licences_of_all_dependencies(crates):
    rules = tomllib.loads(text("deny.toml"))["licenses"]
    exceptions = {rule["crate"]: rule["allow"] for rule in rules["exceptions"]}
    for crate in crates:
        allowed = rules["allow"] + exceptions.get(crate["name"], [])
        assert allows(allowed, crate["license"]), (crate["name"], crate["license"])


def test_licence_expressions():
    assert allows(["MIT"], "MIT/Apache-2.0")
    assert allows(["MIT", "NCSA"], "(MIT OR Apache-2.0) AND NCSA")
    assert not allows(["MIT"], "(MIT OR Apache-2.0) AND NCSA")
    assert not allows(["Apache-2.0"], "Apache-2.0 WITH LLVM-exception")


def test_dependabot_finds_manifests():
    names = {
        "cargo": "Cargo.toml",
        "docker": "Dockerfile",
        "maven": "pom.xml",
        "npm": "package.json",
        "pip": "pyproject.toml",
    }
    for update in yaml.safe_load(text(".github/dependabot.yml"))["updates"]:
        name = names.get(update["package-ecosystem"])
        for folder in update.get("directories", [update.get("directory")]):
            files = {file.name for file in (ROOT / folder.lstrip("/")).iterdir()}
            assert not name or files & {name, "requirements.txt"}, update


def test_the_release_workflow():
    """Its files exist, every artefact's golden hashes are checked, and only `publish` can write."""
    path = ".github/workflows/release.yml"
    workflow = yaml.safe_load(text(path))
    jobs = workflow["jobs"]
    for file in re.findall(r"(?<![\w/])((?:\.ci|examples|rust|tests)/[\w./-]+)", text(path)):
        assert (ROOT / file).exists() or "repository" in file, file
    wheels = {entry["name"] for entry in jobs["wheels"]["strategy"]["matrix"]["include"]}
    assert wheels == {
        *(f"{libc}-{cpu}" for libc in ("manylinux", "musllinux") for cpu in ("x86_64", "aarch64")),
        *("macos-aarch64", "macos-x86_64", "windows-x86_64"),
    }
    checks = {"wheels": ".ci/golden-python", "sdist": ".ci/golden-python", "c": ".ci/golden-c"}
    checks |= {"debian": "make release-check", "maven-test": ".ci/golden-maven"}
    for job, command in checks.items():
        assert any(command in step.get("run", "") for step in jobs[job]["steps"]), job
    # Each job whose artefact is published is waited for.
    uploads = {
        name
        for name, job in jobs.items()
        if any("upload-artifact" in step.get("uses", "") for step in job["steps"])
    }
    assert uploads - {"natives", "maven"} | {"maven-test"} == {*jobs["publish"]["needs"]}
    assert workflow["permissions"] == {"contents": "read"}
    assert {name for name, job in jobs.items() if "permissions" in job} == {"publish"}
    assert jobs["publish"]["if"] == "startsWith(github.ref, 'refs/tags/v')"


def test_the_release_has_all_files_and_the_notes_of_its_version():
    """The engine's wheels, not the trainer's, have the SBOM of the extension."""
    steps = yaml.safe_load(text(".github/workflows/release.yml"))["jobs"]["publish"]["steps"]
    (sbom,) = (step["with"] for step in steps if "attest-sbom" in step.get("uses", ""))
    wheel, trainer = "recgrela-0.1.0-cp311-abi3-x.whl", "recgrela_train-0.1.0-py3-none-any.whl"
    assert fnmatch(f"python/{wheel}", sbom["subject-path"])
    assert not fnmatch(f"python/{trainer}", sbom["subject-path"])
    runs = [step.get("run", "") for step in steps]
    (release,) = (run for run in runs if "gh release create" in run)
    assert release.endswith("--notes-file notes.md python/* files/*")
    notes = next(index for index, run in enumerate(runs) if "> notes.md" in run)
    published = next(index for index, run in enumerate(runs) if "cargo publish" in run)
    assert notes < published


@pytest.mark.parametrize(
    "heading", ["## 0.1.0 (2026-12-01)", "## [0.1.0] - 2026-12-01", "## 0.1.0"]
)
def test_release_notes_are_one_section_of_the_changelog(heading, tmp_path):
    (tmp_path / ".ci").mkdir()
    script = shutil.copy(ROOT / ".ci/release-notes", tmp_path / ".ci")
    unreleased, older = "## Unreleased\n\n- new", "## 0.0.9\n\n- old"
    changelog = f"# Changelog\n\n{unreleased}\n\n{heading}\n\n### Fixed\n\n- a\n\n{older}\n"
    (tmp_path / "CHANGELOG.md").write_text(changelog)
    notes = subprocess.run([script, "0.1.0"], check=True, capture_output=True, text=True).stdout
    assert notes.strip() == "### Fixed\n\n- a"
    missing = subprocess.run([script, "0.1"], check=False, capture_output=True, text=True)
    assert missing.returncode == 1
    assert 'no section "## 0.1"' in missing.stderr


def test_the_development_environment_is_locked():
    """`make lock` writes one version of each package, for every platform."""
    root = tomllib.loads(text("pyproject.toml"))["dependency-groups"]
    training = python_project("training/pyproject.toml")["dependencies"]
    locked = {line.partition("==")[0] for line in text("constraints.txt").splitlines()}
    for dependency in [*root["dev"], *root["docs"], *training]:
        name = re.match(r"[\w-]+", dependency)[0].lower()
        assert name in locked, f"{dependency}: run make lock"
