"""The pages of ``docs/``: their links, the names on them, and the site that is made of them."""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
import sys
import types
import typing
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import gguf
import pytest
import sympy
from pydantic import BaseModel

import roofline
from roofline import ops
from roofline.measurements import COLUMNS, METRICS, OPTIONAL_COLUMNS
from roofline.specs import DeviceSpec, EngineSpec, ModelSpec, SystemSpec
from roofline.specs.provenance import Source, Sourced, Spec
from roofline.specs.speed import CONSTANTS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "generated" not in path.parts)
NOMENCLATURE = (DOCS / "nomenclature.md").read_text("utf-8")


def section(title: str) -> str:
    return re.split(r"^## ", NOMENCLATURE.partition(f"## {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def names_in(text: str) -> set[str]:
    return set(re.findall(r"`([\w.\[\]-]+)`", text))


def tables(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from tables(argument)


def keys_of(spec: type[BaseModel], seen: set[type]) -> set[str]:
    """Every key of a spec file, those of its sources and of single values left out."""
    seen.add(spec)
    common = (
        set(Source.model_fields)
        if spec is Source
        else set(Sourced.model_fields)
        if issubclass(spec, Sourced)
        else set()
    )
    keys = {field.alias or name for name, field in spec.model_fields.items()} - common
    for field in spec.model_fields.values():
        for table in tables(field.annotation):
            if table not in seen:
                keys |= keys_of(table, seen)
    return keys


EVERYWHERE = {(field.alias or name) for name, field in Spec.model_fields.items()} | {
    "name",
    "title",
    "note",
    "notes",
    "source",
    "value",
}
FILES = {"Hardware files": (DeviceSpec, SystemSpec), "Model files": (ModelSpec,), "Engine files": (EngineSpec,)}


@pytest.mark.parametrize("title", FILES)
def test_every_key_of_a_spec_file_is_in_the_nomenclature(title):
    keys = set().union(*(keys_of(spec, set()) for spec in FILES[title])) - EVERYWHERE
    assert len(keys) > 20
    assert keys - names_in(section(title)) == set()


def test_keys_of_every_spec_file_are_in_the_nomenclature():
    keys = EVERYWHERE | set(Source.model_fields) | set(Sourced.model_fields)
    assert keys - names_in(section("In every spec file")) == set()


def test_every_key_of_the_json_is_in_the_nomenclature():
    p = roofline.predict(
        "minimax-m2.7", "dgx-spark", weights="ud-iq4_xs", engine="llama.cpp", concurrency=2, prompt=9, output=9
    )
    assert p.decode.expected
    assert p.serving

    def paths(value, path):
        for key, inner in value.items():
            item, name = (
                (inner[0], f"{path}{key}[]")
                if isinstance(inner, list) and isinstance(inner[0], dict)
                else (inner, path + key)
            )
            yield name
            if isinstance(item, dict) and key != "terms":
                yield from paths(item, f"{name}.")

    found = set(paths(p.to_dict(), ""))
    assert len(found) > 100
    assert found - names_in(section("The answer")) == set()
    stale = set(re.findall(r"^\| `([\w.\[\]]+)`", section("The answer"), re.MULTILINE)) - found
    assert stale == set()


def test_every_argument_of_predict_is_in_the_nomenclature():
    arguments = set(roofline.predict.__code__.co_varnames[: roofline.predict.__code__.co_argcount])
    arguments |= set(roofline.predict.__kwdefaults__)
    assert arguments - names_in(section("Work")) == set()


def test_every_argument_of_a_formula_is_in_the_nomenclature():
    formulas = [getattr(ops, name) for name in ops.__all__]
    arguments = {name for f in formulas if isinstance(f, types.FunctionType) for name in f.__kwdefaults__ or {}}
    arguments |= {name for f in formulas if isinstance(f, types.FunctionType) for name in f.__annotations__} - {
        "return"
    }
    assert len(arguments) > 40
    assert arguments - names_in(NOMENCLATURE) == set()


def test_every_column_and_metric_is_in_the_nomenclature():
    assert {*COLUMNS, *OPTIONAL_COLUMNS, *METRICS} - names_in(section("Measurements")) == set()


def test_every_constant_is_explained():
    said = names_in((DOCS / "expected.md").read_text("utf-8"))
    endings = tuple(name for name in said if name.startswith("_"))
    assert {name for name in set(CONSTANTS) - said if not name.endswith(endings)} == set()


def names_elsewhere(column: int) -> set[str]:
    rows = [line.strip("|").split("|") for line in section("Model files").splitlines() if line.count("|") == 8][2:]
    return {name for row in rows for name in names_in(row[column])}


def test_names_of_hugging_face_are_those_that_the_readers_read():
    readers = "\n".join(path.read_text("utf-8") for path in (ROOT / "roofline" / "readers").rglob("*.py"))
    theirs = names_elsewhere(4)
    assert len(theirs) > 30
    assert {name for name in theirs if not re.search(rf"[\"'. ]{re.escape(name)}[\"' ]", readers)} == set()


def test_names_in_gguf_are_those_of_the_package_that_writes_it():
    def keys(kind):
        for value in vars(kind).values():
            yield from keys(value) if isinstance(value, type) else [value] if isinstance(value, str) else []

    known = {key.removeprefix("{arch}.") for key in keys(gguf.constants.Keys)}
    theirs = names_elsewhere(5) - {"output.weight"}
    assert len(theirs) > 20
    assert theirs - known == set()


LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")


def prose(text: str) -> str:
    """Text without code blocks and without what cog runs."""
    return re.sub(r"^```.*?^```|<!-- \[\[\[cog.*?\]\]\] -->|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """Anchors of the headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda p: str(p.relative_to(ROOT))
)
def test_links_of_a_page_lead_to_a_file_and_a_heading(page):
    for link in LINK.findall(prose(page.read_text("utf-8"))):
        parts = urlsplit(link)
        if parts.scheme:
            assert parts.scheme == "https", link
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        assert target.exists(), link
        if parts.fragment:
            assert parts.fragment in anchors(target.read_text("utf-8")), link


def test_every_page_is_in_the_contents():
    listed = "".join((DOCS / name).read_text("utf-8") for name in ("index.md", "how-to/index.md"))
    for page in PAGES:
        if page.name != "index.md":
            name = page.relative_to(DOCS).with_suffix("").as_posix()
            assert re.search(rf"^(how-to/)?{re.escape(name.removeprefix('how-to/'))}$", listed, re.MULTILINE), name


def extension(name: str) -> types.ModuleType:
    path = DOCS / "_extensions" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_every_formula_is_derived_with_a_symbol_for_each_argument():
    derivations = extension("derivations")
    assert list(derivations.missing()) == []
    page = derivations.page()
    for name in ops.__all__:
        assert name == "Cost" or f"### `{name}`" in page


FORMULAS = [f for f in (getattr(ops, name) for name in ops.__all__) if isinstance(f, types.FunctionType)]


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda f: f.__name__)
def test_each_argument_of_a_formula_has_a_symbol_of_its_own_that_can_stand_for_it(formula):
    derivations = extension("derivations")
    parameters = derivations.parameters(formula)
    if "Sequence" in str(formula.__annotations__):
        pytest.skip("takes sequences, which stand for two symbols each")
    numbers = {p.name: float(3 + 2 * index) for index, p in enumerate(parameters)}
    symbols = {p.symbol: numbers[p.name] for p in parameters}
    result = formula(**numbers)
    expected = result._asdict() if isinstance(result, ops.Cost) else {"": result}
    found = derivations.computed(formula)
    assert len(symbols) == len(parameters)
    assert found
    for part, value in expected.items():
        got = sympy.sympify(found.get(part, 0))
        got = got.subs({symbol: symbols[str(symbol)] for symbol in got.free_symbols})
        assert float(got) == pytest.approx(value, rel=1e-9)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The site as CI builds it; every warning is an error."""
    for package in ("sphinx", "furo", "myst_nb", "numpydoc", "sphinx_copybutton", "sphinx-mathjax-offline"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-d",
        folder / "doctrees",
        DOCS,
        folder / "html",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder / "html"


class Page(HTMLParser):
    """What a page of the site links to, loads, and can be linked at."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids.add(found.get("id") or "")
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        loaded = found.get("href") if tag == "link" and found.get("rel") in {"stylesheet", "icon"} else found.get("src")
        if loaded:
            self.loads.append(loaded)


@pytest.mark.slow
def test_internal_links_of_the_site_resolve_and_nothing_is_loaded_from_elsewhere(site):
    pages = {path: Page(path) for path in site.rglob("*.html")}
    assert len(pages) > 25
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme in {"https", "http", "mailto", "file"}:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), f"{path}: {link}"
            if parts.fragment and target.suffix == ".html":
                assert unquote(parts.fragment) in pages[target].ids, f"{path}: {link}"
        for load in page.loads:
            assert not urlsplit(load).scheme or load.startswith("data:"), f"{path}: {load}"
            assert not load.startswith("//"), f"{path}: {load}"
            assert load.startswith("data:") or (path.parent / urlsplit(load).path).exists(), f"{path}: {load}"


@pytest.mark.slow
def test_the_site_has_every_command_and_every_public_name(site):
    command_line = (site / "generated" / "command_line.html").read_text("utf-8")
    for verb in ("predict", "list", "show", "compare", "validate", "fit", "new", "lint"):
        assert f"roofline {verb}" in command_line
    everything = "".join(path.read_text("utf-8") for path in (site / "reference").glob("*.html"))
    for name in [*roofline.__all__, *(f"ops.{name}" for name in ops.__all__), "plots.roofline", "validation.validate"]:
        thing = roofline
        for part in name.split("."):
            thing = getattr(thing, part, None) or importlib.import_module(f"roofline.{part}")
        home = f'id="{thing.__module__}.{thing.__qualname__}"'
        assert f'id="roofline.{name}"' in everything or home in everything, name


@pytest.mark.slow
def test_the_site_draws_formulas_with_a_script_of_its_own(site):
    page = (site / "generated" / "derivations.html").read_text("utf-8")
    assert page.count('class="math') > 100
    scripts = re.findall(r'<script[^>]*src="([^"?]*tex-svg[^"?]*)', page)
    assert scripts == ["../_static/tex-svg.js"]
    assert (site / "_static" / "tex-svg.js").stat().st_size > 1_000_000
