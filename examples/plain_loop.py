# %% [markdown]
# # A loop of your own, with live answers
#
# Plain PyTorch: a small VAE on dSprites, two strengths of the KL term, one line in the loop. The sentences come as
# training goes on; afterwards both runs are one study with its page. It runs in half a minute on one core.

# %%
import tempfile
from pathlib import Path

import torch
from torch import nn

import vaescope

folder = Path(tempfile.mkdtemp()) / "two_strengths"
dsprites = vaescope.load_dataset("dsprites")
images = torch.from_numpy(dsprites.images(range(0, 737_280, 300))[:, :, ::2, ::2].copy())
training, probe = images[::2], images[1::2][:200]

# %% [markdown]
# ## The model
#
# Attributes called `encoder` and `decoder`, means and log variances in one output: all of it is found. Nothing
# imports vaescope.


# %%
class VAE(nn.Module):
    def __init__(self, latents: int = 6) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            *(nn.Conv2d(1, 16, 4, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv2d(16, 16, 4, stride=2, padding=1), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(16 * 64, 64), nn.ReLU(), nn.Linear(64, 2 * latents)),
        )
        self.decoder = nn.Sequential(
            *(nn.Linear(latents, 64), nn.ReLU(), nn.Linear(64, 16 * 64), nn.ReLU(), nn.Unflatten(1, (16, 8, 8))),
            *(nn.ConvTranspose2d(16, 16, 4, stride=2, padding=1), nn.ReLU()),
            nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1),
        )

    def forward(self, x):
        mean, log_var = self.encoder(x).chunk(2, dim=1)
        z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        return self.decoder(z), mean, log_var


# %% [markdown]
# ## Training

# %%
STEPS = 600


def train(beta: float) -> vaescope.Recorder:
    torch.manual_seed(0)
    model = VAE()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    with vaescope.Recorder(
        model,
        folder,
        probe=probe,
        at=vaescope.every(50),
        layers=(nn.Conv2d, nn.ConvTranspose2d, nn.Linear),
        objective="beta_vae",
        setting={"beta": beta},
        run=f"beta_{beta:g}",
        trackers=["jsonl"],
    ) as record:
        for step in range(STEPS):
            batch = training[torch.randint(len(training), (32,))]
            logits, mean, log_var = model(batch)
            reconstruction = nn.functional.binary_cross_entropy_with_logits(logits, batch, reduction="sum") / len(batch)
            kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1).mean()
            loss = reconstruction + beta * kl
            for answer in record(step, loss=loss, reconstruction=reconstruction, kl=kl):  # the one line
                print(f"step {step:4}  β = {beta:g}: {answer.text}")
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        record.finish(STEPS)
    return record


weak, strong = train(beta=1.0), train(beta=20.0)
print(f"Looking took {weak.overhead['seconds']:.2f} s in {weak.overhead['looks']:.0f} looks.")

# %% [markdown]
# ## The two strengths beside each other

# %%
results = strong.results()
print(results.runs[["run", "objective", "beta", "state", "snapshots"]].to_string())
print(results.losses.groupby("run")[["loss", "reconstruction", "kl"]].last().round(1).to_string())
ends = results.examined("posterior").groupby("run")[["active", "mixed", "passive"]].last()
print(ends.to_string())
across = results.similarity("cka", step=STEPS).query("run_a != run_b and layer_a == layer_b")
print(across[["layer_a", "score"]].round(2).to_string(index=False))

# %% [markdown]
# Where β is larger, the codes say less and the decoder becomes another one; the layers near the image hardly notice.
# With several seeds a strength, `vaescope claims` says what of this is more than chance.

# %%
print(f"Now: vaescope report {folder}")
