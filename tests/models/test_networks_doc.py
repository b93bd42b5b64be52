"""docs/networks.md: its examples run, its packages install, its names are the names."""

import doctest
import re
import subprocess
import sys
import tomllib

import pytest
from tests.conftest import REPOSITORY

from vaescope.models.network import NETWORKS

PAGE = (REPOSITORY / "docs" / "networks.md").read_text()
OWN = ["conv", "deep_conv", "linear", "residual"]


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def install(folder, code, points):
    """Another installed package, as far as Python can tell: a module and metadata that declares its entry points."""
    (folder / "mine.py").write_text(code)
    info = folder / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    lines = "".join(f"{name} = {place}\n" for name, place in points.items())
    (info / "entry_points.txt").write_text(f"[vaescope.networks]\n{lines}")


def python(folder, code):
    """What a fresh interpreter prints that has the folder among its packages."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{code}"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def test_the_examples_run():
    shown = doctest.DocTestParser().get_doctest(PAGE, {}, "networks.md", "docs/networks.md", 0)
    assert len(shown.examples) >= 4
    told = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS).run(shown, out=told.append)
    assert "".join(told) == ""


def test_the_tables_name_every_network_and_its_layers():
    counted, layers = PAGE.split("## Layers")[0], PAGE.split("## Layers")[1].split("## A network")[0]
    for name in OWN:
        network = NETWORKS[name]((1, 64, 64), 10)
        row = next(line for line in counted.splitlines() if line.startswith(f"| `{name}`"))
        assert f"{sum(p.numel() for p in network.parameters()):,}" in row
        row = next(line for line in layers.splitlines() if line.startswith(f"| `{name}`"))
        reshapes = re.findall(r"`([a-z.0-9]+)` = ", row)
        assert reshapes == [layer.name for layer in network.layers() if layer.same_as]
        named = re.findall(r"`((?:encoder|decoder)\.\w+)`", row)
        assert named
        assert set(named) <= {layer.name for layer in network.layers()}
    assert [n for n in NETWORKS if NETWORKS[n].__module__.startswith("vaescope.")] == OWN


@pytest.fixture
def function(tmp_path):
    code = next(block for block in blocks("python") if "def small" in block and block.startswith("# mine.py"))
    points = tomllib.loads(blocks("toml")[0])["project"]["entry-points"]["vaescope.networks"]
    install(tmp_path, code, points)
    return tmp_path


def test_the_function_of_a_package_is_a_network(function):
    told = python(
        function,
        "from vaescope.catalogue import catalogue, cited\n"
        "from vaescope.models.network import NETWORKS\n"
        "print(list(NETWORKS), NETWORKS['small'].name)\n"
        "print([layer.name for layer in NETWORKS['small']((1, 8, 8), 2, width=4).layers()][1:5])\n"
        "print([m.summary for m in catalogue()['networks'] if m.name == 'small'], cited(NETWORKS['small']))",
    )
    assert told.splitlines() == [
        str([*OWN, "small"]) + " small",
        "['encoder.0', 'encoder.1', 'encoder.2', 'encoder.3']",
        "['A small network of mine.'] ['Me (2026). https://example.org']",
    ]


def test_the_class_of_a_package_is_a_network(tmp_path):
    code = next(block for block in blocks("python") if "class Tiny" in block)
    install(tmp_path, code, dict([re.search(r'`(tiny) = "(mine:Tiny)"`', PAGE).groups()]))
    told = python(
        tmp_path,
        "from vaescope.models.network import NETWORKS\n"
        "print(list(NETWORKS), [layer.name for layer in NETWORKS['tiny']((1, 8, 8), 2).layers()])",
    )
    names = (
        "'input', 'encoder.flatten', 'encoder.dense', 'mean', 'log_var', 'sampled', 'decoder.dense', 'decoder.image'"
    )
    assert told.strip() == f"{[*OWN, 'tiny']} [{names}]"


def test_what_an_entry_point_names_wrongly_is_told(tmp_path):
    install(tmp_path, "def one(image_shape):\n    pass\n", {"one": "mine:one"})
    code = "from vaescope.errors import UsageError\nfrom vaescope.models.network import NETWORKS\n"
    told = python(tmp_path, code + "for _ in range(2):\n    try: list(NETWORKS)\n    except UsageError as e: print(e)")
    first, second = told.splitlines()
    assert first == second
    assert first.startswith("network 'one': expected a function (image_shape, latents, **options)")


def test_an_entry_point_of_a_taken_name_is_told(tmp_path):
    install(tmp_path, "def conv(image_shape, latents):\n    pass\n", {"conv": "mine:conv"})
    code = "from vaescope.errors import UsageError\nfrom vaescope.models.network import NETWORKS\n"
    told = python(tmp_path, code + "try: list(NETWORKS)\nexcept UsageError as e: print(e)")
    assert re.match(r"network 'conv' is registered twice: .*networks\.conv\.Conv.*mine\.conv", told)


def test_a_study_of_a_packages_network_is_trained_and_compared(function):
    """From a study to scores, on real images, with nothing but an installed package."""
    told = python(
        function,
        "import vaescope\n"
        "changes = ['networks=[{name: small, width: 8}]', 'objectives={vae: {}}', 'seeds=1', 'steps=6',\n"
        "           'batch_size=4', 'snapshots=[0, 6]', 'probe.n=20', 'measures={cka: {}}', 'examinations=[]']\n"
        "from vaescope.pipeline import load_study\n"
        f"results = vaescope.run(load_study('quickstart', changes), out={str(function / 'out')!r})\n"
        "layers = results.layers\n"
        "print(' '.join(layers['layer'] if 'layer' in layers else layers['name']))\n"
        "frame = results.similarity('cka')\n"
        "print(len(frame) > 50, frame['score'].notna().mean() > 0.9)",
    )
    names = "input encoder.0 encoder.1 encoder.2 encoder.3 mean log_var sampled decoder.0 decoder.1 decoder.2"
    assert told.splitlines()[-2:] == [names, "True True"]
