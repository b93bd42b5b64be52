import subprocess
import sys
import time
from dataclasses import dataclass
from typing import ClassVar

import pytest

from vaescope.errors import ResourceError, UsageError
from vaescope.models.objective import OBJECTIVES, Objective
from vaescope.runs.read import built_in_studies, parse, read_study


def told(source, *overrides):
    with pytest.raises(UsageError) as error:
        read_study(source, overrides)
    text = str(error.value)
    assert len(text.splitlines()) <= 5
    return text


def write(tmp_path, text):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return path


def test_the_built_in_studies_are_what_the_issue_says():
    quick = read_study("quickstart")
    assert [(r.objective, r.options, r.seed) for r in quick.runs()] == [
        ("beta_vae", {"beta": beta}, seed) for beta in (1.0, 8.0) for seed in (0, 1)
    ]
    assert quick.steps == 700
    assert quick.optimiser.lr == 1e-3
    assert len(quick.snapshot_steps) == 10
    paper = read_study("paper")
    assert len(paper.runs()) == 300
    strengths = [("beta", [1, 2, 4, 6, 8]), ("beta", [1, 2, 4, 6, 8]), ("c_max", [5, 10, 25, 50, 75])]
    assert {name: dict(options) for name, options in paper.objectives.items()} == dict(
        zip(
            ["beta_vae", "beta_tc_vae", "annealed_vae", "dip_vae_ii"],
            [{key: values} for key, values in [*strengths, ("lambda_od", [1, 2, 5, 10, 20])]],
            strict=True,
        )
    )
    assert [choice.name for choice in paper.datasets] == ["cars3d", "dsprites", "smallnorb"]
    assert paper.seed_list == (0, 1, 2, 3, 4)
    assert {0, 1, 6000, 11520, 300_000} < set(paper.snapshot_steps)
    assert (paper.steps, paper.optimiser.lr, paper.batch_size, paper.latents) == (300_000, 1e-4, 64, 10)
    assert set(built_in_studies()) == {"quickstart", "paper", "paper-small", "relabel", "paper-2021-order"}
    relabel = read_study("relabel").runs()
    of = {
        name: {(r.options["beta"], r.seed) for r in relabel if r.objective == name}
        for name in ("beta_vae", "beta_tc_vae")
    }
    assert of["beta_vae"] == of["beta_tc_vae"]
    assert len(of["beta_vae"]) == 15
    small = read_study("paper-small")
    assert sorted({r.objective for r in small.runs()}) == sorted(paper.objectives)
    assert len(small.runs()) == 48
    order = read_study("paper-2021-order")
    assert (order.batches.order, order.batches.held_out) == ("contiguous", 0.1)
    assert order.objectives == paper.objectives


def test_options_that_are_right_only_together_are_taken_and_others_told_where():
    cyclical = read_study("quickstart", ["objectives={beta_anneal: {shape: cyclical, cycles: 8, ratio: [0.25, 0.5]}}"])
    assert cyclical.runs()[0].options == {"shape": "cyclical", "cycles": 8, "ratio": 0.25}
    info = read_study("quickstart", ["objectives={info_vae: {alpha: 1, lambda_mmd: 0.5}}"])
    assert info.runs()[0].options == {"alpha": 1.0, "lambda_mmd": 0.5}
    assert "objectives.beta_anneal.cycles: cycles and ratio belong to shape 'cyclical'" in told(
        "quickstart", "objectives={beta_anneal: {shape: [linear, cyclical], cycles: 8}}"
    )
    assert "objectives.info_vae: lambda_mmd must be at least 1 - alpha, 4" in told(
        "quickstart", "objectives={info_vae: {alpha: [-3, 0], lambda_mmd: 1}}"
    )


def test_an_objective_of_ones_own_may_have_options_without_a_default_and_say_its_own_no():
    @dataclass(frozen=True, kw_only=True)
    class Demanding(Objective):
        name: ClassVar[str] = "demanding"
        strength: float

        def __post_init__(self):
            if self.strength < 0:
                raise ValueError("strength is negative")

        def regularisation(self, forward, kl, step):
            return kl.sum()

    with OBJECTIVES.lending({"demanding": Demanding}):
        assert read_study("quickstart", ["objectives={demanding: {strength: 2}}"]).runs()[0].options["strength"] == 2
        assert "objectives.demanding.strength: missing" in told("quickstart", "objectives={demanding: {}}")
        assert "objectives.demanding.strength: strength is negative" in told(
            "quickstart", "objectives={demanding: {strength: [1, -2]}}"
        )


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("stps=3", ["stps: unknown key", "Did you mean 'steps'?"]),
        ("optimiser.lrr=1", ["optimiser.lrr: unknown key", "Did you mean 'lr'?"]),
        ("optimiser.lr=fast", ["optimiser.lr: expected", "got 'fast'"]),
        ("optimiser.lr=-1", ["optimiser.lr: expected greater than 0, got -1"]),
        ("optimiser.name=adm", ["optimiser.name: expected 'adam' or 'adamw', got 'adm'"]),
        ("steps=2.5", ["steps: expected a whole number, got 2.5"]),
        ("seeds=2.5", ["seeds: expected a whole number or a list of them, got 2.5"]),
        ("seeds=[1, two]", ["seeds[1]: expected a whole number, got 'two'"]),
        ("snapshots.schedule=logg", ["snapshots.schedule: expected 'log' or 'linear', got 'logg'"]),
        ("snapshots=[0, 9000]", ["snapshots: step 9000 comes after the last step, 700"]),
        ("measures.cka.pars=all", ["measures.cka.pars: unknown key", "Did you mean 'pairs'?"]),
        ("measures.cka.n=5000", ["measures.cka.n: 5000 is more than the 1000 examples"]),
        ("objectives.beta_vea={}", ["objectives.beta_vea: unknown objective", "Did you mean 'beta_vae'?"]),
        ("objectives.beta_vae.bta=2", ["objectives.beta_vae.bta: unknown key", "Did you mean 'beta'?"]),
        ("objectives.beta_vae.beta=[1, -2]", ["objectives.beta_vae.beta: beta must be", "at least 0, got -2"]),
        ("objectives.beta_vae.beta=strong", ["objectives.beta_vae.beta: expected a number, got 'strong'"]),
        ("objectives.beta_vae.beta=[]", ["objectives.beta_vae.beta: expected at least one value"]),
        ("objectives.beta_vae.beta=[1, 1.0]", ["this grid has the same run twice: beta_vae beta=1"]),
        ("objectives.beta_vae.beta=.nan", ["objectives.beta_vae.beta: expected a finite value", "got nan"]),
        ("networks=[conv, conv]", ["this grid has the same run twice"]),
        ("objectives={}", ["objectives: expected at least one, got {}"]),
        ("datasets=[dsprite]", ["datasets[0]: unknown dataset 'dsprite'", "Did you mean 'dsprites'?"]),
        ("datasets=[{name: dsprites, pth: a}]", ["datasets[0].pth: unknown key", "Did you mean 'path'?"]),
        ("networks=[cnv]", ["networks[0]: unknown network 'cnv'", "Did you mean 'conv'?"]),
        ("probe.n=2", ["probe.n: expected greater than or equal to 4, got 2"]),
        ("steps", ["--set 'steps': expected key=value"]),
        ("steps=[1", ["--set 'steps=[1'", "not valid YAML"]),
        ("steps.more=1", ["'steps' has no keys of its own, it is 700"]),
    ],
)
def test_what_is_wrong_is_told_with_its_path_its_value_and_a_suggestion(override, parts):
    text = told("quickstart", override)
    for part in parts:
        assert part in text


def test_what_is_no_study_at_all_is_refused():
    """In a process of its own: here the types are checked before the function sees them."""
    code = """
import vaescope
for source in (None, 5, {}, ["quickstart"]):
    try:
        vaescope.load_study(source)
    except ValueError as error:
        print(error)
"""
    text = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert text.count("expected a study file") == 4


def test_the_folder_of_a_study_is_told_from_its_file(tmp_path):
    (tmp_path / "study.json").write_text("{}")
    assert f"vaescope train {tmp_path}" in told(tmp_path)


def test_several_mistakes_are_told_at_once_and_many_are_counted(tmp_path):
    text = told(write(tmp_path, "name: a\nobjectives: {vae: {}}\nx1: 1\nx2: 1\nx3: 1\nx4: 1\nx5: 1\nx6: 1\n"))
    assert "x1: unknown key" in text
    assert text.endswith("and 2 more")


def test_what_is_missing_is_named(tmp_path):
    text = told(write(tmp_path, "steps: 3\n"))
    assert "name: missing" in text
    assert "objectives: missing" in text


def test_overrides_reach_every_depth_and_numbers_are_yaml_1_2():
    study = read_study("quickstart", ["steps=50", "optimiser.lr=1e-4", "measures.procrustes.n=64", "name=no"])
    assert (study.steps, study.optimiser.lr, study.measures["procrustes"].n, study.name) == (50, 1e-4, 64, "no")


def test_strengths_take_the_type_the_objective_declares():
    assert read_study("quickstart", ["objectives.beta_vae.beta=3"]).runs()[0].options == {"beta": 3.0}


def test_a_missing_file_suggests_a_built_in_study():
    assert "built in: paper, paper-2021-order, paper-small, quickstart, relabel. Did you mean 'quickstart'?" in told(
        "quickstrat"
    )


def test_defaults_fill_what_is_left_out(tmp_path):
    study = read_study(write(tmp_path, "name: least\nobjectives: {vae: {}}\n"))
    assert [c.name for c in study.datasets] == ["dsprites"]
    assert (study.batch_size, study.latents, study.probe.n, list(study.measures)) == (64, 10, 1000, ["cka"])


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: &x [1]\nb: *x\n", "study.yaml: YAML aliases (*x) are not supported; write the value out."),
        ("name: a\nname: b\n", "line 2"),
        ("name: !!python/object/apply:os.system ['true']\n", "not valid YAML"),
        ("[" * 20_000, "nested deeper than 50"),
        ("{a: " * 60 + "1" + "}" * 60, "nested deeper than 50"),
        ("- a\n", "expected a mapping"),
        ("", "expected a mapping"),
        ("name: [a\n", "not valid YAML"),
    ],
    ids=["alias", "double key", "tag", "deep", "deep map", "list", "empty", "open"],
)
def test_yaml_that_could_do_harm_or_mislead_is_refused_at_once(tmp_path, text, part):
    begun = time.monotonic()
    assert part in told(write(tmp_path, text))
    assert time.monotonic() - begun < 5


def test_a_huge_file_is_refused_unread(tmp_path):
    assert "at most 1,048,576 bytes" in told(write(tmp_path, "#" * (2 << 20)))


def test_other_bytes_and_folders_are_refused(tmp_path):
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in told(tmp_path / "b.yaml")
    with pytest.raises((UsageError, ResourceError), match="folder"):
        read_study(tmp_path)


def test_parse_reads_what_people_write():
    assert parse("{a: 1e-4, b: no, c: 010, d: [1, 2]}", "x") == {"a": 1e-4, "b": "no", "c": 10, "d": [1, 2]}
