"""Weights from files: found whatever they are called, refused where they are others, pickles only where trusted."""

import json
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from vaescope.comparing.checkpoints import filled, read_weights
from vaescope.comparing.factories import model_from
from vaescope.errors import CorruptArtifact, UsageError, VaescopeError


class Net(nn.Module):
    """Two layers with a batch norm, whose buffers are weights too."""

    def __init__(self, seed: int = 0, width: int = 5) -> None:
        super().__init__()
        self.first = nn.Linear(4, width)
        self.norm = nn.BatchNorm1d(width)
        self.second = nn.Linear(width, 2)
        rng = torch.Generator().manual_seed(seed)
        for parameter in self.parameters():
            nn.init.normal_(parameter, generator=rng)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.norm(self.first(x)))


TRAINED = Net(1)


def is_trained(model: nn.Module) -> bool:
    return all(torch.equal(w, TRAINED.state_dict()[k]) for k, w in model.state_dict().items())


def renamed(prefix: str, **more: Tensor) -> dict[str, Tensor]:
    return {**{prefix + k: w.clone() for k, w in TRAINED.state_dict().items()}, **more}


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "model.", "net.", "model._orig_mod.", "module.model."])
def test_usual_prefixes_are_taken_off_without_a_word(tmp_path, prefix):
    save_file(renamed(prefix), tmp_path / "w.safetensors")
    copy, notes = filled(Net(), tmp_path / "w.safetensors")
    assert is_trained(copy)
    assert notes == ()


def test_the_model_that_was_given_stays_as_it_is(tmp_path):
    save_file(renamed(""), tmp_path / "w.safetensors")
    model, before = Net(3), Net(3)
    copy, _ = filled(model, tmp_path / "w.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), before.parameters(), strict=True))
    assert model.training
    assert not copy.training


def test_a_compiled_model_takes_plain_weights(tmp_path):
    class Compiled(nn.Module):
        """What torch.compile makes has its model under this name."""

        def __init__(self) -> None:
            super().__init__()
            self._orig_mod = Net()

    save_file(renamed(""), tmp_path / "w.safetensors")
    copy, notes = filled(Compiled(), tmp_path / "w.safetensors")
    assert torch.equal(copy.state_dict()["_orig_mod.first.weight"], TRAINED.first.weight)
    assert notes == ()


def test_another_prefix_is_found_and_told_as_is_what_lies_outside(tmp_path):
    save_file(renamed("backbone.", **{"head.weight": torch.ones(3)}), tmp_path / "w.safetensors")
    copy, notes = filled(Net(), tmp_path / "w.safetensors")
    assert is_trained(copy)
    assert "found under 'backbone.'" in notes[0]
    assert "1 weights outside the Net were left out: head.weight" in notes[1]


def test_two_prefixes_that_fit_are_refused(tmp_path):
    save_file(renamed("raw.") | renamed("ema."), tmp_path / "w.safetensors")
    with pytest.raises(UsageError, match=r"more than one name: (raw|ema)\., (raw|ema)\."):
        filled(Net(), tmp_path / "w.safetensors")


def test_weights_of_another_model_are_told_with_counts_and_examples(tmp_path):
    weights = {k: w for k, w in renamed("").items() if not k.startswith("second")}
    with pytest.raises(UsageError, match=r"2 of 8 are missing: second\.weight, second\.bias\. 1 have no place") as told:
        filled(Net(), {**weights, "third.weight": torch.ones(2)}, name="mine")
    assert "the weights given for mine" in str(told.value)
    with pytest.raises(UsageError, match=r"7 have another shape: first\.weight \(5, 4\) for \(6, 4\)"):
        filled(Net(width=6), renamed(""))


def test_of_tied_weights_one_will_do():
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = nn.Embedding(3, 2), nn.Linear(2, 3, bias=False)
            self.head.weight = self.embed.weight

    copy, _ = filled(Tied(), {"embed.weight": torch.full((3, 2), 7.0)})
    assert copy.state_dict()["head.weight"].unique().item() == 7


def test_weights_in_half_precision_are_read_into_the_models_own():
    copy, _ = filled(Net(), {k: w.bfloat16() if w.is_floating_point() else w for k, w in renamed("").items()})
    assert copy.state_dict()["first.weight"].dtype == torch.float32
    assert torch.equal(copy.state_dict()["first.weight"], TRAINED.first.weight.bfloat16().float())


def test_weights_that_are_not_finite_are_told():
    weights = renamed("")
    weights["second.bias"][0] = float("nan")
    assert any("not finite, e.g. second.bias" in note for note in filled(Net(), weights)[1])


def sharded(folder: Path) -> Path:
    """The weights in two files with an index, as Hugging Face libraries write them."""
    names = sorted(TRAINED.state_dict())
    places = {name: f"model-0000{1 + k % 2}-of-00002.safetensors" for k, name in enumerate(names)}
    for file in set(places.values()):
        save_file({k: w for k, w in renamed("").items() if places[k] == file}, folder / file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return index


def test_shards_are_read_by_index_or_folder(tmp_path):
    index = sharded(tmp_path)
    assert is_trained(filled(Net(), index)[0])
    assert is_trained(filled(Net(), tmp_path)[0])


def test_a_missing_shard_and_one_elsewhere_are_told(tmp_path):
    index = sharded(tmp_path)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CorruptArtifact, match="1 of 2 shards are missing: model-00002"):
        read_weights(index)
    for content in (
        '{"weight_map": {"a": "../secret.safetensors"}}',
        '{"weight_map": {"a": 3}}',
        '{"weight_map": ["a"]}',
        "[",
        "3",
    ):
        index.write_text(content)
        with pytest.raises(CorruptArtifact, match=r"index\.json"):
            read_weights(index)
    index.write_text(
        '{"weight_map": {"first.weight": "model-00001-of-00002.safetensors", "x": "model-00001-of-00002.safetensors"}}'
    )
    with pytest.raises(CorruptArtifact, match="not in the shards they should be in"):
        read_weights(index)


def test_folders_without_one_file_of_weights_are_told(tmp_path):
    with pytest.raises(UsageError, match=r"got none\.$"):
        read_weights(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(UsageError, match=r"It has pickles: pytorch_model\.bin"):
        read_weights(tmp_path)
    for name in ("a", "b"):
        save_file({"x": torch.ones(2)}, tmp_path / f"{name}.safetensors")
    with pytest.raises(UsageError, match=r"got 2: a\.safetensors, b\.safetensors\. Name one"):
        read_weights(tmp_path)


@pytest.mark.parametrize("keep", [0, 5, 40, 200])
def test_safetensors_that_were_cut_short_are_told(tmp_path, keep):
    file = tmp_path / "w.safetensors"
    save_file(renamed(""), file)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(CorruptArtifact, match=r"w\.safetensors"):
        read_weights(file)


class Ran:
    """Something that runs code when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_a_pickle_is_not_opened_unless_someone_vouches_for_it(tmp_path):
    mark = tmp_path / "was here"
    torch.save({"state_dict": renamed("model."), "callbacks": Ran(mark)}, tmp_path / "w.ckpt")
    with pytest.raises(UsageError, match=r"can run any code.*save_file.*--trust-pickle"):
        filled(Net(), tmp_path / "w.ckpt")
    assert not mark.exists()
    assert is_trained(filled(Net(), tmp_path / "w.ckpt", trust_pickle=True)[0])
    assert mark.exists()


@pytest.mark.parametrize(
    "wrap", [lambda w: w, lambda w: {"state_dict": w}, lambda w: {"epoch": 3, "model": w, "loss": 0.1}]
)
def test_weights_are_found_where_training_scripts_put_them(tmp_path, wrap):
    torch.save(wrap(renamed("module.")), tmp_path / "w.pt")
    assert is_trained(filled(Net(), tmp_path / "w.pt", trust_pickle=True)[0])


def test_a_whole_pickled_model_gives_its_weights(tmp_path):
    torch.save(nn.Sequential(nn.Linear(2, 3)), tmp_path / "w.pth")
    assert list(read_weights(tmp_path / "w.pth", trust_pickle=True)) == ["0.weight", "0.bias"]


def test_a_checkpoint_of_lightnings_trainer_is_read(tmp_path):
    import lightning
    from torch.utils.data import DataLoader

    class Module(lightning.LightningModule):
        def __init__(self, options: Path) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.net = Net(1)

        def training_step(self, batch: Tensor) -> Tensor:
            return self.net(batch).square().mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=1e-3)

    module = Module(tmp_path)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(max_steps=2, enable_model_summary=False, **quiet)
        trainer.fit(module, DataLoader(torch.ones(8, 4) * torch.arange(8)[:, None], 4))
        trainer.save_checkpoint(tmp_path / "last.ckpt")
    copy, _ = filled(Net(), tmp_path / "last.ckpt", trust_pickle=True)
    assert torch.equal(copy.state_dict()["first.weight"], module.net.first.weight)
    assert not torch.equal(copy.state_dict()["first.weight"], TRAINED.first.weight)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"epoch": 3}, "got a dict with epoch"),
        ([1, 2], "got a list"),
        ({"state_dict": {"epoch": 3}}, "got a dict with state_dict"),
    ],
)
def test_pickles_without_weights_are_told(tmp_path, content, told):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(UsageError, match=told):
        read_weights(tmp_path / "w.pt", trust_pickle=True)


def test_damaged_pickles_and_other_files_are_told(tmp_path):
    (tmp_path / "w.pt").write_bytes(b"junk")
    with pytest.raises(CorruptArtifact, match=r"w\.pt: cannot be opened"):
        read_weights(tmp_path / "w.pt", trust_pickle=True)
    with pytest.raises(UsageError, match="got none there"):
        read_weights(tmp_path / "none.safetensors")
    (tmp_path / "w.onnx").write_bytes(b"")
    with pytest.raises(UsageError, match=r"got '\.onnx'"):
        read_weights(tmp_path / "w.onnx")


def test_a_transformer_is_read_from_its_folder_whatever_its_weights_are_called_there(tmp_path):
    from transformers import ViTConfig, ViTForImageClassification, ViTModel

    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    config = ViTConfig(**small, image_size=16, patch_size=8, num_labels=3)
    trained = ViTForImageClassification(config)
    trained.save_pretrained(tmp_path / "vit")
    copy, notes = filled(ViTForImageClassification(config), tmp_path / "vit")
    assert all(torch.equal(w, trained.state_dict()[k]) for k, w in copy.state_dict().items())
    assert notes == ()
    body, notes = filled(ViTModel(config, add_pooling_layer=False), tmp_path / "vit")
    assert all(torch.equal(w, trained.state_dict()[f"vit.{k}"]) for k, w in body.state_dict().items())
    assert "left out: classifier" in notes[0]
    with pytest.raises(UsageError, match=r"2 of \d+ are missing: pooler"):
        filled(ViTModel(config), tmp_path / "vit")


MODULE = """
from dataclasses import dataclass
from torch import nn
from beside import WIDTH

@dataclass
class Options:
    width: int = WIDTH

def make():
    return nn.Linear(2, Options().width)

def needs(x):
    return nn.Linear(x, x)

def fails():
    return nn.Linear(2, 3)(None)

def gone():
    raise SystemExit(3)

ready = nn.Linear(2, 3)
number = 3
"""


@pytest.fixture
def code(tmp_path, monkeypatch):
    """A folder with a module and one beside it; what is importable is afterwards as before."""
    import sys

    (tmp_path / "beside.py").write_text("WIDTH = 7\n")
    (tmp_path / "made_here.py").write_text(MODULE)
    (tmp_path / "broken.py").write_text("def make(:\n")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("beside", "made_here", "broken"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("place", ["made_here", "made_here.py", "./made_here.py"])
def test_models_come_from_modules_and_files_of_the_current_folder(code, place):
    assert model_from(f"{place}:make").weight.shape == (7, 2)
    assert model_from(f"{place}:ready").weight.shape == (3, 2)


def test_files_elsewhere_find_what_lies_beside_them(code, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert model_from(f"{code}/made_here.py:make").weight.shape == (7, 2)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("made_here", "expected pkg.module:function"),
        ("made_here:", "expected pkg.module:function"),
        ("nowhere_at_all:make", "No module named 'nowhere_at_all'"),
        ("none.py:make", "expected a Python file, got none there"),
        ("made_here:mak", "Did you mean 'make'"),
        ("made_here:needs", "could not be called without arguments: TypeError"),
        ("made_here:fails", r"TypeError: .*line \d+"),
        ("made_here:gone", "SystemExit: 3"),
        ("made_here:number", "to be a function, got builtins.int"),
        ("made_here:Options", r"to give a torch.nn.Module, got made_here.Options"),
        ("broken.py:make", r"SyntaxError.*broken\.py, line 1"),
        ("not a name:make", "expected the name of a module"),
    ],
)
def test_what_goes_wrong_with_a_factory_is_told_in_a_line(code, text, told):
    with pytest.raises(UsageError, match=told) as caught:
        model_from(text)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, VaescopeError)
