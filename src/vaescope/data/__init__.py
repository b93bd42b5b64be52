"""What the models see: images by index, and the factors that made them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"indexed": ["from_torch"], "load": ["load_dataset"]}
)
