import pytest
import torch
from torch import nn

from vaescope.errors import UsageError
from vaescope.models.parts import Parts, Where, parts_of, posterior_of, several


def module(**children):
    made = nn.Module()
    for name, child in children.items():
        setattr(made, name, child)
    return made


def linear():
    return nn.Linear(3, 3)


def test_modules_called_encoder_and_decoder_are_the_parts():
    assert parts_of(module(encoder=linear(), decoder=linear())) == Parts(("encoder",), ("decoder",))


def test_they_are_found_in_wrappers_such_as_lightning_modules():
    outer = module(loss=nn.ReLU(), vae=module(encoder=linear(), decoder=linear()))
    assert parts_of(outer) == Parts(("vae.encoder",), ("vae.decoder",))


def test_what_diffusers_has_beside_them_belongs_to_them():
    model = module(encoder=linear(), decoder=linear(), quant_conv=linear(), post_quant_conv=linear())
    assert parts_of(model) == Parts(("encoder", "quant_conv"), ("decoder", "post_quant_conv"))


def test_named_parts_win_and_the_other_is_still_found():
    model = module(encoder=linear(), stem=linear(), decoder=linear())
    assert parts_of(model, encoder=["stem", "encoder"]) == Parts(("stem", "encoder"), ("decoder",))


def test_an_encoder_without_a_decoder_is_no_vae():
    assert parts_of(module(encoder=linear(), head=linear())) == Parts()


def test_a_part_that_is_not_there_is_told_with_what_is_near():
    with pytest.raises(UsageError, match=r"encoder: the model has no module 'encodr'.*encoder"):
        parts_of(module(encoder=linear(), decoder=linear()), encoder="encodr")


def test_layers_below_a_part_and_outputs_of_it_are_of_it():
    parts = Parts(("encoder", "quant_conv"), ("decoder",))
    found = [
        parts.of(name)
        for name in ("encoder", "encoder.0", "encoder[1]", "quant_conv", "encoder2.0", "decoder.1", "head")
    ]
    assert found == ["encoder", "encoder", "encoder", "encoder", "other", "decoder", "other"]


D, X = (4, 10), (4, 1, 8, 8)
BOTH = Parts(("encoder",), ("decoder",))


@pytest.mark.parametrize(
    ("parts", "shapes", "expected"),
    [
        (
            BOTH,
            {"encoder[embedding]": D, "encoder[log_covariance]": D, "decoder": X},
            ("encoder[embedding]", "encoder[log_covariance]"),
        ),
        (BOTH, {"encoder[0]": D, "encoder[1]": D, "decoder": X}, ("encoder[0]", "encoder[1]")),
        (BOTH, {"encoder.0": D, "encoder": D, "fc_mu": D, "fc_var": D, "decoder": X}, ("fc_mu", "fc_var")),
        (BOTH, {"encoder": D, "z_mean": D, "z_log_var": D, "decoder": X}, ("z_mean", "z_log_var")),
        (
            Parts(),
            {
                "fc1": (4, 400),
                "fc21": D,
                "fc22": D,
                "fc3": (4, 400),
                "output[0]": (4, 64),
                "output[1]": D,
                "output[2]": D,
            },
            ("output[1]", "output[2]"),
        ),
        (Parts(), {"output[0]": X, "output[1]": X, "output[2]": D, "output[3]": D}, ("output[2]", "output[3]")),
        (Parts(), {"a": D, "output[recon]": X, "output[mu]": D, "output[logvar]": D}, ("output[mu]", "output[logvar]")),
        (
            Parts(("encoder", "quant_conv"), ("decoder",)),
            {"encoder": (4, 8, 4, 4), "quant_conv": (4, 8, 4, 4), "decoder": X},
            ("quant_conv", "quant_conv"),
        ),
    ],
    ids=["pythae", "tuple", "fc_mu", "keras names", "pytorch example", "PyTorch-VAE", "dict", "diffusers"],
)
def test_the_posterior_of_usual_shapes_is_found(parts, shapes, expected):
    assert posterior_of(nn.Module(), parts, shapes) == Where(*expected)


@pytest.mark.parametrize(
    "shapes",
    [
        {"encoder.0": D, "encoder": D, "decoder": X, "output": X},
        {"conv": X, "mean_pool": D, "variance_head": D, "output": (4, 1000)},
        {"fc_mu": D, "fc_var": (4, 3)},
        {"output[0]": D, "output[1]": (4, 3)},
    ],
    ids=["plain autoencoder", "classifier", "other widths", "two heads"],
)
def test_what_is_no_posterior_is_not_taken_for_one(shapes):
    assert posterior_of(nn.Module(), Parts(), shapes) is None


def test_a_hierarchy_is_told_from_one_posterior_that_is_seen_twice():
    assert several({"mu1": D, "lv1": D, "mu2": D, "lv2": D}) == ("lv1", "lv2")
    assert several({"encoder.log_var": D, "encoder[log_covariance]": D, "output[2]": D}) == ()


def test_lstm_outputs_are_not_a_posterior():
    model = nn.LSTM(3, 5, batch_first=True)
    out, (h, c) = model(torch.zeros(4, 2, 3))
    shapes = {"output[0]": tuple(out.shape), "output[1][0]": tuple(h.shape), "output[1][1]": tuple(c.shape)}
    assert posterior_of(model, Parts(), shapes) is None
