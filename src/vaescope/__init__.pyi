from .console import shown as show_progress
from .data.load import load_dataset as load_dataset
from .pipeline import load_study as load_study
from .pipeline import run as run
from .stats.results import Results as Results
from .stats.results import open as open
from .stats.similarity import similarity as similarity
from .zoo import SimilarityMatrix as SimilarityMatrix
from .zoo import similarity_matrix as similarity_matrix

__version__: str
