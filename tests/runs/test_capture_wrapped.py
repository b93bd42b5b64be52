"""Capture looks through wrappers, and into models of other libraries."""

import copy
import os

import numpy as np
import pytest
import torch
from torch import nn

from vaescope.models.wrapped import inside
from vaescope.runs.capture import Probing, capture, capture_batches


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def small():
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=True), nn.Linear(3, 2))


@pytest.fixture
def group():
    """A process group of this process alone, since DistributedDataParallel wants one."""
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def compiled(model):
    return torch.compile(model, backend="eager")


@pytest.mark.parametrize(
    "wrap",
    [
        nn.DataParallel,
        compiled,
        lambda model: nn.DataParallel(compiled(model)),
        lambda model: compiled(nn.DataParallel(model)),
        torch.optim.swa_utils.AveragedModel,
    ],
)
def test_names_and_values_are_those_of_the_model_inside(wrap):
    model, x = small(), rand(9, 4)
    expected = capture(model, x, ["*"])
    wrapped = wrap(copy.deepcopy(model))
    wrapped(x)  # compiled code is there before hooks are
    found = capture(wrapped, x, ["*"])
    assert list(found) == ["0", "1", "2", "output"]
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    path = next(n for n, m in wrapped.named_modules() if isinstance(m, nn.Linear))
    assert list(capture(wrapped, x, path)) == ["0"]
    assert torch.equal(wrapped(x), model(x))


def test_distributed_models_are_looked_into_without_the_other_processes(group):
    model = nn.parallel.DistributedDataParallel(small())
    assert list(capture(model, rand(9, 4))) == ["0", "1", "2"]
    model(rand(9, 4)).sum().backward()
    assert model.module[0].weight.grad is not None


def test_a_compiled_part_of_a_model_is_heard_and_stays_compiled():
    runs = []

    def backend(graph, inputs):
        def run(*args):
            runs.append(1)
            return graph(*args)

        return run

    model = nn.Sequential(nn.Linear(4, 4), torch.compile(small(), backend=backend))
    model.add_module("in_place", nn.Linear(2, 2))
    model.in_place.compile(backend=backend)
    x = rand(9, 4)
    with torch.no_grad():
        model(x)
    before = len(runs)
    found = capture(model, x, ["1.*", "1", "in_place"])
    assert list(found) == ["1.0", "1.1", "1.2", "1", "in_place"]
    assert len(runs) == before
    with torch.no_grad():
        assert np.allclose(found["in_place"], model(x).numpy(), atol=1e-6)
    assert len(runs) > before


def test_a_child_called_module_is_a_layer_like_any_other():
    model = nn.Sequential()
    model.add_module("module", small())
    assert list(capture(model, rand(9, 4), nn.Linear)) == ["module.0", "module.2"]
    assert inside(model) is model


def test_transformer_layers_call_their_modules_in_evaluation_mode_too():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    found = capture(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), rand(5, 3, 8))
    assert {"layers.0.linear1", "layers.1.norm2", "layers.0.self_attn[0]"} <= set(found)
    assert torch.backends.mha.get_fastpath_enabled()


def vision_transformer():
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=16, patch_size=8
    )
    return ViTForImageClassification(config)


def test_a_vision_transformer_of_hugging_face_with_dicts_as_data():
    model = vision_transformer()
    items = [{"pixel_values": rand(3, 16, 16, seed=k).numpy(), "labels": k % 2, "id": k} for k in range(6)]
    data = torch.utils.data.DataLoader(items, batch_size=4)  # type: ignore[arg-type]
    found = capture(model, data, ["*.layer*.?", "output*"])
    blocks = [name for name in found if name.rpartition(".")[2] in ("0", "1")]
    assert len(blocks) == 2
    assert all(found[name].reshape(6, -1).shape == (6, 5 * 16) for name in blocks)
    with torch.no_grad():
        logits = model.eval()(torch.from_numpy(np.stack([item["pixel_values"] for item in items]))).logits.numpy()
    assert np.allclose(found["output[logits]"], logits, atol=1e-5)
    assert "output[loss]" not in found
    pooled = capture(model, data, blocks, reduce="average_pool")
    assert all(x.shape == (6, 16) for x in pooled.values())
    assert len(capture(model, data)) > 15


def test_batches_of_one_model_stream_into_minibatch_cka():
    from vaescope import StreamingCKA, similarity

    model, x = small(), rand(400, 4)
    cka = StreamingCKA()
    for batch in capture_batches(model, x, batch_size=100):
        cka.update(batch)
    whole = capture(model, x)
    assert abs(cka.result().scores[0, 2] - similarity(whole["0"], whole["2"])) < 0.02


@pytest.mark.skipif("PYTEST_XDIST_WORKER" in os.environ, reason="workers of workers")
def test_a_loader_in_use_elsewhere_keeps_its_place_and_its_workers():
    data = torch.utils.data.TensorDataset(rand(12, 4))
    loader = torch.utils.data.DataLoader(data, batch_size=4, num_workers=1, persistent_workers=True)
    batches = iter(loader)
    seen = [next(batches)]
    probing = Probing(small(), loader)
    assert len(probing.captured()["0"]) == 12
    seen += list(batches)
    assert torch.equal(torch.cat([x for (x,) in seen]), data.tensors[0])
