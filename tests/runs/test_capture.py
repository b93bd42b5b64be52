"""Capture: what comes out is what the modules return, whatever the model, the data and the layers asked for."""

import dataclasses
import re
from collections import namedtuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from vaescope.errors import Interrupted, ResourceError, UsageError
from vaescope.models.spatial import Projection
from vaescope.progress import Progress
from vaescope.runs.capture import Probing, capture, capture_batches

Two = namedtuple("Two", "mean log_var")


@dataclasses.dataclass
class Record:
    mean: torch.Tensor
    log_var: torch.Tensor


class Output(dict):
    """A mapping whose entries are attributes too, as those of transformers."""

    __getattr__ = dict.__getitem__


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=generator(seed))


def conv():
    """Six modules; the activations write over what the layers before gave."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 3, 3),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(48, 5),
    )


def by_hand(model, x):
    """What each child of a sequence gives, computed one after another, maps as (h, w, c)."""
    found = {}
    with torch.no_grad():
        for name, child in model.named_children():
            x = child(x.clone())
            kept = x.permute(0, 2, 3, 1) if x.dim() == 4 else x
            found[name] = kept.reshape(len(x), -1).clone().numpy()
    return found


class Returning(nn.Module):
    """Whatever a function makes of two heads."""

    def __init__(self, made):
        super().__init__()
        self.encoder = Heads(made)
        self.decoder = nn.Linear(3, 4)

    def forward(self, x):
        self.encoder(x)
        return self.decoder(x[:, :3])


class Heads(nn.Module):
    def __init__(self, made):
        super().__init__()
        self.one, self.two, self.made = nn.Linear(4, 3), nn.Linear(4, 2), made

    def forward(self, x):
        return self.made(self.one(x), self.two(x))


class Shared(nn.Module):
    """One module called three times."""

    def __init__(self):
        super().__init__()
        self.block, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.block(self.block(self.block(x))))


def test_layers_are_what_the_modules_return_also_where_later_ones_write_over_them():
    model, images = conv(), rand(70, 1, 8, 8)
    expected = by_hand(model, images)
    found = capture(model, images, ["*"], batch_size=32)
    assert list(found) == ["0", "1", "2", "3", "4", "5", "output"]
    for name, values in expected.items():
        assert found[name].dtype == np.float32
        if name == "4":  # flattened in PyTorch's order (c, h, w)
            values = np.sort(values, axis=1)
            found[name] = np.sort(found[name], axis=1)
        assert np.allclose(found[name], values, atol=1e-6), name
    assert np.array_equal(found["output"], found["5"])


def test_by_default_there_are_the_innermost_modules_with_numbers_of_their_own():
    model = nn.Sequential(conv(), nn.Dropout(), nn.Identity(), nn.Linear(5, 2))
    assert list(capture(model, rand(5, 1, 8, 8))) == ["0.0", "0.1", "0.2", "0.3", "0.5", "3"]
    assert list(capture(nn.Linear(3, 2), rand(5, 3))) == ["output"]


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        ("encoder.0", ["encoder.0"]),
        ("encoder.*", ["encoder.0", "encoder.1"]),
        ("*oder.[01]", ["encoder.0", "encoder.1", "decoder.0"]),
        ("??coder", ["encoder", "decoder"]),
        (re.compile(r"\w+\.0"), ["encoder.0", "decoder.0"]),
        (nn.Tanh, ["encoder.1"]),
        (nn.Module, ["encoder.0", "encoder.1", "encoder", "decoder.0", "decoder", "output"]),
        (lambda name, module: getattr(module, "out_features", 0) == 4, ["decoder.0"]),
        (["output", nn.Tanh, re.compile("decoder"), "encoder.0"], ["encoder.0", "encoder.1", "decoder", "output"]),
        (("decoder.0", "decoder.0", "decoder*"), ["decoder.0", "decoder"]),
    ],
)
def test_layers_are_asked_for_in_many_ways_and_come_in_the_order_of_the_data(layers, names):
    model = nn.Sequential()
    model.add_module("encoder", nn.Sequential(nn.Linear(4, 3), nn.Tanh()))
    model.add_module("decoder", nn.Sequential(nn.Linear(3, 4)))
    assert list(capture(model, rand(6, 4), layers)) == names
    assert list(capture(model, rand(6, 4), [model.encoder[1]])) == ["encoder.1"]


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ("encoder.0.weight", "'encoder.0.weight' is a parameter.*Did you mean 'encoder.0'"),
        ("norm.running_mean", "'norm.running_mean' is a buffer.*Did you mean 'norm'"),
        ("encoder.O", "no module is called 'encoder.O'.*Did you mean 'encoder.0'"),
        ("encoder.0.", "no module is called"),
        ("encodr.*", "the glob 'encodr.\\*' matches no layer.*Did you mean 'encoder"),
        (re.compile("encode"), "matches no layer.*whole name.*Did you mean 'encoder"),
        (nn.Conv2d, "no module is of the type Conv2d; there are"),
        (int, "expected a class of modules"),
        (lambda name, module: False, "takes none of the"),
        (lambda name: True, "to take \\(name, module\\).*TypeError"),
        ([], "expected at least one layer, got an empty list"),
        ("unused", "the hook never fired.*did not call unused.*forward="),
        ("blocks", "a ModuleList is not called itself; what is in it is: blocks.0"),
        ("direct", "the hook never fired.*not m.forward"),
        ("encoder.0.call2", "never fired"),
        ("lstm", "expected one row of numbers for each of 9 examples, got lstm.*batch_first=True"),
        ("output[logits]", "matches no layer|never fired|gives nothing"),
        (nn.Linear(2, 2), "is no part of the model"),
    ],
)
def test_what_cannot_be_captured_is_refused_and_near_names_are_suggested(layers, words):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Sequential(nn.Linear(4, 3))
            self.norm = nn.BatchNorm1d(3)
            self.unused, self.direct = nn.Linear(3, 3), nn.Linear(3, 3)
            self.blocks = nn.ModuleList([nn.Linear(3, 3)])
            self.lstm = nn.LSTM(3, 5)

        def forward(self, x):
            h = self.blocks[0](self.norm(self.encoder(x)))
            self.lstm(torch.stack([h] * 7))
            return self.direct.forward(h)

    with pytest.raises(UsageError, match=re.compile(words, re.DOTALL)):
        capture(Model(), rand(9, 4), layers)


@pytest.mark.parametrize(
    ("made", "names"),
    [
        (lambda a, b: a, ["encoder"]),
        (lambda a, b: (a, b), ["encoder[0]", "encoder[1]"]),
        (lambda a, b: [a, None, "text", b], ["encoder[0]", "encoder[3]"]),
        (lambda a, b: (a, (b, {"deep": a})), ["encoder[0]", "encoder[1][0]", "encoder[1][1][deep]"]),
        (lambda a, b: {"mean": a, 7: b}, ["encoder[mean]", "encoder[7]"]),
        (lambda a, b: Output(mean=a, log_var=b), ["encoder[mean]", "encoder[log_var]"]),
        (Two, ["encoder[mean]", "encoder[log_var]"]),
        (Record, ["encoder[mean]", "encoder[log_var]"]),
        (lambda a, b: torch.distributions.Normal(a, a.exp()), ["encoder[loc]", "encoder[scale]"]),
        (lambda a, b: (a.sum(), b, a.mean(0), torch.zeros(7, 3)), ["encoder[1]"]),
    ],
)
def test_outputs_of_any_shape_have_the_way_into_them_in_their_names(made, names):
    model, x = Returning(made), rand(6, 4)
    found = capture(model, x, "encoder")
    assert list(found) == names
    one, two = (head(x).detach().numpy() for head in (model.encoder.one, model.encoder.two))
    known = {3: (one, np.exp(one)), 2: (two,)}
    assert all(any(np.allclose(v, k, atol=1e-6) for k in known[v.shape[1]]) for v in found.values())
    assert list(capture(model, x, names[-1])) == names[-1:]
    assert list(capture(model, x, f"enc*{names[-1][7:]}".replace("[", "?").replace("]", "?")))


def test_a_module_that_is_called_again_has_a_layer_for_each_call():
    model, x = Shared(), rand(6, 4)
    found = capture(model, x)
    assert list(found) == ["block", "block.call2", "block.call3", "head"]
    second = model.block(model.block(x)).detach().numpy()
    assert np.allclose(found["block.call2"], second, atol=1e-6)
    assert np.allclose(capture(model, x, "block.call2")["block.call2"], second, atol=1e-6)
    assert list(capture(model, x, "block")) == ["block"]
    assert list(capture(model, x, nn.Linear)) == list(found)


def test_a_module_in_two_places_answers_to_both_names():
    model = nn.Sequential()
    shared = nn.Linear(3, 3)
    model.add_module("a", shared)
    model.add_module("b", shared)
    found = capture(model, rand(5, 3), ["a", "b", "b.call2", "*"])
    assert list(found) == ["a", "b", "b.call2", "a.call2", "output"]
    assert np.array_equal(found["a"], found["b"])
    assert np.array_equal(found["a.call2"], found["output"])


def test_what_a_model_returns_is_told_from_a_module_called_output():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.output = nn.Linear(3, 2)

        def forward(self, x):
            return self.output(x) + 1

    found = capture(Model(), rand(5, 3), ["output", "model_output"])
    assert np.allclose(found["output"] + 1, found["model_output"])


def test_a_table_with_as_many_rows_as_a_batch_is_no_layer():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.positions, self.head = nn.Embedding(16, 3), nn.Linear(3, 2)

        def forward(self, x):
            return self.head(x + self.positions(torch.arange(16))[:1])

    assert list(capture(Model(), rand(32, 3), batch_size=16)) == ["head"]
    assert list(capture(Model(), rand(4, 3))) == ["head"]
    with pytest.raises(UsageError, match="'positions': expected one row of numbers for each"):
        capture(Model(), rand(16, 3), "positions", batch_size=16)


def test_a_model_for_batches_of_one_size_only_is_found_out_with_such_a_batch():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, 2)

        def forward(self, x):
            return self.head(x.reshape(8, 3))

    assert capture(Model(), rand(16, 3), batch_size=8)["head"].shape == (16, 2)
    with pytest.raises(UsageError, match=re.compile("the model failed on a batch.*forward takes", re.DOTALL)):
        capture(Model(), rand(9, 3), batch_size=8)


def arrays():
    return rand(10, 4).numpy()


class Items(torch.utils.data.Dataset):
    """A dataset whose items are made by a function of the index."""

    def __init__(self, made):
        self.made = made

    def __len__(self):
        return 10

    def __getitem__(self, index):
        if not 0 <= index < 10:
            raise IndexError(index)
        return self.made(index)


class Endless(IterableDataset):
    def __iter__(self):
        yield from torch.from_numpy(arrays())


def frozen():
    x = arrays()
    x.flags.writeable = False
    return x


@pytest.mark.parametrize(
    "data",
    [
        lambda: torch.from_numpy(arrays()),
        arrays,
        frozen,
        lambda: arrays().astype(np.float64),
        lambda: arrays().astype(">f4"),
        lambda: np.ascontiguousarray(arrays()[::-1])[::-1],
        lambda: (arrays(), np.arange(10)),
        lambda: {"x": arrays(), "label": np.arange(10)},
        lambda: {"x": arrays().tolist()},
        lambda: TensorDataset(torch.from_numpy(arrays()), torch.arange(10)),
        lambda: Items(lambda i: arrays()[i]),
        lambda: Items(lambda i: (arrays()[i], i)),
        lambda: Items(lambda i: {"x": arrays()[i].tolist(), "label": i}),
        Endless,
        lambda: DataLoader(TensorDataset(torch.from_numpy(arrays())), batch_size=3),
        lambda: DataLoader(Items(lambda i: {"x": arrays()[i], "y": "text"}), batch_size=3),
        lambda: DataLoader(Endless(), batch_size=3),
        lambda: DataLoader(torch.from_numpy(arrays()).split(5), batch_size=None),
        lambda: list(torch.from_numpy(arrays()).split(4)),
        lambda: iter(torch.from_numpy(arrays()).split(4)),
        lambda: (({"x": part}, 0) for part in np.split(arrays(), 5)),
        lambda: ((part, "label") for part in np.split(arrays(), 5)),
    ],
)
def test_data_of_any_kind_go_in_and_keep_their_order(data):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, x, scale=None):
            return self.layer(x.reshape(-1, 4))

    model = Model()
    expected = model.layer(torch.from_numpy(arrays())).detach().numpy()
    assert np.allclose(capture(model, data())["layer"], expected, atol=1e-6)
    assert np.allclose(capture(model, data(), n=5, batch_size=3)["layer"], expected[:5], atol=1e-6) or (
        isinstance(data(), torch.utils.data.Dataset) and not isinstance(data(), IterableDataset)
    )
    streamed = np.concatenate([batch["layer"] for batch in capture_batches(model, data(), batch_size=4)])
    assert np.allclose(streamed, expected, atol=1e-6)
    probing = Probing(model, data(), n=7)
    assert np.array_equal(probing.captured()["layer"], probing.captured()["layer"])
    assert len(probing.captured()["layer"]) == 7


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lambda: 3, "data: expected a tensor or array"),
        (lambda: "mnist", "data: expected a tensor or array"),
        (lambda: iter(()), "expected at least one example, got none"),
        (lambda: torch.zeros(0, 4), "expected at least one example, got none"),
        (lambda: {"x": torch.zeros(3, 4), "y": torch.zeros(2)}, "all of one length"),
        (lambda: (torch.zeros(3, 4), None), "with one row an example"),
        (lambda: {"images": torch.zeros(3, 4), "z": torch.zeros(3)}, r"dict of 'images'.*forward takes \(input\)"),
        (lambda: np.array([["a"] * 4] * 3), "expected numbers"),
        (lambda: (torch.rand(3, 4) * 255).byte(), "images / 255"),
        (lambda: torch.zeros(3, 5), r"output|Linear|failed.*mat1"),
        (lambda: Items(lambda i: np.zeros(1 + i)), "make no batch"),
        (lambda: [["a"], ["b"]], "with a tensor or an array in them|a list of a str|failed"),
    ],
)
def test_data_that_cannot_go_in_are_refused(data, words):
    with pytest.raises(UsageError, match=re.compile(words, re.DOTALL)):
        capture(nn.Linear(4, 3), data())


def test_a_failing_pass_is_told_with_the_module_in_which_it_failed():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.Linear(4, 2))
    with pytest.raises(UsageError, match=r"2 \(Linear\) given \(9, 5\) of torch.float32 failed on a batch that is"):
        capture(model, rand(9, 1, 8, 8))
    with pytest.raises(UsageError, match=r"Convolutions take \(n, c, h, w\)"):
        capture(conv(), rand(9, 8, 8, 1))


def test_images_of_this_packages_datasets_are_the_probe_set_of_a_study_with_that_seed():
    from vaescope.data.load import load_dataset
    from vaescope.runs.probe import choose

    dataset = load_dataset("dsprites")
    model = nn.Sequential(nn.AvgPool2d(16), nn.Flatten(), nn.Linear(16, 3))
    images = dataset.images(choose(dataset, 20, 3).indices)
    expected = capture(model, images, "2")["2"]
    assert np.array_equal(capture(model, dataset, "2", n=20, seed=3)["2"], expected)


def test_a_loader_that_shuffles_gives_all_models_the_same_examples():
    x = rand(40, 4)
    loader = DataLoader(TensorDataset(x), batch_size=8, shuffle=True)
    own = DataLoader(TensorDataset(x), batch_size=8, shuffle=True, generator=generator(5))
    for data in (loader, own):
        state = generator(5).get_state() if data is own else None
        a, b = capture(nn.Identity(), data, "output", n=20), capture(nn.Sequential(nn.Dropout()), data, "output", n=20)
        assert np.array_equal(a["output"], b["output"])
        assert not np.array_equal(a["output"], capture(nn.Identity(), data, "output", n=20, seed=1)["output"])
        assert not np.array_equal(a["output"], x[:20].numpy())
        if state is not None:
            assert torch.equal(own.generator.get_state(), state)


def test_forward_says_what_a_pass_is_and_output_is_what_it_returns():
    model = Returning(lambda a, b: (a, b))
    batches = [{"picture": rand(6, 4), "id": ["a"] * 6}]
    found = capture(model, batches, ["output", "encoder.one"], forward=lambda m, batch: m.encoder(batch["picture"]))
    assert list(found) == ["encoder.one", "output[0]", "output[1]"]
    assert np.array_equal(found["encoder.one"], found["output[0]"])
    with pytest.raises(UsageError, match="did not call decoder"):
        capture(model, batches, "decoder", forward=lambda m, batch: m.encoder(batch["picture"]))


def test_a_pass_ends_when_the_last_wanted_layer_has_run_even_in_a_model_that_catches_everything():
    ran = []

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x):
            try:
                h = self.first(x)
            except Exception:
                h = torch.zeros_like(x)
            ran.append(len(x))
            return self.last(h)

    model, x = Model(), rand(64, 3)
    expected = model.first(x).detach().numpy()
    assert np.allclose(capture(model, x, "first")["first"], expected, atol=1e-6)
    assert max(ran) < 64  # only the few examples with which layers are found go through
    ran.clear()
    assert set(capture(model, x, ["first", "output"])) == {"first", "output"}
    assert max(ran) == 64
    ran.clear()
    handle = model.last.register_forward_hook(lambda *given: None)  # hooks may come in pairs: all of them are called
    capture(model, x, "first")
    handle.remove()
    assert max(ran) == 64


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_data_are_brought_to_the_models_type_and_layers_to_float32(dtype):
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh()).to(dtype)
    found = capture(model, rand(5, 4).numpy())
    assert {x.dtype for x in found.values()} == {np.dtype(np.float32)}
    assert np.allclose(found["1"], model(rand(5, 4).to(dtype)).detach().float().numpy(), atol=1e-6)


def test_token_ids_stay_whole_numbers_and_layers_of_whole_numbers_come_when_asked_for_by_name():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.head = nn.Embedding(7, 3), nn.Linear(3, 4)

        def forward(self, ids):
            return {"logits": self.head(self.embedding(ids)), "best": ids.argmax(1), "wave": ids * 1j}

    ids = torch.randint(7, (6, 5), generator=generator())
    found = capture(Model(), {"ids": ids.tolist()})
    assert {name: x.shape for name, x in found.items()} == {"embedding": (6, 15), "head": (6, 20)}
    assert np.array_equal(capture(Model(), ids, "output[best]")["output[best]"][:, 0], ids.argmax(1).numpy())
    with pytest.raises(UsageError, match="complex"):
        capture(Model(), ids, "output[wave]")


def test_examples_of_other_sizes_in_later_batches_are_refused_or_averaged():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x):
            return self.layer(x)

    batches = [rand(4, 5, 3), rand(4, 6, 3)]
    with pytest.raises(UsageError, match=r"expected \(5, 2\) for an example as in the first batch, got \(6, 2\).*pad"):
        capture(Model(), batches)
    assert capture(Model(), batches, reduce="average_pool")["layer"].shape == (8, 2)
    assert capture(Model(), batches, reduce="per_location")["layer"].shape == (44, 2)


class Counting(Progress):
    def __init__(self, most=10**9):
        self.checks, self.done, self.most = 0, 0, most

    def advance(self, count=1, note=""):
        self.done += count

    def check(self):
        self.checks += 1
        if self.checks > self.most:
            raise Interrupted("stop")


def test_progress_is_told_and_may_stop_the_work():
    progress = Counting()
    capture(nn.Linear(3, 2), rand(50, 3), batch_size=10, progress=progress)
    assert progress.done == 50
    assert progress.checks >= 5
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).train()
    with pytest.raises(Interrupted):
        capture(model, rand(50, 3), batch_size=10, progress=Counting(3))
    assert all(module.training for module in model.modules())


def test_what_does_not_fit_the_budget_is_refused_before_it_is_computed():
    model, progress = nn.Sequential(nn.Linear(4, 1000), nn.Linear(1000, 3)), Counting()
    with pytest.raises(ResourceError, match=r"2 layers of 1,000 examples take 4.0 MB; memory_budget is 2.0 MB.*n=498"):
        capture(model, rand(1000, 4), memory_budget=2_000_000, progress=progress)
    assert progress.done == 0
    assert capture(model, rand(1000, 4), memory_budget=2_000_000, n=498)["0"].shape == (498, 1000)
    assert capture(model, rand(1000, 4), memory_budget=2_000_000, reduce=Projection(16))["0"].shape == (1000, 16)


def test_an_endless_iterator_is_stopped_at_the_budget():
    def endless():
        while True:
            yield rand(100, 4)

    with pytest.raises(ResourceError, match=r"so far take.*capture_batches"):
        capture(nn.Linear(4, 100), endless(), memory_budget=1_000_000)
    with pytest.raises(ResourceError, match="gone through once"):
        Probing(nn.Linear(4, 100), endless(), memory_budget=1_000_000)
    stream = capture_batches(nn.Linear(4, 100), endless())
    assert [next(stream)["output"].shape for _ in range(3)] == [(100, 100)] * 3


def test_probing_holds_what_fits_and_reads_anew_what_does_not():
    reads = []

    def item(index):
        reads.append(index)
        return rand(4, seed=index)

    model = nn.Linear(4, 2)
    for budget, each in ((10_000, 0), (200, 10)):
        probing = Probing(model, Items(item), memory_budget=budget)
        first = probing.captured()["output"]
        reads.clear()
        assert np.array_equal(probing.captured()["output"], first)
        assert len(reads) == each
    buffer = torch.zeros(4, 4)

    def reused():
        for value in range(3):
            yield buffer.fill_(value)

    probing = Probing(nn.Identity(), reused(), "output")
    assert probing.captured()["output"][:, 0].tolist() == [0.0] * 4 + [1.0] * 4 + [2.0] * 4


def test_probing_sees_the_model_as_it_is_now_and_says_when_a_layer_is_gone():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.short = nn.Linear(3, 3), nn.Linear(3, 2), False

        def forward(self, x):
            return self.a(x) if self.short else self.b(self.a(x))

    model = Model()
    probing = Probing(model, rand(6, 3))
    assert probing.layers == (("a", 3), ("b", 2))
    before = probing.captured()
    with torch.no_grad():
        model.b.bias += 1
    assert np.allclose(probing.captured()["b"], before["b"] + 1, atol=1e-6)
    assert np.array_equal(probing.captured()["a"], before["a"])
    model.to(torch.float64)
    assert np.allclose(probing.captured()["a"], before["a"], atol=1e-6)
    model.short = True
    with pytest.raises(UsageError, match="layer b: called for the first batch, and not for batch 1"):
        probing.captured()


def test_streams_leave_the_model_alone_between_batches():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).train()
    state = torch.get_rng_state()
    seen = []
    for batch in capture_batches(model, rand(30, 3), batch_size=10):
        assert all(module.training for module in model.modules())
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.is_grad_enabled()
        assert not model[0]._forward_hooks
        model(rand(5, 3)).sum().backward()
        seen.append(batch["0"])
    assert np.allclose(np.concatenate(seen), capture(model, rand(30, 3), "0")["0"], atol=1e-6)


@pytest.mark.parametrize(("name", "value"), [("n", 0), ("n", 2.5), ("batch_size", 0), ("batch_size", True)])
def test_counts_are_whole_numbers_of_at_least_one(name, value):
    with pytest.raises(Exception, match=name):
        capture(nn.Linear(3, 2), rand(5, 3), **{name: value})
