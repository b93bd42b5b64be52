"""How variational autoencoders learn, layer by layer.

The package is five stages that sort in the order of the data:

- `data`: what the models see.
- `models`: what is trained: networks and objectives.
- `runs`: what training leaves behind: studies, snapshots, representations.
- `stats`: what it means: similarity measures, all pairs, convergence.
- `views`: what one sees: figures and the report.

The public names are listed in `__init__.pyi` and loaded when first used, so that importing this package is cheap.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
