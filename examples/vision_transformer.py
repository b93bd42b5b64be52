# %% [markdown]
# # Two vision transformers, layer by layer
#
# Hugging Face's ViT in two sizes, with random weights, so nothing is downloaded: put `ViTModel.from_pretrained(...)`
# in for trained ones. What do the layers of networks of different width and depth share before any training? It runs
# in ten seconds on one core.

# %%
import tempfile
from pathlib import Path

import torch
from transformers import ViTConfig, ViTModel

import vaescope

# %% [markdown]
# ## The models and the images

# %%
COMMON = {"image_size": 64, "num_channels": 1, "patch_size": 16}


def transformer(width: int, depth: int, seed: int) -> ViTModel:
    torch.manual_seed(seed)
    sizes = {"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": depth, "num_attention_heads": 4}
    return ViTModel(ViTConfig(**COMMON, **sizes), add_pooling_layer=False)


small, large = transformer(48, 3, seed=0), transformer(96, 6, seed=1)
images = torch.from_numpy(vaescope.load_dataset("dsprites").images(range(0, 737_280, 2_500)))
print(f"{len(images)} images of {tuple(images.shape[1:])}")

# %% [markdown]
# ## What the layers represent
#
# `layers` takes names, globs, regular expressions, types. A layer of a transformer gives (n, tokens, features): by
# default all of an example's numbers in one row; `reduce="average_pool"` takes the mean over tokens.

# %%
found = vaescope.capture(small, images, layers="layers.*")
for layer, values in list(found.items())[:4]:
    print(f"{layer:40} {values.shape}")

# %% [markdown]
# The outputs of whole blocks are what one mostly wants. Their names are those of `named_modules()`, so a look at the
# names tells the pattern; a wrong one is answered with what there is.

# %%
blocks = [name for name, module in small.named_modules() if type(module).__name__ == "ViTLayer"]
print(blocks)
pooled = vaescope.capture(small, images, layers=blocks, reduce="average_pool")
print({layer: values.shape for layer, values in pooled.items()})

# %% [markdown]
# ## All layers of one with all of the other
#
# The two have different widths and depths. Debiased CKA may be read across them; `interval` says how much hangs on
# the choice of images, `null` what chance alone would give.

# %%
others = [name for name, module in large.named_modules() if type(module).__name__ == "ViTLayer"]
both = vaescope.compare(
    small, large, images, layers=blocks, layers_b=others, interval=True, names=("small", "large"), reduce="average_pool"
)
print(both.to_pandas().round(2).to_string())
print(both.summary())

# %% [markdown]
# Random transformers of different sizes agree nearly as well as layers of one: what they share is the images and the
# patches, not learning. So "two models are similar" says little before this floor is known. Trained weights are
# compared with the same lines.

# %%
folder = Path(tempfile.mkdtemp())
both.plot().save(folder / "small-large.svg")
both.table().to_csv(folder / "small-large.csv", index=False)
print(f"Written: {folder}")
