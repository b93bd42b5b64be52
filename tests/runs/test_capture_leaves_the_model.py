# ruff: noqa: NPY002, S311
"""Capture leaves no trace: whatever a model does as it is called, it is afterwards as it was, also after an error."""

import copy
import random
from collections import Counter, OrderedDict, UserDict, deque
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from vaescope.errors import UsageError
from vaescope.models.randomness import borrowed
from vaescope.models.untouched import untouched
from vaescope.runs.capture import Probing, capture, capture_batches


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


class Restless(nn.Module):
    """Changes whatever a module can change in a pass in evaluation mode."""

    def __init__(self, fails=None):
        super().__init__()
        self.first, self.norm, self.drop = nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout()
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("history", torch.zeros(1, 3))
        self.register_buffer("nothing", None)
        self.count, self.seen, self.by_name, self.kinds, self.recent = 0, [], {}, Counter(), deque([0], maxlen=2)
        self.average = torch.zeros(3)
        self.own, self.numpys, self.pythons = torch.Generator(), np.random.default_rng(0), random.Random(0)
        self.fails = fails

    def forward(self, x):
        self.calls += 1
        self.history = torch.cat([self.history, x[:1].detach()])
        self.nothing = torch.ones(2)
        self.count += 1
        self.seen.append(x)
        self.by_name["x"] = x
        self.kinds["forward"] += 1
        self.recent.append(1)
        self.average.add_(1)
        self.cache = x
        self.norm.train()
        self.first.weight.requires_grad_(False)
        noise = torch.randn(x.shape) + torch.randn(x.shape, generator=self.own) + np.random.rand() + random.random()
        h = self.drop(self.first(x + noise + self.numpys.random() + self.pythons.random()))
        if self.fails is not None and len(x) > 4:
            raise self.fails
        return self.norm(h)


def seeded():
    torch.manual_seed(3)
    np.random.seed(4)
    random.seed(5)


def traces(model):
    """Everything there is to see of a model and of the random states, in a form that can be compared."""
    found = {"torch": torch.get_rng_state().tolist(), "numpy": str(np.random.get_state())}
    found["grad enabled"] = torch.is_grad_enabled()  # Python's own state is a test of its own: type checks draw from it
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, torch.Tensor):
                value = (id(value), value.tolist())
            elif isinstance(value, torch.Generator):
                value = value.get_state().tolist()
            elif isinstance(value, np.random.Generator):
                value = str(value.bit_generator.state)
            elif isinstance(value, random.Random):
                value = value.getstate()
            elif isinstance(value, dict):
                value = [(k, id(v)) for k, v in value.items()]
            elif isinstance(value, list | deque):
                value = [id(v) for v in value]
            found[path, name] = value if isinstance(value, BaseException) else copy.copy(value)
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        found[name] = (id(tensor), tensor.tolist(), tensor.requires_grad, id(tensor.grad))
    return found


@pytest.mark.parametrize("evaluation", [True, False])
@pytest.mark.parametrize("layers", [None, "first", "*"])
def test_a_model_that_changes_everything_is_as_it_was(layers, evaluation):
    model = Restless()
    model.norm.eval()
    seeded()
    before = traces(model)
    capture(model, rand(20, 3), layers, batch_size=8, evaluation=evaluation)
    assert traces(model) == before


@pytest.mark.parametrize(
    ("error", "raised"),
    [(ValueError("no"), UsageError), (KeyboardInterrupt(), KeyboardInterrupt), (SystemExit(), SystemExit)],
)
def test_also_after_an_error_and_after_being_interrupted(error, raised):
    model = Restless(error)
    seeded()
    before = traces(model)
    with pytest.raises(raised):
        capture(model, rand(20, 3), batch_size=8)
    probing = Probing(Restless(), rand(20, 3))
    probing._passing._model.fails = error
    before = traces(probing._passing._model)
    with pytest.raises(raised):
        probing.captured()
    assert traces(probing._passing._model) == before
    stream = capture_batches(Restless(), rand(20, 3), batch_size=8)
    next(stream)
    stream.close()


def test_a_model_that_samples_gives_the_same_sample_each_time_whatever_else_is_drawn():
    model = Restless()
    probing = Probing(model, rand(20, 3), batch_size=8)
    before = probing.captured()
    torch.rand(5)
    np.random.rand(5)
    random.random()
    model.own.manual_seed(9)
    model.numpys.random(4)
    again = probing.captured()
    assert all(np.array_equal(before[name], again[name], equal_nan=True) for name in before)
    first = capture(model, rand(20, 3), "first", batch_size=8)["first"]
    assert np.array_equal(first, before["first"])
    assert not np.array_equal(first, capture(model, rand(20, 3), "first", batch_size=8, seed=1)["first"])


def test_random_states_of_python_too_are_given_back(monkeypatch):
    """What they were is taken where they are saved, since type checks of the tests draw from them before."""
    states, getstate = [], random.getstate
    monkeypatch.setattr(random, "getstate", lambda: states.append(getstate()) or states[-1])
    own, drawn = random.Random(1), []
    mine = own.getstate()
    for _ in range(2):
        with borrowed(iter([torch.device("cpu")]), [own]) as seed:
            seed(2**63 - 1)
            drawn.append((random.random(), own.random(), float(torch.rand(())), np.random.rand()))
        assert getstate() == states[-1]
        assert own.getstate() == mine
    assert drawn[0] == drawn[1]


def test_each_module_keeps_its_own_training_mode_and_modes_are_set_without_calling_train():
    class Merging(nn.Linear):
        def train(self, mode=True):
            raise AssertionError("merges weights")

    model = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(3), Merging(3, 2))
    model[0].training, model[1].training = True, False
    capture(model, rand(5, 3))
    assert [module.training for module in model.modules()] == [True, True, False, True]


def test_a_models_own_hooks_are_called_and_stay_in_their_order():
    model, told = nn.Sequential(nn.Linear(3, 3), nn.Tanh()), []

    def doubled(module, args, output):
        return output * 2

    def once(module, args, output):
        told.append(1)
        handle.remove()

    model[0].register_forward_hook(doubled)
    handle = model[0].register_forward_hook(once)
    model[0].register_forward_pre_hook(lambda module, args: told.append(2))
    before = [list(m._forward_hooks.items()) + list(m._forward_pre_hooks.items()) for m in model]
    found = capture(model, rand(5, 3), "0")["0"]
    assert np.allclose(found, 2 * nn.functional.linear(rand(5, 3), model[0].weight, model[0].bias).detach(), atol=1e-6)
    assert [list(m._forward_hooks.items()) + list(m._forward_pre_hooks.items()) for m in model] == before
    assert 1 in told
    handle.remove()
    assert list(model[0]._forward_hooks.values()) == [doubled]


def test_a_graph_under_way_is_not_disturbed():
    model = Restless()
    model.drop.p = 0.0
    x = rand(8, 3)
    loss = (model.norm(model.first(x)) * model.average).sum() + model.first(x).square().sum()
    twin = copy.deepcopy(model)
    expected = twin.norm(twin.first(x)) * twin.average
    (expected.sum() + twin.first(x).square().sum()).backward()
    capture(model, rand(20, 3))
    loss.backward()
    for mine, its in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(mine.grad, its.grad)


def test_gradients_are_kept_and_none_are_made():
    class Backwards(nn.Linear):
        def forward(self, x):
            with torch.enable_grad():
                super().forward(x).sum().backward()
            return super().forward(x)

    model = Backwards(3, 2)
    capture(model, rand(5, 3))
    assert model.weight.grad is None
    model = nn.Linear(3, 2)
    model(rand(5, 3)).sum().backward()
    gradient, values = model.weight.grad, model.weight.grad.clone()
    found = capture(model, rand(5, 3))
    assert model.weight.grad is gradient
    assert torch.equal(gradient, values)
    assert isinstance(found["output"], np.ndarray)


def test_what_a_model_makes_once_and_keeps_is_fit_for_training():
    class Cached(nn.Module):
        table = {}  # noqa: RUF012

        def forward(self, x):
            if "mask" not in self.table:
                self.table["mask"] = x.new_ones(3) * 2
            return x * self.table["mask"]

    model = nn.Sequential(nn.Linear(3, 3), Cached())
    capture(model, rand(5, 3))
    model(rand(5, 3)).sum().backward()
    assert model[0].weight.grad is not None


def test_training_goes_on_bit_for_bit_as_if_nobody_had_looked():
    def trained(looks):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.ReLU(inplace=True), nn.Linear(8, 2))
        optimiser = torch.optim.Adam(model.parameters())
        data = torch.utils.data.TensorDataset(rand(64, 3))
        loader = torch.utils.data.DataLoader(data, batch_size=16, shuffle=True)
        probing = Probing(model, loader, "*", n=20) if looks else None
        for _ in range(3):
            for (x,) in loader:
                optimiser.zero_grad()
                loss = model(x).square().mean()
                if probing is not None:
                    probing.captured()
                loss.backward()
                optimiser.step()
        return torch.cat([p.detach().flatten() for p in (*model.parameters(), *model.buffers())])

    with torch.random.fork_rng():
        assert torch.equal(trained(True), trained(False))


def test_lazy_modules_and_weights_without_values_are_refused():
    with pytest.raises(UsageError, match="lazy modules, which get their weights in their first pass"):
        capture(nn.Sequential(nn.LazyLinear(3)), rand(5, 3))
    with pytest.raises(UsageError, match="meta device"):
        capture(nn.Linear(3, 2, device="meta"), rand(5, 3))


class Annealing:
    """An object of the model's own that counts, refers to itself and holds what is not the model's to put back."""

    def __init__(self, data):
        self.steps, self.inner, self.itself, self.data = 0, SimpleNamespace(seen=[]), self, data

    def step(self):
        self.steps += 1
        self.inner.seen.append(self.steps)


class Logged(OrderedDict):
    """A dict that counts how often it is written."""

    writes = 0

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        self.writes += 1


class Owning(nn.Module):
    """Changes what is in what it holds."""

    def __init__(self):
        super().__init__()
        self.codes = nn.Parameter(torch.zeros(3), requires_grad=False)
        self.scaled = nn.Embedding(2, 3, max_norm=0.1)
        self.annealing, self.space = Annealing(np.zeros((2**23,), np.int32)), SimpleNamespace(t=0)
        self.nested, self.logs, self.kept = {"a": {"n": 0}}, Logged(x=1), (UserDict(n=0), [torch.zeros(3)])
        self.array, self.queue = np.full(3, np.nan), [np.zeros(3), torch.zeros(3), {"t": torch.zeros(3)}]
        self.state, self.generators = np.random.RandomState(0), {"g": [torch.Generator(), random.Random(0)]}
        self.frozen = np.zeros(3)
        self.frozen.flags.writeable = False

    def forward(self, x):
        self.codes.data.add_(1)
        self.scaled(torch.zeros(1, dtype=torch.long))
        self.annealing.step()
        self.annealing.new = 1
        self.space.t += 1
        self.nested["a"]["n"] += 1
        self.nested["a"]["m"] = {}
        self.logs["x"] += 1
        self.kept[0]["n"] += 1
        self.kept[1][0] += 1
        self.array[:] = 1
        self.queue[0] += 1
        self.queue[1].mul_(2).add_(1)
        self.queue[2]["t"].add_(1)
        self.queue.append(x)
        own, pythons = self.generators["g"]
        return x + torch.rand(1, generator=own) + self.state.rand() + pythons.random() + self.codes


def inside(value):
    """What is in a thing, all the way down, in a form that can be compared."""
    if isinstance(value, torch.Generator):
        return value.get_state().tolist()
    if isinstance(value, random.Random):
        return value.getstate()
    if isinstance(value, np.random.RandomState):
        return repr(value.get_state())
    if isinstance(value, torch.Tensor | np.ndarray):
        return repr(value.tolist()[:9])
    if isinstance(value, dict):
        own = vars(value) if hasattr(value, "__dict__") else {}
        return [(k, inside(v)) for k, v in value.items()] + list(own.items())
    if isinstance(value, list | tuple):
        return [inside(v) for v in value]
    if isinstance(value, Annealing | SimpleNamespace | UserDict):
        return [(k, inside(v)) for k, v in vars(value).items() if v is not value]
    return repr(value)


@pytest.mark.parametrize("name", ["codes", "scaled", *[k for k in vars(Owning()) if k not in vars(nn.Module())]])
def test_what_is_in_objects_and_containers_of_the_model_is_as_it_was(name):
    model = Owning()
    found = [model.scaled.weight.data] if name == "scaled" else getattr(model, name)
    before = inside(found)
    capture(model, rand(20, 3), "output", batch_size=8)
    assert inside(found) == before
    model(rand(2, 3))
    assert (inside(found) == before) == (name == "frozen")


def test_a_model_that_samples_by_its_random_state_gives_the_same_sample_each_time():
    class Sampling(nn.Module):
        state = None

        def forward(self, x):
            return x + self.state.rand()

    model = Sampling()
    model.state = np.random.RandomState(0)
    probing = Probing(model, rand(20, 3), "output", batch_size=8)
    first = probing.captured()["output"]
    model.state.rand()
    assert np.array_equal(probing.captured()["output"], first)


def test_what_is_large_or_of_other_libraries_is_not_copied_nor_put_back():
    model = Owning()
    model.optimiser = torch.optim.SGD([model.codes], lr=1.0)
    with untouched(model):
        model.annealing.data[0] = 1
        model.optimiser.mine = 1
        model.optimiser.state[model.codes] = 1
    assert model.annealing.data[0] == 1
    assert model.optimiser.mine == model.optimiser.state[model.codes] == 1


def test_a_graph_under_way_through_codes_in_a_list_is_not_disturbed():
    model = Owning()
    weight = nn.Parameter(torch.ones(3))
    model.queue[1] += 1
    loss = (weight * model.queue[1] * model.codes).sum()
    capture(model, rand(20, 3), "output")
    loss.backward()
    assert torch.equal(weight.grad, torch.zeros(3))
