# %% [markdown]
# # diffusers' AutoencoderKL, recorded while it learns
#
# The autoencoder of latent diffusion models, here very small and with random weights, trained for some steps on
# dSprites. A `Recorder` keeps what its layers represent; then two of its checkpoints are compared.
# `AutoencoderKL.from_pretrained(...)` goes the same way. It runs in half a minute on one core.

# %%
import tempfile
from pathlib import Path

import torch
from diffusers import AutoencoderKL

import vaescope

folder = Path(tempfile.mkdtemp())
torch.manual_seed(0)
model = AutoencoderKL(
    in_channels=1,
    out_channels=1,
    down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
    up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
    block_out_channels=(8, 16),
    layers_per_block=1,
    latent_channels=2,
    norm_num_groups=4,
    sample_size=32,
)
images = torch.from_numpy(vaescope.load_dataset("dsprites").images(range(0, 737_280, 1_000))[:, :, ::2, ::2].copy())
training, probe = images[::2], images[1::2][:100]
print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(training)} images, {len(probe)} in the probe")

# %% [markdown]
# ## Training, with the one line
#
# `encoder`, `decoder` and the posterior are found: means and log variances are the halves of what `quant_conv` gives.
# The layers to look at are the outputs of blocks; `layers=None` would take all innermost modules, some sixty.

# %%
LAYERS = ["encoder.down_blocks.*.resnets.0", "encoder.mid_block", "decoder.mid_block", "decoder.up_blocks.*.resnets.0"]
optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
record = vaescope.Recorder(
    model, folder / "study", probe=probe, layers=LAYERS, objective="kl", weights=True, tell=print
)
STEPS, KL = 50, 0.1

for step in range(STEPS):
    batch = training[torch.randint(len(training), (16,))]
    posterior = model.encode(batch).latent_dist
    shown = model.decode(posterior.sample()).sample
    reconstruction = (shown - batch).square().sum() / len(batch)
    kl = posterior.kl().mean()
    loss = reconstruction + KL * kl
    record(step, loss=loss, reconstruction=reconstruction, kl=kl)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    if step == 0:
        model.save_pretrained(folder / "first")

record.finish(STEPS)
model.save_pretrained(folder / "last")

# %% [markdown]
# ## What was recorded

# %%
results = record.results()
print(results.runs[["run", "state", "step", "snapshots"]].to_string())
curves = results.curves
print(curves.pivot_table(index="layer", columns="step", values="score", sort=False).round(2).to_string())

# %% [markdown]
# The columns are steps, the numbers similarities to the end (debiased CKA). What stands at step 0 is the floor: what
# random convolutions have in common with trained ones.
#
# ## Two checkpoints
#
# A side of a comparison may be a model and the file of its weights; a copy of the model is filled with them.

# %%
first, last = (folder / name / "diffusion_pytorch_model.safetensors" for name in ("first", "last"))
both = vaescope.compare((model, first), (model, last), probe, layers=LAYERS, interval=True, names=("first", "last"))
print(both.diagonal().round(2).to_string())
both.plot().save(folder / "first-last.svg")

# %% [markdown]
# From the command line, with a function that makes the model:
#
# <!-- not run: the weights of this example are in a temporary folder -->
# ```console
# vaescope compare-files first/diffusion_pytorch_model.safetensors last/diffusion_pytorch_model.safetensors \
#     --model my_models.py:make --data images.npy
# ```

# %%
print(f"Now: vaescope report {folder / 'study'}")
